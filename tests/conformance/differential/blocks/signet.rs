//! A signet with a challenge of one's own: blocks whose solutions are good, missing, or spoilt.
//!
//! Blocks take five million hashes each, so the nonces are written down: each stands on fixed bytes.

use adit_domain::consensus::Params;
use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash;
use bitcoin::script::{Builder, PushBytesBuf};
use bitcoin::secp256k1::{Message, Secp256k1};
use bitcoin::sighash::SighashCache;
use bitcoin::{
    Amount, Block, OutPoint, ScriptBuf, Sequence, Target, Transaction, TxIn, TxMerkleNode, TxOut, Witness,
    transaction,
};

use super::super::child::Oracle;
use super::sides::{Outcome, Sides};
use super::world::commitment;
use crate::signing::{key, keypair, script};

const HEAD: [u8; 4] = [0xec, 0xc7, 0xda, 0xa2];

fn challenge() -> ScriptBuf {
    script("<k> CHECKSIG", &[("k", &key(1))])
}

/// How a block carries its solution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    Good,
    Nothing,
    /// A signature with a bit changed.
    Spoilt,
    /// A byte behind the witness.
    Longer,
    /// Half of it.
    Cut,
    /// Another push with the head, behind the good one: it is signed as it stands.
    Two,
    /// The head, and nothing behind it.
    Empty,
    /// It is there, and no commitment to the witnesses before it.
    Uncommitted,
}

/// What is sent, on which block of those that were taken, and the nonce.
const CASES: [(Carries, usize, u32); 9] = [
    (Carries::Nothing, 0, 6_085_629),
    (Carries::Spoilt, 0, 1_135_455),
    (Carries::Longer, 0, 5_308_460),
    (Carries::Cut, 0, 10_567_814),
    (Carries::Empty, 0, 2_430_284),
    (Carries::Uncommitted, 0, 66_668),
    (Carries::Good, 0, 903_861),
    (Carries::Two, 1, 4_373_491),
    (Carries::Good, 1, 5_292_634),
];

fn push(bytes: &[u8]) -> Vec<u8> {
    Builder::new().push_slice(PushBytesBuf::try_from(bytes.to_vec()).unwrap()).into_script().into_bytes()
}

fn of_version_0(input: OutPoint, script_sig: ScriptBuf, output: ScriptBuf) -> Transaction {
    Transaction {
        version: transaction::Version(0),
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: input,
            script_sig,
            sequence: Sequence::ZERO,
            witness: Witness::new(),
        }],
        output: vec![TxOut { value: Amount::ZERO, script_pubkey: output }],
    }
}

/// BIP325: signs the block as it stands; its solution is a script with one signature, and an empty witness.
fn solution(block: &Block) -> Vec<u8> {
    let header = serialize(&block.header);
    let root = block.txdata[0].compute_txid();
    let data = [&header[..36], root.as_byte_array(), &header[68..72]].concat();
    let spent =
        of_version_0(OutPoint::null(), ScriptBuf::from_bytes([vec![0], push(&data)].concat()), challenge());
    let outpoint = OutPoint { txid: spent.compute_txid(), vout: 0 };
    let tx = of_version_0(outpoint, ScriptBuf::new(), ScriptBuf::from_bytes(vec![0x6a]));
    let hash = SighashCache::new(&tx).legacy_signature_hash(0, &challenge(), 1).unwrap();
    let message = Message::from_digest(hash.to_byte_array());
    let mut signature =
        Secp256k1::new().sign_ecdsa(&message, &keypair(1).secret_key()).serialize_der().to_vec();
    signature.push(1);
    let script_sig = push(&signature);
    [&[script_sig.len() as u8], script_sig.as_slice(), &[0]].concat()
}

fn made(parent: &Header, height: u32, carries: Carries) -> Block {
    let script_sig = Builder::new().push_int(i64::from(height)).push_int(0).push_int(0).into_script();
    let mut output = commitment(&[], &[0; 32]);
    let plain = output.script_pubkey.to_bytes();
    let with = |tails: &[&[u8]]| ScriptBuf::from_bytes([plain.as_slice(), &tails.concat()].concat());
    let second = push(&[&HEAD, [9; 5].as_slice()].concat());
    let two: &[u8] = if carries == Carries::Two { &second } else { &[] };
    output.script_pubkey = with(&[&push(&HEAD), two]);
    let mut block = Block {
        header: Header {
            version: Version::from_consensus(0x2000_0000),
            prev_blockhash: parent.block_hash(),
            merkle_root: TxMerkleNode::all_zeros(),
            time: parent.time + 600,
            ..*parent
        },
        txdata: vec![Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![TxIn { script_sig, witness: Witness::from_slice(&[[0; 32]]), ..TxIn::default() }],
            output: vec![output],
        }],
    };
    let mut solution = solution(&block);
    match carries {
        Carries::Spoilt => solution[20] ^= 1,
        Carries::Longer => solution.push(0),
        Carries::Cut => solution.truncate(40),
        Carries::Empty => solution.clear(),
        _ => {}
    }
    let carried = push(&[&HEAD, solution.as_slice()].concat());
    let script = &mut block.txdata[0].output[0].script_pubkey;
    *script = match carries {
        Carries::Nothing => with(&[]),
        _ => with(&[&carried, two]),
    };
    if carries == Carries::Uncommitted {
        *script = ScriptBuf::from_bytes([vec![0x6a], carried].concat());
        block.txdata[0].input[0].witness.clear();
    }
    block.header.merkle_root = TxMerkleNode::from_raw_hash(block.txdata[0].compute_txid().to_raw_hash());
    block
}

/// Looks for a nonce from the one that is written down; says which it is, where that was another one.
fn mined(mut block: Block, nonce: u32, case: usize) -> Block {
    let target = Target::from_compact(block.header.bits);
    block.header.nonce = nonce;
    while !target.is_met_by(block.header.block_hash()) {
        block.header.nonce = block.header.nonce.wrapping_add(1);
    }
    if block.header.nonce != nonce {
        println!("case {case}: the nonce is {}", block.header.nonce);
    }
    block
}

#[test]
fn a_signets_blocks_agree() {
    let Some(oracle) = Oracle::start("blocks", &[]) else { return };
    let params = Params::signet_with(challenge().into_bytes());
    let mut chain = vec![params.genesis.header];
    let mut sides = Sides::open(oracle, params).unwrap_or_else(|apart| panic!("{apart}"));
    let mut seen: Vec<(Carries, String)> = Vec::new();
    for (case, (carries, parent, nonce)) in CASES.into_iter().enumerate() {
        let block = mined(made(&chain[parent], parent as u32 + 1, carries), nonce, case);
        let mut other = block.clone();
        other.txdata[0].output[0].value = Amount::ONE_SAT;
        for block in [&other, &block] {
            let outcome =
                sides.block(&serialize(block)).unwrap_or_else(|apart| panic!("{carries:?}: {apart}"));
            match outcome {
                Outcome::New => chain.push(block.header),
                Outcome::Refused(refusal) => seen.push((carries, refusal.reason)),
                other => panic!("{carries:?}: {other:?}"),
            }
        }
    }
    // Of the two on the second block the first is the tip.
    assert_eq!((sides.tip(), chain.len()), ((chain[2].block_hash(), 2), 4), "{seen:?}");
    println!("differential signet: {seen:?}");
}
