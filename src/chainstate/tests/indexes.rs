use adit_domain::chain::{basic_filter, filter_header};
use bitcoin::bip158::FilterHeader;

use super::*;
use crate::{ChainFault, IndexConfig, IndexError, IndexKind, IndexStep, Indexes};

const ALL: IndexConfig = IndexConfig { transactions: true, filters: true, coin_stats: true, spenders: true };

/// The indexes of a node, opened anew.
fn indexes(node: &mut Node, config: IndexConfig) -> Indexes {
    let store = node.chain().store_for_tests();
    Indexes::open(&node.chain().reader(), &store, config).unwrap()
}

/// Builds each to where it can come.
fn build(indexes: &Indexes) {
    for kind in indexes.kinds() {
        let mut indexer = indexes.indexer(kind).unwrap();
        assert_eq!(indexer.kind(), kind);
        while indexer.step(&|| true).unwrap() == IndexStep::More {}
    }
}

/// All that the indexes say of the best chain is what the chain says.
fn check(node: &mut Node, indexes: &Indexes) {
    let reader = node.chain().reader();
    let (tip, stats) = (reader.tip(), node.stats());
    for status in indexes.status() {
        assert_eq!((status.best, status.synced, status.missing), (Some((tip.height, tip.hash)), true, None));
    }
    assert_eq!(reader.held_from(), Some(tip.height.next()));
    let found = indexes.coin_stats(tip.height).unwrap();
    let sums = &found.sums;
    assert_eq!((found.block, sums.muhash.digest().to_string()), (stats.tip, stats.muhash));
    assert_eq!(
        (sums.coins, sums.amount_sat, sums.bogo_size),
        (stats.coins, stats.amount_sat, stats.bogo_size)
    );
    let mut header = FilterHeader::all_zeros();
    for at in 0..=tip.height.to_u32() {
        let hash = reader.hash_at(height(at)).unwrap();
        let block = reader.block(&hash).unwrap().unwrap();
        let spent = reader.spent_by(&hash).unwrap().unwrap_or_default();
        let scripts = spent.spent.iter().flatten().map(|coin| coin.output.script_pubkey.as_script());
        let filter = basic_filter(&block, scripts);
        header = filter_header(&filter, &header);
        let found = indexes.filter(&hash).unwrap();
        assert_eq!(
            (found.filter, found.height.to_u32(), found.record.header),
            (filter, at, header.to_byte_array())
        );
        for tx in block.txs().iter().filter(|_| at > 0) {
            let found = indexes.transaction(&tx.txid()).unwrap();
            assert_eq!((found.block, &found.tx), (hash, tx));
            for input in tx.tx().input.iter().filter(|_| !tx.tx().is_coinbase()) {
                let found = indexes.spender(&input.previous_output).unwrap().unwrap();
                assert_eq!((found.block, &found.tx), (hash, tx));
            }
        }
    }
}

#[test]
fn indexes_say_what_the_chain_says_and_go_on_after_a_start() {
    let mut node = Node::new();
    let branch = busy_chain();
    node.submit_all(&branch.blocks[..110]);
    let first = indexes(&mut node, ALL);
    assert_eq!(node.chain().reader().held_from(), Some(height(1)));
    build(&first);
    check(&mut node, &first);
    drop(first);
    node.crash();
    node.submit_all(&branch.blocks[110..]);
    let again = indexes(&mut node, ALL);
    assert_eq!(node.chain().reader().held_from(), Some(height(111)));
    build(&again);
    check(&mut node, &again);
}

#[test]
fn indexes_follow_reorganisations() {
    let mut trunk = busy_chain();
    trunk.mine_empty(20);
    let (mut old, mut new) = (trunk.fork(2), trunk.fork(3));
    let (only_old, both) = (spend(&[trunk.reward(30)], 2, 5), spend(&[trunk.reward(31)], 3, 5));
    old.mine(vec![only_old.clone(), both.clone()]);
    old.mine_empty(3);
    new.mine_empty(1);
    new.mine(vec![both]);
    new.mine_empty(3);
    let mut node = Node::new();
    node.submit_all(&trunk.blocks);
    node.submit_all(&old.blocks);
    let indexes = indexes(&mut node, ALL);
    build(&indexes);
    check(&mut node, &indexes);
    assert!(indexes.transaction(&only_old.compute_txid()).is_ok());
    let was: Vec<_> = (140..=144).map(|at| indexes.coin_stats(height(at)).unwrap()).collect();

    node.submit_all(&new.blocks);
    let status = indexes.status();
    assert!(status.iter().all(|status| !status.synced && status.best.unwrap().1 == old.tip));
    // What left is found no more, before and after the index has seen it leave.
    let gone = only_old.compute_txid();
    let height_of_old = height(old.height);
    let kind = IndexKind::Transactions.as_str();
    assert_eq!(indexes.transaction(&gone), Err(IndexError::NotYet { kind, height: height_of_old }));
    assert_eq!(indexes.filter(&old.tip), Err(IndexError::NoSuchBlock));
    build(&indexes);
    check(&mut node, &indexes);
    assert_eq!(indexes.transaction(&gone), Err(IndexError::NoSuchTx));
    assert_eq!(indexes.spender(&only_old.input[0].previous_output), Ok(None));
    // The coins behind a block that has left are what they were.
    for was in &was {
        let found = indexes.coin_stats_of(&was.block).unwrap();
        assert_eq!((found.block, found.height, &found.moved), (was.block, was.height, &was.moved));
        assert_eq!(found.sums.muhash.digest(), was.sums.muhash.digest());
        assert_eq!((found.sums.coins, found.sums.flows), (was.sums.coins, was.sums.flows));
    }
    let never = new.fork(9).mine(Vec::new());
    assert_eq!(indexes.coin_stats_of(&never.hash()), Err(IndexError::NoSuchBlock));

    old.mine_empty(3);
    node.submit_all(&old.blocks[4..]);
    build(&indexes);
    check(&mut node, &indexes);
    assert!(indexes.transaction(&gone).is_ok());
}

