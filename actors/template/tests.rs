use std::sync::Mutex;

use actix::{Actor, Context, Handler};
use adit_domain::chain::{NextBlock, Tip};
use adit_domain::mempool::{MempoolEntry, MempoolSnapshot};
use adit_domain::template::{ChainProgress, NotSynced};
use adit_domain::units::{Clock, Entropy, Height, UnixMillis};
use adit_domain::wire::ParsedTx;
use bitcoin::hashes::Hash;
use bitcoin::{Amount, BlockHash, CompactTarget, Transaction, Work, absolute, transaction};

use super::*;
use crate::messages::chain::TipChanged;
use crate::messages::mempool::TransactionAccepted;
use crate::messages::template::{GetMiningWait, GetTemplate};
use crate::net::MachineNet;
use crate::supervision::{ExitReason, Fault, Supervisor};

const BITS: u32 = 0x207f_ffff;

/// The outside, as a test sets it.
struct World {
    now_ms: u64,
    tip: u8,
    height: u32,
    bits: u32,
    subsidy: u64,
    snapshot: Arc<MempoolSnapshot>,
    tip_time: u32,
    settled: bool,
}

#[derive(Clone)]
struct Outside(Arc<Mutex<World>>);

impl Outside {
    fn set(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.0.lock().unwrap());
    }

    /// The mempool has these many transactions on the tip of this number.
    fn holds(&self, tip: u8, count: u32) {
        self.set(|w| w.snapshot = snapshot(tip, count));
    }

    fn moves_to(&self, tip: u8) {
        self.set(|w| (w.tip, w.height) = (tip, w.height + 1));
    }
}
impl Clock for Outside {
    fn now(&self) -> UnixMillis {
        UnixMillis::new(self.0.lock().unwrap().now_ms)
    }
}
impl Entropy for Outside {
    fn next_u64(&self) -> u64 {
        7
    }
}
impl TemplateChain for Outside {
    fn next_block(&self, _: UnixMillis) -> NextBlock {
        let w = self.0.lock().unwrap();
        NextBlock {
            prev: hash(w.tip),
            height: Height::new(w.height),
            version: NextBlock::NO_VOTES,
            bits: CompactTarget::from_consensus(w.bits),
            time_min: 1,
            median_time_past: 0,
        }
    }
    fn subsidy(&self, _: Height) -> Amount {
        Amount::from_sat(self.0.lock().unwrap().subsidy)
    }
    fn segwit_from(&self) -> Height {
        Height::new(10)
    }
    fn is_settled(&self) -> bool {
        self.0.lock().unwrap().settled
    }
    fn progress(&self) -> ChainProgress {
        let w = self.0.lock().unwrap();
        let (tip, work) = (Height::new(w.height - 1), Work::from_be_bytes([1; 32]));
        ChainProgress { tip, tip_time: w.tip_time, work, work_min: work, best_header: tip }
    }
}
impl TemplateMempool for Outside {
    fn snapshot(&self) -> Arc<MempoolSnapshot> {
        Arc::clone(&self.0.lock().unwrap().snapshot)
    }
}

fn hash(n: u8) -> BlockHash {
    BlockHash::from_byte_array([n; 32])
}

fn snapshot(tip: u8, count: u32) -> Arc<MempoolSnapshot> {
    Arc::new(MempoolSnapshot { tip: hash(tip), entries: (0..count).map(entry).collect() })
}

fn entry(n: u32) -> MempoolEntry {
    let tx = Transaction {
        version: transaction::Version(2),
        lock_time: absolute::LockTime::from_consensus(n),
        input: vec![],
        output: vec![],
    };
    MempoolEntry { tx: Arc::new(ParsedTx::new(tx)), fee: Amount::from_sat(10), sigop_cost: 0 }
}

/// What the miners' side hears.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<(u64, usize, bool)>>>);
impl Actor for Heard {
    type Context = Context<Self>;
}
impl Handler<TemplateChanged> for Heard {
    type Result = ();
    fn handle(&mut self, msg: TemplateChanged, _: &mut Context<Self>) {
        self.0.lock().unwrap().push((msg.template.id, msg.template.txs.len(), msg.clean_jobs));
    }
}

