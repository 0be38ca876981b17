use std::collections::BTreeMap;

use adit_domain::consensus::BlockUndo;
use adit_domain::units::Height;
use bitcoin::constants::genesis_block;
use bitcoin::{Amount, Network, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};

use super::*;
use crate::prepare::Prepared;

fn tx(inputs: &[OutPoint], outputs: &[&[u8]]) -> Transaction {
    let input = |previous_output: &OutPoint| TxIn {
        previous_output: *previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let output = |script: &&[u8]| TxOut {
        value: Amount::ONE_SAT,
        script_pubkey: ScriptBuf::from_bytes(script.to_vec()),
    };
    Transaction {
        version: bitcoin::transaction::Version::TWO,
        lock_time: bitcoin::absolute::LockTime::ZERO,
        input: inputs.iter().map(input).collect(),
        output: outputs.iter().map(output).collect(),
    }
}

fn block(txs: Vec<Transaction>) -> ParsedBlock {
    let mut block = genesis_block(Network::Regtest);
    block.txdata.extend(txs);
    ParsedBlock::new(block)
}

fn coin(height: u32) -> Coin {
    let output = TxOut { value: Amount::ONE_SAT, script_pubkey: ScriptBuf::from_bytes(vec![0x51]) };
    Coin { output, height: Height::new(height), is_coinbase: false }
}

fn apply(coins: &mut BTreeMap<OutPoint, CompactCoin>, changes: Vec<Change>) {
    for (outpoint, coin) in changes {
        match coin {
            Some(coin) => coins.insert(outpoint, coin),
            None => coins.remove(&outpoint),
        };
    }
}

#[test]
fn to_disconnect_undoes_to_connect() {
    let outside = OutPoint { txid: bitcoin::hashes::Hash::all_zeros(), vout: 5 };
    let first = tx(&[outside], &[b"\x51", b"\x6a", b"\x51"]);
    let chained = tx(&[OutPoint { txid: first.compute_txid(), vout: 0 }], &[b"\x51"]);
    let block = block(vec![first.clone(), chained]);
    let before = BTreeMap::from([(outside, CompactCoin::from(&coin(1)))]);
    let mut coins = before.clone();
    apply(&mut coins, Prepared::new(&block, Height::new(9)).into_changes());
    // The coinbase's, the third of the first transaction, the one of the second: what cannot be spent makes no coin.
    assert_eq!(coins.len(), 3);
    assert!(!coins.contains_key(&outside));
    let undo =
        UndoRecord { spent: BlockUndo { spent: vec![vec![coin(1)], vec![coin(9)]] }, overwritten: vec![] };
    apply(&mut coins, disconnect_changes(&block, &undo).unwrap());
    assert_eq!(coins, before);
}

#[test]
fn d13_a_coin_that_a_repeated_coinbase_hid_comes_back() {
    let block = block(vec![]);
    let hidden = OutPoint { txid: block.txs()[0].txid(), vout: 0 };
    let before = BTreeMap::from([(hidden, CompactCoin::from(&coin(91_722)))]);
    let mut coins = before.clone();
    apply(&mut coins, Prepared::new(&block, Height::new(91_880)).into_changes());
    assert_eq!(coins[&hidden].height(), Height::new(91_880));
    let undo = UndoRecord { spent: BlockUndo::default(), overwritten: vec![(hidden, coin(91_722))] };
    apply(&mut coins, disconnect_changes(&block, &undo).unwrap());
    assert_eq!(coins, before);
}

#[test]
fn undo_data_of_another_block_is_noticed() {
    let block = block(vec![tx(&[OutPoint { vout: 1, ..OutPoint::null() }], &[b"\x51"])]);
    for spent in [vec![], vec![vec![]], vec![vec![coin(1), coin(1)]], vec![vec![coin(1)], vec![coin(1)]]] {
        let undo = UndoRecord { spent: BlockUndo { spent }, overwritten: vec![] };
        assert_eq!(disconnect_changes(&block, &undo), None);
    }
}

/// What was read before a block was applied is corrected by the stage for as long as somebody may have read it.
#[test]
fn applied_blocks_are_found_until_they_are_forgotten() {
    let mut stage = Stage::default();
    let outpoint = |vout| OutPoint { txid: bitcoin::hashes::Hash::all_zeros(), vout };
    let made = |height| Some(CompactCoin::from(&coin(height)));
    let tip = || {
        let header = genesis_block(Network::Regtest).header;
        let chain_work = bitcoin::Work::from_be_bytes([0; 32]);
        let hash = header.block_hash();
        Arc::new(Tip { hash, height: Height::GENESIS, header, median_time_past: 0, chain_work })
    };
    let push = |stage: &mut Stage, changes: &[(u32, Option<CompactCoin>)]| {
        let changes = changes.iter().map(|(vout, coin)| (outpoint(*vout), coin.clone())).collect();
        stage.push(Arc::new(block(vec![])), tip(), changes, Step::Disconnect);
    };
    let get = |stage: &Stage, vout| stage.get(&outpoint(vout)).map(Option::<&CompactCoin>::cloned);
    assert_eq!(stage.applied_below(), 0);
    push(&mut stage, &[(1, made(1)), (2, made(1))]);
    push(&mut stage, &[(1, None), (3, made(2))]);
    push(&mut stage, &[(4, made(3))]);
    assert_eq!(stage.applied_below(), 0);
    for applied in 1..=2 {
        let oldest = stage.pop().unwrap();
        stage.applied(oldest);
        assert_eq!(stage.applied_below(), applied);
        let found = [1, 2, 3, 4, 5].map(|vout| get(&stage, vout));
        assert_eq!(found, [Some(None), Some(made(1)), Some(made(2)), Some(made(3)), None]);
    }
    // The later change of the first coin stays, though the earlier one is forgotten.
    stage.forget_below(1);
    assert_eq!([1, 2, 3, 4].map(|vout| get(&stage, vout)), [Some(None), None, Some(made(2)), Some(made(3))]);
    stage.forget_below(u64::MAX);
    assert_eq!([1, 2, 3, 4].map(|vout| get(&stage, vout)), [None, None, None, Some(made(3))]);
    push(&mut stage, &[(4, None)]);
    assert_eq!(get(&stage, 4), Some(None));
    stage.clear();
    assert_eq!((get(&stage, 4), stage.applied_below()), (None, 4));
}