#[test]
fn a_step_ends_where_it_is_told_to() {
    let mut node = Node::new();
    let branch = busy_chain();
    node.submit_all(&branch.blocks);
    let indexes = indexes(&mut node, ALL);
    let mut indexer = indexes.indexer(IndexKind::CoinStats).unwrap();
    for at in 0..=branch.height {
        let asked = std::cell::Cell::new(0);
        let once = || asked.replace(asked.get() + 1) == 0;
        assert_eq!(indexer.step(&once).unwrap(), IndexStep::More);
        assert_eq!(indexes.status()[2].best.unwrap().0, height(at));
    }
    assert_eq!(indexer.step(&|| true).unwrap(), IndexStep::Idle);
    build(&indexes);
    check(&mut node, &indexes);
}

#[test]
fn statistics_are_seen_to_come_further_within_a_thousand_blocks() {
    let mut node = Node::new();
    let branch = busy_chain();
    node.submit_all(&branch.blocks);
    let indexes = indexes(&mut node, ALL);
    let mut indexer = indexes.indexer(IndexKind::CoinStats).unwrap().with_coins_max(20);
    let mut stands = Vec::new();
    while indexer.step(&|| true).unwrap() == IndexStep::More {
        stands.push(indexes.status()[2].best.unwrap().0);
    }
    assert!(stands.len() > 10 && stands.is_sorted(), "{stands:?}");
    build(&indexes);
    check(&mut node, &indexes);
}

#[test]
fn an_index_that_is_off_or_behind_says_so() {
    let mut node = Node::new();
    let branch = busy_chain();
    node.submit_all(&branch.blocks);
    let none = indexes(&mut node, IndexConfig::default());
    assert_eq!((none.kinds(), node.chain().reader().held_from()), (vec![], None));
    assert!(none.indexer(IndexKind::Filters).is_none());
    let txid = branch.blocks[0].txs()[0].txid();
    assert_eq!(none.transaction(&txid), Err(IndexError::Off("transactions")));
    assert_eq!(none.filter(&branch.tip), Err(IndexError::Off("filters")));
    assert_eq!(none.spender(&OutPoint::null()), Err(IndexError::Off("spenders")));
    assert_eq!(none.coin_stats(height(1)), Err(IndexError::Off("coin_stats")));
    drop(none);
    let empty = indexes(&mut node, ALL);
    let not_yet = |kind| IndexError::NotYet { kind, height: Height::GENESIS };
    assert_eq!(empty.transaction(&txid), Err(not_yet("transactions")));
    assert_eq!(empty.filter(&branch.tip), Err(not_yet("filters")));
    assert_eq!(empty.spender(&OutPoint::null()), Err(not_yet("spenders")));
    assert_eq!(empty.coin_stats(height(1)), Err(not_yet("coin_stats")));
    assert_eq!(empty.coin_stats(height(1_000)), Err(IndexError::NoSuchBlock));
    build(&empty);
    assert_eq!(empty.transaction(&bitcoin::Txid::all_zeros()), Err(IndexError::NoSuchTx));
    let genesis = Params::regtest().genesis.txdata[0].compute_txid();
    assert_eq!(empty.transaction(&genesis), Err(IndexError::NoSuchTx));
}

#[test]
fn a_row_that_does_not_read_is_our_fault() {
    let mut node = Node::new();
    node.submit_all(&busy_chain().blocks);
    let store = node.chain().store_for_tests();
    let tip = node.chain().reader().tip();
    for kind in [IndexKind::Filters, IndexKind::CoinStats] {
        let db = store.index(kind.as_str()).unwrap();
        let (height, hash) = (tip.height, tip.hash);
        let row = adit_store::IndexedBlock { height, hash, head: vec![1], body: Some(vec![]) };
        db.append(None, &[row], &[]).unwrap();
    }
    let indexes = indexes(&mut node, ALL);
    let text = "an index's row is damaged: cut short".to_owned();
    let fault = IndexError::Fault(ChainFault::Storage(text));
    assert_eq!(indexes.filter(&tip.hash), Err(fault.clone()));
    assert_eq!(indexes.coin_stats(tip.height), Err(fault));
}
