//! What both say of blocks that miners bring: good ones, and one for each rule that is broken.

use bitcoin::absolute::LockTime;
use bitcoin::block::Version;
use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use bitcoin::hashes::Hash;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness,
};

use super::{Both, text};
use crate::json::Json;

/// The next block, of a coinbase alone.
fn next(both: &Both<'_>) -> Block {
    let made = both.ours.call("generateblock", "[\"raw(51)\",[],false]");
    deserialize_hex(&text(made.get("hex").unwrap())).unwrap()
}

/// With the merkle root of its transactions, and a proof of work.
fn finished(mut block: Block) -> Block {
    block.header.merkle_root = block.compute_merkle_root().unwrap_or(block.header.merkle_root);
    solved(block)
}

fn solved(mut block: Block) -> Block {
    while block.header.validate_pow(block.header.target()).is_err() {
        block.header.nonce += 1;
    }
    block
}

/// A transaction that spends nothing that there is.
fn stray() -> Transaction {
    Transaction {
        version: bitcoin::transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint { txid: bitcoin::Txid::from_byte_array([7; 32]), vout: 0 },
            script_sig: ScriptBuf::new(),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut { value: Amount::ONE_SAT, script_pubkey: ScriptBuf::new() }],
    }
}

type Change = fn(&mut Block);

/// What is wrong, and how.
const MUTANTS: &[(&str, Change)] = &[
    ("no transactions", |block| block.txdata.clear()),
    ("no coinbase", |block| block.txdata[0] = stray()),
    ("two coinbases", |block| {
        let mut second = block.txdata[0].clone();
        second.lock_time = LockTime::ZERO;
        block.txdata.push(second);
    }),
    ("too large a reward", |block| block.txdata[0].output[0].value += Amount::ONE_SAT),
    ("another height", |block| block.txdata[0].input[0].script_sig = ScriptBuf::from_bytes(vec![0x51, 0x51])),
    ("too short a script", |block| block.txdata[0].input[0].script_sig = ScriptBuf::from_bytes(vec![0x51])),
    ("too long a script", |block| {
        let mut script = block.txdata[0].input[0].script_sig.to_bytes();
        script.resize(101, 0x51);
        block.txdata[0].input[0].script_sig = ScriptBuf::from_bytes(script);
    }),
    ("a coin that is not there", |block| block.txdata.push(stray())),
    ("no inputs", |block| block.txdata.push(Transaction { input: Vec::new(), ..stray() })),
    ("no outputs", |block| block.txdata.push(Transaction { output: Vec::new(), ..stray() })),
    ("a coin twice", |block| {
        let mut tx = stray();
        tx.input.push(tx.input[0].clone());
        block.txdata.push(tx);
    }),
    ("too large an output", |block| {
        let mut tx = stray();
        tx.output[0].value = Amount::from_sat(2_100_000_000_000_001);
        block.txdata.push(tx);
    }),
    ("not final", |block| {
        block.txdata[0].lock_time = LockTime::from_consensus(400_000);
        block.txdata[0].input[0].sequence = Sequence::ZERO;
    }),
    ("no commitment", |block| drop(block.txdata[0].output.pop())),
    ("another commitment", |block| {
        let place = block.txdata[0].output.len() - 1;
        let mut script = block.txdata[0].output[place].script_pubkey.to_bytes();
        script[10] ^= 1;
        block.txdata[0].output[place].script_pubkey = ScriptBuf::from_bytes(script);
    }),
    ("a reserved value of another length", |block| {
        block.txdata[0].input[0].witness = Witness::from_slice(&[[0u8; 31]]);
    }),
    ("an old version", |block| block.header.version = Version::from_consensus(1)),
    ("an early time", |block| block.header.time -= 1_000_000),
    ("a late time", |block| block.header.time += 3 * 60 * 60),
    ("another target", |block| block.header.bits = CompactTarget::from_consensus(0x207f_fffe)),
    ("an unknown parent", |block| block.header.prev_blockhash = BlockHash::from_byte_array([9; 32])),
];

/// Asks both what would become of it, then gives it to both.
fn submit(both: &mut Both<'_>, block: &Block) {
    let hex = serialize_hex(block);
    both.ask(
        "getblocktemplate",
        &format!("[{{\"mode\":\"proposal\",\"data\":\"{hex}\",\"rules\":[\"segwit\"]}}]"),
    );
    both.ask("submitblock", &format!("[\"{hex}\"]"));
}

pub(super) fn ask(both: &mut Both<'_>) {
    let good = finished(next(both));
    for (what, change) in MUTANTS {
        let mut block = good.clone();
        change(&mut block);
        let before = both.findings.len();
        let block = finished(block);
        submit(both, &block);
        submit(both, &block);
        both.findings.iter_mut().skip(before).for_each(|finding| finding.insert_str(0, &format!("{what}: ")));
    }
    let mut other_root = good.clone();
    other_root.header.merkle_root = bitcoin::TxMerkleNode::from_byte_array([3; 32]);
    let other_root = solved(other_root);
    submit(both, &other_root);
    submit(both, &other_root);
    // On one that is invalid.
    let mut on_invalid = good.clone();
    let mut invalid = good.clone();
    invalid.txdata[0].output[0].value += Amount::ONE_SAT;
    on_invalid.header.prev_blockhash = finished(invalid).block_hash();
    submit(both, &finished(on_invalid));
    // The hash is above the target.
    let mut unsolved = good.clone();
    while unsolved.header.validate_pow(unsolved.header.target()).is_ok() {
        unsolved.header.nonce += 1;
    }
    submit(both, &unsolved);
    // What a miner's program leaves out, and what follows a block.
    let mut bare = good.clone();
    bare.txdata[0].input[0].witness = Witness::new();
    both.ask("submitblock", &format!("[\"{}00\"]", serialize_hex(&bare)));
    submit(both, &good);
    both.ask("getbestblockhash", "[]");
    // A branch of one block, then of two.
    let mut side = good.clone();
    side.header.time += 1;
    let side = solved(side);
    submit(both, &side);
    submit(both, &side);
    both.ask("getblockhash", "[112]");
    // Those of one height are in no order.
    let Json::List(tips) = both.ours.call("getchaintips", "[]") else { panic!() };
    for tip in &tips {
        let hash = tip.get("hash").unwrap();
        for method in ["getblock", "getblockheader"] {
            both.ask(method, &format!("[{hash}]"));
        }
        both.ask("gettxoutsetinfo", &format!("[\"muhash\",{hash}]"));
    }
}
