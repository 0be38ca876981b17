//! A Bitcoin Core of the tests' own, asked over its RPC.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::ADDRESS;
use crate::harness::{Process, folder, free_port, text, until};

/// `adit:adit` in base64.
pub const LOGIN: &str = "YWRpdDphZGl0";

/// How often another is started where somebody else took the port of one in between.
const STARTS_MAX: usize = 5;

/// A bitcoind that only we know of.
pub struct Core {
    pub process: Process,
    rpc: u16,
    p2p: u16,
    _dir: TempDir,
}

impl Core {
    /// Starts one on regtest; says so where there is none to start.
    pub fn start(args: &[String]) -> Option<Core> {
        Core::on("-regtest", args)
    }

    /// The same on a network of that flag.
    pub fn on(network: &str, args: &[String]) -> Option<Core> {
        let Some(binary) = std::env::var_os("BITCOIND") else {
            eprintln!("BITCOIND names no binary: Bitcoin Core was not asked");
            return None;
        };
        Some(Core::by(|| Command::new(&binary), network, args))
    }

    /// One that a command starts.
    pub fn by(command: impl Fn() -> Command, network: &str, args: &[String]) -> Core {
        (0..STARTS_MAX).find_map(|_| Core::run(command(), network, args)).expect("bitcoind starts")
    }

    /// None where it ends before it answers.
    fn run(mut command: Command, network: &str, args: &[String]) -> Option<Core> {
        let (dir, rpc, p2p) = (folder(), free_port(), free_port());
        command.args([
            network,
            "-listen=1",
            "-connect=0",
            "-dnsseed=0",
            "-fixedseeds=0",
            "-server",
            "-disablewallet",
        ]);
        command
            .args(["-rpcuser=adit", "-rpcpassword=adit", "-natpmp=0", "-par=2", "-checkblockindex=0"])
            .args(args);
        command.arg(format!("-datadir={}", dir.path().display()));
        command.arg(format!("-rpcport={rpc}")).arg(format!("-bind=127.0.0.1:{p2p}"));
        let process = Process::start(command, dir.path(), "bitcoind");
        let mut core = Core { process, rpc, p2p, _dir: dir };
        let answers = until("bitcoind answers", || match core.try_call("getblockcount", &json!([])) {
            Some(_) => Some(true),
            None => core.process.ended().map(|_| false),
        });
        answers.then_some(core)
    }

    fn try_call(&self, method: &str, params: &Value) -> Option<Value> {
        ask(self.rpc, method, params)
    }

    #[track_caller]
    pub fn call(&self, method: &str, params: Value) -> Value {
        self.try_call(method, &params).unwrap_or_else(|| panic!("{method} {params}"))
    }

    pub fn height(&self) -> u64 {
        self.call("getblockcount", json!([])).as_u64().unwrap()
    }

    pub fn tip(&self) -> String {
        self.call("getbestblockhash", json!([])).as_str().unwrap().to_owned()
    }

    pub fn generate(&self, blocks: u32) {
        self.call("generatetoaddress", json!([blocks, ADDRESS]));
    }

    /// The port of its JSON-RPC.
    #[allow(dead_code, reason = "a bench has clients of its own")]
    pub fn rpc(&self) -> u16 {
        self.rpc
    }

    pub fn peer(&self) -> String {
        format!("127.0.0.1:{}", self.p2p)
    }
}

/// Asks whoever serves JSON-RPC on a port for the user `adit` with the password `adit`.
pub fn ask(port: u16, method: &str, params: &Value) -> Option<Value> {
    let body = json!({"jsonrpc": "1.0", "id": 1, "method": method, "params": params}).to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(600))).unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {LOGIN}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = text(&answer);
    let answer: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1.trim()).ok()?;
    answer["error"].is_null().then(|| answer["result"].clone())
}

impl Drop for Core {
    fn drop(&mut self) {
        let _ = self.try_call("stop", &json!([]));
        self.process.wait();
    }
}
