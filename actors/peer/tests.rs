use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, Context, Handler, ResponseFuture};
use adit_chainstate::{BlockAccepted, ChainConfig, SubmitError};
use adit_domain::consensus::Params;
use adit_domain::mempool::MempoolConfig as PoolConfig;
use adit_domain::peer::{
    Ban, BanError, Locator, Message as P2p, SessionRules, Subnet, Transport, Version, Whitelist,
};
use adit_domain::script::Interpreter;
use adit_domain::wire::ParsedBlock;
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, Network};
use tempfile::TempDir;
use tokio::sync::watch;

use super::*;
use crate::chain::{self, Chain, ChainDeps, ChainSetup};
use crate::clock::{SystemClock, SystemEntropy};
use crate::mempool::{self, Mempool, MempoolConfig, MempoolDeps};
use crate::messages::chain::TipChanged;
use crate::messages::peer::{BanPeers, GetBans, GetPeers, RelayBlock, SetNetworkActive, UnbanPeers};
use crate::net::fixtures::MemoryNet;
use crate::net::{MachineNet, Net};
use crate::store::{self, OpenStore, StoreConfig};
use crate::supervision::Supervisor;

mod bitcoin_core;
mod mining;

use mining::{grown, mine};

/// A node without a pool, on regtest.
struct TestNode {
    chain: Chain,
    mempool: Mempool,
    peers: Peers,
    supervisor: Supervisor,
    tips: watch::Receiver<BlockHash>,
    _store: OpenStore,
    _dir: TempDir,
}

fn config(params: &Params, listen: &str, connect: &[String]) -> PeerConfig {
    PeerConfig {
        magic: params.magic,
        listen: Some(listen.parse().unwrap()),
        listen_more: Vec::new(),
        listen_maybe: Vec::new(),
        connect: connect.to_vec(),
        inbound_max: 4,
        block_bytes_max: 1 << 20,
        user_agent: "/Adit:test/".to_owned(),
        whitelist: Whitelist::default(),
        rules: SessionRules::default(),
        bans_file: None,
        peers_file: None,
        reachable: Vec::new(),
        fixed_places: false,
        is_active: true,
        intensity: Intensity::default(),
    }
}

/// Hears of each tip.
struct Ear(watch::Sender<BlockHash>);
impl Actor for Ear {
    type Context = Context<Self>;
}
impl Handler<TipChanged> for Ear {
    type Result = ();
    fn handle(&mut self, msg: TipChanged, _: &mut Context<Self>) {
        self.0.send_replace(msg.tip.hash);
    }
}

impl TestNode {
    fn start(connect: &[String]) -> TestNode {
        TestNode::start_on(Arc::new(MachineNet), "127.0.0.1:0", connect)
    }

    fn start_on(net: Arc<dyn Net>, listen: &str, connect: &[String]) -> TestNode {
        TestNode::start_by(net, listen, connect, SessionRules::default())
    }

