//! Medians of the rounds, as Markdown.

use crate::load::Run;
use crate::work::Work;

const HEAD: &str = "\
| request | a second: bitcoind | Adit | times | CPU us: bitcoind | Adit | times less | p99 us: bitcoind | Adit | p99 while a block connects: bitcoind | Adit |
|---|---|---|---|---|---|---|---|---|---|---|";

pub fn markdown(rows: &[(Work, Vec<[Run; 2]>)]) -> String {
    let rows: Vec<String> = rows.iter().map(|(work, runs)| line(*work, runs)).collect();
    format!("\n{HEAD}\n{}\n", rows.join("\n"))
}

fn line(work: Work, runs: &[[Run; 2]]) -> String {
    let [core, adit] = [0, 1].map(|who| {
        let of = |figure: fn(&Run) -> f64| median(runs.iter().map(|both| figure(&both[who])).collect());
        [of(Run::per_second), of(|run| run.cpu_us), of(|run| run.p99_us), of(|run| run.p99_connecting_us)]
    });
    format!(
        "| {work} | {:.0} | {:.0} | {:.2} | {:.0} | {:.0} | {:.2} | {:.0} | {:.0} | {:.0} | {:.0} |",
        core[0],
        adit[0],
        adit[0] / core[0],
        core[1],
        adit[1],
        core[1] / adit[1],
        core[2],
        adit[2],
        core[3],
        adit[3]
    )
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
