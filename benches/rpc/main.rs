//! Queries over JSON-RPC beside Bitcoin Core: the same chain, the same requests from as many clients, by turns, while blocks connect.
//!
//! `BITCOIND=... ADIT_CHAIN=... cargo bench --bench rpc`; docs/performance.md says what each variable does. A line of JSON a run, and a table
//! at the end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]
#![allow(missing_docs, unreachable_pub, dead_code)]

mod asking;
mod chain;
#[path = "../common/mod.rs"]
mod common;
mod load;
mod table;
mod work;

use std::path::Path;
use std::process::Command;

use chain::Chain;
use common::bitcoind::Core;
use common::{client, harness};
use load::{Load, Run};
use work::Work;

/// Both have the index that the requests need. Threads and queues are each one's own: bitcoind's 16 threads for calls, 64 that wait.
const FLAGS: [&str; 1] = ["-txindex"];

fn main() {
    let Some((bitcoind, chain)) = common::named() else { return };
    let load = Load::of_the_environment();
    let chain = Chain::read(&chain, load.blocks);
    let nodes = nodes(&bitcoind, &chain);
    let mut rows: Vec<(Work, Vec<[Run; 2]>)> = load.works.iter().map(|work| (*work, Vec::new())).collect();
    for round in 0..load.rounds {
        for (work, runs) in &mut rows {
            runs.push(common::by_turns(round, |who| {
                let run = load.run(&nodes[who], *work, &chain);
                println!("{}", run.line(who, *work, round));
                run
            }));
        }
    }
    println!("{}", table::markdown(&rows));
}

/// Both, with the blocks that no run connects.
fn nodes(bitcoind: &Path, chain: &Chain) -> [Core; 2] {
    let flags = FLAGS.map(str::to_owned).to_vec();
    let ours = || {
        let mut command = harness::adit();
        command.arg("bitcoind");
        command
    };
    let nodes = [Core::by(|| Command::new(bitcoind), "-regtest", &flags), Core::by(ours, "-regtest", &flags)];
    nodes.iter().for_each(|node| chain.begin(node));
    nodes
}
