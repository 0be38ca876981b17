use std::sync::Arc;

use bitcoin::Work;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, Target, TxMerkleNode};

use super::{BURIAL_S, ScriptsRun, times};
use crate::chain::header_tree::{HeaderTree, NodeId};
use crate::consensus::Params;
use crate::units::{Height, UnixMillis};

const NOW: UnixMillis = UnixMillis::from_seconds(4_000_000_000);
/// Blocks on regtest, each as much work as any other, that took more than two weeks: 14 * 144, and one more.
const BURIED: usize = 2017;

/// A tree of these rules: `main` headers from the first block, then `side` headers from the one at height `fork`.
struct Fixture {
    params: Params,
    main: usize,
    fork: usize,
    side: usize,
}

impl Default for Fixture {
    fn default() -> Fixture {
        Fixture { params: Params::regtest(), main: BURIED + 10, fork: 0, side: 0 }
    }
}

/// Headers on `below`, solved; `branch` tells them from those of another branch.
fn grow(mut below: Header, branch: u8, count: usize) -> Vec<Header> {
    let mut added = Vec::new();
    for _ in 0..count {
        let mut header = Header {
            version: Version::from_consensus(4),
            prev_blockhash: below.block_hash(),
            merkle_root: TxMerkleNode::from_byte_array([branch; 32]),
            time: below.time + 600,
            ..below
        };
        while !Target::from_compact(header.bits).is_met_by(header.block_hash()) {
            header.nonce += 1;
        }
        added.push(header);
        below = header;
    }
    added
}

/// The tree in which `assumed` (0: the main chain, 1: the side chain; its height) is the assumed block, and both chains from the
/// first block.
fn build(fixture: &Fixture, assumed: Option<(usize, usize)>) -> (HeaderTree, [Vec<NodeId>; 2]) {
    let first = fixture.params.genesis.header;
    let main = [vec![first], grow(first, 1, fixture.main)].concat();
    let side = grow(main[fixture.fork], 2, fixture.side);
    let chains = [main.clone(), [&main[..=fixture.fork], &side].concat()];
    let hash = assumed.map(|(chain, height)| chains[chain][height].block_hash());
    let params = Params { assume_valid: hash.or(fixture.params.assume_valid), ..fixture.params.clone() };
    let mut tree = HeaderTree::new(Arc::new(params));
    for header in main[1..].iter().chain(&side) {
        tree.insert(*header, NOW).unwrap();
    }
    let ids = chains.map(|chain| chain.iter().map(|h| tree.find(&h.block_hash()).unwrap()).collect());
    (tree, ids)
}

fn check(
    fixture: Fixture,
    assumed: Option<(usize, usize)>,
    (chain, height): (usize, usize),
    expected: Result<(), ScriptsRun>,
) {
    let (tree, chains) = build(&fixture, assumed);
    let id = chains[chain][height];
    assert_eq!(tree.node(id).height(), Height::new(u32::try_from(height).unwrap()));
    assert_eq!(tree.scripts_are_assumed(id), expected, "{assumed:?} {chain} {height}");
}

