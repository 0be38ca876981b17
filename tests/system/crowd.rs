//! A thousand strangers at the door of JSON-RPC at once: all are answered, who has a password is answered beside them, and the node neither moves
//! nor grows.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use crate::bitcoind::Core;
use crate::harness::text;

const STRANGERS: usize = 1_000;
/// Files that this test has open: its connections, and those of other tests beside it.
const FILES: u64 = 3_000;
/// Memory that a node in the tests' build may take with them at its door; without them it is about a third.
const RSS_KIB_MAX: u64 = 768 << 10;

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

fn rss_kib(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_thousand_strangers_at_once_move_nothing() {
    let own = getrlimit(Resource::Nofile);
    if own.maximum.is_some_and(|most| most < FILES) {
        println!("skipped: no {FILES} files may be open at once here");
        return;
    }
    setrlimit(
        Resource::Nofile,
        Rlimit { current: own.current.map(|now| now.max(FILES)), maximum: own.maximum },
    )
    .unwrap();
    // The node is given fewer files than it will need, as a login often is; it takes what it may have.
    let command = || {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -S -n 256; exec \"$0\" bitcoind \"$@\"", env!("CARGO_BIN_EXE_adit")]);
        command
    };
    let patient = ["-rest", "-rpcservertimeout=3600"].map(str::to_owned);
    let node = Core::by(command, "-regtest", &patient);
    node.generate(3);
    let connect = |_| {
        let stream = TcpStream::connect(("127.0.0.1", node.rpc())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(300))).unwrap();
        stream
    };
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
    let rss = rss_kib(node.process.id());
    assert!(rss < RSS_KIB_MAX, "{rss} KiB");
    println!("{STRANGERS} connections at once, {answered} of as many read what anyone may, {rss} KiB");
}