    fn start_by(net: Arc<dyn Net>, listen: &str, connect: &[String], rules: SessionRules) -> TestNode {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let supervisor = Supervisor::new(clock.clone());
        let shared = Shared { clock, entropy: Arc::new(SystemEntropy), net, supervisor: supervisor.clone() };
        let (params, intensity) = (Arc::new(Params::of(Network::Regtest)), Intensity::default());
        let opened = StoreConfig {
            base: dir.path().into(),
            network: "regtest".to_owned(),
            layout: adit_store::Layout::Own,
            page_bytes: 1 << 20,
            intensity,
        };
        let store = store::start(&shared, opened).unwrap();
        let deps = ChainDeps { store: Arc::clone(&store.store), verifier: Arc::new(Interpreter) };
        let setup = ChainSetup { chain: ChainConfig::new(Arc::clone(&params)), intensity };
        let chain = chain::start(&shared, deps, setup).unwrap();
        let deps = MempoolDeps { chain: Arc::new(chain.reader.clone()), verifier: Arc::new(Interpreter) };
        let pool = PoolConfig { bytes_max: 10_000_000, ..PoolConfig::default() };
        let mempool = mempool::start(
            &shared,
            deps,
            MempoolConfig { pool, file: None, is_kept: false, is_plain: false, fees: None, intensity },
        );
        let deps = PeerDeps {
            chain: Arc::new(chain.reader.clone()),
            headers: chain.addr.clone().recipient(),
            blocks: chain.addr.clone().recipient(),
            txs: mempool.addr.clone().recipient(),
            mempool: mempool.reader.clone(),
            filters: None,
        };
        let config = PeerConfig {
            rules,
            bans_file: Some(dir.path().join("banlist.json")),
            ..config(&params, listen, connect)
        };
        let peers = start(&shared, deps, config).unwrap();
        let (sender, tips) = watch::channel(chain.reader.tip().hash);
        let ear: Addr<Ear> = Ear(sender).start();
        chain.listeners.add("peer", peers.addr.clone().recipient());
        chain.listeners.add("mempool", mempool.addr.clone().recipient());
        chain.listeners.add("test", ear.recipient());
        mempool.listeners.add(peers.addr.clone().recipient());
        TestNode { chain, mempool, peers, supervisor, tips, _store: store, _dir: dir }
    }

    fn listens(&self) -> String {
        self.peers.local.unwrap().to_string()
    }

    fn height(&self) -> u32 {
        self.chain.reader.tip().height.to_u32()
    }

    fn tip(&self) -> BlockHash {
        self.chain.reader.tip().hash
    }

    /// Waits for as long as it takes; a test that waits in vain is ended from outside.
    async fn reaches(&mut self, tip: BlockHash) {
        let reader = self.chain.reader.clone();
        self.tips.wait_for(|_| reader.tip().hash == tip).await.unwrap();
    }

    async fn takes(&self, block: &Arc<ParsedBlock>) {
        self.chain.addr.send(SubmitBlock { block: Arc::clone(block) }).await.unwrap().unwrap();
    }

