use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{Addr, Arbiter, Context, Message, Recipient};
use adit_chainstate::{
    Activated, BlockAccepted, ChainFault, ChainstateInfo, CoinStats, DumpError, Dumped, FilterFound,
    IndexError, IndexKind, IndexStatus, LoadError, MarkError, PruneError, Pruned, Pruning, SubmitError,
    TxFound, UtxoStats,
};
use adit_domain::chain::{HeaderTree, NextBlock, Tip};
use adit_domain::consensus::{DeploymentReport, Params, ViewFault};
use adit_domain::mempool::{MempoolSummary, TxRejected};
use adit_domain::payout::{Balance, WorkerTotals};
use adit_domain::peer::PeerInfo;
use adit_domain::stratum::SessionInfo;
use adit_domain::template::{BlockTemplate, NotSynced};
use adit_domain::units::{Height, UnixMillis};
use adit_proto::v1;
use adit_proto::v1::admin_service_client::AdminServiceClient;
use adit_proto::v1::event_service_client::EventServiceClient;
use adit_proto::v1::index_service_client::IndexServiceClient;
use adit_proto::v1::node_service_client::NodeServiceClient;
use adit_proto::v1::pool_service_client::PoolServiceClient;
use adit_proto::v1::snapshot_service_client::SnapshotServiceClient;
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, Network, Txid, Work};
use prost::Message as _;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request};

use super::*;
use crate::clock::{SystemClock, SystemEntropy};
use crate::messages::chain::{MarkBlock, PruneBlocks, SubmitBlock};
use crate::messages::mempool::{GetMempool, SubmitTransaction};
use crate::messages::payout::{GetBalances, GetPoolBlocks, PoolBlocks};
use crate::messages::peer::GetPeers;
use crate::messages::stratum::GetSessions;
use crate::messages::template::{GetMiningWait, GetTemplate};
use crate::messages::utxo::{DumpUtxoSet, GetUtxoStats, LoadUtxoSet};
use crate::net::MachineNet;
use crate::root::RpcTcp;
use crate::supervision::{ExitReason, Supervisor};

/// Stands for every actor behind the interface.
struct Stage {
    shares: u64,
}
impl Actor for Stage {
    type Context = Context<Self>;
}

macro_rules! plays {
    ($message:ty, $answer:expr) => {
        impl Handler<$message> for Stage {
            type Result = actix::MessageResult<$message>;
            fn handle(&mut self, _msg: $message, _ctx: &mut Context<Self>) -> Self::Result {
                let answer: fn(&mut Stage) -> <$message as Message>::Result = $answer;
                actix::MessageResult(answer(self))
            }
        }
    };
}
plays!(SubmitBlock, |_| -> Result<BlockAccepted, SubmitError> {
    let hash = BlockHash::all_zeros();
    Err(SubmitError::Invalid { hash, height: None, reject: "bad-cb-amount".to_owned() })
});
plays!(MarkBlock, |_| -> Result<Arc<Tip>, MarkError> { Err(MarkError::Unknown) });
plays!(PruneBlocks, |_| -> Result<Pruned, PruneError> { Err(PruneError::Off) });
plays!(SubmitTransaction, |_| -> Result<Txid, TxRejected> { Err(TxRejected::AlreadyHeld) });
plays!(GetUtxoStats, |_| -> Result<UtxoStats, ChainFault> { Err(ChainFault::Storage("gone".to_owned())) });
plays!(DumpUtxoSet, |_| -> Result<Dumped, DumpError> { Err(DumpError::Exists { path: "/taken".into() }) });
plays!(LoadUtxoSet, |_| -> Result<Activated, LoadError> {
    Ok(Activated { base: BlockHash::all_zeros(), height: Height::new(7), coins: 5 })
});
plays!(GetMempool, |_| MempoolSummary { transactions: 3, ..Default::default() });
plays!(GetPeers, |_| -> Vec<PeerInfo> { Vec::new() });
plays!(GetBalances, |_| {
    vec![Balance { account: "pool:fee".to_owned(), immature_sat: 5, mature_sat: -7 }]
});
plays!(GetPoolBlocks, |_| PoolBlocks { newest: Vec::new(), total: 1_234 });
plays!(GetSessions, |_| -> Vec<SessionInfo> { Vec::new() });
plays!(GetMiningWait, |_| -> Option<NotSynced> { Some(NotSynced::BlocksMissing { blocks: 7 }) });
plays!(GetTemplate, |_| -> Option<Arc<BlockTemplate>> { None });
plays!(GetWorkers, |stage| {
    stage.shares += 1;
    vec![WorkerTotals {
        name: "bcrt1q.rig".to_owned(),
        shares_accepted: stage.shares,
        shares_rejected: 1,
        work_raw: u128::MAX,
        hashrate: 1000,
        last_share: None,
    }]
});

