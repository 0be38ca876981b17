//! A thousand strangers at the door of JSON-RPC at once: all are answered, who has a password is answered beside them, and the node neither moves
//! nor grows.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use crate::bitcoind::{Core, LOGIN};
use crate::harness::text;

const STRANGERS: usize = 1_000;
/// Files that this test has open: its connections, and those of other tests beside it. A node bears a quarter as many connections as it may open files.
const FILES: u64 = 4_800;
/// Memory that a node in the tests' build may take with them at its door; without them it is about a third.
const RSS_KIB_MAX: u64 = 768 << 10;
/// Threads that a node may begin while as many as that wait: those of the two calls that it carries out, and of what goes on anyway.
const THREADS_MORE_MAX: u64 = 30;

/// One answer's head and body.
fn receive(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let so_far = text(&bytes);
        if let Some((head, body)) = so_far.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return so_far;
            }
        }
        match stream.read(&mut part).unwrap() {
            0 => return so_far,
            count => bytes.extend_from_slice(&part[..count]),
        }
    }
}

/// A figure of a process, as Linux tells it.
fn figure(id: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Lets this process open as many files as the tests take; says so where it may not.
fn may_open_files() -> bool {
    let own = getrlimit(Resource::Nofile);
    if own.maximum.is_some_and(|most| most < FILES) {
        println!("skipped: no {FILES} files may be open at once here");
        return false;
    }
    let more = Rlimit { current: own.current.map(|now| now.max(FILES)), maximum: own.maximum };
    setrlimit(Resource::Nofile, more).unwrap();
    true
}

/// The node is given fewer files than it will need, as a login often is; it takes what it may have.
fn start(flags: &[&str]) -> Core {
    start_with("-S -n 256", flags)
}

/// One whose files are limited so.
fn start_with(limit: &str, flags: &[&str]) -> Core {
    let script = format!("ulimit {limit}; exec \"$0\" bitcoind \"$@\"");
    let command = || {
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_adit")]);
        command
    };
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    Core::by(command, "-regtest", &flags)
}

fn connect(node: &Core) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", node.rpc())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(300))).unwrap();
    stream
}

#[test]
fn a_thousand_who_wait_for_a_template_take_no_thread_and_have_it_with_the_block() {
    if !may_open_files() {
        return;
    }
    let node = start(&["-rpcthreads=2", "-rpcworkqueue=4", "-rpcservertimeout=3600"]);
    node.generate(1);
    let template = node.call("getblocktemplate", json!([{"rules": ["segwit"]}]));
    let ask = json!({"rules": ["segwit"], "longpollid": template["longpollid"]});
    let body = json!({"method": "getblocktemplate", "params": [ask]}).to_string();
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {LOGIN}\r\n");
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    let (threads, rss) = (figure(node.process.id(), "Threads"), figure(node.process.id(), "VmRSS"));
    let mut polls: Vec<TcpStream> = (0..STRANGERS).map(|_| connect(&node)).collect();
    polls.iter_mut().for_each(|poll| poll.write_all(request.as_bytes()).unwrap());
    // Whoever asks is served beside them.
    (0..20).for_each(|_| assert_eq!(node.height(), 1));
    let more = figure(node.process.id(), "Threads").saturating_sub(threads);
    assert!(more < THREADS_MORE_MAX, "{more} threads more");
    node.generate(1);
    let tip = node.tip();
    for poll in &mut polls {
        let answer = receive(poll);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(&tip), "{answer}");
    }
    let rss_now = figure(node.process.id(), "VmRSS");
    assert!(rss_now < RSS_KIB_MAX, "{rss_now} KiB");
    println!("{STRANGERS} polls at once, {more} threads more, {rss} KiB before them and {rss_now} behind");
}

#[test]
fn a_thousand_strangers_at_once_move_nothing() {
    if !may_open_files() {
        return;
    }
    let node = start(&["-rest", "-rpcservertimeout=3600"]);
    node.generate(3);
    let connect = |_| connect(&node);
    let rss_before = figure(node.process.id(), "VmRSS");
    let mut strangers: Vec<TcpStream> = (0..STRANGERS).map(connect).collect();
    for stranger in &mut strangers {
        stranger.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Le").unwrap();
    }
    // All of them are inside, none has said what it wants: whoever has a password is served beside them.
    for _ in 0..20 {
        assert_eq!(node.height(), 3);
    }
    let body = "{\"method\":\"stop\"}";
    for stranger in &mut strangers {
        stranger.write_all(format!("ngth: {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
    }
    for stranger in &mut strangers {
        let answer = receive(stranger);
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
    // What anyone may read, asked for by all at once: it is answered, or there is no room to wait in.
    let mut answered = 0;
    let mut asking: Vec<TcpStream> = (0..STRANGERS).map(connect).collect();
    drop(strangers);
    for stranger in &mut asking {
        stranger.write_all(b"GET /rest/chaininfo.json HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    }
    for stranger in &mut asking {
        let answer = receive(stranger);
        let served = answer.starts_with("HTTP/1.1 200");
        assert!(served || answer.starts_with("HTTP/1.1 503"), "{answer}");
        answered += usize::from(served);
    }
    assert!(answered > 0);
    assert_eq!((node.height(), node.call("getconnectioncount", json!([]))), (3, json!(0)));
    let rss = figure(node.process.id(), "VmRSS");
    assert!(rss < RSS_KIB_MAX, "{rss} KiB");
    println!(
        "{STRANGERS} connections at once, {answered} of as many read what anyone may, {rss_before} KiB before and {rss} behind"
    );
}

#[test]
fn a_crowd_that_takes_every_place_keeps_nobody_out() {
    if !may_open_files() {
        return;
    }
    // A quarter of these files are for connections: 300, which strangers would hold for an hour.
    let node = start_with("-n 1200", &["-rest", "-rpcservertimeout=3600"]);
    node.generate(3);
    let halves = [
        "",
        "POST / HTTP/1.1\r\nHos",
        "POST /rest/getutxos.json HTTP/1.1\r\nContent-Length: 60000\r\n\r\n[",
        "GET /rest/chaininfo.json HTTP/1.1\r\n\r\nGET",
        "POST / HTTP/1.1\r\nAuthorization: Basic eDp5\r\nContent-Length: 9\r\n\r\n",
    ];
    let strangers: Vec<TcpStream> = halves
        .into_iter()
        .cycle()
        .take(STRANGERS)
        .map(|half| {
            let mut stream = connect(&node);
            // It may have made room for another already.
            let _ = stream.write_all(half.as_bytes());
            stream
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(node.height(), 3);
    }
    node.generate(1);
    assert_eq!(node.height(), 4);
    let open = std::fs::read_dir(format!("/proc/{}/fd", node.process.id())).unwrap().count();
    let rss = figure(node.process.id(), "VmRSS");
    assert!(open < 1_200 && rss < RSS_KIB_MAX, "{open} files, {rss} KiB");
    println!("{} strangers, {open} files open, {rss} KiB", strangers.len());
}
