use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use actix::{Actor, Addr, Context, Handler};
use adit_chainstate::ChainFault;
use adit_domain::chain::{NextBlock, Tip};
use adit_domain::consensus::{Coin, HeaderView, UtxoView, ViewFault};
use adit_domain::fees::{Memory, SmartFee};
use adit_domain::mempool::{Archive, PackageError, Prioritised, TxRejected};
use adit_domain::peer::TxRef;
use adit_domain::script::{ScriptError, ScriptFlags, ScriptVerifier, Spend};
use adit_domain::units::{Clock, Height, UnixMillis};
use adit_domain::wire::{ParsedBlock, ParsedTx};
use bitcoin::absolute::LockTime;
use bitcoin::block::Header;
use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash;
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, BlockHash, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness, Work,
};
use tokio::sync::mpsc;

use super::*;
use crate::clock::{SystemClock, SystemEntropy};
use crate::messages::chain::TipChanged;
use crate::messages::mempool::{
    EstimateFee, EstimateRawFee, FeesOff, GetMempool, GetPrioritised, GetTransaction, HurryMempool,
    ImportFailed, ImportMempool, ImportOptions, Prioritise, SaveFailed, SaveMempool, SubmitPackage,
    SubmitTransaction, TestPackage, TransactionAccepted,
};
use crate::net::MachineNet;
use crate::supervision::Supervisor;

/// A chain of the test's making: coins, and blocks in a row.
#[derive(Default)]
struct FakeChain(Mutex<State>);

#[derive(Default)]
struct State {
    coins: BTreeMap<OutPoint, Coin>,
    blocks: Vec<Arc<ParsedBlock>>,
    /// Blocks that were cut off, the highest first.
    cut: Vec<Arc<ParsedBlock>>,
    on_its_way: bool,
}

fn hash_of(blocks: &[Arc<ParsedBlock>]) -> BlockHash {
    blocks.last().map_or_else(BlockHash::all_zeros, |block| block.hash())
}

impl HeaderView for FakeChain {
    fn tip_height(&self) -> Height {
        Height::new(500 + u32::try_from(self.0.lock().unwrap().blocks.len()).unwrap())
    }
    fn header_at(&self, _: Height) -> Option<Header> {
        let time = u32::try_from(SystemClock.now().to_seconds_floor()).unwrap();
        Some(Header { time, ..genesis_block(Network::Regtest).header })
    }
}

impl UtxoView for FakeChain {
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, ViewFault> {
        Ok(self.0.lock().unwrap().coins.get(outpoint).cloned())
    }
}

impl MempoolChain for FakeChain {
    fn next_block(&self, _: UnixMillis) -> NextBlock {
        let prev = hash_of(&self.0.lock().unwrap().blocks);
        let bits = genesis_block(Network::Regtest).header.bits;
        let (height, version) = (self.tip_height().next(), NextBlock::NO_VOTES);
        NextBlock { prev, height, version, bits, time_min: 0, median_time_past: 0 }
    }
    fn best_header_height(&self) -> Height {
        self.tip_height()
    }
    fn height_of(&self, hash: &BlockHash) -> Option<Height> {
        let state = self.0.lock().unwrap();
        let at = state.blocks.iter().position(|b| b.hash() == *hash)?;
        Some(Height::new(501 + u32::try_from(at).unwrap()))
    }
    fn is_settled(&self) -> bool {
        !self.0.lock().unwrap().on_its_way
    }
    fn script_flags(&self, _: Height) -> ScriptFlags {
        ScriptFlags::CONSENSUS
    }
    fn path_from(&self, tip: &BlockHash) -> Option<(Vec<BlockHash>, Vec<BlockHash>)> {
        let state = self.0.lock().unwrap();
        let at = state.blocks.iter().position(|b| b.hash() == *tip);
        let known = at.map(|n| n + 1).or((*tip == BlockHash::all_zeros()).then_some(0));
        let hashes = |blocks: &[Arc<ParsedBlock>]| blocks.iter().map(|b| b.hash()).collect::<Vec<_>>();
        match known {
            Some(n) => Some((Vec::new(), hashes(&state.blocks[n..]))),
            None => Some((hashes(&state.cut), hashes(&state.blocks[state.blocks.len() - 1..]))),
        }
    }
    fn block(&self, hash: &BlockHash) -> Result<Option<Arc<ParsedBlock>>, ChainFault> {
        let state = self.0.lock().unwrap();
        Ok(state.blocks.iter().chain(&state.cut).find(|b| b.hash() == *hash).cloned())
    }
}