/// Genesis blocks, one upon the other.
#[derive(Default)]
struct Chain {
    height: AtomicU32,
}
impl ChainSight for Chain {
    fn tip(&self) -> Arc<Tip> {
        let mut header = Params::of(Network::Regtest).genesis.header;
        let height = Height::new(self.height.load(Ordering::SeqCst));
        header.nonce += height.to_u32();
        let chain_work = Work::from_be_bytes([0; 32]);
        let hash = header.block_hash();
        Arc::new(Tip { hash, height, header, median_time_past: header.time, chain_work })
    }
    fn best_header(&self) -> (BlockHash, Height) {
        (self.tip().hash, Height::new(9))
    }
    fn next_block(&self, _now: UnixMillis) -> NextBlock {
        let tip = self.tip();
        NextBlock {
            prev: tip.hash,
            height: Height::new(1),
            version: NextBlock::NO_VOTES,
            bits: tip.header.bits,
            time_min: 0,
            median_time_past: 0,
        }
    }
    fn deployments(&self, block: Option<&BlockHash>) -> Option<Result<DeploymentReport, ViewFault>> {
        let tree = HeaderTree::new(Arc::new(Params::of(Network::Regtest)));
        let id = block.map_or(Some(tree.tip_id()), |hash| tree.find(hash));
        id.map(|id| tree.deployments(id))
    }
    fn height_in_best_chain(&self, _hash: &BlockHash) -> Option<Height> {
        None
    }
    fn pruning(&self) -> Pruning {
        Pruning { is_pruned: true, kept_from: Height::new(3), target_mib: 550 }
    }
    fn path_from(&self, _tip: &BlockHash) -> Option<(Vec<BlockHash>, Vec<BlockHash>)> {
        Some((Vec::new(), vec![self.tip().hash]))
    }
    fn chainstates(&self) -> Vec<ChainstateInfo> {
        let base = Some((BlockHash::all_zeros(), Height::new(8)));
        let below =
            ChainstateInfo { tip: self.tip(), snapshot_base: None, target: Height::new(8), validated: true };
        vec![below.clone(), ChainstateInfo { snapshot_base: base, validated: false, ..below }]
    }
}

/// Knows a little, and says no in each of the ways that there are.
struct NoIndexes;
impl IndexSight for NoIndexes {
    fn status(&self) -> Vec<IndexStatus> {
        let tip = Chain::default().tip();
        let best = Some((tip.height, tip.hash));
        vec![IndexStatus { kind: IndexKind::Filters, best, synced: true, missing: Some(Height::new(7)) }]
    }
    fn transaction(&self, _txid: &Txid) -> Result<TxFound, IndexError> {
        Err(IndexError::Off("transactions"))
    }
    fn filter(&self, block: &BlockHash) -> Result<FilterFound, IndexError> {
        if *block != Chain::default().tip().hash {
            return Err(IndexError::NoSuchBlock);
        }
        Err(IndexError::Fault(ChainFault::State("odd".to_owned())))
    }
    fn coin_stats(&self, height: Height) -> Result<CoinStats, IndexError> {
        Err(IndexError::NotYet { kind: "coin_stats", height })
    }
}

struct House {
    shared: Shared,
    events: EventBus,
    chain: Arc<Chain>,
    socket: PathBuf,
    tcp: Option<SocketAddr>,
    addr: Addr<RpcActor>,
    drained: Option<Drained>,
    filters: Arc<Mutex<Vec<String>>>,
    _dir: tempfile::TempDir,
    _arbiter: Arbiter,
}

