use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use adit_chainstate::ChainFault;
use adit_domain::chain::{NextBlock, Tip};
use adit_domain::payout::{
    Balance, ChainPoint, CreditError, MemoryLedger, PoolBlock, PoolBlockState, ShareCredit, ShareLogFault,
    ShareSeq, ShareTotals, WorkerTotals,
};
use adit_domain::template::{FoundHeader, TemplateRequest, build_template};
use adit_domain::units::{Clock, Difficulty, Entropy, Height, UnixMillis};
use adit_domain::wire::ParsedBlock;
use adit_store::MachineDisk;
use bitcoin::hashes::Hash;
use bitcoin::{Amount, BlockHash, CompactTarget, Work};
use tempfile::TempDir;

use super::booker::Walked;
use super::*;
use crate::messages::chain::TipChanged;
use crate::messages::payout::{CreditShare, GetBalances, GetPoolBlocks, GetWorkers, ShareRejected};
use crate::net::MachineNet;
use crate::supervision::{ExitReason, Supervisor};

const START_MS: u64 = 1_700_000_000_000;

#[derive(Default)]
struct Hands(AtomicU64);
impl Hands {
    fn move_ms(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
    fn set_back_ms(&self, ms: u64) {
        self.0.fetch_sub(ms, Ordering::SeqCst);
    }
}
impl Clock for Hands {
    fn now(&self) -> UnixMillis {
        UnixMillis::new(START_MS + self.0.load(Ordering::SeqCst))
    }
}
impl Entropy for Hands {
    fn next_u64(&self) -> u64 {
        7
    }
}

fn ours() -> ScriptBuf {
    ScriptBuf::from_bytes([&[0u8, 20][..], &[1; 20]].concat())
}

fn theirs() -> ScriptBuf {
    ScriptBuf::from_bytes([&[0u8, 20][..], &[2; 20]].concat())
}

/// A block on `prev`; `salt` makes siblings different.
fn block_on(prev: BlockHash, height: u32, script: &ScriptBuf, salt: u8) -> Arc<ParsedBlock> {
    let next = NextBlock {
        prev,
        height: Height::new(height),
        version: NextBlock::NO_VOTES,
        bits: CompactTarget::from_consensus(0x207f_ffff),
        time_min: 1,
        median_time_past: 0,
    };
    let now = UnixMillis::new(START_MS);
    let request = TemplateRequest {
        next: &next,
        subsidy: Amount::from_sat(5_000_000_000),
        payout_script: script,
        now,
        id: 1,
    };
    let template = build_template(&request, None).unwrap();
    let parts = template.coinbase_parts(1).unwrap();
    let coinbase = [parts.before.as_slice(), &[salt], parts.after.as_slice()].concat();
    let found = FoundHeader { version: template.version, time: template.time, nonce: 0 };
    Arc::new(template.assemble(&coinbase, &found).unwrap())
}

/// A chain that a test moves.
struct FakeChain(Mutex<FakeState>);
struct FakeState {
    blocks: HashMap<BlockHash, Arc<ParsedBlock>>,
    best: Vec<BlockHash>,
    forgets: bool,
    /// Whether more blocks are joining it at this moment.
    moves: bool,
    looks: u64,
    /// Blocks that the books have read.
    read: u64,
}

impl FakeChain {
    fn new() -> Arc<FakeChain> {
        let genesis = block_on(BlockHash::all_zeros(), 0, &theirs(), 0);
        let best = vec![genesis.hash()];
        let blocks = HashMap::from([(genesis.hash(), genesis)]);
        Arc::new(FakeChain(Mutex::new(FakeState {
            blocks,
            best,
            forgets: false,
            moves: false,
            looks: 0,
            read: 0,
        })))
    }

