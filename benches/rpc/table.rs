//! Medians of the rounds, as Markdown.

use crate::common::median;
use crate::load::Run;
use crate::work::Work;

const HEAD: &str = "\
| request | a second: bitcoind | Adit | times | CPU us: bitcoind | Adit | times less | clients' CPU us | p50 us: bitcoind | Adit | p99 us: bitcoind | Adit | p99 while blocks connect: bitcoind | Adit | p99 otherwise: bitcoind | Adit | longest us: bitcoind | Adit | the blocks took, ms: bitcoind | Adit |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|";

pub fn markdown(rows: &[(Work, Vec<[Run; 2]>)]) -> String {
    let rows: Vec<String> = rows.iter().map(|(work, runs)| line(*work, runs)).collect();
    format!("\n{HEAD}\n{}\n", rows.join("\n"))
}

fn line(work: Work, runs: &[[Run; 2]]) -> String {
    let of = |figure: fn(&Run) -> f64| {
        [0, 1].map(|who| median(runs.iter().map(|both| figure(&both[who])).collect()))
    };
    let both = |figure| {
        let [core, adit] = of(figure);
        format!("{core:.0} | {adit:.0}")
    };
    let ([core, adit], [core_cpu, adit_cpu]) = (of(Run::per_second), of(|run| run.cpu_us));
    let cells = [
        work.to_string(),
        both(Run::per_second),
        format!("{:.2}", adit / core),
        both(|run| run.cpu_us),
        format!("{:.2}", core_cpu / adit_cpu),
        format!("{:.0}", of(|run| run.client_us)[1]),
        both(|run| run.p50_us),
        both(|run| run.p99_us),
        both(|run| run.p99_connecting_us),
        both(|run| run.p99_quiet_us),
        both(|run| run.longest_us),
        both(|run| run.blocks_us / 1e3),
    ];
    format!("| {} |", cells.join(" | "))
}