fn links(stage: &Addr<Stage>, chain: Arc<Chain>, pool: bool) -> RpcLinks {
    fn to<M>(stage: &Addr<Stage>) -> Recipient<M>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        Stage: Handler<M>,
    {
        stage.clone().recipient()
    }
    RpcLinks {
        chain,
        submit_block: to(stage),
        mark_block: to(stage),
        prune_blocks: to(stage),
        utxo_stats: to(stage),
        dump_utxo: to(stage),
        load_utxo: to(stage),
        indexes: Arc::new(NoIndexes),
        mempool: Some(MempoolLinks { get: to(stage), submit: to(stage) }),
        peers: Some(to(stage)),
        pool: pool.then(|| PoolLinks {
            workers: to(stage),
            blocks: to(stage),
            balances: to(stage),
            sessions: to(stage),
            template: to(stage),
            mining_wait: to(stage),
        }),
    }
}

fn house(chaos: bool, pool: bool, tcp: bool) -> House {
    let dir = tempfile::tempdir().unwrap();
    let auth = RpcAuth::Token { file: dir.path().join("rpc.token") };
    house_in(dir, chaos, pool, tcp.then_some(auth))
}

fn house_in(dir: tempfile::TempDir, chaos: bool, pool: bool, auth: Option<RpcAuth>) -> House {
    let clock = Arc::new(SystemClock);
    let supervisor = Supervisor::new(clock.clone());
    let shared = Shared { clock, entropy: Arc::new(SystemEntropy), net: Arc::new(MachineNet), supervisor };
    let tcp = auth.map(|auth| RpcTcp { listen: "127.0.0.1:0".parse().unwrap(), auth });
    let settings = RpcSettings { socket: None, tcp };
    let sockets = RpcSockets::open(&shared, &settings, dir.path().join("adit.sock")).unwrap();
    let (socket, tcp) = (sockets.socket.clone(), sockets.tcp);
    let filters = Arc::new(Mutex::new(Vec::new()));
    let kept = filters.clone();
    let facts = RpcFacts {
        network: "regtest",
        started_at: UnixMillis::new(1),
        chaos,
        p2p_listen: None,
        stratum_listen: None,
        set_log_level: Arc::new(move |filter| match filter {
            "nonsense" => Err("nonsense is no filter".to_owned()),
            filter => {
                kept.lock().unwrap().push(filter.to_owned());
                Ok(())
            }
        }),
    };
    let (events, arbiter) = (EventBus::default(), Arbiter::new());
    let stage = Stage { shares: 0 }.start();
    let chain = Arc::new(Chain::default());
    let (addr, drained) = start(
        &shared,
        &arbiter.handle(),
        Intensity::default(),
        sockets,
        links(&stage, chain.clone(), pool),
        facts,
        events.clone(),
    );
    let drained = Some(drained);
    House { shared, events, chain, socket, tcp, addr, drained, filters, _dir: dir, _arbiter: arbiter }
}

impl House {
    async fn line(&self) -> Channel {
        self.try_line().await.unwrap()
    }

    async fn try_line(&self) -> Result<Channel, tonic::transport::Error> {
        let path = self.socket.clone();
        let connector = tower::service_fn(move |_: Uri| {
            let path = path.clone();
            async move { tokio::net::UnixStream::connect(path).await.map(hyper_util::rt::TokioIo::new) }
        });
        Endpoint::from_static("http://adit.sock").connect_with_connector(connector).await
    }

    async fn admin(&self) -> AdminServiceClient<Channel> {
        AdminServiceClient::new(self.line().await)
    }
}

#[actix::test]
async fn an_operator_sees_the_soft_forks() {
    let house = house(false, true, false);
    let mut node = NodeServiceClient::new(house.line().await);
    let mut ask =
        async |block: &str| node.get_deployments(v1::GetDeploymentsRequest { block: block.to_owned() }).await;
    let genesis = Params::of(Network::Regtest).genesis_hash.to_string();
    let report = ask("").await.unwrap().into_inner();
    assert_eq!(ask(&genesis).await.unwrap().into_inner(), report);
    assert_eq!((report.hash, report.height), (genesis, 0));
    assert_eq!(report.script_flags, ["NULLDUMMY", "P2SH", "TAPROOT", "WITNESS"]);
    let names: Vec<&str> = report.deployments.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["bip34", "bip66", "bip65", "csv", "segwit", "testdummy"]);
    assert_eq!((report.deployments[0].height, report.deployments[0].active), (Some(1), true));
    let vote = report.deployments[5].vote.as_ref().unwrap();
    assert_eq!((vote.bit, vote.status.as_str(), vote.statistics.is_none()), (28, "defined", true));
    assert_eq!(ask("11").await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(ask(&"11".repeat(32)).await.unwrap_err().code(), Code::NotFound);
}