    /// Leaves `keep` blocks and puts these on top; what a chain would tell of it.
    fn extend(&self, keep: usize, scripts: &[&ScriptBuf], salt: u8) -> TipChanged {
        let mut s = self.0.lock().unwrap();
        let gone = s.best.split_off(keep);
        let disconnected = gone.iter().rev().map(|h| Arc::clone(&s.blocks[h])).collect();
        let mut connected = Vec::new();
        for script in scripts {
            let height = u32::try_from(s.best.len()).unwrap();
            let block = block_on(*s.best.last().unwrap(), height, script, salt);
            s.best.push(block.hash());
            s.blocks.insert(block.hash(), Arc::clone(&block));
            connected.push(block);
        }
        let header = *s.blocks[s.best.last().unwrap()].header();
        let tip = Arc::new(Tip {
            hash: *s.best.last().unwrap(),
            height: Height::new(u32::try_from(s.best.len() - 1).unwrap()),
            header,
            median_time_past: 0,
            chain_work: Work::from_be_bytes([0; 32]),
        });
        TipChanged { tip, disconnected, connected }
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().best.len()
    }

    /// How often the books have looked at it.
    fn looks(&self) -> u64 {
        self.0.lock().unwrap().looks
    }
}

impl BooksChain for FakeChain {
    fn tip(&self) -> ChainPoint {
        let s = self.0.lock().unwrap();
        ChainPoint {
            hash: *s.best.last().unwrap(),
            height: Height::new(u32::try_from(s.best.len() - 1).unwrap()),
        }
    }
    fn path_from(&self, from: &BlockHash) -> Option<(Vec<BlockHash>, Vec<BlockHash>)> {
        let mut s = self.0.lock().unwrap();
        s.looks += 1;
        if s.forgets {
            return None;
        }
        let (mut leaves, mut at) = (Vec::new(), *from);
        loop {
            if let Some(place) = s.best.iter().position(|h| *h == at) {
                return Some((leaves, s.best[place + 1..].to_vec()));
            }
            leaves.push(at);
            at = s.blocks.get(&at)?.header().prev_blockhash;
        }
    }
    fn is_settled(&self) -> bool {
        !self.0.lock().unwrap().moves
    }
    fn block(&self, hash: &BlockHash) -> Result<Option<Arc<ParsedBlock>>, ChainFault> {
        let mut s = self.0.lock().unwrap();
        s.read += 1;
        Ok(s.blocks.get(hash).cloned())
    }
}

struct House {
    clock: Arc<Hands>,
    chain: Arc<FakeChain>,
    ledger: Arc<MemoryLedger>,
    dir: TempDir,
    payout: Payout,
    supervisor: Supervisor,
}

impl House {
    fn new() -> House {
        House::over(Arc::default(), FakeChain::new(), Arc::default(), TempDir::new().unwrap())
    }

    fn over(clock: Arc<Hands>, chain: Arc<FakeChain>, ledger: Arc<MemoryLedger>, dir: TempDir) -> House {
        let (log, _) = FileShareLog::open(Arc::new(MachineDisk), dir.path()).unwrap();
        let own: Arc<dyn Clock> = Arc::<Hands>::clone(&clock);
        let supervisor = Supervisor::new(Arc::clone(&own));
        let entropy: Arc<dyn Entropy> = Arc::<Hands>::clone(&clock);
        let shared =
            Shared { clock: own, entropy, net: Arc::new(MachineNet), supervisor: supervisor.clone() };
        let own_ledger: Arc<dyn Ledger> = Arc::<MemoryLedger>::clone(&ledger);
        let books = OpenBooks { log: Arc::new(log), ledger: own_ledger };
        let own_chain: Arc<dyn BooksChain> = Arc::<FakeChain>::clone(&chain);
        let payout = start(&shared, PayoutDeps { chain: own_chain, books }, config()).unwrap();
        House { clock, chain, ledger, dir, payout, supervisor }
    }

    /// Ends the process, so to speak, and starts the next one on what is durable.
    fn again(self) -> House {
        self.payout.arbiter.stop();
        House::over(self.clock, self.chain, self.ledger, self.dir)
    }

    async fn credit(&self, share: ShareCredit) -> Result<(), CreditError> {
        self.payout.addr.send(CreditShare { share }).await.unwrap()
    }

    async fn balances(&self) -> Vec<(String, i64, i64)> {
        let rows: Vec<Balance> = self.payout.addr.send(GetBalances::ALL).await.unwrap();
        rows.into_iter().map(|b| (b.account, b.immature_sat, b.mature_sat)).collect()
    }

