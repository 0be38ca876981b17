//! `kill -9` while a miner hashes: the next start is valid by itself, and no share that was acknowledged is missing.

use std::time::Duration;

use crate::books::{check_books, credited};
use crate::client::Client;
use crate::harness::{Node, folder, tries, until};
use crate::panics::EASY;

#[test]
fn no_acknowledged_share_is_lost_by_a_kill() {
    let dir = folder();
    let tries = tries(4);
    let (mut sent, mut accepted, mut height) = (0, 0, 0);
    for n in 0..tries {
        let mut node = Node::start(dir.path(), &EASY);
        assert!(node.height() >= height, "kill {n}: {} blocks, {height} before", node.height());
        let before = credited(&node, "rig");
        assert!((accepted..=sent).contains(&before), "kill {n}: {accepted} <= {before} <= {sent}");
        let client = Client::start(node.stratum, "rig");
        until("the miner has a share", || (client.journal().accepted > 0).then_some(()));
        height = node.height();
        std::thread::sleep(Duration::from_millis(37 * (n as u64 + 1) % 500));
        node.process.kill_hard();
        let journal = client.finish();
        // What was acknowledged counts from what was there: a share whose answer was lost may be there too.
        (accepted, sent) = (before + journal.accepted, before + journal.sent);
    }
    let node = Node::start(dir.path(), &EASY);
    let there = credited(&node, "rig");
    assert!((accepted..=sent).contains(&there), "{accepted} <= {there} <= {sent}");
    let client = Client::start(node.stratum, "rig");
    until("the tip moves again", || (node.height() > height).then_some(()));
    let journal = client.finish();
    assert_eq!(credited(&node, "rig"), there + journal.accepted);
    node.reaches(journal.found);
    check_books(&node);
    node.stop();
}
