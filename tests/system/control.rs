//! `adit ctl` and the node's end.

use serde_json::json;

use crate::chain::Chain;
use crate::client::{ADDRESS, Client};
use crate::harness::{Node, adit, folder, text, until};

#[test]
fn ctl_shows_what_the_node_does() {
    let dir = folder();
    let node = Node::start(dir.path(), &[]);
    let info = node.ask(&["info"]);
    assert_eq!((&info["network"], &info["height"]), (&json!("regtest"), &json!(0)));
    assert_eq!(info["tip"].as_str().unwrap().len(), 64);

    let client = Client::start(node.stratum, "rig");
    until("the pool has found three blocks", || (node.height() >= 3).then_some(()));
    let journal = client.finish();
    node.reaches(journal.found);
    let workers = node.ask(&["workers"]);
    let row = &workers.as_array().unwrap()[0];
    assert_eq!(row["name"], json!(format!("{ADDRESS}.rig")));
    assert_eq!(row["shares_accepted"], json!(journal.accepted));
    assert!(row["shares_rejected"].is_u64() && row["hashrate"].is_u64());

    until("the books have three blocks", || {
        (node.ask(&["blocks"]).as_array().unwrap().len() >= 3).then_some(())
    });
    until("the books know of it", || {
        node.ask(&["balances"]).as_array().filter(|b| !b.is_empty()).map(|_| ())
    });
    let actors = node.ask(&["actors"]);
    let names: Vec<&str> = actors.as_array().unwrap().iter().filter_map(|a| a["name"].as_str()).collect();
    for role in ["store", "chain", "utxo", "index", "mempool", "template", "payout", "peer", "stratum", "rpc"]
    {
        assert!(names.contains(&role), "{role} is not in {names:?}");
    }
    assert_eq!(node.ask(&["peers"]), json!([]));
    assert_eq!(node.ask(&["mempool"])["transactions"], json!(0));
    assert_eq!(node.ask(&["utxo"])["height"], json!(node.height()));
    node.ask(&["log", "debug"]);
    node.stop();
}

#[test]
fn what_is_refused_is_said() {
    let dir = folder();
    let node = Node::start(dir.path(), &[]);
    for (args, part) in [
        (&["actor", "panic", "chain"][..], "chaos"),
        (&["actor", "restart", "nobody"], "nobody"),
        (&["log", "loud"], "loud"),
        (&["tx", "00"], ""),
    ] {
        let out = node.ctl(args);
        let err = text(&out.stderr);
        assert_ne!(out.status.code(), Some(0), "{args:?}");
        assert!(err.lines().count() == 1 && err.contains(part), "{args:?}: {err}");
    }
    node.stop();
    let out = adit().args(["ctl", "info", "--datadir"]).arg(dir.path()).output().unwrap();
    assert_eq!(out.status.code(), Some(69), "{}", text(&out.stderr));
}

#[test]
fn stop_ends_the_node_in_order_and_it_goes_on_afterwards() {
    let dir = folder();
    let mut node = Node::start(dir.path(), &[]);
    let client = Client::start(node.stratum, "rig");
    until("a block", || (node.height() >= 1).then_some(()));
    node.reaches(client.finish().found);
    let (height, tip) = (node.height(), node.tip());
    node.ask(&["stop"]);
    assert_eq!(node.process.wait().code(), Some(0), "{}", node.process.err());
    let again = Node::start(dir.path(), &[]);
    assert_eq!((again.height(), again.tip()), (height, tip));
    again.stop();
}

#[test]
fn a_port_that_is_taken_is_named_with_its_key() {
    let dir = folder();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap();
    for (key, other) in [("stratum.listen", "p2p.listen"), ("p2p.listen", "stratum.listen")] {
        let mut command = adit();
        command.args(["run", "--network", "regtest", "--datadir"]).arg(dir.path());
        command.args(["--set", &format!("{key}={port}"), "--set", &format!("{other}=127.0.0.1:0")]);
        let out = command.output().unwrap();
        assert_eq!(out.status.code(), Some(69), "{}", text(&out.stderr));
        let err = text(&out.stderr);
        let last = err.lines().last().unwrap_or_default();
        assert!(last.starts_with(&format!("adit: {key} = {port}: ")), "{last}");
    }
}

#[test]
fn an_import_into_a_running_nodes_folder_is_refused() {
    let dir = folder();
    let node = Node::start(dir.path(), &[]);
    let file = dir.path().join("chain.dat");
    std::fs::write(&file, Chain::signed(1, 1).framed()).unwrap();
    let out = crate::import::import(dir.path(), &[&file]).output;
    assert_eq!(out.status.code(), Some(69), "{}", text(&out.stderr));
    node.stop();
}

#[test]
fn control_over_tcp_needs_the_token() {
    let dir = folder();
    let node = Node::start(dir.path(), &["--set", "rpc.listen=127.0.0.1:0"]);
    let token = dir.path().join("regtest").join("rpc.token");
    let lines = node.process.lines();
    let at = lines.iter().find_map(|line| line.strip_prefix("control over TCP at ")).unwrap();
    let url = format!("http://{at}");
    let ask = |extra: &[&str]| adit().args(["ctl", "--json", "--url", &url]).args(extra).output().unwrap();
    let refused = ask(&["info"]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stderr));
    let wrong = dir.path().join("wrong");
    std::fs::write(&wrong, "0123456789abcdef").unwrap();
    assert_eq!(ask(&["--token-file", &wrong.display().to_string(), "stop"]).status.code(), Some(1));
    let let_in = ask(&["--token-file", &token.display().to_string(), "info"]);
    assert_eq!(let_in.status.code(), Some(0), "{}", text(&let_in.stderr));
    use std::os::unix::fs::PermissionsExt;
    for secret in [token, dir.path().join("regtest").join("adit.sock")] {
        let mode = std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", secret.display());
    }
    node.stop();
}
