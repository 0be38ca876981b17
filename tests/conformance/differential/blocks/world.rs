//! The chains that a session has made so far, and blocks to put on them.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::constants::genesis_block;
use bitcoin::hashes::{Hash, sha256d};
use bitcoin::script::Builder;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, Network, OutPoint, ScriptBuf, Sequence, Target, Transaction,
    TxIn, TxMerkleNode, TxOut, Witness, transaction,
};

use super::super::chance::Chance;
use super::locks::{self, Lock, Opening};

/// The time of the first blocks: long past, and the same in every run.
const BASE_TIME: u32 = 1_735_689_600;
/// Bits of every block on regtest.
pub(crate) const BITS: u32 = 0x207f_ffff;
const MATURITY: u32 = 100;

/// An output that is unspent.
#[derive(Clone, Debug)]
pub(crate) struct Coin {
    pub(crate) output: TxOut,
    pub(crate) height: u32,
    pub(crate) is_coinbase: bool,
    pub(crate) lock: Option<Lock>,
}

impl Coin {
    fn sat(&self) -> u64 {
        self.output.value.to_sat()
    }

    fn is_mature_at(&self, height: u32) -> bool {
        !self.is_coinbase || height - self.height >= MATURITY
    }

    pub(crate) fn opening(&self) -> Opening {
        Opening { output: self.output.clone(), lock: self.lock.unwrap_or(Lock::True) }
    }
}

/// A coin where it is found.
pub(crate) type Owned = (OutPoint, Rc<Coin>);

struct Node {
    parent: BlockHash,
    height: u32,
    time: u32,
    created: Vec<Owned>,
    spent: Vec<OutPoint>,
    txs: Vec<Rc<Transaction>>,
}

/// Every block that was made and stored, valid or not.
pub(crate) struct World {
    nodes: HashMap<BlockHash, Node>,
}

/// A chain as its next block sees it.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) tip: BlockHash,
    /// Of the next block.
    pub(crate) height: u32,
    /// Of each block from the first to the tip.
    pub(crate) times: Vec<u32>,
    pub(crate) coins: BTreeMap<OutPoint, Rc<Coin>>,
    /// Outputs that were spent.
    pub(crate) spent: Vec<OutPoint>,
    /// The transactions but the coinbases, the oldest first.
    pub(crate) txs: Vec<Rc<Transaction>>,
}

impl World {
    pub(crate) fn new() -> World {
        let mut world = World { nodes: HashMap::new() };
        let genesis = genesis_block(Network::Regtest);
        // Its coinbase can never be spent.
        let node = Node {
            parent: BlockHash::all_zeros(),
            height: 0,
            time: genesis.header.time,
            created: Vec::new(),
            spent: Vec::new(),
            txs: Vec::new(),
        };
        world.nodes.insert(genesis.block_hash(), node);
        world
    }

    /// Remembers a block, if it knows the parent.
    pub(crate) fn learn(&mut self, block: &Block) {
        let Some(parent) = self.nodes.get(&block.header.prev_blockhash) else { return };
        let height = parent.height + 1;
        let mut node = Node {
            parent: block.header.prev_blockhash,
            height,
            time: block.header.time,
            created: Vec::new(),
            spent: Vec::new(),
            txs: block.txdata.iter().skip(1).cloned().map(Rc::new).collect(),
        };
        for (n, tx) in block.txdata.iter().enumerate() {
            node.created.extend(created(tx, height, n == 0));
            if n > 0 {
                node.spent.extend(tx.input.iter().map(|input| input.previous_output));
            }
        }
        self.nodes.insert(block.block_hash(), node);
    }

    pub(crate) fn height(&self, hash: &BlockHash) -> Option<u32> {
        self.nodes.get(hash).map(|node| node.height)
    }

    pub(crate) fn ancestor(&self, hash: BlockHash, depth: u32) -> BlockHash {
        (0..depth).fold(hash, |at, _| match self.nodes.get(&at) {
            Some(node) if node.height > 0 => node.parent,
            _ => at,
        })
    }

