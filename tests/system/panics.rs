//! Any actor may panic: the miner's connection stays, nothing acknowledged is lost or there twice, the tip goes on.

use serde_json::{Value, json};

use crate::books::{check_books, credited};
use crate::client::Client;
use crate::harness::{Node, folder, tries, until};

/// Shares of the lowest difficulty: one in two is no block, and a CPU finds both at once.
pub const EASY: [&str; 6] = [
    "--set",
    "stratum.difficulty_start=0.0000000003",
    "--set",
    "stratum.difficulty_min=0.0000000003",
    "--set",
    "stratum.difficulty_max=0.0000000003",
];

/// Restarts of a role's actors together.
fn restarts(node: &Node, role: &str) -> u64 {
    let actors = node.ask(&["actors"]);
    let of_role = |a: &&Value| a["role"] == json!(role);
    actors.as_array().unwrap().iter().filter(of_role).filter_map(|a| a["restarts"].as_u64()).sum()
}

#[test]
fn a_panic_of_any_actor_costs_no_share_and_no_connection() {
    let (dir, other_dir) = (folder(), folder());
    let other = Node::start(other_dir.path(), &[]);
    let peer = other.p2p.to_string();
    let mut args = vec!["--chaos", "--connect", &peer, "--set", "supervision.restarts_max=1000"];
    args.extend(EASY);
    let node = Node::start(dir.path(), &args);
    until("the nodes know each other", || (!node.ask(&["peers"]).as_array()?.is_empty()).then_some(()));
    let client = Client::start(node.stratum, "rig");
    until("the miner has a share", || (client.journal().accepted > 0).then_some(()));

    let tries = tries(20);
    for role in ["peer", "chain", "utxo", "index", "mempool", "template", "stratum", "payout"] {
        for n in 0..tries {
            let (before, height) = (restarts(&node, role), node.height());
            let accepted = client.journal().accepted;
            let out = until("the actor takes the panic", || {
                let out = node.ctl(&["actor", "panic", role]);
                out.status.success().then_some(out)
            });
            assert!(out.status.success());
            until(&format!("panic {n} of {role} is shown"), || {
                (restarts(&node, role) > before).then_some(())
            });
            until(&format!("the tip moves after panic {n} of {role}"), || {
                (node.height() > height).then_some(())
            });
            until("shares go on", || (client.journal().accepted > accepted).then_some(()));
            assert_eq!(client.journal().lost, None, "panic {n} of {role}");
        }
        eprintln!("{role}: {tries} panics");
    }

    let journal = client.finish();
    assert_eq!(journal.lost, None);
    assert_eq!(
        journal.accepted + journal.refused.len() as u64,
        journal.sent,
        "a submission without an answer"
    );
    assert_eq!(credited(&node, "rig"), journal.accepted, "{journal:?}");
    node.reaches(journal.found);
    check_books(&node);
    until("the other node has followed", || (other.tip() == node.tip()).then_some(()));
    node.stop();
    other.stop();
}

#[test]
fn more_panics_than_are_borne_end_the_process() {
    let dir = folder();
    let limits = ["--chaos", "--set", "supervision.restarts_max=2", "--set", "supervision.period_s=600"];
    let mut node = Node::start(dir.path(), &limits);
    for n in 1..=2 {
        assert!(node.ctl(&["actor", "panic", "template"]).status.success());
        until("the restart is shown", || (restarts(&node, "template") == n).then_some(()));
    }
    let _ = node.ctl(&["actor", "panic", "template"]);
    assert_eq!(node.process.wait().code(), Some(70), "{}", node.process.err());
    let err = node.process.err();
    let last = err.lines().last().unwrap_or_default();
    assert!(last.starts_with("adit: ") && last.contains("template") && last.contains("operator"), "{last}");
    // And it starts again by itself.
    Node::start(dir.path(), &[]).stop();
}
