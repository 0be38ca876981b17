//! A node whose chain is behind: its miners wait, and strangers' headers must show work.

use std::path::Path;

use crate::chain::Chain;
use crate::client::Client;
use crate::harness::{Node, folder, until};
use crate::import::import;

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

/// A node in `datadir` whose chain is `blocks` empty blocks; others have other blocks by the salt.
fn with_chain(datadir: &Path, salt: u64, blocks: u32, args: &[&str]) -> (Node, Chain) {
    let mut chain = Chain::new(salt);
    (0..blocks).for_each(|_| chain.grow(0));
    let file = datadir.join("chain.dat");
    std::fs::write(&file, chain.framed()).unwrap();
    let datadir = datadir.join("d");
    import(&datadir, &[&file]).done();
    (Node::start(&datadir, args), chain)
}

#[test]
fn a_longer_branch_is_followed_though_its_first_headers_show_too_little_work() {
    // A day of blocks below our tip is more than the 2,000 headers of the first message.
    let (dir, other_dir) = (folder(), folder());
    let (other, longer) = with_chain(other_dir.path(), 2, 2_300, &[]);
    let connect = other.p2p.to_string();
    let (node, _) = with_chain(dir.path(), 1, 2_200, &["--connect", &connect]);
    until("the longer branch is followed", || (node.tip() == longer.tip().to_string()).then_some(()));
    node.stop();
    other.stop();
}