#[test]
fn scripts_are_assumed_where_core_assumes_them() {
    let deep = (0, 20);
    let unknown = Params { assume_valid: Some(BlockHash::from_byte_array([9; 32])), ..Params::regtest() };
    let least = |work: u8| {
        let mut bytes = [0; 32];
        // Two hashes a block, the first one too: 2,028 blocks.
        bytes[30..].copy_from_slice(&(4055 + u16::from(work)).to_be_bytes());
        Params { minimum_chain_work: Work::from_be_bytes(bytes), ..Params::regtest() }
    };
    let with = |params: Params| Fixture { params, ..Fixture::default() };
    check(Fixture::default(), None, (0, 1), Err(ScriptsRun::NothingAssumed));
    check(with(unknown), None, (0, 1), Err(ScriptsRun::AssumedUnknown));
    check(Fixture::default(), Some((0, 5)), (0, 6), Err(ScriptsRun::AboveAssumed));
    check(Fixture::default(), Some((0, 5)), (0, 5), Ok(()));
    check(Fixture::default(), Some((0, 5)), (0, 1), Ok(()));
    let fork = || Fixture { fork: 3, side: BURIED, ..Fixture::default() };
    check(fork(), Some(deep), (1, 4), Err(ScriptsRun::BesideAssumed));
    check(fork(), Some((1, 20)), (1, 4), Err(ScriptsRun::BesideBest));
    check(fork(), Some((1, 20)), (1, 3), Ok(()));
    check(with(least(2)), Some(deep), (0, 1), Err(ScriptsRun::TooLittleWork));
    check(with(least(1)), Some(deep), (0, 1), Ok(()));
    // The last block on which more than two weeks lie, and the first on which exactly two weeks do.
    check(Fixture::default(), Some(deep), (0, 10), Ok(()));
    check(Fixture::default(), Some(deep), (0, 11), Err(ScriptsRun::TooRecent));
}

#[test]
fn every_reason_says_something_of_its_own() {
    let reasons = [
        ScriptsRun::NothingAssumed,
        ScriptsRun::AssumedUnknown,
        ScriptsRun::AboveAssumed,
        ScriptsRun::BesideAssumed,
        ScriptsRun::BesideBest,
        ScriptsRun::TooLittleWork,
        ScriptsRun::TooRecent,
    ];
    let texts: std::collections::HashSet<String> = reasons.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), reasons.len());
}

#[test]
fn a_product_is_exact_and_stays_at_the_largest_number() {
    let work = |n: u128| {
        let mut bytes = [0; 32];
        bytes[16..].copy_from_slice(&n.to_be_bytes());
        Work::from_be_bytes(bytes)
    };
    let check = |n: u128, factor: u32| {
        assert_eq!(times(work(n), factor), work(n * u128::from(factor)), "{n} * {factor}");
    };
    check(0, 5);
    check(7, 0);
    check(1, u32::MAX);
    check(u128::from(u64::MAX), BURIAL_S + 1);
    let largest = Work::from_be_bytes([0xff; 32]);
    assert_eq!((times(largest, 1), times(largest, 2)), (largest, largest));
}

#[test]
fn above_assumed_coins_only_what_stands_on_them_may_be_the_tip() {
    let fixture = Fixture { main: 10, fork: 3, side: 12, ..Fixture::default() };
    let (mut tree, [main, side]) = build(&fixture, None);
    // The coins behind block 8 are given: bodies 1 to 5 are here, 6 to 8 are not.
    main[1..=5].iter().for_each(|id| tree.body_stored(*id));
    tree.set_tip(main[8]);
    tree.assume_coins(main[8]);
    tree.begin_in_order(&[]);
    assert_eq!((tree.assumed_base(), tree.best_candidate()), (Some(main[8]), main[8]));
    let stands: Vec<bool> = [main[8], main[10], main[7], side[8]].map(|id| tree.stands_on_base(id)).into();
    assert_eq!(stands, [true, true, false, false]);
    // A branch with more work from below it would lead where nothing is kept.
    side[4..].iter().for_each(|id| tree.body_stored(*id));
    assert_eq!(tree.best_candidate(), main[8]);
    main[9..].iter().for_each(|id| tree.body_stored(*id));
    assert_eq!(tree.best_candidate(), main[10]);
    tree.set_tip(main[10]);
    // A body from below changes nothing, and what is invalid above leads back to the base at most.
    tree.body_stored(main[6]);
    assert_eq!(tree.best_candidate(), main[10]);
    tree.mark_failed(main[9]);
    assert_eq!(tree.best_candidate(), main[8]);
    tree.set_tip(main[8]);
    tree.coins_verified();
    assert_eq!((tree.assumed_base(), tree.best_candidate()), (None, *side.last().unwrap()));
}