struct House {
    outside: Outside,
    template: Template,
    heard: Heard,
    supervisor: Supervisor,
}

impl House {
    fn new(height: u32) -> House {
        House::with(height, 0, 0)
    }

    fn with(height: u32, tip_time: u32, tip_age_h_max: u64) -> House {
        let snapshot = Arc::new(MempoolSnapshot { tip: hash(1), entries: vec![] });
        let (now_ms, subsidy) = (1_700_000_000_000, 5_000);
        let world = World { now_ms, tip: 1, height, bits: BITS, subsidy, snapshot, tip_time, settled: true };
        let outside = Outside(Arc::new(Mutex::new(world)));
        let supervisor = Supervisor::new(Arc::new(outside.clone()));
        let shared = Shared {
            clock: Arc::new(outside.clone()),
            entropy: Arc::new(outside.clone()),
            net: Arc::new(MachineNet),
            supervisor: supervisor.clone(),
        };
        let deps = TemplateDeps { chain: Arc::new(outside.clone()), mempool: Arc::new(outside.clone()) };
        let config = TemplateConfig {
            payout_script: ScriptBuf::from_bytes(vec![0x51]),
            tip_age_h_max,
            intensity: Intensity { restarts_max: 100, period: Duration::from_secs(5) },
        };
        let template = start(&shared, deps, config);
        let heard = Heard::default();
        template.announce_to(heard.clone().start().recipient());
        House { outside, template, heard, supervisor }
    }

    /// Has it look, and waits until it did.
    async fn look(&self) -> Option<Arc<BlockTemplate>> {
        let w = self.outside.next_block(UnixMillis::new(0));
        let tip = Arc::new(Tip {
            hash: w.prev,
            height: w.height,
            header: bitcoin::constants::genesis_block(bitcoin::Network::Regtest).header,
            median_time_past: 0,
            chain_work: Work::from_be_bytes([0; 32]),
        });
        self.template.addr.send(TipChanged { tip, disconnected: vec![], connected: vec![] }).await.unwrap();
        self.template.addr.send(GetTemplate).await.unwrap()
    }

    /// Transactions of the newest template, and how many templates there were.
    async fn state(&self) -> (u64, usize) {
        let template = self.look().await.unwrap();
        (template.id, template.txs.len())
    }

    /// What was heard up to the template of this number.
    async fn heard_up_to(&self, id: u64) -> Vec<(u64, usize, bool)> {
        while self.heard.0.lock().unwrap().last().is_none_or(|(last, ..)| *last < id) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let mut heard = self.heard.0.lock().unwrap().clone();
        // The first is told once by whoever comes first: the actor's start, or the listener's.
        heard.retain(|(id, ..)| *id > 1);
        heard
    }
}

#[actix::test]
async fn a_new_tip_is_built_upon_at_once_and_better_when_the_mempool_is_there() {
    let house = House::new(100);
    assert_eq!(house.state().await, (1, 0));
    house.outside.moves_to(2);
    assert_eq!(house.state().await, (2, 0));
    // The mempool catches up: the first template with transactions does not wait.
    house.outside.holds(2, 3);
    assert_eq!(house.state().await, (3, 3));
    // The next tip finds it there already.
    house.outside.set(|w| (w.tip, w.height, w.snapshot) = (3, w.height + 1, snapshot(3, 2)));
    assert_eq!(house.state().await, (4, 2));
    assert_eq!(house.heard_up_to(4).await, [(2, 0, true), (3, 3, false), (4, 2, true)]);
    let current = house.template.source().current().unwrap();
    assert_eq!((current.id, current.coinbase_value), (4, Amount::from_sat(5_020)));
}