    async fn peers(&self, count: usize) -> Vec<adit_domain::peer::PeerInfo> {
        loop {
            let peers = self.peers.addr.send(GetPeers).await.unwrap();
            if peers.iter().filter(|p| !p.user_agent.is_empty()).count() == count {
                return peers;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[actix::test]
async fn a_node_synchronises_follows_and_is_followed() {
    let server = TestNode::start(&[]);
    let trunk = grown(&server, 300).await;
    let mut client = TestNode::start(&[server.listens()]);
    client.reaches(server.tip()).await;
    assert_eq!(client.height(), 300);
    let shown = client.peers(1).await;
    assert_eq!((shown[0].inbound, shown[0].height.to_u32()), (false, 300));
    assert!(shown[0].bytes_received > 300 * 200 && shown[0].bytes_sent > 0);
    // A new block at the server is announced and fetched.
    let next = mine(&trunk[299], 1);
    server.takes(&next).await;
    client.reaches(next.hash()).await;
    // One that the client finds goes to whom it has connected to before its own chain has it.
    let found = mine(&next, 2);
    let mut server = server;
    client.peers.addr.send(RelayBlock { block: Arc::clone(&found) }).await.unwrap();
    server.reaches(found.hash()).await;
    // And one that the server finds is fetched from it before its own chain has it.
    client.takes(&found).await;
    let theirs = mine(&found, 3);
    server.peers.addr.send(RelayBlock { block: Arc::clone(&theirs) }).await.unwrap();
    client.reaches(theirs.hash()).await;
}

/// Each with each: encrypted where both can do that, in the clear otherwise, and whoever does not understand is asked again.
#[actix::test]
async fn connections_are_encrypted_where_both_ends_can() {
    let start = |encrypts: bool, connect: &[String]| {
        let rules = SessionRules { encrypts, ..SessionRules::default() };
        TestNode::start_by(Arc::new(MachineNet), "127.0.0.1:0", connect, rules)
    };
    for (there, here) in [(true, true), (true, false), (false, true), (false, false)] {
        let server = start(there, &[]);
        let trunk = grown(&server, 250).await;
        let mut client = start(here, &[server.listens()]);
        client.reaches(server.tip()).await;
        let both = there && here;
        let want = if both { Transport::V2 } else { Transport::V1 };
        let (ours, theirs) = (client.peers(1).await.remove(0), server.peers(1).await.remove(0));
        assert_eq!((ours.transport, theirs.transport), (want, want), "{there} {here}");
        assert_eq!((ours.session_id.is_some(), ours.session_id), (both, theirs.session_id));
        assert_eq!((theirs.services >> 11 & 1 == 1, ours.services >> 11 & 1 == 1), (here, there));
        let next = mine(&trunk[249], 1);
        server.takes(&next).await;
        client.reaches(next.hash()).await;
    }
}

/// What is announced comes as a compact block, and what of it is missing is asked for.
#[actix::test]
async fn a_new_block_goes_round_as_a_compact_one() {
    let server = TestNode::start(&[]);
    let trunk = grown(&server, 5).await;
    let mut client = TestNode::start(&[server.listens()]);
    client.reaches(server.tip()).await;
    let mut last = Arc::clone(&trunk[4]);
    let came = |infos: &[adit_domain::peer::PeerInfo]| {
        infos.iter().flat_map(|info| &info.received_by_kind).any(|(name, _)| name == "cmpctblock")
    };
    // The first whose block it is may send the next at once.
    for n in 0..4 {
        last = mine(&last, n);
        server.takes(&last).await;
        client.reaches(last.hash()).await;
    }
    assert!(came(&client.peers(1).await));
}

#[actix::test]
async fn nodes_meet_on_a_net_that_is_not_the_machines() {
    let net = Arc::new(MemoryNet::default());
    // The client is there first, and tries again until somebody listens.
    let server = "203.0.113.7:18444";
    let client_net: Arc<dyn Net> = Arc::<MemoryNet>::clone(&net);
    let mut client = TestNode::start_on(client_net, "203.0.113.8:18444", &[server.to_owned()]);
    let server = TestNode::start_on(net, server, &[]);
    let trunk = grown(&server, 20).await;
    client.reaches(server.tip()).await;
    let next = mine(&trunk[19], 1);
    server.takes(&next).await;
    client.reaches(next.hash()).await;
    let heard = &server.peers(1).await[0];
    assert_eq!((heard.inbound, heard.remote.as_str()), (true, "203.0.113.1:40000"));
}

#[actix::test]
async fn a_longer_branch_is_followed() {
    let server = TestNode::start(&[]);
    let trunk = grown(&server, 20).await;
    let mut client = TestNode::start(&[server.listens()]);
    client.reaches(server.tip()).await;
    // Ten blocks are replaced by eleven others.
    let mut branch = mine(&trunk[9], 77);
    server.takes(&branch).await;
    for _ in 0..10 {
        branch = mine(&branch, 77);
        server.takes(&branch).await;
    }
    assert_eq!(server.height(), 21);
    client.reaches(branch.hash()).await;
}

#[actix::test]
async fn a_panic_costs_a_connection_and_no_more() {
    let server = TestNode::start(&[]);
    let trunk = grown(&server, 5).await;
    let mut client = TestNode::start(&[server.listens()]);
    client.reaches(server.tip()).await;
    let mut last = Arc::clone(&trunk[4]);
    for n in 0..3 {
        client.peers(1).await;
        assert_eq!(client.supervisor.crash("peer").unwrap(), ["peer-0"]);
        last = mine(&last, n);
        server.takes(&last).await;
        client.reaches(last.hash()).await;
    }
    // The manager's panic costs not even a connection.
    let before = client.peers(1).await;
    assert_eq!(client.supervisor.restart("peer").unwrap(), ["peer-0"]);
    client.peers(1).await;
    let actors = client.supervisor.actors();
    let restarts = actors.iter().find(|a| a.name == "peer-0").map(|a| a.restarts);
    // Three panics, and the restart that was asked for.
    assert_eq!((restarts, before[0].id), (Some(4), 0));
}

/// A peer that is played by hand.
struct Played(TcpStream, adit_domain::peer::FrameDecoder);

impl Played {
    fn connect(node: &TestNode) -> Played {
        Played::connect_to(&node.listens())
    }

    fn connect_to(address: &str) -> Played {
        let stream = TcpStream::connect(address).unwrap();
        Played(stream, adit_domain::peer::FrameDecoder::new(bitcoin::p2p::Magic::REGTEST))
    }

    fn says(&mut self, message: &P2p) {
        // Where the other end has closed, that is heard.
        let _ = self.0.write_all(&message.encode(bitcoin::p2p::Magic::REGTEST).unwrap());
    }

    fn hears(&mut self) -> Option<P2p> {
        loop {
            // A byte at a time: nothing is lost between two frames.
            let mut byte = [0];
            if self.0.read(&mut byte).unwrap_or(0) == 0 {
                return None;
            }
            if let Some(frame) = self.1.feed(&mut byte.as_slice()).unwrap() {
                return Some(P2p::decode(&frame).unwrap());
            }
        }
    }

    fn shakes_hands(self) -> Played {
        self.enters().unwrap()
    }

    /// None where the node has no place for it.
    fn enters(mut self) -> Option<Played> {
        self.says(&P2p::Version(Version {
            protocol: 70_016,
            services: 0,
            time: 0,
            nonce: 1,
            user_agent: "/played/".to_owned(),
            height: 0,
            relay: true,
        }));
        self.says(&P2p::Verack);
        while !matches!(self.hears()?, P2p::FeeFilter(_)) {}
        Some(self)
    }
}

/// Plays a peer beside the node, whose actors live on threads of their own.
async fn played<R: Send + 'static>(play: impl FnOnce() -> R + Send + 'static) -> R {
    tokio::task::spawn_blocking(play).await.unwrap()
}

#[actix::test]
async fn who_breaks_the_protocol_is_dropped_and_nobody_else() {
    let node = TestNode::start(&[]);
    let trunk = grown(&node, 3).await;
    let honest = Played::connect(&node);
    let honest = played(move || honest.shakes_hands()).await;
    let header = mine(&mine(&mining::genesis(), 1), 1);
    let gap = P2p::Headers(vec![*header.header(), *header.header()]);
    let oversized = [&[0xfa, 0xbf, 0xb5, 0xda][..], b"block\0\0\0\0\0\0\0", &[0xff; 4], &[0; 4]].concat();
    let mut invalid = mine(&trunk[2], 5).to_block();
    invalid.txdata[0].output[0].value = bitcoin::Amount::MAX_MONEY;
    let invalid = mining::seal(invalid);
    let offences: Vec<Vec<u8>> = vec![
        gap.encode(bitcoin::p2p::Magic::REGTEST).unwrap(),
        oversized,
        b"GET / HTTP/1.1\r\n".to_vec(),
        P2p::WtxidRelay.encode(bitcoin::p2p::Magic::REGTEST).unwrap(),
        encode_frame(b"inv", &[0xff; 9]),
        P2p::Block(Arc::clone(&invalid)).encode(bitcoin::p2p::Magic::REGTEST).unwrap(),
    ];
    for offence in offences {
        let peer = Played::connect(&node);
        played(move || {
            let mut peer = peer.shakes_hands();
            peer.0.write_all(&offence).unwrap();
            while peer.hears().is_some() {}
        })
        .await;
    }
    let mut honest = honest;
    played(move || {
        honest.says(&P2p::Ping(7));
        while honest.hears().unwrap() != P2p::Pong(Some(7)) {}
    })
    .await;
}

fn encode_frame(command: &[u8], payload: &[u8]) -> Vec<u8> {
    let command = adit_domain::peer::Command::new(std::str::from_utf8(command).unwrap());
    adit_domain::peer::encode_frame(bitcoin::p2p::Magic::REGTEST, command, payload)
}

/// Holds the blocks that it is sent until it may answer; says how many have come.
struct Judge(watch::Sender<usize>, Arc<Semaphore>);
impl Actor for Judge {
    type Context = Context<Self>;
}
impl Handler<SubmitBlock> for Judge {
    type Result = ResponseFuture<Result<BlockAccepted, SubmitError>>;
    fn handle(&mut self, msg: SubmitBlock, _: &mut Context<Self>) -> Self::Result {
        self.0.send_modify(|come| *come += 1);
        let may = Arc::clone(&self.1);
        Box::pin(async move {
            may.acquire().await.unwrap().forget();
            Err(SubmitError::Orphan { prev: msg.block.hash() })
        })
    }
}

/// However fast peers send, and from whatever number of connections.
#[actix::test]
async fn blocks_that_wait_for_their_verdict_are_bounded_by_their_bytes() {
    const KIB: usize = 100;
    let node = TestNode::start(&[]);
    let (come, mut comes) = watch::channel(0);
    let may = Arc::new(Semaphore::new(0));
    let (judge, clock) = (Judge(come, Arc::clone(&may)).start(), Arc::new(SystemClock));
    let shared = Shared {
        clock,
        entropy: Arc::new(SystemEntropy),
        net: Arc::new(MachineNet),
        supervisor: node.supervisor.clone(),
    };
    let deps = PeerDeps {
        chain: Arc::new(node.chain.reader.clone()),
        headers: node.chain.addr.clone().recipient(),
        blocks: judge.recipient(),
        txs: node.mempool.addr.clone().recipient(),
        mempool: node.mempool.reader.clone(),
        filters: None,
    };
    let config = PeerConfig {
        block_bytes_max: 5 * (KIB + 1) * 1024,
        ..config(&Params::of(Network::Regtest), "127.0.0.1:0", &[])
    };
    let peers = start(&shared, deps, config).unwrap();
    let at = peers.local.unwrap();
    let block = |n| {
        let mut block = mine(&mining::genesis(), n).to_block();
        block.txdata[0].output[0].script_pubkey = bitcoin::ScriptBuf::from_bytes(vec![0x51; KIB << 10]);
        mining::seal(block)
    };
    let mut senders = Vec::new();
    for from in [0, 4, 8] {
        let blocks: Vec<_> = (from..from + 4).map(block).collect();
        let sender = Played::connect_to(&at.to_string());
        senders.push(tokio::spawn(played(move || {
            let mut sender = sender.shakes_hands();
            blocks.into_iter().for_each(|block| sender.says(&P2p::Block(block)));
            sender
        })));
    }
    comes.wait_for(|come| *come == 5).await.unwrap();
    // Others go on meanwhile, and nothing more comes.
    let other = Played::connect_to(&at.to_string());
    played(move || {
        let mut other = other.shakes_hands();
        for n in 0..100 {
            other.says(&P2p::Ping(n));
            while other.hears().unwrap() != P2p::Pong(Some(n)) {}
        }
    })
    .await;
    assert_eq!(*comes.borrow(), 5);
    may.add_permits(12);
    comes.wait_for(|come| *come == 12).await.unwrap();
    for sender in senders {
        sender.await.unwrap();
    }
}

#[actix::test]
async fn blocks_and_headers_are_served_with_and_without_witnesses() {
    let node = TestNode::start(&[]);
    let trunk = grown(&node, 3).await;
    let peer = Played::connect(&node);
    let last = trunk[2].hash();
    let (headers, whole, bare, missing) = played(move || {
        let mut peer = peer.shakes_hands();
        let mut ask = |message: P2p| {
            peer.says(&message);
            peer.hears().unwrap()
        };
        let headers = ask(P2p::GetHeaders(Locator::from_hashes(vec![BlockHash::all_zeros()])));
        use bitcoin::p2p::message_blockdata::Inventory;
        let whole = ask(P2p::GetData(vec![Inventory::WitnessBlock(last)]));
        let bare = ask(P2p::GetData(vec![Inventory::Block(last)]));
        let nothing = Inventory::WTx(bitcoin::Wtxid::all_zeros());
        (
            headers,
            whole,
            bare,
            ask(P2p::GetData(vec![nothing, Inventory::WitnessBlock(BlockHash::all_zeros())])),
        )
    })
    .await;
    let P2p::Headers(headers) = headers else { panic!("no headers") };
    assert_eq!(headers.last().map(|h| h.block_hash()), Some(last));
    let P2p::Block(whole) = whole else { panic!("no block") };
    let P2p::Block(bare) = bare else { panic!("no block") };
    assert_eq!((whole.raw(), bare.hash()), (trunk[2].raw(), last));
    assert!(matches!(missing, P2p::NotFound(items) if items.len() == 1));
}

#[actix::test]
async fn one_connection_too_many_is_closed_and_a_silent_one_frees_its_place() {
    let node = TestNode::start(&[]);
    let mut open: Vec<Played> = Vec::new();
    for _ in 0..4 {
        let peer = Played::connect(&node);
        open.push(played(move || peer.shakes_hands()).await);
    }
    let fifth = Played::connect(&node);
    assert!(
        played(move || {
            let mut fifth = fifth;
            fifth.hears()
        })
        .await
        .is_none()
    );
    drop(open.pop());
    // Its place is free a moment after its end was seen.
    loop {
        let again = Played::connect(&node);
        if played(move || again.enters()).await.is_some() {
            break;
        }
    }
}

#[actix::test]
async fn who_is_banned_is_let_go_of_and_may_not_come_back_until_he_is_not() {
    let node = TestNode::start(&[]);
    let inside = played({
        let peer = Played::connect(&node);
        move || peer.shakes_hands()
    })
    .await;
    let manager = &node.peers.addr;
    let ban = Ban { created_s: 1, until_s: u64::MAX };
    let home: Subnet = "127.0.0.0/8".parse().unwrap();
    let listed = || BanPeers { subnet: home.clone(), as_range: true, ban };
    assert_eq!(manager.send(listed()).await.unwrap(), Ok(()));
    assert_eq!(manager.send(listed()).await.unwrap(), Err(BanError::AlreadyBanned));
    played(move || {
        let mut inside = inside;
        while inside.hears().is_some() {}
    })
    .await;
    let outside = Played::connect(&node);
    assert!(played(move || outside.enters().is_none()).await);
    assert_eq!(manager.send(GetBans).await.unwrap(), [(home.clone(), ban)]);
    let kept = std::fs::read(node._dir.path().join("banlist.json")).unwrap();
    assert!(String::from_utf8(kept).unwrap().contains("127.0.0.0/8"));
    assert!(manager.send(UnbanPeers { subnet: Some(home.clone()) }).await.unwrap());
    assert!(!manager.send(UnbanPeers { subnet: Some(home) }).await.unwrap());
    let back = Played::connect(&node);
    assert!(played(move || back.enters().is_some()).await);
}

#[actix::test]
async fn without_a_network_nobody_stays_and_nobody_comes() {
    let server = TestNode::start(&[]);
    let client = TestNode::start(&[server.listens()]);
    client.peers(1).await;
    let manager = &client.peers.addr;
    assert!(manager.send(SetNetworkActive { active: None }).await.unwrap());
    assert!(!manager.send(SetNetworkActive { active: Some(false) }).await.unwrap());
    client.peers(0).await;
    let visitor = Played::connect(&client);
    assert!(played(move || visitor.enters().is_none()).await);
    assert!(manager.send(SetNetworkActive { active: Some(true) }).await.unwrap());
    client.peers(1).await;
}

#[actix::test]
async fn a_pong_says_that_what_came_before_has_been_judged() {
    let node = TestNode::start(&[]);
    let trunk = grown(&node, 3).await;
    let next = mine(&trunk[2], 9);
    let peer = Played::connect(&node);
    let block = Arc::clone(&next);
    let reader = node.chain.reader.clone();
    let tip = played(move || {
        let mut peer = peer.shakes_hands();
        peer.says(&P2p::Block(block));
        peer.says(&P2p::Ping(7));
        while peer.hears().unwrap() != P2p::Pong(Some(7)) {}
        reader.tip().hash
    })
    .await;
    assert_eq!(tip, next.hash());
}
