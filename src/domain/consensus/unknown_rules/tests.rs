use bitcoin::block::{Header, Version};

use super::UnknownRules;
use crate::consensus::Params;
use crate::consensus::fixtures::Made;

/// Regtest's period and the votes that win.
const PERIOD: u32 = 144;
const WON: u32 = 108;

/// A chain on which the first blocks of the third period vote; how many of them.
fn look(votes: u32, version: i32, tip: u32) -> Vec<u32> {
    let params = Params::regtest();
    let (genesis, first) = (params.genesis.header, 2 * PERIOD);
    let chain = Made(tip, move |height: u32| {
        let version = if (first..first + votes).contains(&height) { version } else { 0x2000_0000 };
        Some(Header { version: Version::from_consensus(version), time: height, ..genesis })
    });
    let mut rules = UnknownRules::default();
    let found = rules.look(&params, &chain);
    // What was counted is not counted again.
    assert_eq!((rules.look(&params, &chain), &rules), (found.clone(), &rules.clone()));
    found
}

#[test]
fn a_vote_that_nobody_knows_of_is_active_a_period_after_it_was_won() {
    let check = |votes: u32, version: i32, tip: u32, wanted: &[u32]| {
        assert_eq!(look(votes, version, tip), wanted, "{votes} {version:x} {tip}");
    };
    let unknown = 0x2000_0010;
    check(WON, unknown, 4 * PERIOD - 1, &[4]);
    check(WON, unknown, 4 * PERIOD - 2, &[]);
    check(WON - 1, unknown, 4 * PERIOD - 1, &[]);
    check(PERIOD, 0x2000_0003, 9 * PERIOD, &[0, 1]);
    // The top bits are not those of votes.
    check(PERIOD, 0x6800_0000, 9 * PERIOD, &[]);
    // Those with which miners count, of which one is `testdummy`.
    check(PERIOD, 0x3fff_ffe0, 9 * PERIOD, &[]);
    check(PERIOD, unknown, PERIOD, &[]);
}

#[test]
fn another_chain_is_counted_anew() {
    let params = Params::regtest();
    let genesis = params.genesis.header;
    let on = |version: i32, time: u32| {
        Made(6 * PERIOD, move |height: u32| {
            Some(Header { version: Version::from_consensus(version), time: time + height, ..genesis })
        })
    };
    let mut rules = UnknownRules::default();
    assert_eq!(rules.look(&params, &on(0x2000_0004, 0)), [2]);
    assert!(rules.look(&params, &on(0x2000_0000, 1)).is_empty());
}

#[test]
fn what_was_voted_on_before_taproot_is_known() {
    let params = Params::mainnet();
    let genesis = params.genesis.header;
    let votes = move |height: u32| {
        Some(Header { version: Version::from_consensus(0x2000_0001), time: height, ..genesis })
    };
    let check = |tip: u32, wanted: &[u32]| {
        assert_eq!(UnknownRules::default().look(&params, &Made(tip, votes)), wanted, "{tip}");
    };
    check(711_647, &[]);
    check(711_648 + 3 * 2016 - 2, &[]);
    check(711_648 + 3 * 2016 - 1, &[0]);
}
