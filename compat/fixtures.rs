//! A node in this process with JSON-RPC before it, and a client that sends bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use adit_actors::clock::SystemEntropy;
use adit_actors::net::MachineNet;
use adit_actors::root::{
    ChainSettings, MempoolSettings, Node, NodeConfig, NodeLinks, PeerSettings, RpcSettings,
};
use adit_actors::supervision::{ExitReason, Intensity, Supervisor};
use adit_chainstate::IndexConfig;
use adit_domain::consensus::Params;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::json::{Json, read};
use crate::{Config, Publisher, Server, Zmq};

/// How long a test waits for what must come: longer than any machine stops a thread for.
const WITHIN: Duration = Duration::from_secs(120);

/// A regtest node with all indexes.
pub(crate) fn node_config(dir: &Path) -> NodeConfig {
    NodeConfig {
        params: Arc::new(Params::regtest()),
        datadir: dir.to_owned(),
        layout: Default::default(),
        chain: ChainSettings {
            cache_mib: 8,
            script_cache_mib: 4,
            script_threads: 1,
            prune_mib: 0,
            small_files: false,
        },
        index: IndexConfig { transactions: true, filters: true, coin_stats: true, spenders: true },
        mempool: MempoolSettings {
            pool: adit_domain::mempool::MempoolConfig::default(),
            is_kept: true,
            is_plain: false,
            takes_old_fees: false,
        },
        peer: PeerSettings {
            listen: None,
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
        pool: None,
        rpc: RpcSettings::default(),
        intensity: Intensity::default(),
        chaos: true,
        set_log_level: Arc::new(|_| Ok(())),
    }
}

/// What runs.
pub(crate) struct House {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) server: Option<Server>,
    pub(crate) zmq: Option<Zmq>,
    /// Where other nodes connect.
    pub(crate) p2p: Option<SocketAddr>,
    supervisor: Supervisor,
    root: Option<JoinHandle<ExitReason>>,
}

fn run(dir: &Path, listens: bool) -> (NodeLinks, JoinHandle<ExitReason>) {
    let (tell, told) = std::sync::mpsc::channel();
    let mut config = node_config(dir);
    config.peer.listen = listens.then(|| "127.0.0.1:0".parse().unwrap());
    let root = std::thread::spawn(move || {
        actix::System::new().block_on(async move {
            let node = Node::start(config, Arc::new(MachineNet)).await.unwrap();
            tell.send(node.links().clone()).unwrap();
            node.wait().await
        })
    });
    (told.recv().unwrap(), root)
}

/// A server's configuration with a cookie there.
pub(crate) fn server_config(dir: &Path) -> Config {
    Config::new(vec!["127.0.0.1:0".parse().unwrap()], Some(dir.join("cookie")))
}

impl House {
    pub(crate) fn start() -> House {
        House::build(false, Vec::new(), |_| {})
    }

    /// One that publishes over ZeroMQ.
    pub(crate) fn publishing(publishers: Vec<Publisher>) -> House {
        House::build(false, publishers, |_| {})
    }

    /// One that other nodes may connect to.
    pub(crate) fn listening() -> House {
        House::build(true, Vec::new(), |_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> House {
        House::build(false, Vec::new(), change)
    }

    fn build(listens: bool, publishers: Vec<Publisher>, change: impl FnOnce(&mut Config)) -> House {
        let dir = tempfile::tempdir().unwrap();
        let (links, root) = run(dir.path(), listens);
        let zmq = Zmq::start(publishers).unwrap();
        zmq.iter().for_each(|zmq| zmq.ready(links.clone()));
        let mut config = server_config(dir.path());
        config.zmq = zmq.as_ref().map(|zmq| zmq.publishers().to_vec()).unwrap_or_default();
        change(&mut config);
        let server = Server::start(config, &SystemEntropy).unwrap();
        let (supervisor, p2p) = (links.supervisor.clone(), links.addresses.p2p);
        server.ready(links);
        House { dir, server: Some(server), zmq, p2p, supervisor, root: Some(root) }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.server.as_ref().unwrap(), &self.dir.path().join("cookie"))
    }

    /// Waits for the node's end, which somebody has asked for.
    pub(crate) fn ended(mut self) -> ExitReason {
        let reason = self.root.take().unwrap().join().unwrap();
        self.server.take().unwrap().stop();
        reason
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.supervisor.end(ExitReason::Requested);
        if let Some(server) = self.server.take() {
            server.stop();
        }
        if let Some(zmq) = self.zmq.take() {
            zmq.stop();
        }
        if let Some(root) = self.root.take() {
            let _ = root.join();
        }
    }
}

/// Who asks.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) credentials: String,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Json {
        read(self.body.as_bytes()).unwrap_or_else(|| panic!("not JSON: {self:?}"))
    }
}

impl Client {
    pub(crate) fn new(server: &Server, cookie: &PathBuf) -> Client {
        let credentials = std::fs::read_to_string(cookie).unwrap_or_default();
        Client { address: server.addresses()[0], credentials }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(WITHIN)).unwrap();
        stream
    }

    /// Bytes as they are, and all that comes until the other end closes or a whole answer is there.
    pub(crate) fn send(&self, bytes: &[u8]) -> Reply {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        receive(&mut stream)
    }

    pub(crate) fn authorization(&self) -> String {
        format!("Authorization: Basic {}\r\n", STANDARD.encode(&self.credentials))
    }

    pub(crate) fn post(&self, body: &str) -> Reply {
        self.post_to("/", body)
    }

    pub(crate) fn post_to(&self, path: &str, body: &str) -> Reply {
        let auth = self.authorization();
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\n{auth}Content-Length: {}\r\n\r\n", body.len());
        self.send(format!("{head}{body}").as_bytes())
    }

    /// The whole answer to a call of version 2.
    pub(crate) fn answer(&self, method: &str, params: &str) -> Json {
        let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":{params}}}");
        self.post(&body).json()
    }

    /// The result of a call that must go well.
    pub(crate) fn call(&self, method: &str, params: &str) -> Json {
        let answer = self.answer(method, params);
        answer.get("result").unwrap_or_else(|| panic!("{method} {params}: {answer}")).clone()
    }

    /// The error of a call that must fail: code and message.
    pub(crate) fn error(&self, method: &str, params: &str) -> (i64, String) {
        let answer = self.answer(method, params);
        let error = answer.get("error").unwrap_or_else(|| panic!("{method} {params}: {answer}"));
        let Some(Json::Int(code)) = error.get("code") else { panic!("{answer}") };
        (*code, error.get("message").and_then(Json::as_str).unwrap().to_owned())
    }
}

/// One answer.
pub(crate) fn receive(stream: &mut TcpStream) -> Reply {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
            });
            let length = length.unwrap_or(0);
            if body.len() >= length {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return Reply { status, head: head.to_owned(), body: body[..length].to_owned() };
            }
        }
        match stream.read(&mut part) {
            Ok(0) => return Reply { status: 0, head: text.into_owned(), body: String::new() },
            Ok(count) => bytes.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                return Reply { status: 0, head: text.into_owned(), body: String::new() };
            }
            Err(error) => panic!("{error}: {text}"),
        }
    }
}
