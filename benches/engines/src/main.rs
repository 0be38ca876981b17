//! Processor time an input by script type, through Adit's engine and through Bitcoin Core's, as a table.
//!
//! `cargo run --release -p adit-benches --bin engines-table [worst [<part of a name>]]`. `ADIT_CHAIN` names a regtest chain framed as blk*.dat,
//! `ADIT_DATA` the folder with the real blocks; without them the table has what is signed here.
#![allow(clippy::as_conversions, reason = "figures")]

use std::hint::black_box;

use adit_benches::curve::{Believer, CurveJob};
use adit_benches::kernel::KernelJob;
use adit_benches::rounds::{medians, rounds};
use adit_benches::sources::{self, ByType};
use adit_benches::{FLAGS, Job, worst};
use adit_domain::script::{CachingInterpreter, Interpreter, ScriptVerifier, forget_keys};

/// Inputs of one type that are measured: some 80 ms a round.
const INPUTS_MAX: usize = 2000;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("worst") {
        return worst_cases(&std::env::args().nth(2).unwrap_or_default());
    }
    for (name, jobs) in sources::all() {
        spends(name, jobs);
    }
}

/// Microseconds an input, or inputs and operations, of one row.
#[derive(Clone, Copy, Default)]
struct Row {
    inputs: f64,
    operations: f64,
    ours: f64,
    kernel: f64,
    curve: f64,
    rest: f64,
}

fn spends(source: &str, jobs: ByType) {
    println!("\n{source}: microseconds of processor time an input, median of {} rounds", rounds());
    println!(
        "{:<16} {:>7} {:>8} {:>8} {:>8} {:>7} {:>8} {:>8} {:>7}",
        "type", "inputs", "curve/in", "adit", "kernel", "ratio", "curve", "rest", "rest/c"
    );
    let mut all = Row::default();
    for (kind, jobs) in jobs {
        let count: usize = jobs.iter().map(Job::inputs).sum();
        let row = measure(&some_of(&jobs));
        print(&kind, row);
        // Each type counts as often as the source has it, not as often as it was measured.
        let weight = count as f64;
        all.inputs += weight;
        all.operations += weight * row.operations / row.inputs;
        all.ours += weight * row.ours;
        all.kernel += weight * row.kernel;
        all.curve += weight * row.curve;
        all.rest += weight * row.rest;
    }
    let n = all.inputs;
    let (ours, kernel, curve, rest) = (all.ours / n, all.kernel / n, all.curve / n, all.rest / n);
    print("all, as it is", Row { ours, kernel, curve, rest, ..all });
}

fn some_of(jobs: &[Job]) -> Vec<Job> {
    let mut inputs = 0;
    let enough = |job: &&Job| {
        let more = inputs < INPUTS_MAX;
        inputs += job.inputs();
        more
    };
    jobs.iter().take_while(enough).cloned().collect()
}

fn measure(jobs: &[Job]) -> Row {
    let kernel: Vec<KernelJob> = jobs.iter().map(KernelJob::new).collect();
    let curve: Vec<CurveJob> = jobs.iter().map(CurveJob::new).collect();
    let believer = CachingInterpreter::new(Believer);
    for (job, theirs) in jobs.iter().zip(&kernel) {
        assert!(Interpreter.verify_tx(&job.spend(), FLAGS).is_ok() && theirs.verify_tx());
    }
    let [ours, kernel, all_curve, tweaks, rest] = medians(
        rounds(),
        [
            &mut || verify_afresh(jobs),
            &mut || kernel.iter().for_each(|job| keep(job.verify_tx())),
            &mut || curve.iter().for_each(|job| keep(job.run())),
            &mut || curve.iter().for_each(|job| keep(job.run_tweaks())),
            &mut || jobs.iter().for_each(|job| keep(believer.verify_tx(&job.spend(), FLAGS))),
        ],
    );
    let inputs = jobs.iter().map(Job::inputs).sum::<usize>() as f64;
    let an_input = |seconds: f64| seconds * 1e6 / inputs;
    Row {
        inputs,
        operations: curve.iter().map(CurveJob::len).sum::<usize>() as f64,
        ours: an_input(ours),
        kernel: an_input(kernel),
        curve: an_input(all_curve),
        rest: an_input(rest - tweaks),
    }
}

/// As a thread meets the jobs for the first time: no key of theirs is known.
fn verify_afresh(jobs: &[Job]) {
    forget_keys();
    jobs.iter().for_each(|job| keep(Interpreter.verify_tx(&job.spend(), FLAGS)));
}

/// Keeps the compiler from leaving out what makes a value nobody reads.
fn keep<T>(value: T) {
    black_box(value);
}

fn print(kind: &str, row: Row) {
    println!(
        "{kind:<16} {:>7} {:>8.2} {:>8.2} {:>8.2} {:>7.3} {:>8.2} {:>8.2} {:>6.1}%",
        row.inputs,
        row.operations / row.inputs,
        row.ours,
        row.kernel,
        row.ours / row.kernel,
        row.curve,
        row.rest,
        100.0 * row.rest / row.curve
    );
}

fn worst_cases(wanted: &str) {
    println!("worst cases: milliseconds of processor time, median of {} rounds", rounds());
    println!("{:<34} {:>9} {:>9} {:>7}", "case", "adit", "kernel", "ratio");
    for (name, job) in worst::cases().into_iter().filter(|(name, _)| name.contains(wanted)) {
        let kernel = KernelJob::new(&job);
        let verdict = Interpreter.verify_tx(&job.spend(), FLAGS);
        assert_eq!(verdict.is_ok(), kernel.verify_tx(), "{name}: {verdict:?}");
        let [ours, theirs] = medians(
            rounds(),
            [&mut || verify_afresh(std::slice::from_ref(&job)), &mut || keep(kernel.verify_tx())],
        );
        println!("{name:<34} {:>9.3} {:>9.3} {:>7.3}", ours * 1e3, theirs * 1e3, ours / theirs);
    }
}
