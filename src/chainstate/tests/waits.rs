//! What is asked while a block's scripts run.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use adit_domain::consensus::{HeaderView, UtxoView};
use adit_domain::script::{ScriptError, ScriptFlags, Spend};

use super::*;
use crate::ChainReader;

/// Who waits longer waits for the block, which does not end before the answers are there.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tells that a script begins, and lets it go on when it is told to, or when nobody can tell it any more.
struct Held {
    begins: Sender<()>,
    goes_on: Mutex<Receiver<()>>,
}

impl ScriptVerifier for Held {
    fn verify_input(&self, spend: &Spend<'_>, input: usize, flags: ScriptFlags) -> Result<(), ScriptError> {
        let _ = self.begins.send(());
        let _ = self.goes_on.lock().unwrap().recv();
        Interpreter.verify_input(spend, input, flags)
    }
}

/// What the methods of JSON-RPC, REST and gRPC ask the chain for.
fn ask(reader: &ChainReader, old: &ParsedBlock, spent: OutPoint) -> (BlockHash, bool) {
    let (hash, tip) = (old.hash(), reader.tip());
    assert!(reader.header(&hash).is_some() && reader.is_ancestor(&hash, &tip.hash));
    assert_eq!(reader.hash_at(height(1)), Some(reader.ancestor_hash(&tip.hash, height(1)).unwrap()));
    assert_eq!(reader.height_in_best_chain(&tip.hash), Some(tip.height));
    assert_eq!(reader.header_at(tip.height), Some(tip.header));
    assert_eq!(reader.raw_block(&hash).unwrap().unwrap(), old.raw());
    assert_eq!(reader.shown_block(&hash).unwrap().unwrap(), *old);
    assert_eq!(reader.tx_count(&hash).unwrap() as usize, old.txs().len());
    assert!(reader.spent_by(&hash).unwrap().is_some());
    assert_eq!(reader.next_block(now()).prev, tip.hash);
    assert!(!reader.locator().is_empty() && reader.best_header().1 >= tip.height);
    let (at, coins) = reader.coins(&[spent]).unwrap();
    let coin = reader.coin(&spent).unwrap();
    assert_eq!((at.hash, &coins[0]), (tip.hash, &coin));
    (tip.hash, coin.is_some())
}

#[test]
fn nothing_that_is_asked_waits_for_a_block_that_connects() {
    let (mut node, mut branch) = (Node::new(), Branch::genesis(1));
    branch.mine_empty(101);
    let old = branch.mine(vec![spend(&[branch.reward(0)], 3, 10)]);
    node.submit_all(&branch.blocks);
    let spent = OutPoint { txid: old.txs()[1].txid(), vout: 0 };
    let coin = (spent, outputs_of(old.txs()[1].tx())[0].1);
    let block = branch.mine(vec![spend(&[coin], 1, 10)]);
    let (begins, begun) = channel();
    let (go_on, goes_on) = channel();
    node.reopen_with(Arc::new(Held { begins, goes_on: Mutex::new(goes_on) }));
    assert_eq!(node.tip().0, old.hash());
    let reader = node.chain().reader();
    let connecting = thread::spawn({
        let block = Arc::clone(&block);
        move || {
            node.submit_all(&[block]);
            node
        }
    });
    let began = begun.recv_timeout(PATIENCE);
    let (answers, answered) = channel();
    let asking = thread::spawn({
        let (reader, old) = (reader.clone(), Arc::clone(&old));
        move || answers.send(ask(&reader, &old, spent))
    });
    let before = answered.recv_timeout(PATIENCE);
    drop(go_on);
    assert!(asking.join().is_ok() && began.is_ok());
    assert_eq!(before, Ok((old.hash(), true)));
    let mut node = connecting.join().unwrap();
    assert_eq!(node.tip().0, block.hash());
    assert_eq!(ask(&reader, &old, spent), (block.hash(), false));
}