    /// How many blocks of the chain that ends in `from` the one that ends in `to` does not have.
    pub(crate) fn blocks_left(&self, from: BlockHash, to: BlockHash) -> u32 {
        let (mut a, mut b, mut left) = (from, to, 0);
        while a != b {
            let (x, y) = (&self.nodes[&a], &self.nodes[&b]);
            if y.height > x.height {
                b = y.parent;
            } else {
                (a, left) = (x.parent, left + 1);
            }
        }
        left
    }

    /// The chain that ends in a block that was learnt.
    pub(crate) fn view(&self, tip: BlockHash) -> View {
        let mut path = Vec::new();
        let mut at = tip;
        while let Some(node) = self.nodes.get(&at) {
            path.push(node);
            at = node.parent;
        }
        let mut view = View {
            tip,
            height: path[0].height + 1,
            times: Vec::new(),
            coins: BTreeMap::new(),
            spent: Vec::new(),
            txs: Vec::new(),
        };
        for node in path.into_iter().rev() {
            view.times.push(node.time);
            view.coins.extend(node.created.iter().cloned());
            for outpoint in &node.spent {
                view.coins.remove(outpoint);
            }
            view.spent.extend(&node.spent);
            view.txs.extend(node.txs.iter().cloned());
        }
        view
    }
}

pub(crate) fn created(tx: &Transaction, height: u32, is_coinbase: bool) -> Vec<Owned> {
    let txid = tx.compute_txid();
    let coin = |(vout, output): (usize, &TxOut)| {
        let coin =
            Coin { output: output.clone(), height, is_coinbase, lock: locks::lock_of(&output.script_pubkey) };
        (OutPoint { txid, vout: vout as u32 }, Rc::new(coin))
    };
    tx.output.iter().enumerate().map(coin).collect()
}

impl View {
    pub(crate) fn median(&self) -> u32 {
        self.median_at(self.times.len() - 1)
    }

    /// The median time past of the block at a height.
    fn median_at(&self, height: usize) -> u32 {
        let mut times = self.times[height.saturating_sub(10)..=height].to_vec();
        times.sort_unstable();
        times[times.len() / 2]
    }

    pub(crate) fn time(&self) -> u32 {
        self.times[self.times.len() - 1]
    }

    pub(crate) fn subsidy(&self) -> u64 {
        50_0000_0000 >> (self.height / 150)
    }

    /// Whether a coin may be spent in the next block.
    fn is_ready(&self, coin: &Coin) -> bool {
        let lock_ready = match coin.lock {
            None | Some(Lock::Return | Lock::TooLong | Lock::False | Lock::WrongLength | Lock::OffCurve) => {
                false
            }
            Some(Lock::Cltv(height)) => self.height > u32::from(height),
            Some(Lock::Csv(blocks)) => self.height >= coin.height + u32::from(blocks),
            Some(_) => true,
        };
        lock_ready && coin.is_mature_at(self.height)
    }

    pub(crate) fn ready(&self) -> Vec<Owned> {
        self.choose(|coin| self.is_ready(coin))
    }

    pub(crate) fn choose(&self, wanted: impl Fn(&Coin) -> bool) -> Vec<Owned> {
        self.coins.iter().filter(|(_, coin)| wanted(coin)).map(|(o, c)| (*o, Rc::clone(c))).collect()
    }

    pub(crate) fn immature(&self) -> Vec<Owned> {
        self.choose(|coin| !coin.is_mature_at(self.height) && coin.lock.is_some())
    }

    /// Whether a relative lock of so many units of 512 seconds is reached by the next block.
    pub(crate) fn seconds_reached(&self, coin: &Coin, units: u32) -> bool {
        let start = self.median_at((coin.height as usize).saturating_sub(1));
        self.median() >= start.saturating_add(units << 9)
    }

    /// As many units of 512 seconds as are just reached.
    pub(crate) fn units_reached(&self, coin: &Coin) -> u32 {
        (0..0xffff).rfind(|units| *units < 3000 && self.seconds_reached(coin, *units)).unwrap_or(0)
    }
}

/// A transaction to be: inputs are signed when all else stands.
#[derive(Clone, Debug)]
pub(crate) struct Spend {
    pub(crate) tx: Transaction,
    pub(crate) coins: Vec<Opening>,
    pub(crate) fee: u64,
    pub(crate) annex: Option<Vec<u8>>,
}

