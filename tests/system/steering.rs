//! What an operator says of blocks: invalid, to be reconsidered, precious; and what follows in the whole program.

use bitcoin::consensus::serialize;
use serde_json::{Value, json};

use crate::chain::Chain;
use crate::harness::{Node, Process, adit, folder, text, until};
use crate::import::import;

/// A node on a chain of blocks with eight transactions each, the last six of them.
fn node_on_a_chain() -> (tempfile::TempDir, Node, Chain) {
    let dir = folder();
    let chain = Chain::signed(6, 8);
    let file = dir.path().join("chain.dat");
    std::fs::write(&file, chain.framed()).unwrap();
    let datadir = dir.path().join("d");
    import(&datadir, &[&file]).done();
    let node = Node::start(&datadir, &[]);
    assert_eq!(node.tip(), chain.tip().to_string());
    (dir, node, chain)
}

/// The hash of the block `below` blocks under the tip.
fn hash(chain: &Chain, below: usize) -> String {
    chain.blocks[chain.blocks.len() - 1 - below].block_hash().to_string()
}

#[test]
fn what_an_invalid_block_held_waits_again_and_miners_get_other_work() {
    let (dir, node, chain) = node_on_a_chain();
    let mut listener = adit();
    listener.args(["ctl", "events", "--json", "--network", "regtest", "--datadir"]).arg(&node.datadir);
    let listener = Process::start(listener, dir.path(), "events");
    until("somebody listens", || {
        node.ask(&["log", "info"]);
        node.ask(&["invalidate", &hash(&chain, 0)]);
        node.ask(&["reconsider", &hash(&chain, 0)]);
        listener.out().contains("tip_changed").then_some(())
    });

    let answer = node.ask(&["invalidate", &hash(&chain, 1)]);
    assert_eq!(answer, json!({ "tip": hash(&chain, 2), "height": chain.height() - 2 }));
    assert_eq!(node.tip(), hash(&chain, 2));
    let waiting = |count: u32| {
        until("the pool has followed", || {
            (node.ask(&["mempool"])["transactions"] == json!(count)).then_some(())
        });
    };
    waiting(16);
    until("miners get work on the lower tip, with the transactions", || {
        let template = node.ask(&["template"]);
        let txs = template["txids"].as_array().map_or(0, Vec::len);
        (template["prev"] == json!(hash(&chain, 2)) && txs == 16).then_some(())
    });
    // A listener that was slow hears of several moves as one: at least a block has left on its way here.
    until("listeners have heard of the lower tip", || {
        let lines: Vec<Value> =
            listener.out().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let left =
            |line: &Value| line["disconnected"].as_u64() >= Some(1) && line["tip"] == json!(hash(&chain, 2));
        lines.iter().any(left).then_some(())
    });

    node.ask(&["reconsider", &hash(&chain, 0)]);
    assert_eq!(node.tip(), hash(&chain, 0));
    waiting(0);
    until("and on the old tip", || (node.ask(&["template"])["prev"] == json!(hash(&chain, 0))).then_some(()));
    drop(listener);
    node.stop();
}

#[test]
fn a_mark_that_was_answered_survives_a_kill() {
    let (_dir, mut node, chain) = node_on_a_chain();
    node.ask(&["invalidate", &hash(&chain, 3)]);
    node.process.kill_hard();
    let mut node = Node::start(&node.datadir, &[]);
    assert_eq!(node.tip(), hash(&chain, 4));
    node.ask(&["reconsider", &hash(&chain, 3)]);
    assert_eq!(node.tip(), hash(&chain, 0));

    let mut rival = chain.fork(7);
    rival.blocks.pop();
    let block = rival.block(Vec::new(), 1);
    let (hex, name) =
        (bitcoin::hex::DisplayHex::to_lower_hex_string(&serialize(&block)[..]), block.block_hash());
    let answer = node.ask(&["block", &hex]);
    let kept =
        json!({ "hash": name.to_string(), "duplicate": false, "connected": false, "height": chain.height() });
    assert_eq!(answer, kept);
    assert_eq!(node.ask(&["precious", &name.to_string()])["tip"], json!(name.to_string()));
    node.process.kill_hard();
    let node = Node::start(&node.datadir, &[]);
    assert_eq!(node.tip(), name.to_string());
    node.stop();
}

#[test]
fn a_mark_that_makes_no_sense_is_refused() {
    let dir = folder();
    let node = Node::start(dir.path(), &[]);
    let genesis = node.tip();
    let unknown = "11".repeat(32);
    for (args, words) in [
        (["invalidate", &genesis], "the first block cannot be invalid"),
        (["invalidate", &unknown], "Block not found"),
        (["reconsider", &unknown], "Block not found"),
        (["precious", &unknown], "Block not found"),
        (["precious", "tip"], "not a block's hash"),
        (["block", "00"], "Block decode failed"),
    ] {
        let out = node.ctl(&args);
        let err = text(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{args:?}: {err}");
        assert!(err.lines().count() == 1 && err.contains(words), "{args:?}: {err}");
    }
    node.stop();
}
