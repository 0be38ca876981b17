//! What a client's journal, the share log and the ledger must agree on.

use serde_json::json;

use crate::client::ADDRESS;
use crate::harness::{Node, until};

/// Shares that the node has credited to a worker.
pub fn credited(node: &Node, worker: &str) -> u64 {
    let name = json!(format!("{ADDRESS}.{worker}"));
    let workers = node.ask(&["workers"]);
    let row = workers.as_array().unwrap().iter().find(|row| row["name"] == name);
    row.map_or(0, |row| row["shares_accepted"].as_u64().unwrap())
}

/// Every satoshi of every block that the pool found is owed to someone, and to nobody else.
#[track_caller]
pub fn check_books(node: &Node) {
    until("the books have caught up with the chain", || {
        let blocks = node.ask(&["blocks"]);
        let balances = node.ask(&["balances"]);
        let stands = |b: &&serde_json::Value| b["state"] != json!("orphaned");
        let rewards: i64 =
            blocks.as_array()?.iter().filter(stands).filter_map(|b| b["reward_sat"].as_i64()).sum();
        let rows = balances.as_array()?;
        let total =
            |b: &serde_json::Value| b["immature_sat"].as_i64().unwrap() + b["mature_sat"].as_i64().unwrap();
        let owed: i64 = rows.iter().filter(|b| !is_chain(b)).map(total).sum();
        let all: i64 = rows.iter().map(total).sum();
        // All accounts sum to zero where the chain's own are shown with them.
        let balanced = all == 0 || !rows.iter().any(is_chain);
        (owed == rewards && balanced && !rows.is_empty()).then_some(())
    });
}

fn is_chain(balance: &serde_json::Value) -> bool {
    balance["account"].as_str().unwrap().starts_with("chain:")
}