#[actix::test]
async fn an_operator_sees_the_node() {
    let house = house(false, true, false);
    let mut admin = house.admin().await;
    let info = admin.get_info(v1::GetInfoRequest {}).await.unwrap().into_inner();
    assert_eq!((info.network.as_str(), info.height, info.header_height), ("regtest", 0, 9));
    assert_eq!(info.tip, "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206");
    assert_eq!((info.mempool_transactions, info.chaos), (3, false));
    assert_eq!(info.mining_waits_for, "the chain is syncing: 7 blocks are missing");
    let actors = admin.list_actors(v1::ListActorsRequest {}).await.unwrap().into_inner().actors;
    assert_eq!((actors[0].name.as_str(), actors[0].restarts), ("rpc", 0));
    let mut node = NodeServiceClient::new(house.line().await);
    let chain = node.get_chain_info(v1::GetChainInfoRequest {}).await.unwrap().into_inner();
    assert_eq!((chain.next_bits, chain.chain_work.len()), (0x207f_ffff, 64));
    let mut pool = PoolServiceClient::new(house.line().await);
    let worker = &pool.list_workers(v1::ListWorkersRequest::default()).await.unwrap().into_inner().workers[0];
    assert_eq!(worker.work, u128::MAX.to_string());
    let balance =
        &pool.list_balances(v1::ListBalancesRequest::default()).await.unwrap().into_inner().balances[0];
    assert_eq!((balance.immature_sat, balance.mature_sat), (5, -7));
    assert_eq!(pool.list_blocks(v1::ListBlocksRequest {}).await.unwrap().into_inner().total, 1_234);
}

#[actix::test]
async fn an_index_that_does_not_answer_says_why() {
    let house = house(false, false, false);
    let mut index = IndexServiceClient::new(house.line().await);
    let listed = index.list_indexes(v1::ListIndexesRequest {}).await.unwrap().into_inner().indexes;
    let tip = house.chain.tip().hash.to_string();
    let filters = v1::Index {
        name: "filters".to_owned(),
        height: Some(0),
        block: tip.clone(),
        synced: true,
        missing: Some(7),
    };
    assert_eq!(listed, [filters]);
    let tx = |txid: &str| v1::GetTransactionRequest { txid: txid.to_owned() };
    let filter = |block: &str| v1::GetBlockFilterRequest { block: block.to_owned() };
    let coins = |block: &str| v1::GetCoinStatsRequest { block: block.to_owned() };
    let zeros = "0".repeat(64);
    let answers = [
        (index.get_transaction(tx("x")).await.err(), Code::InvalidArgument),
        (index.get_transaction(tx(&zeros)).await.err(), Code::FailedPrecondition),
        (index.get_block_filter(filter("x")).await.err(), Code::InvalidArgument),
        (index.get_block_filter(filter(&zeros)).await.err(), Code::NotFound),
        (index.get_block_filter(filter("")).await.err(), Code::Internal),
        (index.get_coin_stats(coins("x")).await.err(), Code::InvalidArgument),
        (index.get_coin_stats(coins("7")).await.err(), Code::Unavailable),
        (index.get_coin_stats(coins(&tip)).await.err(), Code::NotFound),
    ];
    for (n, (answer, code)) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap().code(), code, "{n}");
    }
}