impl Spend {
    /// Spends coins, all of their worth but the fee, to outputs with these locks.
    pub(crate) fn new(coins: &[Owned], to: &[Lock], fee: u64) -> Spend {
        // On a refused block the worth of a coin may be anything.
        let worth = coins.iter().fold(0u64, |sum, (_, coin)| sum.saturating_add(coin.sat()));
        let fee = fee.min(worth);
        let each = (worth - fee) / to.len().max(1) as u64;
        let rest = (worth - fee) - each * to.len() as u64;
        let output = |(n, lock): (usize, &Lock)| TxOut {
            value: Amount::from_sat(each + if n == 0 { rest } else { 0 }),
            script_pubkey: locks::script_of(*lock),
        };
        let mut lock_time = 0;
        let mut input = Vec::new();
        for (outpoint, coin) in coins {
            let mut sequence = Sequence::MAX;
            match coin.lock {
                Some(Lock::Cltv(height)) => {
                    lock_time = lock_time.max(u32::from(height));
                    sequence = Sequence(0xffff_fffe);
                }
                Some(Lock::Csv(blocks)) => sequence = Sequence(u32::from(blocks)),
                _ => {}
            }
            input.push(TxIn { previous_output: *outpoint, sequence, ..TxIn::default() });
        }
        let tx = Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::from_consensus(lock_time),
            input,
            output: to.iter().enumerate().map(output).collect(),
        };
        Spend { tx, coins: coins.iter().map(|(_, coin)| coin.opening()).collect(), fee, annex: None }
    }

    pub(crate) fn signed(mut self, chance: &mut Chance) -> Spend {
        locks::open(&mut self.tx, &self.coins, self.annex.as_deref(), chance);
        self
    }
}

/// A block to be.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) header: Header,
    pub(crate) coinbase: Transaction,
    pub(crate) txs: Vec<Transaction>,
    /// Whether its coinbase commits to its witnesses.
    pub(crate) commits: bool,
    /// Whether a nonce is looked for that meets the limit, or one that does not.
    pub(crate) solves: bool,
    /// The reserved value, under which the commitment is made.
    pub(crate) reserved: [u8; 32],
}

/// Up to six locks, by chance.
pub(crate) fn some_locks(chance: &mut Chance, most: usize) -> Vec<Lock> {
    let lock = |chance: &mut Chance| match chance.one_in(25) {
        true => *chance.pick(&locks::ODD),
        false => *chance.pick(&locks::OPEN),
    };
    (0..chance.within(1, most)).map(|_| lock(chance)).collect()
}

impl Draft {
    /// An empty block on a chain.
    pub(crate) fn empty(view: &View, chance: &mut Chance) -> Draft {
        let median = view.median();
        // One that stands two hours ahead is no place to go on from.
        let last = if view.time() > median.saturating_add(1_000_000) { median } else { view.time() };
        let usual = last.max(BASE_TIME).saturating_add(chance.within(1, 1200) as u32);
        let time = if chance.one_in(6) { median.saturating_add(chance.within(1, 600) as u32) } else { usual };
        let header = Header {
            version: Version::from_consensus(*chance.pick(&[4, 0x2000_0000, 0x3fff_e000, i32::MAX])),
            prev_blockhash: view.tip,
            merkle_root: TxMerkleNode::all_zeros(),
            time: time.max(median.saturating_add(1)).max(BASE_TIME),
            bits: CompactTarget::from_consensus(BITS),
            nonce: 0,
        };
        let extra = chance.bytes(4);
        let script_sig = Builder::new()
            .push_int(i64::from(view.height))
            .push_slice(bitcoin::script::PushBytesBuf::try_from(extra).expect("four bytes"));
        let locks = some_locks(chance, 6);
        let coinbase = Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![TxIn { script_sig: script_sig.into_script(), ..TxIn::default() }],
            output: shares(view.subsidy(), &locks),
        };
        Draft {
            header,
            coinbase,
            txs: Vec::new(),
            commits: chance.one_in(2),
            solves: true,
            reserved: [0; 32],
        }
    }

    /// A block with transactions, each good.
    pub(crate) fn busy(view: &View, chance: &mut Chance) -> Draft {
        let mut draft = Draft::empty(view, chance);
        let mut coins = view.ready();
        let count = chance.below(6);
        for _ in 0..count {
            let Some(spend) = some_spend(&mut coins, chance) else { break };
            draft.add(spend.clone());
            let new = created(&spend.tx, view.height, false).into_iter();
            coins.extend(new.filter(|(_, coin)| view.is_ready(coin)));
        }
        draft
    }

    /// Puts a transaction at the end, and its fee into the coinbase.
    pub(crate) fn add(&mut self, spend: Spend) {
        self.commits |= spend.tx.input.iter().any(|input| !input.witness.is_empty());
        if let Some(output) = self.coinbase.output.first_mut() {
            output.value = Amount::from_sat(output.value.to_sat().saturating_add(spend.fee));
        }
        self.txs.push(spend.tx);
    }

    /// The block with its commitment, merkle root and nonce.
    pub(crate) fn seal(mut self) -> Block {
        if self.commits {
            if let Some(input) = self.coinbase.input.first_mut() {
                input.witness = Witness::from_slice(&[self.reserved]);
            }
            self.coinbase.output.push(commitment(&self.txs, &self.reserved));
        }
        let txdata = std::iter::once(self.coinbase).chain(self.txs).collect();
        solved(Block { header: self.header, txdata }, self.solves)
    }
}

