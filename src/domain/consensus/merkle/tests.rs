use bitcoin::constants::genesis_block;
use bitcoin::hashes::{Hash, sha256d};
use bitcoin::merkle_tree::calculate_root;
use bitcoin::{Network, Transaction};
use proptest::prelude::*;

use super::merkle_root;

fn leaves(numbers: &[u8]) -> Vec<sha256d::Hash> {
    numbers.iter().map(|n| sha256d::Hash::hash(&[*n])).collect()
}

#[test]
fn d10_repeated_leaves_are_seen_and_padding_is_not() {
    let check = |numbers: &[u8], mutated: bool| {
        assert_eq!(merkle_root(leaves(numbers)).mutated, mutated, "{numbers:?}");
    };
    check(&[], false);
    check(&[1], false);
    check(&[1, 1], true);
    check(&[1, 2, 3], false);
    check(&[1, 2, 3, 3], true);
    check(&[1, 2, 2, 3], false);
    check(&[1, 2, 3, 4, 5, 6], false);
    check(&[1, 2, 3, 4, 5, 6, 5, 6], true);
    // Equal neighbours that are no pair on any level.
    check(&[1, 2, 3, 4, 3, 5], false);
    check(&(1..=20).collect::<Vec<u8>>(), false);
    check(&[1, 1, 2, 3, 4], true);
}

#[test]
fn d10_the_repetition_has_the_same_root() {
    let root = |numbers: &[u8]| merkle_root(leaves(numbers)).root;
    assert_eq!(root(&[1, 2, 3, 4, 5, 6]), root(&[1, 2, 3, 4, 5, 6, 5, 6]));
    assert_eq!(root(&[1, 2, 3]), root(&[1, 2, 3, 3]));
}

#[test]
fn the_root_of_nothing_and_of_one() {
    assert_eq!(merkle_root(Vec::new()).root, sha256d::Hash::all_zeros());
    let block = genesis_block(Network::Bitcoin);
    let txids = block.txdata.iter().map(Transaction::compute_txid).map(|id| id.to_raw_hash());
    assert_eq!(merkle_root(txids.collect()).root, block.header.merkle_root.to_raw_hash());
}

proptest! {
    #[test]
    fn the_root_is_the_librarys(numbers in proptest::collection::vec(any::<u8>(), 1..70)) {
        let leaves = leaves(&numbers);
        prop_assert_eq!(Some(merkle_root(leaves.clone()).root), calculate_root(leaves.into_iter()));
    }

    #[test]
    fn repeating_the_end_of_a_tree_is_always_seen(pairs in 1usize..10, level in 0u32..4) {
        // An odd number of full subtrees, more than one: the last is paired with itself.
        let run = 1usize << level;
        let numbers: Vec<u8> = (0..).take((2 * pairs + 1) * run).collect();
        let repeated: Vec<u8> = numbers.iter().chain(&numbers[numbers.len() - run..]).copied().collect();
        let (once, twice) = (merkle_root(leaves(&numbers)), merkle_root(leaves(&repeated)));
        prop_assert_eq!(once.root, twice.root);
        prop_assert!(!once.mutated && twice.mutated);
    }
}
