use bitcoin::{Amount, Network};

use super::Params;
use crate::units::Height;

#[test]
fn every_network_is_cores() {
    let check = |name: &str, genesis: &str, magic: u32, port: u16, bits: u32, interval: u32| {
        let params = Params::from_name(name).unwrap();
        assert_eq!(params.name(), name);
        assert_eq!(params.genesis_hash.to_string(), genesis);
        assert_eq!(params.genesis.block_hash(), params.genesis_hash);
        assert_eq!(u32::from_be_bytes(params.magic), magic);
        assert_eq!(params.default_port, port);
        assert_eq!(params.pow_limit_bits().to_consensus(), bits);
        assert_eq!(params.retarget_interval(), interval);
    };
    check(
        "mainnet",
        "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
        0xf9be_b4d9,
        8333,
        0x1d00_ffff,
        2016,
    );
    check(
        "testnet3",
        "000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943",
        0x0b11_0907,
        18333,
        0x1d00_ffff,
        2016,
    );
    check(
        "testnet4",
        "00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043",
        0x1c16_3f28,
        48333,
        0x1d00_ffff,
        2016,
    );
    check(
        "signet",
        "00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6",
        0x0a03_cf40,
        38333,
        0x1e03_77ae,
        2016,
    );
    check(
        "regtest",
        "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206",
        0xfabf_b5da,
        18444,
        0x207f_ffff,
        144,
    );
    assert_eq!(Params::names().count(), 5);
    assert_eq!(Params::from_name("main"), None);
}

#[test]
fn d18_regtest_has_cores_heights() {
    let regtest = Params::of(Network::Regtest);
    let heights = [regtest.forks.bip34, regtest.forks.bip65, regtest.forks.bip66, regtest.forks.csv];
    assert_eq!(heights, [Height::new(1); 4]);
    assert_eq!(regtest.forks.segwit, Height::GENESIS);
    assert_eq!(regtest.pow.timespan_s, 86_400);
}

#[test]
fn the_subsidy_halves() {
    let check = |params: &Params, height: u32, sat: u64| {
        assert_eq!(params.subsidy(Height::new(height)), Amount::from_sat(sat));
    };
    let (mainnet, regtest) = (Params::mainnet(), Params::regtest());
    check(&mainnet, 0, 5_000_000_000);
    check(&mainnet, 209_999, 5_000_000_000);
    check(&mainnet, 210_000, 2_500_000_000);
    check(&mainnet, 840_000, 312_500_000);
    check(&mainnet, 210_000 * 32, 1);
    check(&mainnet, 210_000 * 33, 0);
    check(&mainnet, 210_000 * 64, 0);
    check(&mainnet, u32::MAX, 0);
    check(&regtest, 149, 5_000_000_000);
    check(&regtest, 150, 2_500_000_000);
}

#[test]
fn all_subsidies_together_stay_below_21_million() {
    let mainnet = Params::mainnet();
    let total: u64 =
        (0..33u32).map(|era| mainnet.subsidy(Height::new(era * 210_000)).to_sat() * 210_000).sum();
    assert_eq!(total, 2_099_999_997_690_000);
}
