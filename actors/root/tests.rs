use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use adit_chainstate::IndexConfig;
use adit_domain::consensus::Params;
use adit_domain::units::Difficulty;
use adit_proto::v1;
use adit_proto::v1::admin_service_client::AdminServiceClient;
use adit_proto::v1::node_service_client::NodeServiceClient;
use adit_proto::v1::pool_service_client::PoolServiceClient;
use bitcoin::block::{Header, Version};
use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Target, Transaction, TxIn,
    TxMerkleNode, TxOut, Witness, absolute, transaction,
};
use tonic::transport::{Channel, Endpoint, Uri};

use super::*;
use crate::net::MachineNet;
use crate::store::OpenError;
use crate::supervision::{ExitReason, Fault, Intensity, Role};

fn config(dir: &Path) -> NodeConfig {
    let any = "127.0.0.1:0".parse().unwrap();
    let easy = Difficulty::from_raw(16).unwrap();
    NodeConfig {
        params: Arc::new(Params::regtest()),
        datadir: dir.to_owned(),
        layout: adit_store::Layout::Own,
        chain: ChainSettings {
            cache_mib: 16,
            script_cache_mib: 1,
            script_threads: 1,
            prune_mib: 0,
            small_files: false,
        },
        index: IndexConfig { transactions: true, filters: true, coin_stats: true, spenders: true },
        mempool: MempoolSettings {
            pool: adit_domain::mempool::MempoolConfig {
                bytes_max: 16 << 20,
                min_fee_sat_per_kvb: 1_000,
                ..adit_domain::mempool::MempoolConfig::default()
            },
            is_kept: true,
            is_plain: false,
            takes_old_fees: false,
        },
        peer: PeerSettings {
            listen: Some(any),
            listen_more: Vec::new(),
            listen_maybe: Vec::new(),
            connect: Vec::new(),
            inbound_max: 8,
            user_agent: None,
            whitelist: Default::default(),
            timeout_s: 60,
            blocks_only: false,
            serves_filters: false,
            encrypts: true,
            reachable: Vec::new(),
            fixed_places: false,
            is_active: true,
        },
        pool: Some(PoolSettings {
            listen: any,
            payout_script: ScriptBuf::new_op_return([]),
            fee_basis_points: 100,
            tip_age_h_max: 0,
            window_factor: 2,
            difficulty_start: easy,
            difficulty_min: easy,
            difficulty_max: easy,
            shares_per_minute: 20,
            connections_max: 16,
            connections_per_ip_max: 16,
        }),
        rpc: RpcSettings::default(),
        intensity: Intensity::default(),
        chaos: true,
        set_log_level: Arc::new(|_| Ok(())),
    }
}

async fn line(node: &Node) -> Channel {
    let path = node.addresses().socket.clone();
    let connector = tower::service_fn(move |_: Uri| {
        let path = path.clone();
        async move { tokio::net::UnixStream::connect(path).await.map(hyper_util::rt::TokioIo::new) }
    });
    loop {
        // A server that is being built again may hang up.
        let endpoint = Endpoint::from_static("http://adit.sock");
        if let Ok(line) = endpoint.connect_with_connector(connector.clone()).await {
            return line;
        }
    }
}

/// The answer to a call that is made again where the server is built again over it.
async fn answered<T>(call: impl AsyncFn() -> Result<tonic::Response<T>, tonic::Status>) -> T {
    loop {
        if let Ok(answer) = call().await {
            return answer.into_inner();
        }
    }
}

/// A block of a coinbase alone.
fn mine(template: &v1::GetTemplateResponse) -> Block {
    let height = i64::from(template.height);
    let coinbase = Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: bitcoin::script::Builder::new().push_int(height).push_int(0).into_script(),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut {
            value: Amount::from_sat(template.coinbase_value_sat),
            script_pubkey: ScriptBuf::new_op_return([]),
        }],
    };
    let merkle_root = TxMerkleNode::from_byte_array(coinbase.compute_txid().to_byte_array());
    let bits = CompactTarget::from_consensus(template.bits);
    let mut header = Header {
        version: Version::from_consensus(0x2000_0000),
        prev_blockhash: template.prev.parse::<BlockHash>().unwrap(),
        merkle_root,
        time: template.time,
        bits,
        nonce: 0,
    };
    while !Target::from_compact(bits).is_met_by(header.block_hash()) {
        header.nonce += 1;
    }
    Block { header, txdata: vec![coinbase] }
}