#[actix::test]
async fn an_error_has_its_code_and_the_words_of_core() {
    let house = house(false, false, false);
    let (mut admin, line) = (house.admin().await, house.line().await);
    let (mut node, mut pool) = (NodeServiceClient::new(line.clone()), PoolServiceClient::new(line));
    let genesis = &Params::of(Network::Regtest).genesis;
    let transaction = bitcoin::consensus::serialize(&genesis.txdata[0]);
    let block = bitcoin::consensus::serialize(genesis);
    let check = |status: tonic::Status, code: Code, words: &str| {
        assert_eq!((status.code(), status.message().contains(words)), (code, true), "{status:?}");
    };
    let submit = |transaction| v1::SubmitTransactionRequest { transaction };
    check(
        node.submit_transaction(submit(transaction)).await.unwrap_err(),
        Code::AlreadyExists,
        "txn-already-in-mempool",
    );
    check(
        node.submit_transaction(submit(vec![1])).await.unwrap_err(),
        Code::InvalidArgument,
        "TX decode failed",
    );
    check(
        node.submit_transaction(submit(vec![0; 400_001])).await.unwrap_err(),
        Code::InvalidArgument,
        "tx-size",
    );
    let dump = |path: &str| v1::DumpUtxoSetRequest { path: path.to_owned() };
    check(node.dump_utxo_set(dump("taken")).await.unwrap_err(), Code::InvalidArgument, "not absolute");
    check(
        node.dump_utxo_set(dump("/taken")).await.unwrap_err(),
        Code::AlreadyExists,
        "/taken exists already",
    );
    let submit = |block| v1::SubmitBlockRequest { block };
    check(node.submit_block(submit(block)).await.unwrap_err(), Code::InvalidArgument, "bad-cb-amount");
    check(
        node.submit_block(submit(vec![1])).await.unwrap_err(),
        Code::InvalidArgument,
        "Block decode failed",
    );
    check(
        node.submit_block(submit(vec![0; 4_100_000])).await.unwrap_err(),
        Code::OutOfRange,
        "message length too large",
    );
    check(
        node.get_utxo_stats(v1::GetUtxoStatsRequest {}).await.unwrap_err(),
        Code::Internal,
        "storage: gone",
    );
    check(
        node.prune_blocks(v1::PruneBlocksRequest { up_to: 7 }).await.unwrap_err(),
        Code::FailedPrecondition,
        "chain.prune_mib is 0",
    );
    check(
        pool.list_workers(v1::ListWorkersRequest::default()).await.unwrap_err(),
        Code::Unavailable,
        "no pool",
    );
    let name = "rpc".to_owned();
    check(
        admin.panic_actor(v1::PanicActorRequest { name }).await.unwrap_err(),
        Code::FailedPrecondition,
        "--chaos",
    );
    let name = "nobody".to_owned();
    check(
        admin.restart_actor(v1::RestartActorRequest { name }).await.unwrap_err(),
        Code::NotFound,
        "no actor is called nobody",
    );
    let filter = "nonsense".to_owned();
    check(
        admin.set_log_level(v1::SetLogLevelRequest { filter }).await.unwrap_err(),
        Code::InvalidArgument,
        "no filter",
    );
    let filter = "x".repeat(3000);
    check(
        admin.set_log_level(v1::SetLogLevelRequest { filter }).await.unwrap_err(),
        Code::InvalidArgument,
        "too long",
    );
}

#[actix::test]
async fn a_mark_on_a_block_that_is_not_there_is_refused() {
    let house = house(false, false, false);
    let mut node = NodeServiceClient::new(house.line().await);
    for (block, code) in [("11".repeat(32), Code::NotFound), ("11".to_owned(), Code::InvalidArgument)] {
        let request = v1::InvalidateBlockRequest { block: block.clone() };
        assert_eq!(node.invalidate_block(request).await.unwrap_err().code(), code);
        let request = v1::ReconsiderBlockRequest { block: block.clone() };
        assert_eq!(node.reconsider_block(request).await.unwrap_err().code(), code);
        let request = v1::PreciousBlockRequest { block };
        assert_eq!(node.precious_block(request).await.unwrap_err().code(), code);
    }
}

