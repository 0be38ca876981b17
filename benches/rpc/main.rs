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

#[path = "../../tests/system/bitcoind.rs"]
mod bitcoind;
mod chain;
#[path = "../../tests/system/client.rs"]
mod client;
mod door;
#[path = "../../tests/system/harness.rs"]
mod harness;
mod load;
mod table;
mod work;

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use bitcoind::Core;
use chain::Chain;
use harness::adit;
use load::{Load, Run};
use work::Work;

/// Both have the indexes that the requests need, and Core's number of threads.
const FLAGS: [&str; 2] = ["-txindex", "-rpcworkqueue=1000"];

fn main() {
    let (Some(bitcoind), Some(chain)) = (std::env::var_os("BITCOIND"), std::env::var_os("ADIT_CHAIN")) else {
        return eprintln!("BITCOIND and ADIT_CHAIN name nothing to measure with");
    };
    let load = Load::of_the_environment();
    let chain = Chain::read(Path::new(&chain), load.blocks_needed());
    let nodes = nodes(&bitcoind, &chain);
    let mut rows: Vec<(Work, Vec<[Run; 2]>)> = load.works.iter().map(|work| (*work, Vec::new())).collect();
    let mut rest = chain.rest.iter();
    for round in 0..load.rounds {
        for (work, runs) in &mut rows {
            let blocks: Vec<&String> = rest.by_ref().take(load.blocks).collect();
            let measure = |who: usize| {
                let run = load.run(&nodes[who], *work, &blocks);
                println!("{}", run.line(["bitcoind", "adit"][who], *work, round));
                run
            };
            // The first of the two by turns.
            let both = if round.is_multiple_of(2) {
                [measure(0), measure(1)]
            } else {
                let ours = measure(1);
                [measure(0), ours]
            };
            runs.push(both);
        }
    }
    println!("{}", table::markdown(&rows));
}

/// Both, with the blocks that no run connects.
fn nodes(bitcoind: &OsStr, chain: &Chain) -> [Core; 2] {
    let flags = FLAGS.map(str::to_owned).to_vec();
    let ours = || {
        let mut command = adit();
        command.arg("bitcoind");
        command
    };
    let nodes = [Core::by(|| Command::new(bitcoind), "-regtest", &flags), Core::by(ours, "-regtest", &flags)];
    for node in &nodes {
        chain.begin(node);
    }
    nodes
}
