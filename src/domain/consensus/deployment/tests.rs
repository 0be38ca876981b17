use bitcoin::block::Version;

use super::{BuriedFork, Deployment, Start, version_with};
use crate::consensus::Params;
use crate::units::Height;

#[test]
fn buried_forks_have_cores_names() {
    let names: Vec<&str> = BuriedFork::ALL.iter().map(|fork| fork.name()).collect();
    assert_eq!(names, ["bip34", "bip66", "bip65", "csv", "segwit"]);
    let settings: Vec<&str> = BuriedFork::ALL.iter().map(|fork| fork.setting()).collect();
    assert_eq!(settings, ["bip34", "dersig", "cltv", "csv", "segwit"]);
    for fork in BuriedFork::ALL {
        assert_eq!(BuriedFork::from_setting(fork.setting()), Some(fork));
    }
    assert_eq!(BuriedFork::from_setting("bip66"), None);
}

#[test]
fn each_fork_has_a_height_of_its_own() {
    let mut forks = Params::mainnet().forks;
    let heights = BuriedFork::ALL.map(|fork| forks.of(fork).to_u32());
    assert_eq!(heights, [227_931, 363_725, 388_381, 419_328, 481_824]);
    for (fork, height) in BuriedFork::ALL.into_iter().zip(1..) {
        forks.set(fork, Height::new(height));
    }
    assert_eq!(BuriedFork::ALL.map(|fork| forks.of(fork).to_u32()), [1, 2, 3, 4, 5]);
    assert_eq!([forks.bip34, forks.bip66, forks.bip65], [1, 2, 3].map(Height::new));
    assert_eq!([forks.csv, forks.segwit], [4, 5].map(Height::new));
}

#[test]
fn two_numbers_are_no_times() {
    for (seconds, start) in
        [(-1, Start::Always), (-2, Start::Never), (0, Start::At(0)), (-3, Start::At(-3)), (7, Start::At(7))]
    {
        assert_eq!(Start::from_seconds(seconds), start);
        assert_eq!(start.to_seconds(), seconds);
    }
}

#[test]
fn a_vote_has_the_top_bits_and_its_own() {
    let deployment = Deployment { bit: 5, ..Deployment::testdummy(Start::At(0), 144, 108) };
    let check = |version: u32, expected: bool| {
        let version = Version::from_consensus(version as i32);
        assert_eq!(deployment.is_signalled_by(version), expected, "{version:?}");
    };
    check(0x2000_0020, true);
    check(0x3fff_ffff, true);
    check(0x2000_0000, false);
    check(0x2000_0010, false);
    check(0x0000_0020, false);
    check(0x4000_0020, false);
    check(0x6000_0020, false);
    check(0xa000_0020, false);
    check(0xffff_ffff, false);
    assert_eq!(deployment.mask(), 0x20);
}

#[test]
fn versions_show_the_bits_of_votes() {
    let of = |bit: u8| Deployment { bit, ..Deployment::testdummy(Start::At(0), 144, 108) };
    let check = |bits: &[u8], expected: i32| {
        let deployments: Vec<Deployment> = bits.iter().map(|bit| of(*bit)).collect();
        assert_eq!(version_with(deployments.iter()).to_consensus(), expected);
    };
    check(&[], 0x2000_0000);
    check(&[28], 0x3000_0000);
    check(&[0, 28], 0x3000_0001);
    check(&[5, 5], 0x2000_0020);
}
