use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use actix::{Actor, Context, Handler, ResponseFuture};
use adit_domain::chain::NextBlock;
use adit_domain::payout::CreditError;
use adit_domain::stratum::session::SeenShare;
use adit_domain::stratum::{
    EXTRANONCE1_BYTES, MemoryLease, MemorySessionStore, SessionInfo, SessionSnapshot, SessionState,
    VERSION_MASK, VardiffConfig,
};
use adit_domain::template::{BlockTemplate, TemplateRequest, build_template};
use adit_domain::units::{Clock, Difficulty, Entropy, Height, UnixMillis};
use adit_domain::wire::ParsedBlock;
use bitcoin::hashes::Hash;
use bitcoin::{Amount, BlockHash, CompactTarget, Network, ScriptBuf};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, Join};
use tokio::sync::Semaphore;

use super::*;
use crate::messages::stratum::GetSessions;
use crate::messages::template::TemplateChanged;
use crate::net::fixtures::MemoryNet;
use crate::net::{MachineNet, Net, Stream};
use crate::supervision::{Fault, Rebuild, Supervisor};

const ADDRESS: &str = "bcrt1qs758ursh4q9z627kt3pp5yysm78ddny6txaqgw";
const TIME: u32 = 1_700_000_000;

struct Stopped;
impl Clock for Stopped {
    fn now(&self) -> UnixMillis {
        UnixMillis::from_seconds(u64::from(TIME))
    }
}

