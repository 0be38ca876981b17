use bitcoin::absolute::LockTime;
use bitcoin::constants::genesis_block;
use bitcoin::{Block, Network, Transaction};

use super::*;

fn tx(n: u32) -> Transaction {
    let mut tx = genesis_block(Network::Regtest).txdata[0].clone();
    tx.lock_time = LockTime::from_consensus(n);
    tx
}

/// A block of `count` transactions.
fn block(count: u32) -> ParsedBlock {
    let mut block = Block { txdata: (0..count).map(tx).collect(), ..genesis_block(Network::Regtest) };
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    ParsedBlock::new(block)
}

fn held(n: u32) -> Arc<ParsedTx> {
    Arc::new(ParsedTx::new(tx(n)))
}

#[test]
fn what_is_here_is_not_asked_for() {
    // Of six transactions these are here: those are asked for.
    let check = |here: &[u32], missing: &[usize]| {
        let block = block(6);
        let mut rebuilding = Rebuilding::begin(&CompactBlock::of(&block, 7)).unwrap();
        for n in here {
            assert_eq!(rebuilding.offer(&held(*n)), !rebuilding.missing().is_empty());
            rebuilding.offer(&held(*n));
        }
        rebuilding.offer(&held(99));
        assert_eq!(rebuilding.missing(), missing);
        let rest = missing.iter().map(|at| block.txs()[*at].clone()).collect();
        let whole = rebuilding.complete(rest).unwrap();
        assert_eq!((&*whole, whole.raw()), (&block, block.raw()));
    };
    check(&[1, 2, 3, 4, 5], &[]);
    check(&[5, 1], &[2, 3, 4]);
    check(&[], &[1, 2, 3, 4, 5]);
}

#[test]
fn transactions_that_are_sent_whole_stand_at_their_places() {
    let block = block(4);
    let compact = CompactBlock::of(&block, 7);
    let whole = |at: usize| block.txs()[at].clone();
    let short_ids = vec![compact.short_ids[1]];
    let prefilled = vec![(0, whole(0)), (0, whole(1)), (1, whole(3))];
    let mut rebuilding = Rebuilding::begin(&CompactBlock { short_ids, prefilled, ..compact }).unwrap();
    assert_eq!(rebuilding.missing(), [2]);
    assert!(!rebuilding.offer(&held(2)));
    assert_eq!(*rebuilding.complete(vec![]).unwrap(), block);
}

#[test]
fn what_nobody_sends_is_refused() {
    let check = |change: &dyn Fn(&mut CompactBlock), error: CompactError| {
        let mut compact = CompactBlock::of(&block(3), 7);
        change(&mut compact);
        assert_eq!(Rebuilding::begin(&compact), Err(error));
    };
    let nothing = |compact: &mut CompactBlock| {
        compact.short_ids.clear();
        compact.prefilled.clear();
    };
    check(&nothing, CompactError::Invalid);
    check(&|compact| compact.short_ids = (0..65_535).collect(), CompactError::Invalid);
    check(&|compact| compact.prefilled[0].0 = 3, CompactError::Invalid);
    check(&|compact| compact.prefilled[0].0 = u64::MAX, CompactError::Invalid);
    check(&|compact| compact.short_ids[1] = compact.short_ids[0], CompactError::Collision);
}

#[test]
fn what_the_header_does_not_commit_to_is_no_block() {
    let check = |missing: Vec<u32>, error: CompactError| {
        let mut rebuilding = Rebuilding::begin(&CompactBlock::of(&block(4), 7)).unwrap();
        rebuilding.offer(&held(1));
        let missing = missing.into_iter().map(|n| ParsedTx::new(tx(n))).collect();
        assert_eq!(rebuilding.complete(missing), Err(error));
    };
    check(vec![2], CompactError::Unmatched);
    check(vec![2, 3, 4], CompactError::Unmatched);
    check(vec![3, 2], CompactError::Collision);
}

#[test]
fn of_two_that_fit_one_place_neither_is_taken() {
    let block = block(3);
    let compact = CompactBlock::of(&block, 7);
    let mut rebuilding = Rebuilding::begin(&compact).unwrap();
    rebuilding.offer(&held(1));
    // Another one stands there already, as if it had the same short id.
    rebuilding.slots[1] = Some(held(50));
    rebuilding.offer(&held(1));
    assert_eq!(rebuilding.missing(), [1, 2]);
    assert!(rebuilding.offer(&held(1)), "it stays open");
    assert_eq!(rebuilding.missing(), [1, 2]);
    let rest = vec![block.txs()[1].clone(), block.txs()[2].clone()];
    assert_eq!(*rebuilding.complete(rest).unwrap(), block);
}

/// The short ids that the field's library has.
#[test]
fn short_ids_are_those_of_the_library() {
    let block = block(5);
    let ours = CompactBlock::of(&block, 0x1234_5678_9abc_def0);
    let theirs =
        bitcoin::bip152::HeaderAndShortIds::from_block(&block.to_block(), ours.nonce, 2, &[]).unwrap();
    let shown: Vec<Vec<u8>> = ours.short_ids.iter().map(|id| id.to_le_bytes()[..6].to_vec()).collect();
    let wanted: Vec<Vec<u8>> = theirs.short_ids.iter().map(|id| id.to_bytes().to_vec()).collect();
    assert_eq!(shown, wanted);
    assert_eq!(theirs.prefilled_txs.len(), ours.prefilled.len());
}
