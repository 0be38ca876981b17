//! The first command that anyone runs.

use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use crate::harness::{Node, Process, adit, folder, text, until};

/// Runs the demo in a pipe for some seconds.
fn demo(datadir: &Path, seconds: u64) -> Output {
    adit().args(["demo", "--seconds", &seconds.to_string(), "--datadir"]).arg(datadir).output().unwrap()
}

/// The number after a word in a line of the demo.
#[track_caller]
fn figure(line: &str, word: &str) -> u64 {
    let rest = line.split(&format!("{word} ")).nth(1).unwrap_or_else(|| panic!("no {word} in {line}"));
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

/// The lines that carry figures.
fn figures(output: &Output) -> Vec<String> {
    text(&output.stdout).lines().filter(|l| l.starts_with("height ")).map(str::to_owned).collect()
}

#[test]
fn the_demo_mines_in_a_pipe_and_a_second_run_goes_on() {
    let dir = folder();
    let first = demo(dir.path(), 12);
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    let lines = figures(&first);
    assert!(lines.len() >= 3, "{}", text(&first.stdout));
    let last = lines.last().unwrap();
    let (height, shares, blocks) = (figure(last, "height"), figure(last, "shares"), figure(last, "blocks"));
    assert!(height >= 1 && shares >= 1 && blocks >= 1, "{last}");

    let second = demo(dir.path(), 4);
    assert_eq!(second.status.code(), Some(0), "{}", text(&second.stderr));
    let line = figures(&second).first().cloned().unwrap_or_else(|| panic!("{}", text(&second.stderr)));
    assert!(figure(&line, "height") >= height, "{line} after {last}");
    assert!(figure(&line, "shares") >= shares && figure(&line, "blocks") >= blocks, "{line} after {last}");
}

#[test]
fn a_demo_beside_another_takes_other_ports_and_says_so() {
    // Somebody else may have them: what matters is that they are taken.
    let _taken = ["127.0.0.1:3333", "127.0.0.1:18444"].map(TcpListener::bind);
    let dir = folder();
    let out = demo(dir.path(), 3);
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    let said = text(&out.stdout);
    for taken in ["127.0.0.1:3333 for miners is taken", "127.0.0.1:18444 for nodes is taken"] {
        assert!(said.contains(taken), "{said}");
    }
    assert!(figures(&out).iter().any(|line| figure(line, "shares") > 0), "{said}");
}

#[test]
fn ctrl_c_ends_the_demo_cleanly_while_ctl_looks_at_it() {
    let dir = folder();
    let datadir = dir.path().join("d");
    std::fs::create_dir(&datadir).unwrap();
    let mut command = adit();
    command.args(["demo", "--datadir"]).arg(&datadir);
    let mut process = Process::start(command, dir.path(), "demo");
    until("the demo has found a block", || {
        let out = process.out();
        out.lines().rfind(|l| l.starts_with("height ")).filter(|l| figure(l, "blocks") > 0).map(|_| ())
    });
    let out =
        adit().args(["ctl", "--network", "regtest", "workers", "--json", "--datadir"]).arg(&datadir).output();
    assert!(text(&out.unwrap().stdout).contains("shares_accepted"));
    process.signal("INT");
    assert_eq!(process.wait().code(), Some(0), "{}", process.err());
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
