use bitcoin::{Amount, BlockHash, Network};

use super::{AssumedCoins, NotAssumedCoins, Params};
use crate::consensus::{BuriedFork, Deployment, Start};
use crate::script::ScriptFlags;
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

/// What Core's `kernel/chainparams.cpp` says of a network, beyond its first block.
struct Core {
    heights: [u32; 5],
    bip34_hash: Option<&'static str>,
    exceptions: &'static [(&'static str, ScriptFlags)],
    timespan_s: u32,
    min_difficulty: bool,
    bip94: bool,
    no_retargeting: bool,
    halving: u32,
    threshold: u32,
    period: u32,
    start: Start,
    work: &'static str,
    assume_valid: Option<&'static str>,
    seeds: &'static [&'static str],
}

const WITHOUT_TAPROOT: ScriptFlags =
    ScriptFlags::from_bits(ScriptFlags::P2SH.bits() | ScriptFlags::WITNESS.bits());
const TWO_WEEKS_S: u32 = 1_209_600;

fn check(params: &Params, core: &Core) {
    let name = params.name();
    assert_eq!(BuriedFork::ALL.map(|fork| params.forks.of(fork).to_u32()), core.heights, "{name}");
    let text = |hash: &BlockHash| hash.to_string();
    assert_eq!(params.forks.bip34_hash.as_ref().map(text).as_deref(), core.bip34_hash, "{name}");
    let exceptions: Vec<(String, ScriptFlags)> =
        params.script_flag_exceptions.iter().map(|(hash, flags)| (text(hash), *flags)).collect();
    let expected: Vec<(String, ScriptFlags)> =
        core.exceptions.iter().map(|(hash, flags)| ((*hash).to_owned(), *flags)).collect();
    assert_eq!(exceptions, expected, "{name}");
    let pow = &params.pow;
    assert_eq!((pow.spacing_s, pow.timespan_s), (600, core.timespan_s), "{name}");
    let modes = (pow.allow_min_difficulty, pow.enforce_bip94, pow.no_retargeting);
    assert_eq!(modes, (core.min_difficulty, core.bip94, core.no_retargeting), "{name}");
    assert_eq!(params.halving_interval, core.halving, "{name}");
    let testdummy = Deployment {
        name: "testdummy",
        bit: 28,
        start: core.start,
        timeout_s: i64::MAX,
        min_activation_height: Height::GENESIS,
        period: core.period,
        threshold: core.threshold,
    };
    assert_eq!(params.deployments, [testdummy], "{name}");
    assert_eq!(format!("{:x}", params.minimum_chain_work), core.work, "{name}");
    assert_eq!(params.assume_valid.as_ref().map(text).as_deref(), core.assume_valid, "{name}");
    assert_eq!(params.dns_seeds, core.seeds, "{name}");
}

#[test]
fn mainnet_has_cores_constants() {
    let params = Params::mainnet();
    check(
        &params,
        &Core {
            heights: [227_931, 363_725, 388_381, 419_328, 481_824],
            bip34_hash: Some("000000000000024b89b42a942fe0d9fea3bb44ab7bd1b19115dd6a759c0808b8"),
            exceptions: &[
                ("00000000000002dc756eebf4f49723ed8d30cc28a5f108eb94b1ba88ac4f9c22", ScriptFlags::NONE),
                ("0000000000000000000f14c35b2d841e986ab5441de8c585d5ffe55ea1e395ad", WITHOUT_TAPROOT),
            ],
            timespan_s: TWO_WEEKS_S,
            min_difficulty: false,
            bip94: false,
            no_retargeting: false,
            halving: 210_000,
            threshold: 1815,
            period: 2016,
            start: Start::Never,
            work: "0000000000000000000000000000000000000001128750f82f4c366153a3a030",
            assume_valid: Some("00000000000000000000ccebd6d74d9194d8dcdc1d177c478e094bfad51ba5ac"),
            seeds: &[
                "dnsseed.bluematt.me.",
                "seed.bitcoin.jonasschnelli.ch.",
                "seed.btc.petertodd.net.",
                "seed.bitcoin.sprovoost.nl.",
                "dnsseed.emzy.de.",
                "seed.bitcoin.wiz.biz.",
                "seed.mainnet.achownodes.xyz.",
            ],
        },
    );
    assert_eq!(params.signet_challenge, None);
}

#[test]
fn testnet3_has_cores_constants() {
    check(
        &Params::testnet3(),
        &Core {
            heights: [21_111, 330_776, 581_885, 770_112, 834_624],
            bip34_hash: Some("0000000023b3a96d3484e5abb3755c413e7d41500f8e2a5c3f0dd01299cd8ef8"),
            exceptions: &[(
                "00000000dd30457c001f4095d208cc1296b0eed002427aa599874af7a432b105",
                ScriptFlags::NONE,
            )],
            timespan_s: TWO_WEEKS_S,
            min_difficulty: true,
            bip94: false,
            no_retargeting: false,
            halving: 210_000,
            threshold: 1512,
            period: 2016,
            start: Start::Never,
            work: "0000000000000000000000000000000000000000000017dde1c649f3708d14b6",
            assume_valid: Some("000000007a61e4230b28ac5cb6b5e5a0130de37ac1faf2f8987d2fa6505b67f4"),
            seeds: &[
                "testnet-seed.bitcoin.jonasschnelli.ch.",
                "seed.tbtc.petertodd.net.",
                "seed.testnet.bitcoin.sprovoost.nl.",
                "testnet-seed.bluematt.me.",
                "seed.testnet.achownodes.xyz.",
            ],
        },
    );
}