#[test]
fn every_refusal_has_a_code() {
    let orphan = SubmitError::Orphan { prev: BlockHash::all_zeros() };
    let fault = SubmitError::Fault(ChainFault::State("x".to_owned()));
    assert_eq!(node::block_rejected(orphan).code(), Code::FailedPrecondition);
    assert_eq!(node::block_rejected(fault).code(), Code::Internal);
    let pruned = MarkError::Pruned { hash: BlockHash::all_zeros(), height: Height::GENESIS };
    for (error, code) in [
        (MarkError::Unknown, Code::NotFound),
        (MarkError::FirstBlock, Code::InvalidArgument),
        (pruned, Code::FailedPrecondition),
        (MarkError::Fault(ChainFault::State("x".to_owned())), Code::Internal),
    ] {
        assert_eq!(node::not_marked(error).code(), code);
    }
    let (height, tip) = (Height::new(2), Height::new(1));
    for (error, code) in [
        (PruneError::Off, Code::FailedPrecondition),
        (PruneError::TooHigh { height, tip }, Code::InvalidArgument),
        (PruneError::NoneSince { time_s: 1 }, Code::InvalidArgument),
        (PruneError::Fault(ChainFault::State("x".to_owned())), Code::Internal),
    ] {
        assert_eq!(node::not_pruned(error).code(), code);
    }
    let unread = ViewFault { source_text: String::new() };
    for (rejected, code) in [
        (TxRejected::AlreadyKnown, Code::AlreadyExists),
        (TxRejected::Full, Code::ResourceExhausted),
        (TxRejected::TipChanged, Code::Aborted),
        (TxRejected::Fault(unread), Code::Internal),
        (TxRejected::Dust, Code::InvalidArgument),
    ] {
        assert_eq!(node::tx_rejected(rejected).code(), code);
    }
}