impl FakeChain {
    fn with_coins() -> Arc<FakeChain> {
        let chain = FakeChain::default();
        let coin = Coin { output: output(100_000), height: Height::new(1), is_coinbase: false };
        chain.0.lock().unwrap().coins = (0..20).map(|n| (outside(n), coin.clone())).collect();
        Arc::new(chain)
    }

    /// A block with these becomes the tip.
    fn connect(&self, txs: &[&Transaction]) -> TipChanged {
        let mut state = self.0.lock().unwrap();
        let mut block = genesis_block(Network::Regtest);
        block.header.prev_blockhash = hash_of(&state.blocks);
        for tx in txs {
            tx.input.iter().for_each(|input| drop(state.coins.remove(&input.previous_output)));
            for (vout, output) in (0..).zip(&tx.output) {
                let coin = Coin { output: output.clone(), height: Height::new(501), is_coinbase: false };
                state.coins.insert(of(tx, vout), coin);
            }
            block.txdata.push((*tx).clone());
        }
        let block = Arc::new(ParsedBlock::new(block));
        state.blocks.push(Arc::clone(&block));
        event(&block)
    }

    /// The last block goes, an empty one comes; the coins are what they were before.
    fn reorganise(&self, before: BTreeMap<OutPoint, Coin>) -> TipChanged {
        let mut state = self.0.lock().unwrap();
        let lost = state.blocks.pop().unwrap();
        state.cut = vec![lost];
        state.coins = before;
        let mut block = genesis_block(Network::Regtest);
        block.header.prev_blockhash = hash_of(&state.blocks);
        block.header.nonce = 99;
        let block = Arc::new(ParsedBlock::new(block));
        state.blocks.push(Arc::clone(&block));
        let disconnected = state.cut.clone();
        TipChanged { disconnected, ..event(&block) }
    }
}

fn event(block: &Arc<ParsedBlock>) -> TipChanged {
    let header = *block.header();
    let tip = Tip {
        hash: block.hash(),
        height: Height::new(501),
        header,
        median_time_past: 0,
        chain_work: Work::from_le_bytes([0; 32]),
    };
    TipChanged { tip: Arc::new(tip), disconnected: Vec::new(), connected: vec![Arc::clone(block)] }
}

struct Fine;
impl ScriptVerifier for Fine {
    fn verify_input(&self, spend: &Spend<'_>, _: usize, _: ScriptFlags) -> Result<(), ScriptError> {
        assert!(spend.tx.lock_time != LockTime::from_consensus(13), "thirteen");
        Ok(())
    }
}

fn outside(n: u32) -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([0xee; 32]), vout: n }
}

fn output(sat: u64) -> TxOut {
    let script_pubkey = ScriptBuf::from_bytes([&[0, 20][..], &[7; 20]].concat());
    TxOut { value: Amount::from_sat(sat), script_pubkey }
}

fn spend(from: OutPoint, sat: u64) -> Transaction {
    let input = TxIn {
        previous_output: from,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![input],
        output: vec![output(sat)],
    }
}

fn of(tx: &Transaction, vout: u32) -> OutPoint {
    OutPoint { txid: tx.compute_txid(), vout }
}

/// Hears of what joins.
struct Ear(mpsc::UnboundedSender<Txid>);
impl Actor for Ear {
    type Context = Context<Self>;
}
impl Handler<TransactionAccepted> for Ear {
    type Result = ();
    fn handle(&mut self, msg: TransactionAccepted, _: &mut Context<Self>) {
        let _ = self.0.send(msg.tx.txid());
    }
}

struct Rig {
    chain: Arc<FakeChain>,
    mempool: Mempool,
    supervisor: Supervisor,
    heard: mpsc::UnboundedReceiver<Txid>,
}