struct Counting(AtomicU64);
impl Entropy for Counting {
    fn next_u64(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// What happened outside of the pool's front, in its order.
#[derive(Default)]
struct Journal(Mutex<Vec<String>>);
impl Journal {
    fn add(&self, entry: String) {
        self.0.lock().unwrap().push(entry);
    }
    fn entries(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

struct Sink(Arc<Journal>);
impl BlockSink for Sink {
    fn submit(&self, block: Arc<ParsedBlock>) {
        self.0.add(format!("block {}", block.txs().len()));
    }
}

/// Books that are durable when the gate has a permit, and panic when they are told to.
struct Books {
    journal: Arc<Journal>,
    gate: Arc<Semaphore>,
    panics: Arc<AtomicBool>,
}
impl Actor for Books {
    type Context = Context<Self>;
}
impl Rebuild for Books {
    fn rebuild(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}
crate::supervised!(Books);
impl Handler<CreditShare> for Books {
    type Result = ResponseFuture<Result<(), CreditError>>;
    fn handle(&mut self, msg: CreditShare, _ctx: &mut Context<Self>) -> Self::Result {
        self.journal.add(format!("credit {}", msg.share.submission));
        assert!(!self.panics.swap(false, Ordering::SeqCst), "told to");
        let gate = Arc::clone(&self.gate);
        Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            Ok(())
        })
    }
}
impl Handler<ShareRejected> for Books {
    type Result = ();
    fn handle(&mut self, msg: ShareRejected, _ctx: &mut Context<Self>) {
        self.journal.add(format!("rejected {}", msg.worker));
    }
}

struct Templates(Option<Arc<BlockTemplate>>);
impl Actor for Templates {
    type Context = Context<Self>;
}
impl Handler<GetTemplate> for Templates {
    type Result = Option<Arc<BlockTemplate>>;
    fn handle(&mut self, _msg: GetTemplate, _ctx: &mut Context<Self>) -> Self::Result {
        self.0.clone()
    }
}

/// A store that panics while something is saved, when it is told to: so a session panics in the middle of a line.
#[derive(Default)]
struct Mined {
    inner: MemorySessionStore,
    panics: AtomicBool,
}
impl SessionStore for Mined {
    fn load(&self, id: u64) -> Option<SessionSnapshot> {
        self.inner.load(id)
    }
    fn save(&self, state: &SessionState, accepted: Option<SeenShare>) {
        assert!(!self.panics.swap(false, Ordering::SeqCst), "told to");
        self.inner.save(state, accepted);
    }
    fn replace(&self, snapshot: &SessionSnapshot) {
        self.inner.replace(snapshot);
    }
    fn retire(&self, id: u64, now: UnixMillis) {
        self.inner.retire(id, now);
    }
    fn resume(&self, token: &str, now: UnixMillis) -> Option<SessionSnapshot> {
        self.inner.resume(token, now)
    }
    fn has_extranonce1(&self, extranonce1: [u8; EXTRANONCE1_BYTES]) -> bool {
        self.inner.has_extranonce1(extranonce1)
    }
    fn infos_after(&self, after: Option<u64>, max: usize) -> Vec<SessionInfo> {
        self.inner.infos_after(after, max)
    }
}

fn template(prev: u8, bits: u32) -> Arc<BlockTemplate> {
    let next = NextBlock {
        prev: BlockHash::from_byte_array([prev; 32]),
        height: Height::new(101),
        version: NextBlock::NO_VOTES,
        bits: CompactTarget::from_consensus(bits),
        time_min: TIME - 1000,
        median_time_past: TIME - 1001,
    };
    let script = ScriptBuf::from_bytes([&[0x00, 0x14][..], &[9; 20]].concat());
    let (subsidy, now) = (Amount::from_sat(5_000_000_000), Stopped.now());
    let request = TemplateRequest { next: &next, subsidy, payout_script: &script, now, id: 1 };
    Arc::new(build_template(&request, None).unwrap())
}

/// The pool's front with everything around it played.
struct House {
    supervisor: Supervisor,
    stratum: Stratum,
    journal: Arc<Journal>,
    gate: Arc<Semaphore>,
    books_panic: Arc<AtomicBool>,
    store: Arc<Mined>,
    net: Arc<dyn Net>,
}

fn config(change: impl FnOnce(&mut StratumConfig)) -> StratumConfig {
    let pinned = Difficulty::MIN;
    let mut config = StratumConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        connections_max: 100,
        connections_per_ip_max: 100,
        server: 7,
        session: SessionConfig {
            network: Network::Regtest,
            version_mask: VERSION_MASK,
            vardiff: VardiffConfig { start: pinned, min: pinned, max: pinned, shares_per_minute: 20 },
            server: "adit/test".to_owned(),
        },
        limits: ConnectionLimits::default(),
        intensity: Intensity::default(),
    };
    change(&mut config);
    config
}

fn house(bits: u32, change: impl FnOnce(&mut StratumConfig)) -> House {
    house_on(Arc::new(MachineNet), bits, change)
}

fn house_on(net: Arc<dyn Net>, bits: u32, change: impl FnOnce(&mut StratumConfig)) -> House {
    let supervisor = Supervisor::new(Arc::new(Stopped));
    let (journal, gate, books_panic): (Arc<Journal>, _, Arc<AtomicBool>) =
        (Arc::default(), Arc::new(Semaphore::new(0)), Arc::default());
    let books =
        Books { journal: Arc::clone(&journal), gate: Arc::clone(&gate), panics: Arc::clone(&books_panic) };
    let spec = ChildSpec::of_role(Role::Payout, MANAGER_MAILBOX_MAX, SHUTDOWN, Intensity::default());
    let books = supervisor.start(spec, &Arbiter::current(), move |_| books);
    let store = Arc::new(Mined::default());
    let deps = StratumDeps {
        credit: books.clone().recipient(),
        rejected: books.recipient(),
        template: Templates((bits != 0).then(|| template(1, bits))).start().recipient(),
        sink: Arc::new(Sink(Arc::clone(&journal))),
        lease: Arc::new(MemoryLease::default()),
        store: Arc::clone(&store) as Arc<dyn SessionStore>,
    };
    let shared = Shared {
        clock: Arc::new(Stopped),
        entropy: Arc::new(Counting(AtomicU64::new(1))),
        net: Arc::clone(&net),
        supervisor: supervisor.clone(),
    };
    let stratum = start(&shared, deps, config(change)).unwrap();
    House { supervisor, stratum, journal, gate, books_panic, store, net }
}

const HARD: u32 = 0x1d00_ffff;
const EASY: u32 = 0x207f_ffff;
/// There is no template yet.
const NONE: u32 = 0;

/// A miner's end of the connection.
struct Client {
    stream: BufReader<Join<Box<dyn AsyncRead + Send + Unpin>, Box<dyn AsyncWrite + Send + Unpin>>>,
    held: VecDeque<String>,
    nonce: u32,
    job: String,
}

impl Client {
    async fn connect(house: &House) -> Client {
        let Stream { read, write, .. } = house.net.connect(&house.stratum.local.to_string()).await.unwrap();
        let stream = BufReader::new(tokio::io::join(read, write));
        Client { stream, held: VecDeque::new(), nonce: 0, job: String::new() }
    }

    /// Subscribed and authorised, with its first job.
    async fn working(house: &House) -> Client {
        let mut client = Client::connect(house).await;
        client.say(r#"{"id":1,"method":"mining.subscribe","params":["test"]}"#).await;
        client
            .say(&format!(r#"{{"id":2,"method":"mining.authorize","params":["{ADDRESS}.rig","x"]}}"#))
            .await;
        client.expect("\"id\":2,\"result\":true").await;
        client.next_job().await;
        client
    }

    async fn say(&mut self, line: &str) {
        self.stream.get_mut().write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// The next line; none at the end.
    async fn read(&mut self) -> Option<String> {
        let mut line = String::new();
        // A connection that was closed with bytes unread ends in an error.
        let read = self.stream.read_line(&mut line).await.unwrap_or(0);
        (read > 0).then_some(line)
    }

    /// Reads up to a line that has this in it; what comes before is held for later.
    async fn expect(&mut self, part: &str) -> String {
        if let Some(at) = self.held.iter().position(|l| l.contains(part)) {
            return self.held.remove(at).unwrap();
        }
        loop {
            let line = self.read().await.unwrap_or_else(|| panic!("no {part}; held: {:?}", self.held));
            if line.contains(part) {
                return line;
            }
            self.held.push_back(line);
        }
    }

    async fn next_job(&mut self) {
        let notify = self.expect("\"method\":\"mining.notify\"").await;
        self.job = notify.split('"').nth(9).unwrap().to_owned();
    }

    /// Submits another share with this id.
    async fn submit(&mut self, id: u32) {
        self.nonce += 1;
        self.submit_again(id).await;
    }

    async fn submit_again(&mut self, id: u32) {
        let line = self.submit_line(id);
        self.say(&line).await;
    }

    fn submit_line(&self, id: u32) -> String {
        format!(
            r#"{{"id":{id},"method":"mining.submit","params":["{ADDRESS}.rig","{}","0000000000000000","{TIME:08x}","{:08x}"]}}"#,
            self.job, self.nonce
        )
    }

    async fn ended(&mut self) -> bool {
        while let Some(line) = self.read().await {
            self.held.push_back(line);
        }
        true
    }
}

#[actix::test]
async fn true_follows_the_credit_in_order_and_work_waits_for_neither() {
    let house = house(HARD, |_| {});
    let mut client = Client::working(&house).await;
    for id in 10..15 {
        client.submit(id).await;
    }
    client.say(r#"{"id":15,"method":"mining.ping","params":[]}"#).await;
    while house.journal.entries().len() < 5 {
        tokio::task::yield_now().await;
    }
    // Nothing is durable yet. A new job comes nevertheless, and none of the answers before it.
    house.stratum.addr.send(TemplateChanged { template: template(2, HARD), clean_jobs: true }).await.unwrap();
    let notify = client.expect("\"method\":\"mining.notify\"").await;
    assert!(notify.ends_with("true]}\n"), "{notify}");
    assert!(
        client.held.iter().all(|l| l.contains("set_difficulty") || l.contains("\"id\":1,")),
        "{:?}",
        client.held
    );
    house.gate.add_permits(5);
    for id in 10..15 {
        assert!(client.read().await.unwrap().contains(&format!("\"id\":{id},\"result\":true")));
    }
    assert!(client.read().await.unwrap().contains("\"result\":\"pong\""));
}

#[actix::test]
async fn a_reply_that_the_books_panic_away_is_asked_for_again_with_the_same_number() {
    let house = house(HARD, |_| {});
    house.gate.add_permits(1);
    let mut client = Client::working(&house).await;
    house.books_panic.store(true, Ordering::SeqCst);
    client.submit(10).await;
    client.expect("\"id\":10,\"result\":true").await;
    let entries = house.journal.entries();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0], entries[1]);
}

#[actix::test]
async fn a_found_block_is_out_before_its_share_is_credited() {
    let house = house(EASY, |_| {});
    house.gate.add_permits(100);
    let mut client = Client::working(&house).await;
    for id in 10..30 {
        client.submit(id).await;
        client.expect(&format!("\"id\":{id},\"result\":true")).await;
    }
    let entries = house.journal.entries();
    let blocks = entries.iter().filter(|e| e.starts_with("block")).count();
    assert!(blocks > 0);
    assert_eq!(entries.len() - blocks, 20);
    assert!(entries.windows(2).all(|two| !two[0].starts_with("block") || two[1].starts_with("credit")));
    assert!(entries.last().unwrap().starts_with("credit"));
}

#[actix::test]
async fn twenty_panics_of_its_session_cost_a_miner_nothing() {
    let house = house(HARD, |_| {});
    house.gate.add_permits(100);
    let mut client = Client::working(&house).await;
    for id in 10..30 {
        client.submit(id).await;
        client.expect(&format!("\"id\":{id},\"result\":true")).await;
        assert_eq!(house.supervisor.crash("stratum").unwrap(), ["stratum-1"]);
        // What was accepted before the panic is still known after it.
        client.submit_again(100 + id).await;
        client.expect(&format!("\"id\":{},\"result\":null,\"error\":[22,", 100 + id)).await;
    }
    let status = house.supervisor.actors().into_iter().find(|a| a.name == "stratum-1").unwrap();
    assert_eq!(status.restarts, 20);
    let credits: Vec<String> =
        house.journal.entries().into_iter().filter(|e| e.starts_with("credit")).collect();
    assert_eq!(credits.len(), 20);
    let info = &house.stratum.addr.send(GetSessions::ALL).await.unwrap()[0];
    assert_eq!((info.shares_accepted, info.shares_rejected), (20, 20));
}

#[actix::test]
async fn a_line_over_which_the_session_panics_is_answered_and_the_socket_stays() {
    let house = house(HARD, |_| {});
    house.gate.add_permits(1);
    let mut client = Client::working(&house).await;
    house.store.panics.store(true, Ordering::SeqCst);
    client.say(r#"{"id":10,"method":"mining.ping","params":[]}"#).await;
    client.expect("\"id\":10,\"result\":null,\"error\":[20,\"internal error\",null]").await;
    client.submit(11).await;
    client.expect("\"id\":11,\"result\":true").await;
    assert_eq!(house.journal.entries().len(), 1);
}

#[actix::test]
async fn a_share_and_its_block_outlive_the_panic_of_their_session() {
    // Any hash is a block.
    let house = house(0x2100_ffff, |_| {});
    house.gate.add_permits(100);
    let mut client = Client::working(&house).await;
    house.store.panics.store(true, Ordering::SeqCst);
    client.submit(10).await;
    client.expect("\"id\":10,\"result\":true").await;
    let entries = house.journal.entries();
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert_eq!(entries[0], "block 1");
    // Asked again it has the same number, by which the books know that it is credited.
    client.submit_again(11).await;
    client.expect("\"id\":11,\"result\":true").await;
    assert_eq!(house.journal.entries().last(), entries.last());
}

#[actix::test]
async fn a_block_outlives_the_last_panic_that_is_borne_of_its_session() {
    let house = house(0x2100_ffff, |_| {});
    house.gate.add_permits(100);
    let mut client = Client::working(&house).await;
    for n in 0..30 {
        house.store.panics.store(true, Ordering::SeqCst);
        client.say(&format!(r#"{{"id":{n},"method":"mining.ping"}}"#)).await;
        client.expect("internal error").await;
    }
    house.store.panics.store(true, Ordering::SeqCst);
    client.submit(40).await;
    client.expect("\"id\":40,\"result\":true").await;
    assert!(client.ended().await);
    assert_eq!(house.journal.entries()[0], "block 1");
}

#[actix::test]
async fn a_job_over_which_the_session_panics_still_reaches_the_miner() {
    let house = house(HARD, |_| {});
    let mut client = Client::working(&house).await;
    house.store.panics.store(true, Ordering::SeqCst);
    house.stratum.addr.send(TemplateChanged { template: template(2, HARD), clean_jobs: true }).await.unwrap();
    assert!(client.expect("\"method\":\"mining.notify\"").await.ends_with("true]}\n"));
}

#[actix::test]
async fn a_session_that_panics_too_often_ends_and_only_it() {
    let house = house(HARD, |_| {});
    let (mut poisonous, mut other) = (Client::working(&house).await, Client::working(&house).await);
    for n in 0..31 {
        house.store.panics.store(true, Ordering::SeqCst);
        poisonous.say(&format!(r#"{{"id":{n},"method":"mining.ping"}}"#)).await;
        if n < 30 {
            poisonous.expect("internal error").await;
        }
    }
    assert!(poisonous.ended().await);
    other.say(r#"{"id":5,"method":"mining.ping"}"#).await;
    other.expect("pong").await;
}

#[actix::test]
async fn after_a_panic_of_the_manager_miners_stay_and_new_ones_come() {
    let house = house(HARD, |_| {});
    // No session yet: the role's word means the manager.
    assert_eq!(house.supervisor.crash("stratum").unwrap(), ["stratum"]);
    let mut one = Client::connect(&house).await;
    one.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#).await;
    let first = one.expect("mining.set_difficulty").await;
    house.stratum.addr.try_send(crate::supervision::Crash).unwrap();
    let mut two = Client::connect(&house).await;
    two.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#).await;
    let second = two.expect("mining.set_difficulty").await;
    assert_ne!(first, second);
    one.say(r#"{"id":2,"method":"mining.ping"}"#).await;
    one.expect("pong").await;
    let mut three = Client::working(&house).await;
    three.say(r#"{"id":3,"method":"mining.ping"}"#).await;
    three.expect("pong").await;
}

#[actix::test]
async fn one_connection_too_many_is_closed() {
    let house = house(HARD, |c| c.connections_per_ip_max = 2);
    let mut held = [Client::working(&house).await, Client::working(&house).await];
    assert!(Client::connect(&house).await.ended().await);
    for client in &mut held {
        client.say(r#"{"id":5,"method":"mining.ping"}"#).await;
        client.expect("pong").await;
    }
}

#[actix::test]
async fn a_line_that_is_no_message_ends_the_connection_after_an_answer() {
    for (line, text) in [("garbage".to_owned(), "not a JSON object"), ("x".repeat(9_000), "line too long")] {
        let house = house(HARD, |_| {});
        let mut client = Client::working(&house).await;
        client.say(&line).await;
        client.expect(text).await;
        assert!(client.ended().await);
        while !house.stratum.addr.send(GetSessions::ALL).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

#[actix::test]
async fn who_does_not_authorise_or_falls_silent_is_let_go() {
    let short = Duration::from_millis(1);
    let house = house(HARD, |c| c.limits.handshake = short);
    assert!(Client::connect(&house).await.ended().await);
    let house = self::house(HARD, |c| c.limits.idle = short);
    assert!(Client::connect(&house).await.say_hello_and_end().await);
}

impl Client {
    async fn say_hello_and_end(&mut self) -> bool {
        self.say(&format!(r#"{{"id":2,"method":"mining.authorize","params":["{ADDRESS}","x"]}}"#)).await;
        self.ended().await
    }
}

#[actix::test]
async fn miners_wait_for_the_first_work_and_are_kept() {
    let short = Duration::from_millis(1);
    let house = house(NONE, |c| c.limits.idle = short);
    let mut client = Client::connect(&house).await;
    client.say(r#"{"id":1,"method":"mining.subscribe","params":["test"]}"#).await;
    client.say(&format!(r#"{{"id":2,"method":"mining.authorize","params":["{ADDRESS}.rig","x"]}}"#)).await;
    client.expect("\"id\":2,\"result\":true").await;
    for _ in 0..20 {
        tokio::time::sleep(short * 3).await;
        client.say(r#"{"id":3,"method":"mining.ping"}"#).await;
        client.expect("pong").await;
    }
    assert!(client.held.iter().all(|l| !l.contains("\"method\":\"mining.notify\"")));
    house.stratum.addr.send(TemplateChanged { template: template(2, HARD), clean_jobs: true }).await.unwrap();
    client.next_job().await;
}

#[actix::test]
async fn what_was_asked_before_the_end_is_answered() {
    let house = house(HARD, |_| {});
    let mut client = Client::working(&house).await;
    client.submit(10).await;
    client.stream.get_mut().shutdown().await.unwrap();
    house.gate.add_permits(1);
    client.expect("\"id\":10,\"result\":true").await;
    assert!(client.ended().await);
}

#[actix::test]
async fn a_miner_works_over_a_net_that_is_not_the_machines() {
    // No machine has this address: were it the machine's net, it could not be bound.
    let elsewhere: SocketAddr = "203.0.113.7:3333".parse().unwrap();
    let house = house_on(Arc::new(MemoryNet::default()), EASY, |c| c.listen = elsewhere);
    assert_eq!(house.stratum.local, elsewhere);
    house.gate.add_permits(1);
    let mut client = Client::working(&house).await;
    let info = &house.stratum.addr.send(GetSessions::ALL).await.unwrap()[0];
    assert_eq!(info.remote, "203.0.113.1:40000");
    client.submit(10).await;
    client.expect("\"id\":10,\"result\":true").await;
    assert_eq!(house.supervisor.crash("stratum").unwrap(), ["stratum-1"]);
    client.submit_again(11).await;
    client.expect("\"id\":11,\"result\":null,\"error\":[22,").await;
    client.stream.get_mut().shutdown().await.unwrap();
    assert!(client.ended().await);
}

#[actix::test]
async fn a_block_is_submitted_and_credited_though_its_miner_takes_no_answer() {
    // Any hash is a block.
    let house = house_on(Arc::new(MemoryNet::default()), 0x2100_ffff, |_| {});
    house.gate.add_permits(100);
    let client = Client::working(&house).await;
    let submit = client.submit_line(11);
    let (deaf, mut write) = client.stream.into_inner().into_inner();
    drop(deaf);
    // In one piece: the answer to the ping fails while the session has the share at hand.
    let lines = format!("{{\"id\":10,\"method\":\"mining.ping\",\"params\":[]}}\n{submit}\n");
    write.write_all(lines.as_bytes()).await.unwrap();
    while house.supervisor.actors().iter().any(|a| a.name == "stratum-1") {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let entries = house.journal.entries();
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert_eq!(entries[0], "block 1");
}

#[actix::test]
async fn a_port_that_is_taken_is_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let house = house(HARD, |_| {});
    let deps_of = |house: &House| {
        let books = Books {
            journal: Arc::clone(&house.journal),
            gate: Arc::clone(&house.gate),
            panics: Arc::clone(&house.books_panic),
        }
        .start();
        StratumDeps {
            credit: books.clone().recipient(),
            rejected: books.recipient(),
            template: Templates(Some(template(1, HARD))).start().recipient(),
            sink: Arc::new(Sink(Arc::clone(&house.journal))),
            lease: Arc::new(MemoryLease::default()),
            store: Arc::new(MemorySessionStore::default()),
        }
    };
    let shared = Shared {
        clock: Arc::new(Stopped),
        entropy: Arc::new(Counting(AtomicU64::new(1))),
        net: Arc::clone(&house.net),
        supervisor: house.supervisor.clone(),
    };
    let listen = taken.local_addr().unwrap();
    let error = start(&shared, deps_of(&house), config(|c| c.listen = listen)).err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}
