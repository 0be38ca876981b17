//! A node whose chain is behind gives its miners no work, and says why.

use crate::client::Client;
use crate::harness::{Node, folder, until};

#[test]
fn miners_wait_until_the_chain_is_synced() {
    let (dir, other_dir) = (folder(), folder());
    let other = Node::start(other_dir.path(), &[]);
    let connect = other.p2p.to_string();
    let node = Node::start(dir.path(), &["--set", "pool.tip_age_h_max=24", "--connect", &connect]);
    let miner = Client::start(node.stratum, "rig");
    until("the miner is there", || (node.ask(&["info"])["sessions"] == 1).then_some(()));
    let waits = node.ask(&["info"])["mining_waits_for"].as_str().unwrap().to_owned();
    assert!(waits.starts_with("the chain is syncing: its newest block is "), "{waits}");
    assert_eq!(miner.journal().notified, 0);

    // A block of now, from a node that mines on whatever there is.
    let first = Client::start(other.stratum, "other");
    until("the miner has work of its own", || (miner.journal().accepted > 0).then_some(()));
    assert_eq!(first.finish().lost, None);
    assert_eq!(node.ask(&["info"])["mining_waits_for"], "");
    assert_eq!(miner.finish().lost, None);
    node.stop();
    other.stop();
}