impl Rig {
    fn start(file: Option<PathBuf>) -> Rig {
        let clock = Arc::new(SystemClock);
        let supervisor = Supervisor::new(clock.clone());
        let shared = Shared {
            clock,
            entropy: Arc::new(SystemEntropy),
            net: Arc::new(MachineNet),
            supervisor: supervisor.clone(),
        };
        let chain = FakeChain::with_coins();
        let deps = MempoolDeps { chain: chain.clone(), verifier: Arc::new(Fine) };
        let pool = PoolConfig { bytes_max: 1_000_000, ..PoolConfig::default() };
        let fees =
            file.as_ref().map(|file| FeeConfig { file: Some(file.with_extension("fees")), takes_old: false });
        let mempool = start(
            &shared,
            deps,
            MempoolConfig {
                pool,
                file,
                is_kept: true,
                is_plain: false,
                fees,
                intensity: Intensity::default(),
            },
        );
        let (sender, heard) = mpsc::unbounded_channel();
        let ear: Addr<Ear> = Ear(sender).start();
        mempool.listeners.add(ear.recipient());
        Rig { chain, mempool, supervisor, heard }
    }

    async fn offer(&self, tx: &Transaction) -> Result<Txid, TxRejected> {
        self.offer_from(tx, 1).await
    }

    /// As a peer offers it.
    async fn offer_from(&self, tx: &Transaction, peer: u64) -> Result<Txid, TxRejected> {
        let tx = Arc::new(ParsedTx::new(tx.clone()));
        self.mempool.addr.send(SubmitTransaction { tx, from: Some(peer) }).await.unwrap()
    }

    /// The ids in the snapshot, once it has this many.
    async fn snapshot(&self, count: usize) -> Vec<Txid> {
        let mut changes = self.mempool.reader.changes();
        let snapshot = changes.wait_for(|s| s.entries.len() == count).await.unwrap().clone();
        snapshot.entries.iter().map(|entry| entry.tx.txid()).collect()
    }

    fn holds(&self, tx: &Transaction) -> bool {
        self.mempool.reader.get(&TxRef::Txid(tx.compute_txid())).is_some()
    }
}

#[actix::test]
async fn what_joins_is_told_shelved_and_offered() {
    let mut rig = Rig::start(None);
    let parent = spend(outside(0), 90_000);
    let child = spend(of(&parent, 0), 80_000);
    // Both at once: the child does not overtake its parent.
    let (first, second) = tokio::join!(rig.offer(&parent), rig.offer(&child));
    assert_eq!((first, second), (Ok(parent.compute_txid()), Ok(child.compute_txid())));
    let both = [parent.compute_txid(), child.compute_txid()];
    assert_eq!([rig.heard.recv().await.unwrap(), rig.heard.recv().await.unwrap()], both);
    assert_eq!(rig.snapshot(2).await, both);
    let addr = &rig.mempool.addr;
    assert_eq!(addr.send(GetMempool).await.unwrap().transactions, 2);
    let got = addr.send(GetTransaction { txid: both[1] }).await.unwrap();
    assert_eq!(got.map(|tx| tx.txid()), Some(both[1]));
    assert_eq!(rig.mempool.reader.wtxids(9), [parent.compute_wtxid(), child.compute_wtxid()]);
    assert_eq!((rig.mempool.reader.wtxids(1).len(), rig.mempool.reader.count()), (1, 2));
}

#[actix::test]
async fn a_child_that_came_first_waits_for_its_parent() {
    let mut rig = Rig::start(None);
    let parent = spend(outside(0), 90_000);
    let child = spend(of(&parent, 0), 80_000);
    assert_eq!(rig.offer(&child).await, Err(TxRejected::MissingInputs));
    assert_eq!(rig.offer(&parent).await, Ok(parent.compute_txid()));
    assert_eq!(rig.heard.recv().await, Some(parent.compute_txid()));
    assert_eq!(rig.heard.recv().await, Some(child.compute_txid()));
}

