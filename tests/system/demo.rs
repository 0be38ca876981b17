//! The first command that anyone runs.

use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use crate::harness::{Node, Process, adit, folder, text, until};

/// Runs the demo for some seconds.
fn demo(datadir: &Path, seconds: u64) -> Output {
    adit().args(["demo", "--seconds", &seconds.to_string(), "--datadir"]).arg(datadir).output().unwrap()
}

/// Starts the demo, whose output is no terminal.
fn started(dir: &Path, args: &[&str]) -> Process {
    let datadir = dir.join("d");
    std::fs::create_dir_all(&datadir).unwrap();
    let mut command = adit();
    command.args(["demo", "--datadir"]).arg(datadir).args(args);
    Process::start(command, dir, "demo")
}

/// Ends the demo with Ctrl-C; all that it said.
#[track_caller]
fn ended(mut process: Process) -> Vec<String> {
    process.signal("INT");
    assert_eq!(process.wait().code(), Some(0), "{}", process.err());
    process.lines()
}

/// The number after a word in a line of the demo.
#[track_caller]
fn figure(line: &str, word: &str) -> u64 {
    let rest = line.split(&format!("{word} ")).nth(1).unwrap_or_else(|| panic!("no {word} in {line}"));
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

/// The lines that carry figures.
fn figures(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().filter(|line| line.starts_with("height ")).collect()
}

/// Waits until the newest figures are as wanted.
#[track_caller]
fn until_figures(what: &str, process: &Process, wanted: impl Fn(&str) -> bool) {
    until(what, || figures(process.lines()).last().filter(|line| wanted(line)).map(|_| ()));
}

#[test]
fn the_demo_mines_and_a_second_run_goes_on() {
    let dir = folder();
    let words = ["height", "shares", "blocks"];
    let first = started(dir.path(), &[]);
    until_figures("the demo has found a block", &first, |line| words.iter().all(|w| figure(line, w) >= 1));
    until("a line a second", || (figures(first.lines()).len() >= 3).then_some(()));
    let last = figures(ended(first)).pop().unwrap();

    let second = started(dir.path(), &[]);
    until_figures("the second run shows its figures", &second, |_| true);
    let line = figures(ended(second)).swap_remove(0);
    for word in words {
        assert!(figure(&line, word) >= figure(&last, word), "{line} after {last}");
    }
}

#[test]
fn a_demo_whose_time_is_over_ends() {
    let dir = folder();
    let out = demo(dir.path(), 1);
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
}

#[test]
fn a_demo_whose_ports_are_taken_takes_others_and_says_so() {
    let dir = folder();
    let taken = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [miners, nodes] = taken.each_ref().map(|port| port.local_addr().unwrap());
    let set = [format!("stratum.listen={miners}"), format!("p2p.listen={nodes}")];
    let process = started(dir.path(), &["--set", &set[0], "--set", &set[1]]);
    until_figures("its miner has shares", &process, |line| figure(line, "shares") > 0);
    let said = ended(process).join("\n");
    for taken in [format!("{miners} for miners is taken"), format!("{nodes} for nodes is taken")] {
        assert!(said.contains(&taken), "{said}");
    }
}

#[test]
fn ctrl_c_ends_the_demo_cleanly_while_ctl_looks_at_it() {
    let dir = folder();
    let process = started(dir.path(), &[]);
    until_figures("the demo has found a block", &process, |line| figure(line, "blocks") > 0);
    let datadir = dir.path().join("d");
    let out =
        adit().args(["ctl", "--network", "regtest", "workers", "--json", "--datadir"]).arg(&datadir).output();
    assert!(text(&out.unwrap().stdout).contains("shares_accepted"));
    ended(process);
}

#[test]
fn two_processes_cannot_have_the_same_datadir() {
    let dir = folder();
    let node = Node::start(dir.path(), &[]);
    let out = demo(dir.path(), 1);
    assert_eq!(out.status.code(), Some(69), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains(&dir.path().display().to_string()), "{}", text(&out.stderr));
    node.stop();
}