/// The template on this height; it follows the tip by itself.
async fn template_at(node: &Node, height: u32) -> v1::GetTemplateResponse {
    let mut pool = PoolServiceClient::new(line(node).await);
    loop {
        // Lost to a panic, or on an older tip still: asked again until it is there.
        if let Ok(answer) = pool.get_template(v1::GetTemplateRequest {}).await
            && answer.get_ref().height == height
        {
            return answer.into_inner();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A node on the machine's own sockets.
async fn start(config: NodeConfig) -> Result<Node, StartError> {
    Node::start(config, Arc::new(MachineNet)).await
}

async fn submit(node: &Node, block: &Block) -> v1::SubmitBlockResponse {
    let mut client = NodeServiceClient::new(line(node).await);
    loop {
        let request = v1::SubmitBlockRequest { block: serialize(block) };
        match client.submit_block(request).await {
            Ok(answer) => return answer.into_inner(),
            // The chain was built again over it: the same block once more does no harm.
            Err(status) if status.code() != tonic::Code::InvalidArgument => {}
            Err(status) => panic!("{status:?}"),
        }
    }
}

#[actix::test]
async fn any_actor_may_panic_and_the_tip_moves_on() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(config(dir.path())).await.unwrap();
    let mut restarts = node.supervisor().restarts();
    for (height, role) in (1..).zip(Role::ALL) {
        let block = mine(&template_at(&node, height).await);
        assert_eq!(node.supervisor().crash(role.as_str()).unwrap(), [role.as_str()]);
        assert_eq!(restarts.recv().await.unwrap().role, role);
        let answer = submit(&node, &block).await;
        assert_eq!((answer.connected, answer.height), (true, height), "{role}");
    }
    template_at(&node, 11).await;
    let admin = async || AdminServiceClient::new(line(&node).await);
    let actors = answered(async || admin().await.list_actors(v1::ListActorsRequest {}).await).await.actors;
    let names: Vec<&str> = actors.iter().map(|actor| actor.name.as_str()).collect();
    let mut roles = Role::ALL.map(Role::as_str);
    roles.sort_unstable();
    assert_eq!(names, roles);
    assert!(actors.iter().all(|actor| actor.restarts == 1), "{actors:?}");
    let info = answered(async || admin().await.get_info(v1::GetInfoRequest {}).await).await;
    assert_eq!((info.height, info.header_height), (10, 10));
    let client = async || NodeServiceClient::new(line(&node).await);
    let stats = answered(async || client().await.get_utxo_stats(v1::GetUtxoStatsRequest {}).await).await;
    assert_eq!(stats.height, 10);
    node.supervisor().end(ExitReason::Requested);
    assert_eq!(node.wait().await, ExitReason::Requested);
}

#[actix::test]
async fn a_node_that_was_stopped_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    for height in 1..4 {
        let node = start(config(dir.path())).await.unwrap();
        submit(&node, &mine(&template_at(&node, height).await)).await;
        assert!(node.addresses().socket.exists());
        AdminServiceClient::new(line(&node).await).stop(v1::StopRequest {}).await.unwrap();
        let socket = node.addresses().socket.clone();
        assert_eq!(node.wait().await, ExitReason::Requested);
        assert!(!socket.exists());
    }
}

#[actix::test]
async fn too_many_panics_end_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(config(dir.path())).await.unwrap();
    let supervisor = node.supervisor().clone();
    let ended = actix::spawn(node.wait());
    while !ended.is_finished() {
        let _ = supervisor.crash("mempool");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let reason = ended.await.unwrap();
    assert!(matches!(&reason, ExitReason::Escalated { child, .. } if child == "mempool"), "{reason:?}");
}

#[actix::test]
async fn after_a_fault_nothing_is_written_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(config(dir.path())).await.unwrap();
    let fault = Fault::Storage("disk gone".to_owned());
    node.supervisor().fault("chain", fault.clone());
    let reason = node.wait().await;
    assert_eq!(reason, ExitReason::Fault { child: "chain".to_owned(), fault });
    assert_eq!(reason.exit_code(), 74);
}

#[actix::test]
async fn what_keeps_a_node_from_starting_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let fresh = || tempfile::tempdir().unwrap();
    let refused = async |config: NodeConfig| start(config).await.err().unwrap();

    let node = start(config(dir.path())).await.unwrap();
    let error = refused(config(dir.path())).await;
    assert!(matches!(error, StartError::Store(OpenError::DataDir(_))), "{error}");
    node.supervisor().end(ExitReason::Requested);
    node.wait().await;

    let (one, two, three) = (fresh(), fresh(), fresh());
    let mut busy = config(one.path());
    busy.peer.listen = Some(address);
    let error = refused(busy).await;
    assert!(error.to_string().starts_with("p2p.listen: "), "{error}");

    let mut busy = config(two.path());
    busy.pool.as_mut().unwrap().listen = address;
    let error = refused(busy).await;
    assert!(error.to_string().starts_with("stratum.listen: "), "{error}");

    let mut busy = config(three.path());
    busy.rpc.socket = Some(three.path().join("none/adit.sock"));
    let error = refused(busy).await;
    assert!(matches!(error, StartError::Rpc(_)), "{error}");
}

#[actix::test]
async fn what_is_wrong_on_disk_is_said() {
    let refused = async |file: &str| {
        let dir = tempfile::tempdir().unwrap();
        let node = start(config(dir.path())).await.unwrap();
        let path = node.addresses().folder.join(file);
        node.supervisor().end(ExitReason::Requested);
        node.wait().await;
        // A folder where a file must be: nothing can be opened there.
        let _ = std::fs::remove_file(&path);
        std::fs::create_dir(&path).unwrap();
        start(config(dir.path())).await.err().unwrap()
    };
    assert!(matches!(refused("ledger.redb").await, StartError::Books(Fault::Storage(_) | Fault::State(_))));
    assert!(matches!(refused("extranonce").await, StartError::Lease(_)));
    assert!(matches!(refused("blocks/blk00000.dat").await, StartError::Chain(_)));
}

#[actix::test]
async fn a_node_without_a_pool_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(NodeConfig { pool: None, ..config(dir.path()) }).await.unwrap();
    assert_eq!(node.addresses().stratum, None);
    let error =
        PoolServiceClient::new(line(&node).await).list_workers(v1::ListWorkersRequest::default()).await;
    assert_eq!(error.unwrap_err().code(), tonic::Code::Unavailable);
    node.supervisor().end(ExitReason::Requested);
    node.wait().await;
}

#[test]
fn a_clock_that_is_behind_the_chain_is_noticed() {
    let now = adit_domain::units::UnixMillis::from_seconds(1_000_000);
    let check = |time_s, ahead_s| assert_eq!(super::start::ahead_s(time_s, now), ahead_s, "{time_s}");
    check(1_000_000, None);
    check(1_007_200, None);
    check(1_007_201, Some(7201));
    check(900_000, None);
}