#[actix::test]
async fn what_is_refused_is_remembered_until_the_tip_moves() {
    let rig = Rig::start(None);
    let dust = spend(outside(0), 100);
    assert_eq!(rig.offer(&dust).await, Err(TxRejected::DustNotFree));
    let known = TxRef::Wtxid(dust.compute_wtxid());
    assert!(rig.mempool.reader.knows(&known));
    rig.mempool.addr.send(rig.chain.connect(&[])).await.unwrap();
    assert!(!rig.mempool.reader.knows(&known));
}

#[actix::test]
async fn the_pool_follows_the_chain_whether_it_is_told_or_not() {
    let rig = Rig::start(None);
    let txs: Vec<Transaction> = (0..3).map(|n| spend(outside(n), 90_000)).collect();
    for tx in &txs {
        rig.offer(tx).await.unwrap();
    }
    let before = rig.chain.0.lock().unwrap().coins.clone();
    // Nobody tells of the first block; the next transaction, or the next event, finds it.
    rig.chain.connect(&[&txs[0]]);
    rig.mempool.addr.send(rig.chain.connect(&[&txs[1]])).await.unwrap();
    assert_eq!([0, 1, 2].map(|n| rig.holds(&txs[n])), [false, false, true]);
    assert_eq!(rig.mempool.reader.snapshot().tip, rig.chain.next_block(UnixMillis::new(0)).prev);
    rig.chain.connect(&[]);
    rig.offer(&spend(outside(3), 90_000)).await.unwrap();
    let mut coins = before;
    coins.remove(&outside(0));
    rig.mempool.addr.send(rig.chain.reorganise(coins)).await.unwrap();
    assert_eq!(rig.snapshot(2).await.len(), 2);
}

#[actix::test]
async fn a_reorganisation_brings_back_what_the_lost_block_had() {
    let rig = Rig::start(None);
    let (lost, held) = (spend(outside(0), 90_000), spend(outside(1), 90_000));
    rig.offer(&held).await.unwrap();
    let before = rig.chain.0.lock().unwrap().coins.clone();
    rig.mempool.addr.send(rig.chain.connect(&[&lost])).await.unwrap();
    rig.mempool.addr.send(rig.chain.reorganise(before)).await.unwrap();
    assert!(rig.holds(&lost) && rig.holds(&held));
    assert_eq!(rig.mempool.addr.send(GetMempool).await.unwrap().transactions, 2);
}

#[actix::test]
async fn in_the_middle_of_a_longer_way_the_pool_waits_for_its_end() {
    let rig = Rig::start(None);
    let (lost, held) = (spend(outside(0), 90_000), spend(outside(1), 90_000));
    rig.offer(&held).await.unwrap();
    let before = rig.chain.0.lock().unwrap().coins.clone();
    rig.mempool.addr.send(rig.chain.connect(&[&lost])).await.unwrap();
    rig.chain.0.lock().unwrap().on_its_way = true;
    rig.mempool.addr.send(rig.chain.reorganise(before)).await.unwrap();
    assert!(!rig.holds(&lost) && rig.holds(&held));
    // Nothing tells of the end of a way whose last block was refused.
    rig.chain.0.lock().unwrap().on_its_way = false;
    assert_eq!(rig.snapshot(2).await.len(), 2);
    assert!(rig.holds(&lost));
}

#[actix::test]
async fn an_empty_pool_too_takes_back_what_the_lost_block_had() {
    let rig = Rig::start(None);
    let lost = spend(outside(0), 90_000);
    let before = rig.chain.0.lock().unwrap().coins.clone();
    rig.mempool.addr.send(rig.chain.connect(&[&lost])).await.unwrap();
    rig.mempool.addr.send(rig.chain.reorganise(before)).await.unwrap();
    assert!(rig.holds(&lost));
    assert_eq!(rig.snapshot(1).await, [lost.compute_txid()]);
}

