//! Blocks of regtest with nothing but a coinbase, valid by every rule.

use std::sync::Arc;

use adit_domain::wire::ParsedBlock;
use bitcoin::absolute::LockTime;
use bitcoin::block::Version as BlockVersion;
use bitcoin::constants::genesis_block;
use bitcoin::script::Builder;
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, Block, Network, OutPoint, ScriptBuf, Sequence, Target, Transaction, TxIn, TxOut, Witness,
};

use super::TestNode;

pub(super) fn genesis() -> Arc<ParsedBlock> {
    Arc::new(ParsedBlock::new(genesis_block(Network::Regtest)))
}

/// `count` blocks on the genesis block, submitted one after the other.
pub(super) async fn grown(node: &TestNode, count: usize) -> Vec<Arc<ParsedBlock>> {
    let mut blocks: Vec<Arc<ParsedBlock>> = Vec::new();
    for _ in 0..count {
        let block = mine(blocks.last().unwrap_or(&genesis()), 0);
        node.takes(&block).await;
        blocks.push(block);
    }
    blocks
}

/// A block on `parent`; `salt` makes it another one.
pub(super) fn mine(parent: &Arc<ParsedBlock>, salt: u32) -> Arc<ParsedBlock> {
    let height = height_of(parent) + 1;
    let script_sig = Builder::new().push_int(height).push_int(i64::from(salt)).push_int(7).into_script();
    let input = TxIn {
        previous_output: OutPoint::null(),
        script_sig,
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let subsidy = Amount::from_sat(5_000_000_000 >> (height / 150));
    let output = TxOut { value: subsidy, script_pubkey: ScriptBuf::from_bytes(vec![0x51]) };
    let coinbase = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![input],
        output: vec![output],
    };
    let mut header = *parent.header();
    header.version = BlockVersion::from_consensus(0x2000_0000);
    header.prev_blockhash = parent.hash();
    header.time += 1;
    seal(Block { header, txdata: vec![coinbase] })
}

/// Makes the merkle root right and does the work.
pub(super) fn seal(mut block: Block) -> Arc<ParsedBlock> {
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    let target = Target::from_compact(block.header.bits);
    while !target.is_met_by(block.block_hash()) {
        block.header.nonce += 1;
    }
    Arc::new(ParsedBlock::new(block))
}

/// The height that a coinbase names; 0 for the genesis block.
fn height_of(block: &ParsedBlock) -> i64 {
    let coinbase = block.txs()[0].tx();
    if block.hash() == genesis().hash() {
        return 0;
    }
    let first = coinbase.input[0].script_sig.instructions().next().unwrap().unwrap();
    match first {
        bitcoin::script::Instruction::PushBytes(bytes) => {
            bitcoin::script::read_scriptint(bytes.as_bytes()).unwrap()
        }
        bitcoin::script::Instruction::Op(op) => i64::from(op.to_u8() - 0x50),
    }
}
