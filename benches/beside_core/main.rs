//! Adit beside Bitcoin Core on one machine: the same chain into an empty folder, by turns, with all scripts and with scripts skipped below an
//! assumed block.
//!
//! `BITCOIND=... ADIT_CHAIN=... cargo bench --bench beside_core`; docs/performance.md says what each variable does. A line of JSON a run, and
//! tables at the end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]
#![allow(missing_docs, unreachable_pub, dead_code)]

mod blocks;
#[path = "../common/mod.rs"]
mod common;
mod plan;
mod process;
mod runs;
mod table;

use std::path::Path;

use blocks::Blocks;
use common::bitcoind::{self, Core};
use common::{client, harness};
use plan::{Plan, Setting, Work};
use process::Run;
use table::Row;

fn main() {
    let Some((bitcoind, chain)) = common::named() else { return };
    let (bitcoind, chain) = (bitcoind.as_path(), chain.as_path());
    let (plan, blocks) = (Plan::of_the_environment(), Blocks::read(chain));
    println!("{}", blocks.line(chain));
    let source = plan.works.contains(&Work::Assumed).then(|| runs::source(&blocks, chain));
    for &work in &plan.works {
        let rows: Vec<Row> = plan
            .settings()
            .map(|setting| {
                let measure = |round| both(bitcoind, chain, &blocks, source.as_ref(), work, setting, round);
                Row { setting, rounds: (0..plan.rounds).map(measure).collect() }
            })
            .collect();
        println!("{}", table::markdown(work, &rows));
    }
}

/// bitcoind's run and Adit's, the first of the two by turns.
fn both(
    bitcoind: &Path,
    chain: &Path,
    blocks: &Blocks,
    source: Option<&Core>,
    work: Work,
    setting: Setting,
    round: usize,
) -> [Run; 2] {
    common::by_turns(round, |who| {
        let run = match (work, who) {
            (Work::Scripts, 0) => runs::core_imports(bitcoind, chain, setting),
            (Work::Scripts, _) => runs::adit_imports(chain, blocks, setting),
            (Work::Assumed, 0) => runs::core_syncs(bitcoind, blocks, source.unwrap(), setting),
            (Work::Assumed, _) => runs::adit_syncs(blocks, source.unwrap(), setting),
        };
        println!("{}", run.line(common::NAMES[who], work, setting, round));
        run
    })
}
