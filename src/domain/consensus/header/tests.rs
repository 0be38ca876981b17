use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, CompactTarget};

use super::{HeaderContext, HeaderError, check_header, check_proof_of_work, next_bits, next_time_min};
use crate::consensus::fixtures::{Chain, Made, header};
use crate::consensus::{HeaderView, Params, Refused};
use crate::units::{Height, UnixMillis};

const LIMIT: u32 = 0x1d00_ffff;

fn bits_after(params: &Params, view: &dyn HeaderView, time: u32) -> u32 {
    next_bits(params, view, time).unwrap().to_consensus()
}

/// Core's own cases: the period's first block took place at `first_time`, its last at `last_time`.
#[test]
fn d17_retargets_are_cores() {
    let check = |height: u32, first_time: u32, last_time: u32, bits: u32, expected: u32| {
        let view = Made(height, |h| {
            let time = if h == height { last_time } else { first_time };
            Some(header(time, bits))
        });
        assert_eq!(bits_after(&Params::mainnet(), &view, last_time + 1), expected, "{height}");
    };
    check(32_255, 1_261_130_161, 1_262_152_739, 0x1d00_ffff, 0x1d00_d86a);
    check(2_015, 1_231_006_505, 1_233_061_996, 0x1d00_ffff, 0x1d00_ffff);
    check(68_543, 1_279_008_237, 1_279_297_671, 0x1c05_a3f4, 0x1c01_68fd);
    check(46_367, 1_263_163_443, 1_269_211_443, 0x1c38_7f6f, 0x1d00_e1fd);
    // A period that ends before it begins counts as a quarter.
    check(68_543, 1_279_297_671, 1_279_008_237, 0x1c05_a3f4, 0x1c01_68fd);
}

#[test]
fn the_difficulty_stays_within_a_period() {
    let view = Made(100, |h| Some(header(h * 600, 0x1c05_a3f4)));
    assert_eq!(bits_after(&Params::mainnet(), &view, u32::MAX), 0x1c05_a3f4);
}

#[test]
fn d17_easy_blocks_of_test_networks_are_walked_over() {
    let regular = 0x1c05_a3f4;
    // Regular up to 2020, easy from there on.
    let view = Made(2_025, |h| Some(header(h * 600, if h > 2_020 { LIMIT } else { regular })));
    let last = 2_025 * 600;
    let check =
        |params: &Params, time: u32, expected: u32| assert_eq!(bits_after(params, &view, time), expected);
    for params in [Params::testnet3(), Params::testnet4()] {
        check(&params, last + 1_200, regular);
        check(&params, last + 1_201, LIMIT);
        check(&params, 0, regular);
    }
    check(&Params::signet(), last + 9_999, LIMIT);
    // The walk ends at the period's first block, be it easy or not.
    let easy = Made(2_025, |h| Some(header(h * 600, if h >= 2_016 { LIMIT } else { regular })));
    assert_eq!(bits_after(&Params::testnet3(), &easy, last), LIMIT);
}

#[test]
fn d18_bip94_takes_the_difficulty_of_the_periods_first_block() {
    let real = 0x1c05_a3f4;
    let view = Made(2 * 2_016 - 1, |h| Some(header(h * 600, if h == 2_016 { real } else { LIMIT })));
    let on_time = (2 * 2_016 - 1) * 600;
    assert_eq!(bits_after(&Params::testnet3(), &view, on_time), 0x1d00_ffde);
    let scaled = bits_after(&Params::testnet4(), &view, on_time);
    assert_eq!(scaled, 0x1c05_a33c);
}

#[test]
fn regtest_never_retargets() {
    let view = Made(143, |h| Some(header(h, 0x207f_fff0)));
    assert_eq!(bits_after(&Params::regtest(), &view, 0), 0x207f_fff0);
}

#[test]
fn a_hash_meets_its_target() {
    let check = |hash: [u8; 32], bits: u32, ok: bool| {
        let checked = check_proof_of_work(
            BlockHash::from_byte_array(hash),
            CompactTarget::from_consensus(bits),
            &Params::mainnet(),
        );
        assert_eq!(checked, if ok { Ok(()) } else { Err(HeaderError::HighHash) }, "{bits:08x}");
    };
    let mut at_target = [0u8; 32];
    at_target[26..28].copy_from_slice(&[0xff, 0xff]);
    let mut above = at_target;
    above[0] = 1;
    check(at_target, LIMIT, true);
    check(above, LIMIT, false);
    check([0; 32], LIMIT, true);
    // No target at all: zero, negative, too large; and one above the limit.
    for bits in [0, 0x1d80_ffff, 0xff12_3456, 0x1d01_0000, 0x207f_ffff] {
        check([0; 32], bits, false);
    }
    let genesis = Params::mainnet().genesis;
    check(genesis.block_hash().to_byte_array(), genesis.header.bits.to_consensus(), true);
}

/// A header on a chain of 20 blocks of that network, changed by `change`, at a time when it is just on time.
fn check(params: &Params, change: impl Fn(&mut Header), expected: Result<(), HeaderError>) {
    let chain = Chain::of(params, 20);
    let last = chain.last();
    let mut header = Header {
        version: Version::from_consensus(4),
        prev_blockhash: last.block_hash(),
        time: last.time + 600,
        ..last
    };
    let now = UnixMillis::from_seconds(u64::from(header.time));
    change(&mut header);
    let context = HeaderContext { params, header: &header, parent: &chain, now };
    assert_eq!(context.height(), Height::new(21));
    assert_eq!(check_header(&context), expected.map_err(Refused::Invalid));
}