#[actix::test]
async fn better_transactions_make_a_job_every_five_seconds_at_most() {
    let house = House::new(100);
    house.look().await;
    house.outside.holds(1, 1);
    // The empty mempool's snapshot was of this tip too.
    let (first, _) = house.state().await;
    house.outside.set(|w| w.now_ms += 4_999);
    assert_eq!(house.state().await, (first, 0));
    house.outside.set(|w| w.now_ms += 1);
    assert_eq!(house.state().await, (first + 1, 1));
    house.outside.set(|w| w.now_ms += 29_999);
    let accepted = TransactionAccepted { tx: entry(1).tx, fee_sat: 1_000, vsize: 100 };
    house.template.addr.send(accepted).await.unwrap();
    assert_eq!(house.state().await, (first + 1, 1));
    // The same transactions, but the time goes on.
    house.outside.set(|w| w.now_ms += 1);
    assert_eq!(house.state().await, (first + 2, 1));
    assert_eq!(house.heard_up_to(first + 2).await, [(first + 1, 1, false), (first + 2, 1, false)]);
}

#[actix::test]
async fn an_easier_target_is_taken_up() {
    let house = House::new(100);
    house.look().await;
    house.outside.set(|w| w.bits = 0x1d00_ffff);
    let template = house.look().await.unwrap();
    assert_eq!((template.id, template.bits.to_consensus()), (2, 0x1d00_ffff));
    assert_eq!(house.heard_up_to(2).await, [(2, 0, false)]);
}

#[actix::test]
async fn a_panic_costs_nothing_but_a_template_more() {
    let house = House::new(100);
    house.look().await;
    for n in 2..=20u8 {
        house.supervisor.crash("template").unwrap();
        house.outside.moves_to(n);
        assert_eq!(house.look().await.unwrap().prev, hash(n));
    }
    assert_eq!(house.supervisor.actors()[0].restarts, 19);
    let last = house.look().await.unwrap().id;
    let heard = house.heard_up_to(last).await;
    assert!(heard.is_sorted_by(|a, b| a.0 < b.0), "{heard:?}");
}

#[actix::test]
async fn there_is_none_below_the_height_from_which_blocks_commit_to_witnesses() {
    let house = House::new(9);
    assert!(house.look().await.is_none());
    house.outside.moves_to(2);
    assert!(house.look().await.is_some());
}

#[actix::test]
async fn nothing_is_built_on_a_tip_that_the_chain_is_about_to_leave() {
    let house = House::new(100);
    house.look().await;
    house.outside.moves_to(2);
    house.outside.set(|w| w.settled = false);
    assert_eq!(house.look().await.unwrap().prev, hash(1));
    house.outside.moves_to(3);
    house.outside.set(|w| w.settled = true);
    assert_eq!(house.look().await.unwrap().prev, hash(3));
}

#[actix::test]
async fn there_is_none_while_the_chain_is_syncing_and_one_from_then_on() {
    const NOW: u32 = 1_700_000_000;
    let house = House::with(100, NOW - 90_000, 24);
    let waits = async || house.template.addr.send(GetMiningWait).await.unwrap();
    assert!(house.look().await.is_none());
    assert_eq!(waits().await, Some(NotSynced::TipOld { hours: 25 }));
    house.supervisor.crash("template").unwrap();
    assert!(house.look().await.is_none());
    house.outside.moves_to(2);
    house.outside.set(|w| w.tip_time = NOW - 600);
    assert!(house.look().await.is_some());
    assert_eq!(waits().await, None);
    // Who was synced once mines on, however long no block comes, and after a panic.
    house.outside.set(|w| w.now_ms += 100 * 3_600_000);
    house.supervisor.crash("template").unwrap();
    house.outside.moves_to(3);
    assert_eq!(house.look().await.unwrap().prev, hash(3));
    assert_eq!(waits().await, None);
}

#[actix::test]
async fn amounts_that_cannot_be_end_the_process() {
    let house = House::new(100);
    house.outside.set(|w| w.subsidy = u64::MAX);
    house.outside.moves_to(2);
    house.look().await;
    let fault = Fault::State("the coinbase's amount overflows".to_owned());
    assert_eq!(
        house.supervisor.exit_reason().await,
        ExitReason::Fault { child: "template".to_owned(), fault }
    );
}
