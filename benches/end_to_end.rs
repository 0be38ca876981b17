//! From a found block to the job on top of it, as a miner of the real binary sees it.
//!
//! `cargo bench --bench end_to_end`. One line of JSON.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]
#![allow(missing_docs, unreachable_pub, dead_code)]

#[path = "../tests/system/client.rs"]
mod client;
#[path = "../tests/system/harness.rs"]
mod harness;

use serde_json::{Value, json};

use harness::{Node, folder};

/// Blocks whose way from the miner's submission to the next job is measured.
const JOBS: usize = 300;

fn main() {
    println!("{}", tip_to_job());
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
