//! The engine as a whole, over a real store, on small chains that are mined here.

mod asked;
mod assumed;
mod batches;
mod chains;
mod databases;
mod flips;
mod imports;
mod indexes;
mod known;
mod marks;
mod power;
mod prunes;
mod reorgs;
mod restarts;
#[path = "../store/tests/sim.rs"]
mod sim;
mod snapshots;
mod waits;
mod warnings;

use std::path::Path;
use std::sync::Arc;

use adit_domain::consensus::Params;
use adit_domain::script::{Interpreter, ScriptVerifier};
use adit_domain::units::{Height, UnixMillis};
use adit_domain::wire::ParsedBlock;
use adit_store::{DataDir, Store};
use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::opcodes::OP_TRUE;
use bitcoin::script::Builder;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode,
    TxOut, Witness, transaction,
};

use crate::types::{BlockAccepted, SubmitError, UtxoStats};
use crate::{ChainConfig, Chainstate};

/// Our clock in these tests: a year behind the first block's time, in steps of ten minutes a block.
const GENESIS_TIME: u32 = 1_296_688_602;
const SUBSIDY: Amount = Amount::from_sat(50_0000_0000);

fn now() -> UnixMillis {
    UnixMillis::from_seconds(u64::from(GENESIS_TIME) + 400 * 24 * 3600)
}

/// A datadir and its engine.
struct Node {
    dir: tempfile::TempDir,
    chain: Option<Chainstate>,
    cache_mib: usize,
}

fn open(base: &Path, cache_mib: usize) -> Chainstate {
    open_with(base, cache_mib, Arc::new(Interpreter))
}

fn open_with(base: &Path, cache_mib: usize, verifier: Arc<dyn ScriptVerifier>) -> Chainstate {
    let store = Arc::new(Store::open(DataDir::open(base, "regtest").unwrap()).unwrap());
    let config =
        ChainConfig { cache_mib, script_threads: 2, ..ChainConfig::new(Arc::new(Params::regtest())) };
    Chainstate::open(config, store, verifier).unwrap()
}

impl Node {
    fn new() -> Node {
        Node::with_cache(64)
    }

    fn with_cache(cache_mib: usize) -> Node {
        let dir = tempfile::tempdir().unwrap();
        let chain = Some(open(dir.path(), cache_mib));
        Node { dir, chain, cache_mib }
    }

    /// Ends without a flush, as a crash does, and opens again.
    fn crash(&mut self) {
        self.chain = None;
        self.chain = Some(open(self.dir.path(), self.cache_mib));
    }

    fn reopen_with(&mut self, verifier: Arc<dyn ScriptVerifier>) {
        self.chain = None;
        self.chain = Some(open_with(self.dir.path(), self.cache_mib, verifier));
    }

    fn chain(&mut self) -> &mut Chainstate {
        self.chain.as_mut().unwrap()
    }

    fn submit(&mut self, block: &Arc<ParsedBlock>) -> Result<BlockAccepted, SubmitError> {
        self.chain().accept_block(Arc::clone(block), now())
    }

    fn submit_all(&mut self, blocks: &[Arc<ParsedBlock>]) {
        for block in blocks {
            if let Err(error) = self.submit(block) {
                panic!("block {}: {error}", block.hash());
            }
        }
        while self.chain().advance().unwrap().is_some() {}
    }

    fn tip(&mut self) -> (BlockHash, u32) {
        let tip = self.chain().reader().tip();
        (tip.hash, tip.height.to_u32())
    }

    fn stats(&mut self) -> UtxoStats {
        self.chain().utxo_stats().unwrap().run().unwrap()
    }
}

fn reason(refused: Result<BlockAccepted, SubmitError>) -> String {
    refused.unwrap_err().to_string()
}

/// A way to a block: what is mined on it, and the coins that may be spent.
#[derive(Clone)]
struct Branch {
    tip: BlockHash,
    height: u32,
    /// Makes blocks of different branches different.
    tag: u32,
    blocks: Vec<Arc<ParsedBlock>>,
}

fn anyone() -> ScriptBuf {
    Builder::new().push_opcode(OP_TRUE).into_script()
}

