//! What the tests of several modules build their cases from: chains, coins and blocks on regtest.

use std::collections::HashMap;

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::script::Builder;
use bitcoin::transaction;
use bitcoin::{
    Amount, Block, CompactTarget, OutPoint, ScriptBuf, Sequence, Target, Transaction, TxIn, TxMerkleNode,
    TxOut, Witness,
};

use super::{Coin, HeaderView, Params, UtxoView, ViewFault, commitment_hash, merkle_root};
use crate::units::Height;
use crate::wire::ParsedBlock;

/// A chain of headers from the first one up.
#[derive(Clone)]
pub(crate) struct Chain(pub(crate) Vec<Header>);

impl HeaderView for Chain {
    fn tip_height(&self) -> Height {
        Height::new(u32::try_from(self.0.len() - 1).unwrap())
    }

    fn header_at(&self, height: Height) -> Option<Header> {
        self.0.get(height.to_u32() as usize).copied()
    }
}

impl Chain {
    /// The first block of a network and `blocks` more, ten minutes apart, without proof of work.
    pub(crate) fn of(params: &Params, blocks: u32) -> Chain {
        let mut chain = Chain(vec![params.genesis.header]);
        for _ in 0..blocks {
            let last = chain.last();
            chain.0.push(Header { prev_blockhash: last.block_hash(), time: last.time + 600, ..last });
        }
        chain
    }

    pub(crate) fn last(&self) -> Header {
        *self.0.last().unwrap()
    }
}

/// A chain that says of each height what a function says.
pub(crate) struct Made<F>(pub(crate) u32, pub(crate) F);

impl<F: Fn(u32) -> Option<Header>> HeaderView for Made<F> {
    fn tip_height(&self) -> Height {
        Height::new(self.0)
    }

    fn header_at(&self, height: Height) -> Option<Header> {
        (height.to_u32() <= self.0).then(|| self.1(height.to_u32())).flatten()
    }
}

/// A header of which only time and bits matter.
pub(crate) fn header(time: u32, bits: u32) -> Header {
    Header { time, bits: CompactTarget::from_consensus(bits), ..Params::regtest().genesis.header }
}

/// A set of coins; without any, one that cannot be read where `broken`.
#[derive(Default)]
pub(crate) struct Coins {
    pub(crate) coins: HashMap<OutPoint, Coin>,
    pub(crate) broken: bool,
}

impl UtxoView for Coins {
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, ViewFault> {
        match self.broken {
            true => Err(ViewFault { source_text: "broken".to_owned() }),
            false => Ok(self.coins.get(outpoint).cloned()),
        }
    }
}

impl Coins {
    pub(crate) fn with(coins: impl IntoIterator<Item = (OutPoint, Coin)>) -> Coins {
        Coins { coins: coins.into_iter().collect(), broken: false }
    }
}

pub(crate) fn outpoint(number: u8) -> OutPoint {
    OutPoint { txid: bitcoin::Txid::from_byte_array([number; 32]), vout: 0 }
}

/// Anyone can spend it.
pub(crate) fn coin(sat: u64, height: u32) -> Coin {
    let output = TxOut { value: Amount::from_sat(sat), script_pubkey: ScriptBuf::from_bytes(vec![0x51]) };
    Coin { output, height: Height::new(height), is_coinbase: false }
}

pub(crate) fn output(sat: u64) -> TxOut {
    coin(sat, 0).output
}

/// A transaction of version 2 that spends these and pays these.
pub(crate) fn spend(inputs: &[OutPoint], outputs: &[u64]) -> Transaction {
    let input = |previous_output: &OutPoint| TxIn {
        previous_output: *previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: inputs.iter().map(input).collect(),
        output: outputs.iter().map(|sat| output(*sat)).collect(),
    }
}

pub(crate) fn coinbase(height: Height, sat: u64) -> Transaction {
    let mut tx = spend(&[OutPoint::null()], &[sat]);
    let script = Builder::new().push_int(i64::from(height.to_u32())).push_int(0).push_int(0);
    tx.input[0].script_sig = script.into_script();
    tx
}

/// A block on a chain: its coinbase, then these; solved for regtest.
pub(crate) fn block(parent: &Chain, txs: Vec<Transaction>) -> Block {
    let height = parent.tip_height().next();
    let txdata = std::iter::once(coinbase(height, 5_000_000_000)).chain(txs).collect();
    let header = Header {
        version: Version::from_consensus(4),
        prev_blockhash: parent.last().block_hash(),
        time: parent.last().time + 600,
        ..parent.last()
    };
    solved(Block { header, txdata })
}

/// The block with its merkle root and a nonce that meets the target in its bits.
pub(crate) fn solved(mut block: Block) -> Block {
    let leaves = block.txdata.iter().map(|tx| tx.compute_txid().to_raw_hash()).collect();
    block.header.merkle_root = TxMerkleNode::from_raw_hash(merkle_root(leaves).root);
    mined(block)
}

/// The block with a nonce that meets the target in its bits.
pub(crate) fn mined(mut block: Block) -> Block {
    let target = Target::from_compact(block.header.bits);
    while !target.is_met_by(block.header.block_hash()) {
        block.header.nonce += 1;
    }
    block
}

/// The block with a commitment to its witnesses, under a reserved value of zeros.
pub(crate) fn committed(mut block: Block) -> Block {
    block.txdata[0].input[0].witness = Witness::from_slice(&[[0u8; 32]]);
    let others = block.txdata.iter().skip(1).map(|tx| tx.compute_wtxid().to_raw_hash());
    let wtxids = std::iter::once(bitcoin::hashes::sha256d::Hash::all_zeros()).chain(others).collect();
    let hash = commitment_hash(wtxids, &[0; 32]).to_byte_array();
    let script = [[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed].as_slice(), &hash].concat();
    let script_pubkey = ScriptBuf::from_bytes(script);
    block.txdata[0].output.push(TxOut { value: Amount::ZERO, script_pubkey });
    solved(block)
}

pub(crate) fn parsed(block: Block) -> ParsedBlock {
    ParsedBlock::new(block)
}