#[actix::test]
async fn a_panic_loses_no_transaction_but_its_own() {
    let rig = Rig::start(None);
    let tx = spend(outside(0), 90_000);
    rig.offer(&tx).await.unwrap();
    for _ in 0..3 {
        rig.supervisor.crash("mempool").unwrap();
        assert_eq!(rig.mempool.addr.send(GetMempool).await.unwrap().transactions, 1);
    }
    assert_eq!(rig.offer(&tx).await, Err(TxRejected::AlreadyHeld));
    assert_eq!(rig.supervisor.actors()[0].restarts, 3);
    // One whose script makes the verifier panic costs nothing but itself.
    let mut poison = spend(outside(1), 90_000);
    poison.lock_time = LockTime::from_consensus(13);
    assert!(matches!(rig.offer(&poison).await, Err(TxRejected::Fault(_))));
    assert_eq!(rig.offer(&spend(outside(2), 90_000)).await.map(drop), Ok(()));
}

#[actix::test]
async fn the_pool_is_kept_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mempool.dat");
    let parent = spend(outside(0), 90_000);
    let child = spend(of(&parent, 0), 80_000);
    let first = Rig::start(Some(file.clone()));
    first.offer(&parent).await.unwrap();
    first.offer(&child).await.unwrap();
    assert_eq!(first.supervisor.stop_all().await, None);
    let second = Rig::start(Some(file.clone()));
    assert_eq!(second.snapshot(2).await, [parent.compute_txid(), child.compute_txid()]);
    std::fs::write(&file, b"something else").unwrap();
    let third = Rig::start(Some(file));
    assert_eq!(third.mempool.addr.send(GetMempool).await.unwrap().transactions, 0);
}

#[actix::test]
async fn a_package_joins_and_what_is_prioritised_is_told() {
    let mut rig = Rig::start(None);
    let parent = spend(outside(0), 100_000);
    let child = spend(of(&parent, 0), 80_000);
    let txs: Vec<Arc<ParsedTx>> = [&parent, &child].map(|tx| Arc::new(ParsedTx::new(tx.clone()))).into();
    let addr = &rig.mempool.addr;
    let tested = addr.send(TestPackage { txs: txs.clone() }).await.unwrap();
    assert!(tested.error.is_some(), "alone the parent pays nothing");
    let verdict =
        addr.send(SubmitPackage { txs: txs.clone(), sat_per_kvb_max: None }).await.unwrap().unwrap();
    assert_eq!((verdict.error, verdict.joined.len()), (None, 2));
    assert_eq!(rig.heard.recv().await, Some(parent.compute_txid()));
    assert_eq!(rig.heard.recv().await, Some(child.compute_txid()));
    assert!(rig.holds(&parent) && rig.holds(&child));
    let sorted: Vec<Arc<ParsedTx>> = txs.into_iter().rev().collect();
    let refused = rig.mempool.addr.send(SubmitPackage { txs: sorted, sat_per_kvb_max: None }).await.unwrap();
    assert_eq!(refused, Err(PackageError::NotSorted));
    let txid = parent.compute_txid();
    rig.mempool.addr.send(Prioritise { txid, more_sat: 7 }).await.unwrap().unwrap();
    let rows = rig.mempool.addr.send(GetPrioritised).await.unwrap();
    assert_eq!(rows, [Prioritised { txid, delta_sat: 7, modified_fee_sat: Some(7) }]);
}