/// Spends outputs that anyone can, into `outputs` of equal value, `fee_sat` less.
fn spend(coins: &[(OutPoint, Amount)], outputs: u64, fee_sat: u64) -> Transaction {
    let total: Amount = coins.iter().map(|(_, value)| *value).sum();
    let each = Amount::from_sat((total.to_sat() - fee_sat) / outputs);
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: coins.iter().map(|(outpoint, _)| input(*outpoint, ScriptBuf::new())).collect(),
        output: (0..outputs).map(|_| TxOut { value: each, script_pubkey: anyone() }).collect(),
    }
}

fn input(previous_output: OutPoint, script_sig: ScriptBuf) -> TxIn {
    TxIn { previous_output, script_sig, sequence: Sequence::MAX, witness: Witness::new() }
}

impl Branch {
    fn genesis(tag: u32) -> Branch {
        Branch { tip: Params::regtest().genesis_hash, height: 0, tag, blocks: Vec::new() }
    }

    fn fork(&self, tag: u32) -> Branch {
        Branch { tag, blocks: Vec::new(), ..self.clone() }
    }

    fn coinbase(&self, value: Amount) -> Transaction {
        let height = i64::from(self.height) + 1;
        let script = Builder::new().push_int(height).push_int(i64::from(self.tag)).into_script();
        Transaction {
            version: transaction::Version::ONE,
            lock_time: LockTime::ZERO,
            input: vec![input(OutPoint::null(), script)],
            output: vec![TxOut { value, script_pubkey: anyone() }],
        }
    }

    /// A block on the tip that nobody has been shown yet; it is not mined upon.
    fn block(&self, txs: Vec<Transaction>, reward: Amount) -> Arc<ParsedBlock> {
        let txdata = [vec![self.coinbase(reward)], txs].concat();
        let mut block = Block {
            header: Header {
                version: Version::from_consensus(0x2000_0000),
                prev_blockhash: self.tip,
                merkle_root: TxMerkleNode::all_zeros(),
                time: GENESIS_TIME + (self.height + 1) * 600,
                bits: CompactTarget::from_consensus(0x207f_ffff),
                nonce: 0,
            },
            txdata,
        };
        block.header.merkle_root = block.compute_merkle_root().unwrap();
        mined(block)
    }

    fn push(&mut self, block: &Arc<ParsedBlock>) {
        (self.tip, self.height) = (block.hash(), self.height + 1);
        self.blocks.push(Arc::clone(block));
    }

    fn mine(&mut self, txs: Vec<Transaction>) -> Arc<ParsedBlock> {
        let reward = Params::regtest().subsidy(height(self.height + 1));
        let block = self.block(txs, reward);
        self.push(&block);
        block
    }

    fn mine_empty(&mut self, count: u32) {
        for _ in 0..count {
            self.mine(Vec::new());
        }
    }

    /// The coin that the coinbase at `height` of this branch's own blocks made.
    fn reward(&self, index: usize) -> (OutPoint, Amount) {
        (OutPoint { txid: self.blocks[index].txs()[0].txid(), vout: 0 }, SUBSIDY)
    }
}

fn mined(mut block: Block) -> Arc<ParsedBlock> {
    while block.header.validate_pow(block.header.target()).is_err() {
        block.header.nonce += 1;
    }
    Arc::new(ParsedBlock::new(block))
}

/// Coins of the transaction's outputs.
fn outputs_of(tx: &Transaction) -> Vec<(OutPoint, Amount)> {
    let txid = tx.compute_txid();
    (0u32..).zip(&tx.output).map(|(vout, o)| (OutPoint { txid, vout }, o.value)).collect()
}

/// 120 blocks, the last twenty with transactions that spend rewards, each other in the same block, and each other later.
fn busy_chain() -> Branch {
    let mut branch = Branch::genesis(1);
    branch.mine_empty(100);
    let mut carried: Vec<(OutPoint, Amount)> = Vec::new();
    for index in 0..20 {
        let first = spend(&[branch.reward(index)], 5, 1000);
        let second = spend(&outputs_of(&first)[..2], 3, 500);
        let mut txs = vec![first.clone(), second.clone()];
        if !carried.is_empty() {
            txs.push(spend(&carried, 1, 100));
        }
        carried = [outputs_of(&second), outputs_of(&first)[3..].to_vec()].concat();
        branch.mine(txs);
    }
    branch
}

fn height(h: u32) -> Height {
    Height::new(h)
}