    async fn blocks(&self) -> Vec<PoolBlock> {
        let blocks = self.payout.addr.send(GetPoolBlocks).await.unwrap();
        assert_eq!(blocks.total, u64::try_from(blocks.newest.len()).unwrap());
        blocks.newest
    }

    async fn workers(&self) -> Vec<WorkerTotals> {
        self.payout.addr.send(GetWorkers::ALL).await.unwrap()
    }

    /// Tells of a tip, and waits until the books stand there.
    async fn tip(&self, event: TipChanged) {
        let hash = event.tip.hash;
        self.payout.addr.send(event).await.unwrap();
        self.stand_at(hash).await;
    }

    async fn stand_at(&self, hash: BlockHash) {
        while self.ledger.cursor().unwrap().map(|c| c.hash) != Some(hash) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn restarts(&self) -> u64 {
        self.supervisor.actors()[0].restarts
    }
}

fn config() -> PayoutConfig {
    PayoutConfig {
        payout_script: ours(),
        fee_basis_points: 100,
        window: PplnsWindow { factor: 2, work_min: 1 << 20 },
        intensity: Intensity { restarts_max: 100, period: Duration::from_secs(5) },
    }
}

fn share(n: u64) -> ShareCredit {
    let mut hash = [3; 32];
    hash[..8].copy_from_slice(&n.to_le_bytes());
    ShareCredit {
        share_hash: BlockHash::from_byte_array(hash),
        prev: BlockHash::from_byte_array([4; 32]),
        submission: u128::from(n),
        address: if n.is_multiple_of(4) { "bob".to_owned() } else { "alice".to_owned() },
        worker: "rig".to_owned(),
        difficulty: Difficulty::from_raw(1 << 10).unwrap(),
        at: UnixMillis::new(START_MS),
        block_height: None,
    }
}

/// The share that found a block.
fn finding(block: &ParsedBlock) -> ShareCredit {
    ShareCredit {
        share_hash: block.hash(),
        prev: block.header().prev_blockhash,
        submission: u128::MAX,
        address: "finder".to_owned(),
        block_height: Some(Height::new(1)),
        ..share(0)
    }
}

fn row(account: &str, immature: i64, mature: i64) -> (String, i64, i64) {
    (account.to_owned(), immature, mature)
}

#[actix::test]
async fn a_credit_is_answered_once_it_is_durable_and_given_once() {
    let house = House::new();
    assert_eq!(house.credit(share(1)).await, Ok(()));
    assert_eq!(house.credit(share(1)).await, Ok(()));
    let other = ShareCredit { submission: 99, ..share(1) };
    assert_eq!(house.credit(other.clone()).await, Err(CreditError::Duplicate));
    let nameless = ShareCredit { address: String::new(), ..share(2) };
    assert_eq!(house.credit(nameless).await, Err(CreditError::Name));
    let house = house.again();
    assert_eq!(house.credit(share(1)).await, Ok(()));
    assert_eq!(house.credit(other).await, Err(CreditError::Duplicate));
    assert_eq!(house.workers().await[0].shares_accepted, 1);
}

#[actix::test]
async fn panics_between_credits_lose_none_and_double_none() {
    let house = House::new();
    let tries = (0..400u64).map(|n| {
        let addr = house.payout.addr.clone();
        let supervisor = house.supervisor.clone();
        async move {
            if n.is_multiple_of(20) {
                supervisor.crash("payout").unwrap();
            }
            // As a session does it: asked again until there is an answer.
            loop {
                if let Ok(answer) = addr.send(CreditShare { share: share(n) }).await {
                    return answer;
                }
            }
        }
    });
    let answers = futures::future::join_all(tries).await;
    assert!(answers.iter().all(|a| *a == Ok(())));
    assert_eq!(house.restarts(), 20);
    let accepted: u64 = house.workers().await.iter().map(|w| w.shares_accepted).sum();
    assert_eq!(accepted, 400);
    let house = house.again();
    let accepted: u64 = house.workers().await.iter().map(|w| w.shares_accepted).sum();
    assert_eq!(accepted, 400);
}

#[actix::test]
async fn a_block_is_split_over_the_shares_up_to_the_one_that_found_it() {
    let house = House::new();
    for n in 1..=3 {
        house.credit(share(n)).await.unwrap();
    }
    let event = house.chain.extend(1, &[&ours()], 1);
    let block = Arc::clone(&event.connected[0]);
    house.credit(finding(&block)).await.unwrap();
    house.credit(share(4)).await.unwrap();
    house.tip(event).await;
    let want = [
        row("alice", 3_712_500_000, 0),
        row("chain:coinbase", -5_000_000_000, 0),
        row("finder", 1_237_500_000, 0),
        row("pool:fee", 50_000_000, 0),
    ];
    assert_eq!(house.balances().await, want);
    let blocks = house.blocks().await;
    assert_eq!((blocks[0].hash, blocks[0].finder.as_str()), (block.hash(), "finder.rig"));
    assert_eq!(blocks[0].state, PoolBlockState::Immature);
}

#[actix::test]
async fn a_block_waits_for_its_share_while_the_process_lives() {
    let house = House::new();
    house.tip(house.chain.extend(1, &[&theirs()], 1)).await;
    house.credit(share(1)).await.unwrap();
    let event = house.chain.extend(2, &[&ours(), &theirs()], 1);
    let block = Arc::clone(&event.connected[0]);
    house.payout.addr.send(event).await.unwrap();
    // The answer to a question shows that the event was handled; a panic in between changes nothing.
    house.supervisor.crash("payout").unwrap();
    assert!(house.blocks().await.is_empty());
    house.credit(finding(&block)).await.unwrap();
    house.stand_at(house.chain.tip().hash).await;
    assert_eq!(house.blocks().await[0].finder, "finder.rig");
}

#[actix::test]
async fn it_does_not_wait_forever() {
    let house = House::new();
    house.tip(house.chain.extend(1, &[&theirs()], 1)).await;
    house.credit(share(1)).await.unwrap();
    house.payout.addr.send(house.chain.extend(2, &[&ours()], 1)).await.unwrap();
    let tip = house.chain.tip().hash;
    while house.ledger.cursor().unwrap().unwrap().hash != tip {
        // The clock is moved until the bound has passed since the first look.
        house.clock.move_ms(10_000);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(house.blocks().await[0].finder, "");
    assert_eq!(house.balances().await[0], row("alice", 4_950_000_000, 0));
}

#[actix::test]
async fn a_clock_that_is_set_back_does_not_lengthen_the_wait() {
    let house = House::new();
    house.clock.move_ms(1_000_000_000);
    house.tip(house.chain.extend(1, &[&theirs()], 1)).await;
    house.payout.addr.send(house.chain.extend(2, &[&ours()], 1)).await.unwrap();
    let looked = async || {
        let before = house.chain.looks();
        while house.chain.looks() < before + 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    looked().await;
    house.clock.set_back_ms(900_000_000);
    looked().await;
    house.clock.move_ms(40_000);
    house.stand_at(house.chain.tip().hash).await;
}

#[actix::test]
async fn tips_that_come_while_a_block_waits_start_no_more_timers() {
    // Here, and not on a thread of its own, so that its time is the test's.
    tokio::time::pause();
    let (house, chain) = (House::new(), FakeChain::new());
    let books = OpenBooks {
        log: Arc::new(FileShareLog::open(Arc::new(MachineDisk), TempDir::new().unwrap().path()).unwrap().0),
        ledger: Arc::<MemoryLedger>::default(),
    };
    let figures = Arc::new(Figures::default());
    let committer = Committer::start(Arc::clone(&books.log), Arc::clone(&figures), |_| {}).unwrap();
    let own: Arc<dyn BooksChain> = Arc::<FakeChain>::clone(&chain);
    let booker = Arc::new(Booker::new(PayoutDeps { chain: own, books }, config()));
    booker.begin().unwrap();
    let shared = Shared {
        clock: Arc::<Hands>::clone(&house.clock),
        entropy: Arc::<Hands>::clone(&house.clock),
        net: Arc::new(MachineNet),
        supervisor: house.supervisor.clone(),
    };
    let addr = actix::Actor::start(PayoutActor::new(shared, booker, committer, figures, Patience::All));
    let event = chain.extend(1, &[&ours()], 1);
    for _ in 0..20 {
        addr.send(event.clone()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let (began, before) = (tokio::time::Instant::now(), chain.looks());
    while chain.looks() < before + 20 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(began.elapsed() > Duration::from_millis(900), "{:?}", began.elapsed());
}

/// New books of this chain, without an actor.
fn booker(chain: &Arc<FakeChain>, dir: &TempDir) -> Booker {
    let books = OpenBooks {
        log: Arc::new(FileShareLog::open(Arc::new(MachineDisk), dir.path()).unwrap().0),
        ledger: Arc::<MemoryLedger>::default(),
    };
    let own: Arc<dyn BooksChain> = Arc::<FakeChain>::clone(chain);
    let booker = Booker::new(PayoutDeps { chain: own, books }, config());
    booker.begin().unwrap();
    booker
}

#[test]
fn walks_that_panics_left_behind_do_the_work_once() {
    let (chain, dir) = (FakeChain::new(), TempDir::new().unwrap());
    let booker = booker(&chain, &dir);
    let script = theirs();
    chain.extend(1, &vec![&script; 300], 1);
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| assert_eq!(booker.walk(Patience::All), Ok(Walked::Done)));
        }
    });
    assert_eq!(chain.0.lock().unwrap().read, 300);
}

#[test]
fn what_is_about_to_be_told_is_not_read() {
    let (chain, dir) = (FakeChain::new(), TempDir::new().unwrap());
    let booker = booker(&chain, &dir);
    let cursor = || booker.ledger().cursor().unwrap().unwrap().height;
    let read = || chain.0.lock().unwrap().read;
    chain.0.lock().unwrap().moves = true;
    let told = chain.extend(1, &[&theirs(), &theirs()], 1);
    chain.extend(3, &[&theirs(), &theirs()], 1);
    booker.note(&told.connected, told.tip.height);
    assert_eq!(booker.walk(Patience::All), Ok(Walked::Done));
    assert_eq!((cursor(), read()), (Height::new(2), 0));
    // What was told of and is not known any more is read, and so is all of a chain that stands.
    let untold = chain.extend(5, &[&theirs()], 1);
    booker.note(&[], Height::new(3));
    assert_eq!(booker.walk(Patience::All), Ok(Walked::Done));
    assert_eq!((cursor(), read()), (Height::new(3), 1));
    chain.0.lock().unwrap().moves = false;
    assert_eq!(booker.walk(Patience::All), Ok(Walked::Done));
    assert_eq!((cursor(), read()), (untold.tip.height, 3));
}

#[test]
fn a_block_that_connects_before_the_first_look_waits_for_its_share() {
    let (chain, dir) = (FakeChain::new(), TempDir::new().unwrap());
    chain.extend(1, &[&theirs()], 1);
    let booker = booker(&chain, &dir);
    let start = booker.tip().height;
    let found = chain.extend(2, &[&ours()], 1).tip.hash;
    assert_eq!(booker.walk(Patience::Above(start)), Ok(Walked::Waiting(found)));
    assert_eq!(booker.walk(Patience::Above(start.next())), Ok(Walked::Done));
}

#[actix::test]
async fn after_a_restart_nobody_is_waited_for() {
    let house = House::new();
    let house = {
        house.chain.extend(1, &[&theirs(), &ours()], 1);
        house.again()
    };
    house.stand_at(house.chain.tip().hash).await;
    // Nobody had a share.
    let want = [
        row("chain:coinbase", -5_000_000_000, 0),
        row("pool:fee", 50_000_000, 0),
        row("pool:unclaimed", 4_950_000_000, 0),
    ];
    assert_eq!(house.balances().await, want);
}

#[actix::test]
async fn a_block_matures_and_a_reorganisation_takes_it_back_though_events_were_missed() {
    let house = House::new();
    house.credit(share(1)).await.unwrap();
    let event = house.chain.extend(1, &[&ours()], 1);
    house.credit(finding(&event.connected[0])).await.unwrap();
    house.tip(event).await;
    let others: Vec<ScriptBuf> = vec![theirs(); 99];
    let scripts: Vec<&ScriptBuf> = others.iter().collect();
    house.chain.extend(2, &scripts[..98], 1);
    // All of these events were dropped; the next one makes good for them.
    house.tip(house.chain.extend(100, &[&theirs()], 1)).await;
    assert_eq!(house.blocks().await[0].state, PoolBlockState::Mature);
    assert_eq!(house.balances().await[0], row("alice", 0, 2_475_000_000));
    assert_eq!(house.chain.len(), 101);
    let again: Vec<&ScriptBuf> = scripts.iter().copied().chain(scripts.iter().copied()).take(102).collect();
    house.tip(house.chain.extend(1, &again, 2)).await;
    assert_eq!(house.blocks().await[0].state, PoolBlockState::Orphaned);
    assert!(house.balances().await.iter().all(|(_, immature, mature)| (*immature, *mature) == (0, 0)));
    house.ledger.verify().unwrap();
}

#[actix::test]
async fn blocks_of_others_and_of_before_are_not_ours() {
    let chain = FakeChain::new();
    chain.extend(1, &[&ours(), &ours()], 1);
    let house = House::over(Arc::default(), chain, Arc::default(), TempDir::new().unwrap());
    assert_eq!(house.ledger.cursor().unwrap(), Some(house.chain.tip()));
    house.tip(house.chain.extend(3, &[&theirs()], 1)).await;
    assert!(house.blocks().await.is_empty());
}

#[actix::test]
async fn books_that_the_chain_does_not_know_stay_where_they_are() {
    let house = House::new();
    let before = house.ledger.cursor().unwrap();
    house.chain.0.lock().unwrap().forgets = true;
    house.payout.addr.send(house.chain.extend(1, &[&ours()], 1)).await.unwrap();
    assert!(house.blocks().await.is_empty());
    assert_eq!(house.ledger.cursor().unwrap(), before);
    house.chain.0.lock().unwrap().forgets = false;
    let event = house.chain.extend(2, &[&theirs()], 1);
    let found =
        Arc::clone(&house.chain.0.lock().unwrap().blocks[&event.connected[0].header().prev_blockhash]);
    house.credit(finding(&found)).await.unwrap();
    house.tip(event).await;
    assert_eq!(house.blocks().await.len(), 1);
}

#[actix::test]
async fn workers_have_rates_and_refusals_that_a_panic_leaves() {
    let house = House::new();
    for n in 0..=60u64 {
        let at = UnixMillis::new(START_MS + n * 1_000);
        house.credit(ShareCredit { at, address: "alice".to_owned(), ..share(n) }).await.unwrap();
    }
    house.clock.move_ms(60_000);
    house.payout.addr.send(ShareRejected { worker: "alice.rig".to_owned() }).await.unwrap();
    house.payout.addr.send(ShareRejected { worker: "mallory".to_owned() }).await.unwrap();
    house.supervisor.crash("payout").unwrap();
    let check = |workers: Vec<WorkerTotals>, rejected: u64| {
        let alice = &workers[0];
        assert_eq!(
            (alice.name.as_str(), alice.shares_accepted, alice.shares_rejected),
            ("alice.rig", 61, rejected)
        );
        assert_eq!((alice.work_raw, alice.hashrate), (61 << 10, 1 << 10));
        assert_eq!(alice.last_share, Some(UnixMillis::new(START_MS + 60_000)));
        workers
    };
    let workers = check(house.workers().await, 1);
    assert_eq!((workers[1].name.as_str(), workers[1].shares_rejected), ("mallory", 1));
    // Rates are read back from the log; refusals are of the process.
    let house = house.again();
    check(house.workers().await, 0);
    house.clock.move_ms(700_000);
    assert_eq!(house.workers().await[0].hashrate, 0);
}

#[actix::test]
async fn books_that_are_ahead_of_the_chain_wait_for_it() {
    let house = House::new();
    let event = house.chain.extend(1, &[&theirs(), &ours()], 1);
    house.credit(finding(&event.connected[1])).await.unwrap();
    house.tip(event.clone()).await;
    let before = house.balances().await;
    // A chain that was killed starts lower, and connects the same blocks again.
    house.chain.0.lock().unwrap().best.truncate(2);
    let house = house.again();
    house.payout.addr.send(event.clone()).await.unwrap();
    assert_eq!(house.balances().await, before);
    house.chain.0.lock().unwrap().best.push(event.tip.hash);
    house.tip(house.chain.extend(3, &[&theirs()], 1)).await;
    assert_eq!((house.balances().await, house.ledger.verify().unwrap().entries), (before, 1));
    // Or another branch wins.
    house.chain.0.lock().unwrap().best.truncate(2);
    house.tip(house.chain.extend(2, &[&theirs(), &theirs(), &theirs()], 2)).await;
    assert_eq!(house.blocks().await[0].state, PoolBlockState::Orphaned);
}

/// A log whose disk is gone.
struct BrokenLog(bool);
impl ShareLog for BrokenLog {
    fn append_batch(&self, _: &[ShareCredit]) -> Result<Vec<Result<ShareSeq, CreditError>>, ShareLogFault> {
        assert!(!self.0, "a bug");
        Err(ShareLogFault::Storage("no space".to_owned()))
    }
    fn find(&self, _: &BlockHash) -> Option<ShareSeq> {
        None
    }
    fn last(&self) -> Option<ShareSeq> {
        None
    }
    fn share(&self, _: ShareSeq) -> Result<Option<ShareCredit>, ShareLogFault> {
        Err(ShareLogFault::Stopped)
    }
    fn window(
        &self,
        _: ShareSeq,
        _: u128,
    ) -> Result<std::collections::BTreeMap<adit_domain::payout::Account, u128>, ShareLogFault> {
        Err(ShareLogFault::Stopped)
    }
    fn totals(
        &self,
        _: Option<&(String, String)>,
        _: usize,
    ) -> std::collections::BTreeMap<(String, String), ShareTotals> {
        Default::default()
    }
    fn newest(&self, _: &mut dyn FnMut(&ShareCredit) -> bool) -> Result<(), ShareLogFault> {
        Ok(())
    }
}

#[actix::test]
async fn a_disk_that_fails_ends_the_process_and_nobody_hears_true() {
    for panics in [false, true] {
        let clock = Arc::new(Hands::default());
        let supervisor = Supervisor::new(Arc::<Hands>::clone(&clock));
        let shared = Shared {
            clock: Arc::<Hands>::clone(&clock),
            entropy: clock,
            net: Arc::new(MachineNet),
            supervisor: supervisor.clone(),
        };
        let books = OpenBooks { log: Arc::new(BrokenLog(panics)), ledger: Arc::new(MemoryLedger::default()) };
        let deps = PayoutDeps { chain: FakeChain::new(), books };
        let payout = start(&shared, deps, config()).unwrap();
        let answer = payout.addr.send(CreditShare { share: share(1) }).await.unwrap();
        assert_eq!(answer, Err(CreditError::Storage("the share log has stopped".to_owned())));
        let reason = supervisor.exit_reason().await;
        assert!(matches!(reason, ExitReason::Fault { .. }), "{reason:?}");
        assert_eq!(reason.exit_code(), 74);
    }
}

#[test]
fn the_books_of_a_folder_open_twice_one_after_the_other() {
    let base = TempDir::new().unwrap();
    for _ in 0..2 {
        let dir = DataDir::open(base.path(), "regtest").unwrap();
        let books = open(&dir).unwrap();
        assert_eq!((books.log.last(), books.ledger.cursor()), (None, Ok(None)));
    }
    let dir = DataDir::open(base.path(), "regtest").unwrap();
    std::fs::write(dir.ledger(), vec![1u8; 5_000]).unwrap();
    assert!(matches!(open(&dir), Err(Fault::Storage(_))));
}