#[actix::test]
async fn what_is_kept_says_when_it_came_what_is_added_and_who_waits_to_be_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let (own, other) = (dir.path().join("mempool.dat"), dir.path().join("other.dat"));
    let tx = spend(outside(0), 90_000);
    let (txid, stranger) = (tx.compute_txid(), Txid::from_byte_array([9; 32]));
    let first = Rig::start(Some(own.clone()));
    first.offer(&tx).await.unwrap();
    for txid in [txid, stranger] {
        first.mempool.addr.send(Prioritise { txid, more_sat: 7 }).await.unwrap().unwrap();
    }
    first.mempool.reader.await_broadcast(&[txid, stranger]);
    assert_eq!(first.mempool.reader.unbroadcast(), [txid]);
    assert_eq!(first.mempool.addr.send(SaveMempool).await.unwrap(), Ok(own.clone()));
    std::fs::copy(&own, &other).unwrap();
    let archive = Archive::decode(std::fs::read(&own).unwrap()).unwrap();
    assert_eq!((archive.txs.len(), archive.txs[0].delta_sat), (1, 7));
    assert_eq!((archive.deltas, archive.unbroadcast), (vec![(stranger, 7)], vec![txid]));
    // All of it holds at the start.
    let second = Rig::start(Some(own));
    second.snapshot(1).await;
    let added = |rig: &Rig| rig.mempool.addr.send(GetPrioritised);
    assert_eq!(added(&second).await.unwrap().iter().map(|row| row.delta_sat).sum::<i64>(), 14);
    assert!(second.mempool.reader.is_unbroadcast(&txid));
    second.mempool.reader.was_broadcast(&txid);
    assert!(!second.mempool.reader.is_unbroadcast(&txid));
    // Of another's file nothing but the transactions is believed, unless it is said.
    let third = Rig::start(Some(dir.path().join("none")));
    let import = |apply: bool| {
        let options = ImportOptions { use_current_time: true, apply_deltas: apply, apply_unbroadcast: apply };
        third.mempool.addr.send(ImportMempool { path: other.clone(), options })
    };
    assert_eq!(import(false).await.unwrap(), Ok(()));
    assert!(third.holds(&tx) && !third.mempool.reader.is_unbroadcast(&txid));
    assert!(added(&third).await.unwrap().is_empty());
    assert_eq!(import(true).await.unwrap(), Ok(()));
    assert!(third.mempool.reader.is_unbroadcast(&txid));
    assert_eq!(added(&third).await.unwrap().len(), 2);
    std::fs::remove_file(&other).unwrap();
    assert_eq!(import(true).await.unwrap(), Err(ImportFailed));
    let nowhere = Rig::start(None);
    assert_eq!(nowhere.mempool.addr.send(SaveMempool).await.unwrap(), Err(SaveFailed::Unwritable));
}

/// What to pay to be in the next blocks.
async fn fee(rig: &Rig) -> Result<SmartFee, FeesOff> {
    rig.mempool.addr.send(EstimateFee { target: 2, conservative: false }).await.unwrap()
}

#[actix::test]
async fn what_was_paid_is_told_and_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let (file, kept) = (dir.path().join("mempool.dat"), dir.path().join("mempool.fees"));
    let first = Rig::start(Some(file.clone()));
    assert_eq!(fee(&first).await, Ok(SmartFee { sat_per_kvb: None, blocks: 0 }));
    first.mempool.addr.send(first.chain.connect(&[])).await.unwrap();
    let mut paid = None;
    for block in 0..6 {
        let txs = [0, 1, 2].map(|n| spend(outside(block * 3 + n), 90_000));
        for tx in &txs {
            first.offer(tx).await.unwrap();
        }
        paid = Some(10_000 * 1_000 / u64::try_from(txs[0].vsize()).unwrap());
        // Of the last block nobody tells.
        let event = first.chain.connect(&txs.each_ref());
        if block < 5 {
            first.mempool.addr.send(event).await.unwrap();
        }
    }
    let known = Ok(SmartFee { sat_per_kvb: paid, blocks: 2 });
    assert_eq!(fee(&first).await, known);
    let question = EstimateRawFee { target: 13, likelihood: 0.95 };
    let raw = first.mempool.addr.send(question).await.unwrap().unwrap();
    let told: Vec<_> = raw.iter().map(|(memory, estimate)| (*memory, estimate.sat_per_kvb())).collect();
    // The longest would have to know more.
    assert_eq!(told, [(Memory::Medium, None), (Memory::Long, None)]);
    // It is kept every hour, and at the end.
    assert!(!kept.exists());
    first.mempool.addr.send(HurryMempool { ms: 3_600_000 }).await.unwrap();
    let since = std::time::Instant::now();
    while !kept.exists() {
        assert!(since.elapsed() < Duration::from_secs(60), "nothing is kept");
        actix::clock::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(first.supervisor.stop_all().await, None);
    let second = Rig::start(Some(file.clone()));
    assert_eq!(fee(&second).await, known);
    second.supervisor.crash("mempool").unwrap();
    assert_eq!(fee(&second).await, known);
    // What is old, or is none, says nothing.
    let old = std::time::SystemTime::now() - Duration::from_secs(61 * 60 * 60);
    std::fs::File::options().append(true).open(&kept).unwrap().set_modified(old).unwrap();
    let third = Rig::start(Some(file.clone()));
    assert_eq!(fee(&third).await, Ok(SmartFee { sat_per_kvb: None, blocks: 0 }));
    std::fs::write(&kept, b"something else").unwrap();
    let fourth = Rig::start(Some(file));
    assert_eq!(fee(&fourth).await, Ok(SmartFee { sat_per_kvb: None, blocks: 0 }));
    assert_eq!(fee(&Rig::start(None)).await, Err(FeesOff));
}

