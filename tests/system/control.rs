//! `adit ctl` and the node's end.

use serde_json::json;

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
    let workers = node.ask(&["workers"]);
    let row = &workers.as_array().unwrap()[0];
    assert_eq!(row["name"], json!(format!("{ADDRESS}.rig")));
    assert_eq!(row["shares_accepted"], json!(journal.accepted));
    assert!(row["shares_rejected"].is_u64() && row["hashrate"].is_u64());

    assert!(node.ask(&["blocks"]).as_array().unwrap().len() >= 3);
    until("the books know of it", || {
        node.ask(&["balances"]).as_array().filter(|b| !b.is_empty()).map(|_| ())
    });
    let actors = node.ask(&["actors"]);
    let names: Vec<&str> = actors.as_array().unwrap().iter().filter_map(|a| a["name"].as_str()).collect();
    for role in ["store", "chain", "utxo", "mempool", "template", "payout", "peer", "stratum", "rpc"] {
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
    drop(client);
    let (height, tip) = (node.height(), node.tip());
    node.ask(&["stop"]);
    assert_eq!(node.process.wait().code(), Some(0), "{}", node.process.err());
    let again = Node::start(dir.path(), &[]);
    assert_eq!((again.height(), again.tip()), (height, tip));
    again.stop();
}

#[test]
fn a_transaction_is_taken_mined_and_gone() {
    let dir = folder();
    let node = Node::start(dir.path(), &["--set", "mempool.min_fee_sat_per_kvb=0"]);
    let out = node.ctl(&["tx", "0200000000010100"]);
    assert_ne!(out.status.code(), Some(0));
    assert_eq!(node.ask(&["mempool"])["transactions"], json!(0));
    node.stop();
}
