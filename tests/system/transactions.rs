//! A transaction's way: given, held, told, mined, gone.

use bitcoin::consensus::encode::serialize_hex;
use bitcoin::{Transaction, Txid};
use serde_json::{Value, json};

use crate::books::owed_sat;
use crate::chain::{Chain, Coin, Lock, subsidy_sat};
use crate::client::Client;
use crate::harness::{Node, folder, text, until};
use crate::import::import;

/// What the transaction leaves to the miner.
const FEE_SAT: u64 = 12_345;

fn holds(node: &Node, txid: Txid) -> bool {
    let mempool = node.ask(&["mempool"]);
    mempool["rows"].as_array().unwrap().iter().any(|row| row["txid"] == json!(txid.to_string()))
}

/// It is refused, in one line that ends with Core's words.
#[track_caller]
fn check_refused(node: &Node, tx: &Transaction, words: &str) {
    let out = node.ctl(&["tx", &serialize_hex(tx)]);
    let err = text(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{err}");
    assert!(err.lines().count() == 1 && err.trim_end().ends_with(words), "{words}: {err}");
}

/// A payment of a coin, but for the fee, to one more of the tests' own locks.
fn payment(chain: &Chain, coin: &Coin, lock: Lock) -> Transaction {
    chain.pay(std::slice::from_ref(coin), &[(lock, coin.out.value.to_sat() - FEE_SAT)], 0)
}

/// The pool's block of a height, once the books have it.
fn found_at(node: &Node, height: u32) -> Option<Value> {
    node.ask(&["blocks"]).as_array()?.iter().find(|block| block["height"] == json!(height)).cloned()
}

#[test]
fn a_transaction_is_held_told_mined_and_gone() {
    let dir = folder();
    let file = dir.path().join("blk00000.dat");
    let chain = Chain::signed(0, 0);
    std::fs::write(&file, chain.framed()).unwrap();
    let (datadir, other_datadir) = (dir.path().join("d"), dir.path().join("other"));
    for datadir in [&datadir, &other_datadir] {
        import(datadir, &[&file]).done();
    }
    let other = Node::start(&other_datadir, &[]);
    let node = Node::start(&datadir, &["--connect", &other.p2p.to_string()]);
    until("the nodes know each other", || (!node.ask(&["peers"]).as_array()?.is_empty()).then_some(()));

    let coin = &chain.coins[0];
    let tx = payment(&chain, coin, Lock::Wpkh);
    let txid = tx.compute_txid();
    assert_eq!(node.ask(&["tx", &serialize_hex(&tx)])["txid"], json!(txid.to_string()));
    assert!(holds(&node, txid));
    let mempool = node.ask(&["mempool"]);
    assert_eq!((&mempool["transactions"], &mempool["fees_sat"]), (&json!(1), &json!(FEE_SAT)));
    until("the other node holds it", || holds(&other, txid).then_some(()));
    check_refused(&node, &tx, "txn-already-in-mempool");
    let rival = payment(&chain, coin, Lock::Tr);
    for who in [&node, &other] {
        check_refused(who, &rival, "not enough additional fees to relay; 0.00 < 0.00000013");
    }

    let reward = subsidy_sat(chain.height() + 1) + FEE_SAT;
    let template = until("it is in the template", || {
        let template = node.ask(&["template"]);
        (template["txids"] == json!([txid.to_string()])).then_some(template)
    });
    assert_eq!(template["coinbase_value_sat"], json!(reward));
    let client = Client::start(node.stratum, "rig");
    let block = until("the next block is found", || found_at(&node, chain.height() + 1));
    node.reaches(client.finish().found);
    assert_eq!(block["reward_sat"], json!(reward), "{block}");

    until("both have the same tip", || (node.tip() == other.tip()).then_some(()));
    for who in [&node, &other] {
        until("nothing waits any more", || (who.ask(&["mempool"])["transactions"] == json!(0)).then_some(()));
        check_refused(who, &tx, "txn-already-known");
        check_refused(who, &rival, "bad-txns-inputs-missingorspent");
    }
    let top = node.height() as u32;
    let rewards = (chain.height() + 1..=top).map(subsidy_sat).sum::<u64>() + FEE_SAT;
    until("the fee is owed with the subsidies", || (owed_sat(&node) == rewards as i64).then_some(()));
    node.stop();
    other.stop();
}