#[actix::test]
async fn one_that_pays_more_takes_the_place_of_another() {
    let rig = Rig::start(None);
    let (first, second) = (spend(outside(0), 90_000), spend(outside(0), 80_000));
    rig.offer(&first).await.unwrap();
    assert_eq!(rig.offer(&second).await, Ok(second.compute_txid()));
    assert!(!rig.holds(&first) && rig.holds(&second));
}

#[actix::test]
async fn a_child_pays_for_the_parent_that_the_same_peer_sent() {
    let rig = Rig::start(None);
    let free = spend(outside(0), 100_000);
    let child = spend(of(&free, 0), 80_000);
    let (txid, wtxid) = (free.compute_txid(), child.compute_wtxid());
    assert!(matches!(rig.offer(&free).await, Err(TxRejected::RelayFee { .. })));
    assert!(rig.mempool.reader.may_be_paid_for(&free.compute_wtxid()));
    assert_eq!(rig.offer(&child).await, Err(TxRejected::MissingInputs));
    assert_eq!(rig.mempool.reader.missing_parents(&wtxid), [txid]);
    // Another peer's parent is not put beside it.
    assert!(matches!(rig.offer_from(&free, 2).await, Err(TxRejected::RelayFee { .. })));
    assert_eq!(rig.mempool.reader.orphan_told(&TxRef::Wtxid(wtxid), 3), Some(vec![txid]));
    assert_eq!(rig.mempool.reader.orphan_told(&TxRef::Txid(child.compute_txid()), 3), None);
    assert_eq!(rig.offer(&free).await, Ok(txid));
    assert!(rig.holds(&free) && rig.holds(&child) && rig.mempool.reader.orphan_list().is_empty());
}

#[actix::test]
async fn a_pair_that_pays_too_little_is_not_tried_twice() {
    let rig = Rig::start(None);
    let free = spend(outside(0), 100_000);
    let poor = spend(of(&free, 0), 99_999);
    assert_eq!(rig.offer(&poor).await, Err(TxRejected::MissingInputs));
    for _ in 0..2 {
        assert!(matches!(rig.offer(&free).await, Err(TxRejected::RelayFee { .. })));
        assert!(rig.mempool.reader.orphan_list().is_empty());
        assert!(rig.mempool.reader.knows(&TxRef::Wtxid(poor.compute_wtxid())));
    }
}

#[actix::test]
async fn who_needs_two_that_pay_too_little_is_beyond_help_and_who_is_gone_has_no_orphans() {
    let rig = Rig::start(None);
    let frees = [0, 1].map(|n| spend(outside(n), 100_000));
    for free in &frees {
        assert!(matches!(rig.offer(free).await, Err(TxRejected::RelayFee { .. })));
    }
    let mut child = spend(of(&frees[0], 0), 150_000);
    child.input.push(spend(of(&frees[1], 0), 1).input.remove(0));
    assert_eq!(rig.offer(&child).await, Err(TxRejected::MissingInputs));
    assert!(rig.mempool.reader.orphan_list().is_empty());
    assert!(rig.mempool.reader.knows(&TxRef::Wtxid(child.compute_wtxid())));
    let other = spend(of(&spend(outside(2), 90_000), 0), 80_000);
    assert_eq!(rig.offer_from(&other, 7).await, Err(TxRejected::MissingInputs));
    assert_eq!(rig.mempool.reader.orphan_list().len(), 1);
    rig.mempool.reader.peer_gone(7);
    assert!(rig.mempool.reader.orphan_list().is_empty());
}
