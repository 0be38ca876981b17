//! What a client's journal, the share log and the ledger must agree on.

use serde_json::{Value, json};

use crate::chain::{Chain, NO_SUBSIDY, subsidy_sat};
use crate::client::{ADDRESS, Client};
use crate::harness::{Node, folder, until};
use crate::import::import;
use crate::panics::EASY;

/// Shares that the node has credited to a worker.
pub fn credited(node: &Node, worker: &str) -> u64 {
    let name = json!(format!("{ADDRESS}.{worker}"));
    let workers = node.ask(&["workers"]);
    let row = workers.as_array().unwrap().iter().find(|row| row["name"] == name);
    row.map_or(0, |row| row["shares_accepted"].as_u64().unwrap())
}

/// On a chain whose every block the pool found, every satoshi of every subsidy is owed to someone, once, and all accounts sum to zero.
#[track_caller]
pub fn check_books(node: &Node) {
    let height = u32::try_from(node.height()).unwrap();
    let rewards: u64 = (1..=height).map(subsidy_sat).sum();
    until("the books have caught up with the chain", || {
        let owed = owed_sat(node);
        assert!(owed <= rewards as i64, "{owed} satoshis are owed, {rewards} were mined");
        (owed == rewards as i64).then_some(())
    });
    assert_eq!(u64::from(height), node.height(), "the chain moved while its books were checked");
}

/// What is owed to all, on books whose accounts sum to zero.
#[track_caller]
pub fn owed_sat(node: &Node) -> i64 {
    let balances = node.ask(&["balances"]);
    let rows = balances.as_array().unwrap();
    let total = |b: &Value| b["immature_sat"].as_i64().unwrap() + b["mature_sat"].as_i64().unwrap();
    assert_eq!(rows.iter().map(total).sum::<i64>(), 0, "{balances}");
    rows.iter().filter(|b| !is_chain(b)).map(total).sum()
}

fn is_chain(balance: &Value) -> bool {
    balance["account"].as_str().unwrap().starts_with("chain:")
}

#[test]
fn where_no_subsidy_is_left_blocks_are_found_and_nobody_is_owed() {
    let dir = folder();
    let mut chain = Chain::new(0);
    while chain.height() + 1 < NO_SUBSIDY {
        chain.grow(0);
    }
    assert_eq!((subsidy_sat(chain.height()), subsidy_sat(chain.height() + 1)), (1, 0));
    let file = dir.path().join("blk00000.dat");
    std::fs::write(&file, chain.framed()).unwrap();
    let datadir = dir.path().join("d");
    import(&datadir, &[&file]).done();

    let node = Node::start(&datadir, &EASY);
    let client = Client::start(node.stratum, "rig");
    let found = |node: &Node| node.ask(&["blocks"]).as_array().unwrap().clone();
    until("three blocks are found", || (found(&node).len() >= 3).then_some(()));
    let journal = client.finish();
    assert_eq!(journal.lost, None);
    node.reaches(journal.found);
    until("the books have every block", || {
        (found(&node).len() as u64 == node.height() - u64::from(chain.height())).then_some(())
    });
    for block in found(&node) {
        assert_eq!((&block["reward_sat"], &block["state"]), (&json!(0), &json!("immature")), "{block}");
        assert_eq!(block["finder"], json!(format!("{ADDRESS}.rig")));
    }
    assert_eq!(node.ask(&["balances"]), json!([]));
    let actors = node.ask(&["actors"]);
    assert!(actors.as_array().unwrap().iter().all(|a| a["restarts"] == json!(0)), "{actors}");
    node.stop();
    // The books are replayed at a start.
    let again = Node::start(&datadir, &[]);
    assert!(found(&again).len() >= 3);
    again.stop();
}