#[actix::test]
async fn the_log_level_changes_and_stop_ends_the_process() {
    let mut house = house(false, true, false);
    let mut admin = house.admin().await;
    admin.set_log_level(v1::SetLogLevelRequest { filter: "debug".to_owned() }).await.unwrap();
    assert_eq!(*house.filters.lock().unwrap(), ["debug"]);
    admin.stop(v1::StopRequest {}).await.unwrap();
    assert_eq!(house.shared.supervisor.exit_reason().await, ExitReason::Requested);
    // A listener does not keep the process alive.
    let mut events = EventServiceClient::new(house.line().await)
        .subscribe(v1::SubscribeRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(house.shared.supervisor.stop_all().await, None);
    assert!(events.message().await.unwrap().is_none());
    house.drained.take().unwrap().wait(Duration::from_secs(120)).await;
    assert!(!house.socket.exists());
}

#[actix::test]
async fn a_panic_restarts_the_server_on_the_same_socket() {
    let house = house(true, true, false);
    let mut admin = house.admin().await;
    let mut restarts = house.shared.supervisor.restarts();
    let name = "rpc".to_owned();
    let told = admin.panic_actor(v1::PanicActorRequest { name }).await.unwrap().into_inner();
    assert_eq!(told.names, ["rpc"]);
    assert_eq!(restarts.recv().await.unwrap().restarts, 1);
    let actors =
        answered(&house, async |admin| admin.list_actors(v1::ListActorsRequest {}).await).await.actors;
    assert_eq!(actors[0].last_panic.as_deref(), Some("panic injected by the operator"));
    let restart = || v1::RestartActorRequest { name: "rpc".to_owned() };
    answered(&house, async |admin| admin.restart_actor(restart()).await).await;
    answered(&house, async |admin| admin.get_info(v1::GetInfoRequest {}).await).await;
}

/// The answer to a call. Who connects while the server is built again may still meet the old one, which hangs up, and asks again.
async fn answered<T>(
    house: &House,
    call: impl AsyncFn(&mut AdminServiceClient<Channel>) -> Result<tonic::Response<T>, tonic::Status>,
) -> T {
    loop {
        let Ok(line) = house.try_line().await else { continue };
        if let Ok(answer) = call(&mut AdminServiceClient::new(line)).await {
            return answer.into_inner();
        }
    }
}

#[actix::test]
async fn a_listener_hears_of_tips_shares_and_restarts() {
    let house = house(false, true, false);
    let mut events = EventServiceClient::new(house.line().await)
        .subscribe(v1::SubscribeRequest {})
        .await
        .unwrap()
        .into_inner();
    house.chain.height.store(1, Ordering::SeqCst);
    let tip = TipChanged { tip: house.chain.tip(), disconnected: Vec::new(), connected: Vec::new() };
    house.addr.send(tip).await.unwrap();
    // The actor was too busy to be told of this one, and finds it by itself.
    house.chain.height.store(2, Ordering::SeqCst);
    let found = EventKind::BlockFound { height: None, hash: BlockHash::all_zeros() };
    house.events.publish(UnixMillis::new(5), found);
    let restarted =
        EventKind::ActorRestarted { name: "chain".to_owned(), restarts: 1, panic: "thirteen".to_owned() };
    house.events.publish(UnixMillis::new(6), restarted);
    let (mut kinds, mut totals) = (Vec::new(), 0);
    // The totals come by themselves, once a second and before or after the others, since somebody listens.
    while kinds.len() < 4 || totals == 0 {
        let event = events.message().await.unwrap().unwrap();
        kinds.push(match event.kind.unwrap() {
            v1::event::Kind::TipChanged(e) => format!("tip {} +{}", e.height, e.connected),
            v1::event::Kind::BlockFound(e) => format!("found {:?}", e.height),
            v1::event::Kind::ActorRestarted(e) => format!("restarted {}", e.name),
            v1::event::Kind::ShareTotals(e) => {
                assert_eq!(e.shares_rejected, 1);
                totals += 1;
                continue;
            }
            v1::event::Kind::Missed(e) => format!("missed {}", e.events),
        });
    }
    kinds.sort();
    assert_eq!(kinds, ["found None", "restarted chain", "tip 1 +1", "tip 2 +1"]);
}

/// Every method, as a path; health and reflection among them.
fn every_method() -> Vec<String> {
    let set = prost_types::FileDescriptorSet::decode(adit_proto::FILE_DESCRIPTOR_SET).unwrap();
    let ours = set.file.iter().flat_map(|file| &file.service).flat_map(|service| {
        service.method.iter().map(|method| format!("/adit.v1.{}/{}", service.name(), method.name()))
    });
    let theirs = [
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/adit.v1.NoService/NoMethod",
    ];
    ours.chain(theirs.map(str::to_owned)).collect()
}

/// Calls a method with an empty request; the status that it ends with.
async fn call(channel: &Channel, path: &str, token: Option<&str>) -> Code {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let mut request = Request::new(v1::GetInfoRequest {});
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    let codec = tonic_prost::ProstCodec::<v1::GetInfoRequest, v1::StopResponse>::default();
    let answer = client.server_streaming(request, path.parse().unwrap(), codec).await;
    answer.map_or_else(|status| status.code(), |_| Code::Ok)
}

#[actix::test]
async fn over_tcp_no_method_answers_without_the_token() {
    let house = house(true, true, true);
    let url = format!("http://{}", house.tcp.unwrap());
    let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
    let methods = every_method();
    assert!(methods.len() > 20, "{methods:?}");
    for path in &methods {
        assert_eq!(call(&channel, path, None).await, Code::Unauthenticated, "{path}");
        assert_eq!(call(&channel, path, Some("0123456789abcdef")).await, Code::Unauthenticated, "{path}");
    }
    let token = fs::read_to_string(house.socket.with_file_name("rpc.token")).unwrap();
    for path in methods.iter().filter(|path| path.contains("GetInfo") || path.contains("Health/Check")) {
        assert_eq!(call(&channel, path, Some(token.trim())).await, Code::Ok, "{path}");
    }
}

#[actix::test]
async fn health_and_reflection_answer_on_the_socket() {
    let house = house(false, true, false);
    let mut health = tonic_health::pb::health_client::HealthClient::new(house.line().await);
    for service in ["", "adit.v1.AdminService", "adit.v1.PoolService"] {
        let request = tonic_health::pb::HealthCheckRequest { service: service.to_owned() };
        let status = health.check(request).await.unwrap().into_inner().status;
        assert_eq!(status, tonic_health::pb::health_check_response::ServingStatus::Serving as i32);
    }
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    assert_eq!(call(&house.line().await, path, None).await, Code::Ok);
}

#[test]
fn what_is_wrong_with_the_sockets_is_said_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock);
    let supervisor = Supervisor::new(clock.clone());
    let shared = Shared { clock, entropy: Arc::new(SystemEntropy), net: Arc::new(MachineNet), supervisor };
    let open = |auth: Option<RpcAuth>, socket: &str| {
        let tcp = auth.map(|auth| RpcTcp { listen: "127.0.0.1:0".parse().unwrap(), auth });
        RpcSockets::open(&shared, &RpcSettings { socket: None, tcp }, dir.path().join(socket)).err()
    };
    assert!(open(None, "a.sock").is_none());
    assert!(matches!(open(None, "none/a.sock"), Some(RpcStartError::Listen(_))));
    let token = RpcAuth::Token { file: dir.path().join("none/token") };
    assert!(matches!(open(Some(token), "b.sock"), Some(RpcStartError::Token(_))));
    let pem = |name: &str| dir.path().join(name);
    let tls = RpcAuth::MutualTls { cert: pem("cert"), key: pem("key"), client_ca: pem("ca") };
    assert!(matches!(open(Some(tls), "c.sock"), Some(RpcStartError::Pem { .. })));
}