#[test]
fn every_rule_of_a_header_in_its_words() {
    let (regtest, mainnet) = (Params::regtest(), Params::mainnet());
    check(&regtest, |_| (), Ok(()));
    check(&regtest, |h| h.bits = CompactTarget::from_consensus(0x207f_fffe), Err(HeaderError::BadBits));
    // The median of the last eleven is that of the block five below the tip.
    check(&regtest, |h| h.time -= 6 * 600, Err(HeaderError::TimeTooOld));
    check(&regtest, |h| h.time -= 6 * 600 - 1, Ok(()));
    check(&regtest, |h| h.time += 7_200, Ok(()));
    check(&regtest, |h| h.time += 7_201, Err(HeaderError::TimeTooNew));
    for version in [3, 2, 1, 0, -1, i32::MIN] {
        let error = HeaderError::BadVersion(version as u32);
        check(&regtest, |h| h.version = Version::from_consensus(version), Err(error));
        check(&mainnet, |h| h.version = Version::from_consensus(version), Ok(()));
    }
    check(&regtest, |h| h.version = Version::from_consensus(0x2000_0000), Ok(()));
}

#[test]
fn versions_retire_one_by_one() {
    let mut params = Params::regtest();
    params.forks.bip65 = Height::new(22);
    check(&params, |h| h.version = Version::from_consensus(3), Ok(()));
    check(&params, |h| h.version = Version::from_consensus(2), Err(HeaderError::BadVersion(2)));
    params.forks.bip66 = Height::new(22);
    check(&params, |h| h.version = Version::from_consensus(2), Ok(()));
    check(&params, |h| h.version = Version::from_consensus(1), Err(HeaderError::BadVersion(1)));
}

#[test]
fn the_words_are_cores() {
    let check = |error: HeaderError, text: &str| {
        assert_eq!(error.to_string(), text);
        assert_eq!(error.may_pass_later(), text == "time-too-new");
    };
    check(HeaderError::HighHash, "high-hash");
    check(HeaderError::BadBits, "bad-diffbits");
    check(HeaderError::TimeTooOld, "time-too-old");
    check(HeaderError::Timewarp, "time-timewarp-attack");
    check(HeaderError::TimeTooNew, "time-too-new");
    check(HeaderError::BadVersion(1), "bad-version(0x00000001)");
    check(HeaderError::BadVersion(u32::MAX), "bad-version(0xffffffff)");
}

#[test]
fn d18_a_period_does_not_begin_before_its_parent() {
    let params = Params::testnet4();
    // The tip of a period runs ahead: its time is far above the median.
    let times = |h: u32| if h == 2_015 { 2_000_000 } else { h * 600 };
    let view = Made(2_015, |h| Some(header(times(h), LIMIT)));
    let check = |time: u32, ok: bool| {
        let bits = next_bits(&params, &view, time).unwrap();
        let header = Header { version: Version::from_consensus(4), bits, ..header(time, LIMIT) };
        let now = UnixMillis::from_seconds(3_000_000);
        let context = HeaderContext { params: &params, header: &header, parent: &view, now };
        let expected = if ok { Ok(()) } else { Err(Refused::Invalid(HeaderError::Timewarp)) };
        assert_eq!(check_header(&context), expected, "{time}");
    };
    check(2_000_000 - 600, true);
    check(2_000_000 - 601, false);
    assert_eq!(next_time_min(&params, &view), Ok(2_000_000 - 600));
    assert_eq!(next_time_min(&Params::testnet3(), &view), Ok(2_010 * 600 + 1));
}

#[test]
fn d18_within_a_period_a_time_may_lie_before_its_parents() {
    let params = Params::testnet4();
    let times = |h: u32| if h == 2_014 { 2_000_000 } else { h * 600 };
    let view = Made(2_014, |h| Some(header(times(h), LIMIT)));
    let header = Header { version: Version::from_consensus(4), ..header(2_000_000 - 601, LIMIT) };
    let now = UnixMillis::from_seconds(3_000_000);
    assert_eq!(check_header(&HeaderContext { params: &params, header: &header, parent: &view, now }), Ok(()));
    assert_eq!(next_time_min(&params, &view), Ok(2_009 * 600 + 1));
}

#[test]
fn a_view_with_gaps_is_our_fault_and_not_the_headers() {
    let view = Made(2_015, |h| (h > 1_000).then(|| header(h * 600, LIMIT)));
    let fault = next_bits(&Params::mainnet(), &view, 0).unwrap_err();
    assert_eq!(fault.source_text, "no header at height 0");
    let header = header(2_016 * 600, LIMIT);
    let now = UnixMillis::from_seconds(2_016 * 600);
    let context = HeaderContext { params: &Params::mainnet(), header: &header, parent: &view, now };
    assert_eq!(check_header(&context), Err(Refused::Fault(fault)));
    let nothing = Made(5, |_| None);
    assert!(next_time_min(&Params::mainnet(), &nothing).is_err());
}

#[test]
fn d17_the_median_of_few_and_of_eleven() {
    let check = |times: &[u32], expected: u32| {
        let view = Made(times.len() as u32 - 1, |h| Some(header(times[h as usize], LIMIT)));
        assert_eq!(view.median_time_past(), Some(expected), "{times:?}");
    };
    check(&[7], 7);
    check(&[7, 9], 9);
    check(&[9, 7], 9);
    check(&[3, 1, 2], 2);
    check(&[0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5], 0);
    check(&[100, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6], 1);
}
