//! The binary's own figures, beside Bitcoin Core's where `BITCOIND` names it: import of a chain, and tip change to job.
//!
//! `cargo bench --bench end_to_end`. `ADIT_BENCH_CHAIN` names a regtest chain framed as blk*.dat; without it a small one is made. One line of
//! JSON a figure.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]
#![allow(missing_docs, unreachable_pub, dead_code)]

#[path = "../tests/system/chain.rs"]
mod chain;
#[path = "../tests/system/client.rs"]
mod client;
#[path = "../tests/system/harness.rs"]
mod harness;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use harness::{Node, Process, adit, folder, free_port};

/// Blocks whose way from the miner's submission to the next job is measured.
const JOBS: usize = 300;
/// How often a process's memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

fn main() {
    let dir = folder();
    let file = chain_file(dir.path());
    println!("{}", import_ours(&file));
    println!("{}", import_theirs(&file));
    println!("{}", tip_to_job());
}

/// The chain to import: the one that is named, or a small one.
fn chain_file(dir: &Path) -> PathBuf {
    if let Some(named) = std::env::var_os("ADIT_BENCH_CHAIN") {
        return named.into();
    }
    let file = dir.join("blk00000.dat");
    std::fs::write(&file, chain::Chain::signed(100, 200).framed()).unwrap();
    file
}

/// Seconds of a command, the most memory that it had in MiB, and what it printed.
fn measured(command: Command) -> (f64, u64, String) {
    let dir = folder();
    let from = Instant::now();
    let mut process = Process::start(command, dir.path(), "measured");
    let mut peak_kib = 0;
    while process.ended().is_none() {
        peak_kib = peak_kib.max(peak_memory_kib(process.id()).unwrap_or(0));
        std::thread::sleep(LOOK_EVERY);
    }
    (from.elapsed().as_secs_f64(), peak_kib / 1024, process.out())
}

fn peak_memory_kib(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn import_ours(file: &Path) -> Value {
    let dir = folder();
    let mut command = adit();
    command.args(["import", "--network", "regtest", "--datadir"]).arg(dir.path()).arg(file);
    let (seconds, peak_mib, out) = measured(command);
    let line: Value = serde_json::from_str(out.trim()).unwrap_or(Value::Null);
    json!({"figure": "import", "by": "adit", "seconds": seconds, "peak_mib": peak_mib, "result": line})
}

fn import_theirs(file: &Path) -> Value {
    let Some(binary) = std::env::var_os("BITCOIND") else {
        return json!({"figure": "import", "by": "bitcoind", "left_out": "BITCOIND names no binary"});
    };
    let dir = folder();
    let mut command = Command::new(binary);
    command.args(["-regtest", "-listen=0", "-connect=0", "-assumevalid=0", "-par=2", "-dbcache=450"]);
    command.args(["-checkblockindex=0", "-stopafterblockimport=1", "-server=0"]);
    command.arg(format!("-datadir={}", dir.path().display())).arg(format!("-loadblock={}", file.display()));
    command.arg(format!("-rpcport={}", free_port()));
    let (seconds, peak_mib, _) = measured(command);
    json!({"figure": "import", "by": "bitcoind", "seconds": seconds, "peak_mib": peak_mib})
}

/// From the submission of a found block to the job on top of it, as the miner sees it: share check, validation, disk, template, notify.
fn tip_to_job() -> Value {
    let dir = folder();
    let easy = "0.0000000003";
    let set = |key: &str| format!("stratum.difficulty_{key}={easy}");
    let (start, min, max) = (set("start"), set("min"), set("max"));
    let node = Node::start(dir.path(), &["--set", &start, "--set", &min, "--set", &max]);
    let mut micros: Vec<u64> = client::block_to_job(node.stratum, JOBS);
    node.stop();
    micros.sort_unstable();
    let at = |part: usize| micros[(micros.len() - 1) * part / 100];
    json!({"figure": "block to next job", "blocks": micros.len(), "us_p50": at(50), "us_p90": at(90), "us_p99": at(99)})
}
