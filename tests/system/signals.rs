//! Ctrl-C once, twice at once, and once more.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Node, Process, adit, folder, text, until};

/// Signals that are closer than this are one wish.
const SAME_WISH: Duration = Duration::from_secs(1);
/// What a pipe holds.
const PIPE_BYTES: usize = 64 << 10;

/// Whether one of the process's threads waits in the kernel for its standard output to take something.
fn writes_to_stdout(id: u32) -> bool {
    /// The number of `write`: on x86-64, and where the kernel's common table is used (AArch64, RISC-V).
    const WRITE: [&str; 2] = ["1", "64"];
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).unwrap();
    threads.flatten().any(|thread| {
        // A thread may have ended since; one that runs is "running".
        let call = std::fs::read_to_string(thread.path().join("syscall")).unwrap_or_default();
        let mut words = call.split_whitespace();
        words.next().is_some_and(|number| WRITE.contains(&number)) && words.next() == Some("0x1")
    })
}

#[test]
fn two_signals_at_once_are_one_wish_and_end_it_in_order() {
    let dir = folder();
    let mut node = Node::start(dir.path(), &[]);
    // While it is held neither arrives, and then both do.
    for signal in ["STOP", "INT", "TERM", "CONT"] {
        node.process.signal(signal);
    }
    assert_eq!(node.process.wait().code(), Some(0), "{}", node.process.err());
}

#[test]
fn a_second_ctrl_c_ends_at_once_what_does_not_end_in_order() {
    let dir = folder();
    let datadir = dir.path().join("d");
    // Nobody reads the pipe, and it is full: the demo waits to say its first line, and would for ever.
    let (_reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&vec![b' '; PIPE_BYTES]).unwrap();
    let mut command = adit();
    command.args(["demo", "--set", "stratum.listen=127.0.0.1:0", "--set", "p2p.listen=127.0.0.1:0"]);
    command.arg("--datadir").arg(&datadir);
    let mut process = Process::start_into(command, dir.path(), "demo", writer.into());
    let info = || {
        let mut ctl = adit();
        ctl.args(["ctl", "--network", "regtest", "--json", "--datadir"]).arg(&datadir).arg("info");
        let out = ctl.output().unwrap();
        out.status.success().then(|| serde_json::from_slice::<serde_json::Value>(&out.stdout).unwrap())
    };
    until("the demo's miner is connected", || info().filter(|i| i["sessions"] != json!(0)));
    // Before that it would still end in order. Nobody will ever read, so it stays there.
    until("the demo waits for its reader", || writes_to_stdout(process.id()).then_some(()));

    process.signal("INT");
    until("the node has ended, in order", || info().is_none().then_some(()));
    // It has taken the first one by now.
    let taken = Instant::now();
    until("a later signal is another wish", || (taken.elapsed() > SAME_WISH).then_some(()));
    assert!(process.ended().is_none(), "the demo did not wait for its reader: {}", process.err());
    process.signal("INT");
    assert_eq!(process.wait().code(), Some(130), "{}", process.err());
    assert!(process.err().contains("second signal"), "{}", process.err());

    // What was durable is there, and nothing holds the folder.
    let again = adit().args(["demo", "--seconds", "1", "--datadir"]).arg(&datadir).output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
}
