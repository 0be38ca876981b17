//! Medians of the rounds, as Markdown.

use crate::common::median;
use crate::plan::{Setting, Work};
use crate::process::Run;

/// A setting's rounds: bitcoind's run and Adit's.
pub struct Row {
    pub setting: Setting,
    pub rounds: Vec<[Run; 2]>,
}

pub fn markdown(work: Work, rows: &[Row]) -> String {
    let head = "\
| cores | cache MiB | seconds: bitcoind | Adit | times as fast | CPU seconds: bitcoind | Adit | times less | busy: bitcoind | Adit | peak MiB: bitcoind | Adit |
|---|---|---|---|---|---|---|---|---|---|---|---|";
    let rows: Vec<String> = rows.iter().map(line).collect();
    format!("\n{work}\n\n{head}\n{}\n", rows.join("\n"))
}

fn line(row: &Row) -> String {
    let Setting { cores, cache_mib } = row.setting;
    let [core, adit] = [0, 1].map(|who| {
        let of = |figure: fn(&Run) -> f64| median(row.rounds.iter().map(|runs| figure(&runs[who])).collect());
        [of(seconds), of(|run| run.cpu_seconds), of(|run| run.peak_mib)]
    });
    let busy = |[seconds, cpu, _]: [f64; 3]| 100.0 * cpu / (seconds * cores as f64);
    format!(
        "| {cores} | {cache_mib} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0}% | {:.0}% | {:.0} | {:.0} |",
        core[0],
        adit[0],
        core[0] / adit[0],
        core[1],
        adit[1],
        core[1] / adit[1],
        busy(core),
        busy(adit),
        core[2],
        adit[2]
    )
}

/// The whole run: what one leaves for its end counts as what the other does on the way.
fn seconds(run: &Run) -> f64 {
    run.seconds
}
