//! Shares a second that the real binary checks, credits durably and answers: on one connection, and on 1,000.
//!
//! `cargo bench --bench stratum_load`. One line of JSON a figure. The node stands on the genesis block of testnet4 without peers, so that no share is
//! a block, and asks for the lowest difficulty there is, so that nearly every nonce is a share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]
#![allow(missing_docs, unreachable_pub, dead_code)]

#[path = "../tests/system/harness.rs"]
mod harness;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use harness::{Node, adit, folder};

/// An address of the test networks (of BIP173's test vectors).
const ADDRESS: &str = "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx";
/// The lowest difficulty is 2^-32, which this becomes.
const DIFFICULTY: &str = "0.0000000003";
/// Connections, shares on each, and how many of them each has in flight.
const LOADS: [(usize, usize, usize); 2] = [(1, 100_000, 64), (1_000, 100, 4)];
/// A node that has no work for a miner for this long has none at all.
const WORK_WITHIN: Duration = Duration::from_secs(60);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for (connections, shares, window) in LOADS {
        let dir = folder();
        let node = Node::of(node(dir.path()), dir.path());
        println!("{}", runtime.block_on(load(node.stratum, connections, shares, window)));
        node.stop();
    }
}

fn node(datadir: &std::path::Path) -> std::process::Command {
    let mut command = adit();
    command.args(["run", "--network", "testnet4", "--datadir"]).arg(datadir);
    let pinned = ["start", "min", "max"].map(|which| format!("stratum.difficulty_{which}={DIFFICULTY}"));
    let sets = [
        format!("pool.address={ADDRESS}"),
        "p2p.listen=127.0.0.1:0".to_owned(),
        "stratum.listen=127.0.0.1:0".to_owned(),
    ];
    for set in sets.iter().chain(&pinned) {
        command.args(["--set", set]);
    }
    command
}

async fn load(server: SocketAddr, connections: usize, shares: usize, window: usize) -> Value {
    let mut miners = Vec::new();
    for _ in 0..connections {
        miners.push(tokio::time::timeout(WORK_WITHIN, Miner::connect(server)).await.expect("work"));
    }
    let from = Instant::now();
    let tasks: Vec<_> = miners.into_iter().map(|m| tokio::spawn(m.mine(shares, window))).collect();
    let (mut accepted, mut waits) = (0, Vec::new());
    for task in tasks {
        let (one, each) = task.await.unwrap();
        accepted += one;
        waits.extend(each);
    }
    let seconds = from.elapsed().as_secs_f64();
    waits.sort_unstable();
    let at = |percent: usize| waits[(waits.len() - 1) * percent / 100].as_micros() as u64;
    json!({
        "figure": "shares", "connections": connections, "shares": connections * shares, "accepted": accepted,
        "seconds": seconds, "per_second": (connections * shares) as f64 / seconds,
        "answer_p50_us": at(50), "answer_p99_us": at(99),
    })
}

/// A connection with work.
struct Miner {
    write: tokio::net::tcp::OwnedWriteHalf,
    lines: tokio::io::Lines<BufReader<OwnedReadHalf>>,
    job: String,
    time: String,
}

impl Miner {
    async fn connect(server: SocketAddr) -> Miner {
        let stream = TcpStream::connect(server).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (read, mut write) = stream.into_split();
        let hello = [
            json!({"id": 1, "method": "mining.subscribe", "params": ["load"]}),
            json!({"id": 2, "method": "mining.authorize", "params": [ADDRESS, "x"]}),
        ];
        for line in hello {
            write.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        }
        let mut lines = BufReader::new(read).lines();
        loop {
            let line: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
            if line["method"] == "mining.notify" {
                let text = |at: usize| line["params"][at].as_str().unwrap().to_owned();
                return Miner { write, lines, job: text(0), time: text(7) };
            }
        }
    }

    /// Sends that many shares, a window at a time; how many were accepted, and how long each answer took.
    async fn mine(mut self, shares: usize, window: usize) -> (usize, Vec<Duration>) {
        let (mut sent, mut accepted) = (0, 0);
        let (mut waits, mut due) = (Vec::with_capacity(shares), HashMap::new());
        while waits.len() < shares {
            let mut batch = String::new();
            while sent < shares && due.len() < window {
                due.insert(sent as u64 + 10, Instant::now());
                batch.push_str(&format!(
                    "{{\"id\":{},\"method\":\"mining.submit\",\"params\":[\"{ADDRESS}\",\"{}\",\"0000000000000000\",\"{}\",\"{sent:08x}\"]}}\n",
                    sent + 10, self.job, self.time
                ));
                sent += 1;
            }
            self.write.write_all(batch.as_bytes()).await.unwrap();
            let line: Value = serde_json::from_str(&self.lines.next_line().await.unwrap().unwrap()).unwrap();
            if let Some(from) = line["id"].as_u64().and_then(|id| due.remove(&id)) {
                waits.push(from.elapsed());
                accepted += usize::from(line["result"] == true);
            }
        }
        (accepted, waits)
    }
}