/// What the newer test networks share.
const FROM_BLOCK_1: Core = Core {
    heights: [1; 5],
    bip34_hash: None,
    exceptions: &[],
    timespan_s: TWO_WEEKS_S,
    min_difficulty: false,
    bip94: false,
    no_retargeting: false,
    halving: 210_000,
    threshold: 1815,
    period: 2016,
    start: Start::Never,
    work: "0000000000000000000000000000000000000000000000000000000000000000",
    assume_valid: None,
    seeds: &[],
};

#[test]
fn testnet4_has_cores_constants() {
    check(
        &Params::testnet4(),
        &Core {
            min_difficulty: true,
            bip94: true,
            threshold: 1512,
            work: "0000000000000000000000000000000000000000000009a0fe15d0177d086304",
            assume_valid: Some("0000000002368b1e4ee27e2e85676ae6f9f9e69579b29093e9a82c170bf7cf8a"),
            seeds: &["seed.testnet4.bitcoin.sprovoost.nl.", "seed.testnet4.wiz.biz."],
            ..FROM_BLOCK_1
        },
    );
}

#[test]
fn signets_have_cores_constants() {
    let public = Params::signet();
    let core = Core {
        work: "00000000000000000000000000000000000000000000000000000b463ea0a4b8",
        assume_valid: Some("00000008414aab61092ef93f1aacc54cf9e9f16af29ddad493b908a01ff5c329"),
        seeds: &["seed.signet.bitcoin.sprovoost.nl.", "seed.signet.achownodes.xyz."],
        ..FROM_BLOCK_1
    };
    check(&public, &core);
    let challenge: String =
        public.signet_challenge.as_ref().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = "512103ad5e0edad18cb1f0fc0d28a3d4f1f3e445640337489abb10404f2d1e086be430210359ef5021964fe22d6f8e05b2463c9540ce9\
                    6883fe3b278760f048f5189f2e6c452ae";
    assert_eq!(challenge, expected);
    // One of one's own is the same chain but for its challenge, and nobody knows anything of it.
    let own = Params::signet_with(vec![0x51]);
    check(&own, &FROM_BLOCK_1);
    assert_eq!(
        (own.magic, own.default_port, own.genesis_hash),
        ([0x54, 0xd2, 0x6f, 0xbd], 38333, public.genesis_hash)
    );
}

#[test]
fn regtest_has_cores_constants() {
    check(
        &Params::regtest(),
        &Core {
            heights: [1, 1, 1, 1, 0],
            timespan_s: 86_400,
            min_difficulty: true,
            no_retargeting: true,
            halving: 150,
            threshold: 108,
            period: 144,
            start: Start::At(0),
            ..FROM_BLOCK_1
        },
    );
}

#[test]
fn each_network_is_kept_in_a_folder_of_its_own() {
    for name in Params::names() {
        assert_eq!(Params::from_name(name).unwrap().folder(), name);
    }
    assert_eq!(Params::signet_with(vec![0x51]).folder(), "signet-54d26fbd");
}

#[test]
fn coin_sets_are_known_by_their_blocks() {
    let check = |name: &str, heights: &[u32], last: &str, hash: &str, txs: u64| {
        let params = Params::from_name(name).unwrap();
        let known = &params.assumed_coins;
        assert_eq!(known.iter().map(|k| k.height.to_u32()).collect::<Vec<_>>(), heights, "{name}");
        let found = params.assumed_coins_at(&last.parse().unwrap()).unwrap();
        assert_eq!((found.hash_serialized.to_string().as_str(), found.chain_txs), (hash, txs));
        assert_eq!(params.assumed_coins_at(&params.genesis_hash), None);
        let text = format!("{}:{last}:{hash}:{txs}", found.height);
        assert_eq!(text.parse(), Ok(found.clone()));
    };
    check(
        "mainnet",
        &[840_000, 880_000, 910_000, 935_000],
        "0000000000000000000147034958af1652b2b91bba607beacc5e72a56f0fb5ee",
        "e4b90ef9eae834f56c4b64d2d50143cee10ad87994c614d7d04125e2a6025050",
        1_305_397_408,
    );
    check(
        "testnet3",
        &[2_500_000, 4_840_000],
        "00000000000000f4971a7fb37fbdff89315b69a2e1920c467654a382f0d64786",
        "ce6bb677bb2ee9789c4a1c9d73e6683c53fc20e8fdbedbdaaf468982a0c8db2a",
        536_078_574,
    );
    check(
        "testnet4",
        &[90_000, 120_000],
        "000000000bd2317e51b3c5794981c35ba894ce27d3e772d5c39ecd9cbce01dc8",
        "10b05d05ad468d0971162e1b222a4aa66caca89da2bb2a93f8f37fb29c4794b0",
        14_141_057,
    );
    check(
        "signet",
        &[160_000, 290_000],
        "0000000577f2741bb30cd9d39d6d71b023afbeb9764f6260786a97969d5c9ac0",
        "97267e000b4b876800167e71b9123f1529d13b14308abec2888bbd2160d14545",
        28_547_497,
    );
    check(
        "regtest",
        &[110, 200, 299],
        "0c552ced4721c249a389eb9b08cb8da261cd46f0e7b5f9d064d48f3113406853",
        "106b2c56233e378a824cf0d5ff2be42ed32c72f1605c9be288d00942908a40ac",
        334,
    );
    assert_eq!(Params::signet_with(vec![0x51]).assumed_coins, []);
    let block = Params::regtest().genesis_hash;
    for bad in [
        String::new(),
        format!("1:{block}:{block}"),
        format!("1:{block}:{block}:1:1"),
        format!("x:{block}:{block}:1"),
    ] {
        assert_eq!(bad.parse::<AssumedCoins>(), Err(NotAssumedCoins), "{bad}");
    }
}
