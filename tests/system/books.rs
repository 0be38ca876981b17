//! What a client's journal, the share log and the ledger must agree on.

use serde_json::{Value, json};

use crate::chain::subsidy_sat;
use crate::client::ADDRESS;
use crate::harness::{Node, until};

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
        let balances = node.ask(&["balances"]);
        let rows = balances.as_array()?;
        let total = |b: &Value| b["immature_sat"].as_i64().unwrap() + b["mature_sat"].as_i64().unwrap();
        let owed: i64 = rows.iter().filter(|b| !is_chain(b)).map(total).sum();
        let all: i64 = rows.iter().map(total).sum();
        assert_eq!(all, 0, "{balances}");
        assert!(owed <= rewards as i64, "{owed} satoshis are owed, {rewards} were mined: {balances}");
        (owed == rewards as i64).then_some(())
    });
    assert_eq!(u64::from(height), node.height(), "the chain moved while its books were checked");
}

fn is_chain(balance: &Value) -> bool {
    balance["account"].as_str().unwrap().starts_with("chain:")
}
