//! What a client meets in the life of a node: its start and the next one, paths of wallets, what is run at each block.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use adit_clients::{Adit, base64, folder, until};
use bitcoincore_rpc::{Auth, Client, RpcApi};
use serde_json::{Value, json};

use crate::coins;

/// Status and body of a call as somebody with these credentials; none where nobody listens.
fn post(adit: &Adit, credentials: &[u8], path: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(adit.address()).ok()?;
    let auth = base64(credentials);
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {auth}\r\nConnection: close\r\n");
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

fn call(adit: &Adit, path: &str, method: &str) -> (u16, Value) {
    let cookie = std::fs::read(adit.cookie()).unwrap();
    let (status, body) = post(adit, &cookie, path, &json!({"method": method}).to_string()).unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

#[test]
fn a_client_comes_back_with_the_cookie_of_the_next_start() {
    let adit = Adit::start(&[]);
    let client = coins::client(&adit);
    client.generate_to_address(3, &coins::address()).unwrap();
    let old = std::fs::read_to_string(adit.cookie()).unwrap();
    client.stop().unwrap();
    let dir = adit.ended();
    assert!(!dir.path().join("regtest/.cookie").exists());
    let adit = Adit::start_in(dir, &[]);
    assert_ne!(std::fs::read_to_string(adit.cookie()).unwrap(), old);
    let (user, password) = old.split_once(':').unwrap();
    let stale = Client::new(&adit.url(), Auth::UserPass(user.to_owned(), password.to_owned())).unwrap();
    assert!(stale.get_block_count().unwrap_err().to_string().contains("401"));
    // The file is what is told to be read again.
    assert_eq!(coins::client(&adit).get_block_count().unwrap(), 3);
}

#[test]
fn who_asks_too_early_is_told_so_until_the_node_is_there() {
    let adit = Adit::spawn(folder(), &[]);
    let mut early = 0;
    let count = until("it answers", || {
        let cookie = std::fs::read(adit.cookie()).ok()?;
        let (status, body) = post(&adit, &cookie, "/", "{\"method\":\"getblockcount\"}")?;
        let answer: Value = serde_json::from_str(&body).ok()?;
        match (status, answer["error"]["code"].as_i64()) {
            (200, None) => answer["result"].as_i64(),
            (500, Some(-28)) => {
                early += 1;
                None
            }
            other => panic!("{other:?}: {body}"),
        }
    });
    eprintln!("{early} calls came while it started");
    assert_eq!(count, 0);
}

#[test]
fn bitcoin_cli_waits_for_the_node_and_reads_its_cookie() {
    let Some(bitcoind) = std::env::var_os("BITCOIND") else {
        return eprintln!("BITCOIND names no binary: its bitcoin-cli was not tried");
    };
    let cli = std::path::Path::new(&bitcoind).with_file_name("bitcoin-cli");
    let adit = Adit::spawn(folder(), &[]);
    let ask = |args: &[&str]| {
        let mut command = Command::new(&cli);
        command.arg("-regtest").arg(format!("-datadir={}", adit.datadir().display()));
        command.arg(format!("-rpcport={}", adit.port())).args(args).output().unwrap()
    };
    let out = ask(&["-rpcwait", "getblockcount"]);
    assert_eq!(String::from_utf8_lossy(&out.stdout), "0\n", "{out:?}");
    let out = ask(&["-named", "getblockhash", "height=9"]);
    assert_eq!(out.status.code(), Some(8), "{out:?}");
    for args in
        [["-netinfo"].as_slice(), &["-getinfo"], &["generatetoaddress", "1", &coins::address().to_string()]]
    {
        assert!(ask(args).status.success(), "{args:?}: {:?}", ask(args));
    }
    assert!(ask(&["stop"]).status.success());
    adit.ended();
}

#[test]
fn a_wallet_program_is_told_that_there_are_no_wallets() {
    let adit = Adit::start(&[]);
    for path in ["/", "/wallet/", "/wallet/sparrow", "/wallet/a%20b%2Fc"] {
        let (status, answer) = call(&adit, path, "getblockcount");
        assert_eq!((status, &answer["result"]), (200, &json!(0)), "{path}");
        for method in ["getwalletinfo", "getbalances", "listunspent", "importdescriptors", "createwallet"] {
            let (status, answer) = call(&adit, path, method);
            assert_eq!((status, &answer["error"]["code"]), (404, &json!(-32601)), "{path} {method}");
        }
    }
}

#[test]
fn a_program_is_run_for_each_block_that_becomes_the_tip() {
    let dir = folder();
    let file = dir.path().join("told");
    let adit = Adit::start(&[&format!("-blocknotify=echo %s >> {}", file.display())]);
    let client = coins::client(&adit);
    let mut tips = Vec::new();
    for _ in 0..3 {
        tips.extend(client.generate_to_address(1, &coins::address()).unwrap());
        // One that comes while the last is told may be passed over.
        let last = tips.last().unwrap().to_string();
        until("the program was run", || {
            let told = std::fs::read_to_string(&file).unwrap_or_default();
            (told.lines().last() == Some(&last)).then_some(())
        });
    }
}
