//! A longer chain takes the pool's blocks away: the books follow, and so does the miner.

use bitcoin::{Address, Network, ScriptBuf};
use serde_json::{Value, json};

use crate::books::owed_sat;
use crate::chain::subsidy_sat;
use crate::client::Client;
use crate::harness::{Node, folder, until};

fn blocks(node: &Node) -> Vec<Value> {
    node.ask(&["blocks"]).as_array().unwrap().clone()
}

/// What blocks of these heights pay.
fn rewards_sat(heights: std::ops::RangeInclusive<u64>) -> i64 {
    heights.map(|h| subsidy_sat(h as u32) as i64).sum()
}

/// Mines until the chain is at least so high; its height then.
#[track_caller]
fn mine_to(node: &Node, height: u64, worker: &str) -> u64 {
    let client = Client::start(node.stratum, worker);
    until("the chain has grown", || (node.height() >= height).then_some(()));
    let journal = client.finish();
    assert_eq!(journal.lost, None);
    node.reaches(journal.found);
    node.height()
}

#[test]
fn the_pools_blocks_that_lose_are_taken_back_and_its_miner_goes_on() {
    let (dir, other_dir) = (folder(), folder());
    let node = Node::start(dir.path(), &[]);
    let lost = mine_to(&node, 3, "rig");
    until("its blocks are owed", || (owed_sat(&node) == rewards_sat(1..=lost)).then_some(()));
    let orphans: Vec<Value> = blocks(&node).iter().map(|b| b["hash"].clone()).collect();
    assert_eq!(orphans.len() as u64, lost);
    node.stop();

    // Another pool, that pays elsewhere, mines a longer chain.
    let script = ScriptBuf::from_bytes(vec![0x52]).to_p2wsh();
    let address = Address::from_script(&script, Network::Regtest).unwrap();
    let other = Node::start(other_dir.path(), &["--set", &format!("pool.address={address}")]);
    let fork = mine_to(&other, lost + 3, "other");

    let node = Node::start(dir.path(), &["--connect", &other.p2p.to_string()]);
    until("the longer chain is followed", || (node.tip() == other.tip()).then_some(()));
    until("every block of its own is an orphan", || {
        blocks(&node).iter().all(|b| b["state"] == json!("orphaned")).then_some(())
    });
    assert_eq!(blocks(&node).len(), orphans.len());
    let is_zero = |b: &Value| b["immature_sat"] == json!(0) && b["mature_sat"] == json!(0);
    until("nothing is owed any more", || {
        node.ask(&["balances"]).as_array().unwrap().iter().all(is_zero).then_some(())
    });

    let last = mine_to(&node, fork + 2, "rig");
    until("what it found on the new tip is owed, and no more", || {
        (owed_sat(&node) == rewards_sat(fork + 1..=last)).then_some(())
    });
    for block in blocks(&node) {
        let want = if orphans.contains(&block["hash"]) { "orphaned" } else { "immature" };
        assert_eq!(block["state"], json!(want), "{block}");
    }
    assert_eq!(blocks(&node).len() as u64, lost + last - fork);
    until("the other node has followed", || (other.tip() == node.tip()).then_some(()));
    node.stop();
    other.stop();
}