/// An authority, and what it signs.
struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Authority {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: rcgen::Issuer::new(params, key), pem }
    }

    /// A certificate for localhost and its key, PEM.
    fn sign(&self) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

#[actix::test]
async fn over_tls_only_who_our_authority_knows_gets_an_answer() {
    let (ours, strangers) = (Authority::new(), Authority::new());
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = ours.sign();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let auth = RpcAuth::MutualTls {
        cert: file("cert.pem", &cert),
        key: file("key.pem", &key),
        client_ca: file("ca.pem", &ours.pem),
    };
    let house = house_in(dir, false, true, Some(auth));
    let url = format!("https://localhost:{}", house.tcp.unwrap().port());
    let answer = async |identity: Option<(String, String)>| {
        let mut tls =
            tonic::transport::ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&ours.pem));
        if let Some((cert, key)) = identity {
            tls = tls.identity(Identity::from_pem(cert, key));
        }
        let endpoint = Endpoint::from_shared(url.clone()).unwrap().tls_config(tls).unwrap();
        let Ok(channel) = endpoint.connect().await else { return false };
        AdminServiceClient::new(channel).get_info(v1::GetInfoRequest {}).await.is_ok()
    };
    assert!(answer(Some(ours.sign())).await);
    assert!(!answer(Some(strangers.sign())).await);
    assert!(!answer(None).await);
    let plain = Endpoint::from_shared(url.replace("https", "http")).unwrap();
    let answered = match plain.connect().await {
        Ok(channel) => AdminServiceClient::new(channel).get_info(v1::GetInfoRequest {}).await.is_ok(),
        Err(_) => false,
    };
    assert!(!answered);
}

#[actix::test]
async fn a_snapshot_is_asked_for_and_the_chainstates_are_told() {
    let house = house(false, true, false);
    let mut snapshot = SnapshotServiceClient::new(house.line().await);
    let load = |path: &str| v1::LoadUtxoSetRequest { path: path.to_owned() };
    let refused = snapshot.load_utxo_set(load("coins.dat")).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::InvalidArgument, "the path is not absolute"));
    let refused = snapshot.load_utxo_set(load("/coins.dat")).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::FailedPrecondition, "the mempool is not empty"));
    let told = snapshot.list_chainstates(v1::ListChainstatesRequest {}).await.unwrap().into_inner();
    let figures = |s: &v1::Chainstate| (s.height, s.target_height, s.snapshot_height, s.validated);
    let states: Vec<_> = told.chainstates.iter().map(figures).collect();
    assert_eq!((states, told.headers), (vec![(0, 8, None, true), (0, 8, Some(8), false)], 9));
    assert_eq!(told.chainstates[0].verification_progress, 0.0);
}

#[test]
fn a_snapshot_that_is_not_loaded_says_whose_fault_that_is() {
    let base = BlockHash::all_zeros();
    let check = |error: LoadError, code: Code| {
        let words = error.to_string();
        let status = super::snapshot::not_loaded(error);
        assert_eq!((status.code(), status.message()), (code, words.as_str()));
    };
    check(LoadError::NotASnapshot, Code::InvalidArgument);
    check(LoadError::NotListed { base, heights: vec![5] }, Code::InvalidArgument);
    check(LoadError::Malformed { coins: 7 }, Code::InvalidArgument);
    check(LoadError::NoHeader { base }, Code::FailedPrecondition);
    check(LoadError::Already, Code::FailedPrecondition);
    check(LoadError::Stopped, Code::Cancelled);
    check(LoadError::Fault(ChainFault::Storage("gone".to_owned())), Code::Internal);
}