/// An output that commits to the witnesses of a block with these transactions behind its coinbase.
pub(crate) fn commitment(txs: &[Transaction], reserved: &[u8; 32]) -> TxOut {
    let wtxids = txs.iter().map(|tx| tx.compute_wtxid().to_raw_hash());
    let root = merkle_root(std::iter::once(sha256d::Hash::all_zeros()).chain(wtxids).collect());
    let hash = sha256d::Hash::hash(&[root.to_byte_array(), *reserved].concat());
    let script = [&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed], hash.as_byte_array().as_slice()].concat();
    TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(script) }
}

/// Of a tree of nothing: zeros.
fn merkle_root(leaves: Vec<sha256d::Hash>) -> sha256d::Hash {
    bitcoin::merkle_tree::calculate_root(leaves.into_iter()).unwrap_or(sha256d::Hash::all_zeros())
}

/// The block with the merkle root of its transactions, and a nonce.
pub(crate) fn solved(mut block: Block, solves: bool) -> Block {
    let leaves = block.txdata.iter().map(|tx| tx.compute_txid().to_raw_hash()).collect();
    block.header.merkle_root = TxMerkleNode::from_raw_hash(merkle_root(leaves));
    block.header = mined(block.header, solves);
    block
}

/// The header with a nonce that meets regtest's limit, whatever its bits are; or one that does not.
pub(crate) fn mined(mut header: Header, solves: bool) -> Header {
    let target = Target::from_compact(CompactTarget::from_consensus(BITS));
    while target.is_met_by(header.block_hash()) != solves {
        header.nonce = header.nonce.wrapping_add(1);
    }
    header
}

fn shares(sat: u64, locks: &[Lock]) -> Vec<TxOut> {
    let each = sat / locks.len() as u64;
    let rest = sat - each * locks.len() as u64;
    let share = |(n, lock): (usize, &Lock)| TxOut {
        value: Amount::from_sat(each + if n == 0 { rest } else { 0 }),
        script_pubkey: locks::script_of(*lock),
    };
    locks.iter().enumerate().map(share).collect()
}

/// Spends one to three of `coins`, which it takes out; none where there are none.
pub(crate) fn some_spend(coins: &mut Vec<Owned>, chance: &mut Chance) -> Option<Spend> {
    let mut chosen = Vec::new();
    for _ in 0..chance.within(1, 3).min(coins.len()) {
        chosen.push(coins.swap_remove(chance.below(coins.len())));
    }
    if chosen.is_empty() {
        return None;
    }
    let locks = some_locks(chance, 4);
    let fee = chance.below(10_000) as u64;
    let mut spend = Spend::new(&chosen, &locks, fee);
    if chance.one_in(10) {
        spend.annex = Some([&[0x50], chance.bytes(5).as_slice()].concat());
    }
    Some(spend.signed(chance))
}
