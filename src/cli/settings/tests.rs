use std::collections::BTreeSet;

use adit_domain::consensus::{BuriedFork, Params, Start};
use adit_domain::units::Difficulty;
use bitcoin::{Address, Network as BitcoinNetwork, ScriptBuf, opcodes};

use super::layers::{Entry, Raw, env_name, known_keys, merge};
use super::reader::parse_difficulty;
use super::{Given, Network, Place, Settings, SettingsError};

fn flag(key: &str, value: &str) -> (String, String, String) {
    ("--set".to_owned(), key.to_owned(), value.to_owned())
}

fn given(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Given {
    Given {
        file: Some(("a.toml".to_owned(), file.to_owned())),
        env: env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        flags: flags.iter().map(|(k, v)| flag(k, v)).collect(),
    }
}

/// The configuration ends with exactly this line.
#[track_caller]
fn check_error(given: Given, line: &str) {
    assert_eq!(Settings::read(&given).unwrap_err().to_string(), line);
}

#[test]
fn every_network_has_sound_defaults() {
    for name in ["mainnet", "testnet3", "testnet4", "signet", "regtest"] {
        let settings = Settings::read(&given("", &[], &[("network", name), ("datadir", "/d")])).unwrap();
        assert_eq!(settings.network.as_str(), name);
        assert_eq!(settings.pool.is_some(), name == "regtest");
        assert_eq!(settings.peer.listen.unwrap().ip().is_loopback(), name == "regtest");
    }
}

#[test]
fn the_defaults_are_those_of_the_parts() {
    let settings = Settings::read(&given("", &[], &[("datadir", "/d")])).unwrap();
    assert_eq!(usize::try_from(settings.chain.cache_mib).unwrap(), adit_chainstate::CACHE_MIB_DEFAULT);
    assert_eq!(settings.chain.script_cache_mib, adit_chainstate::SCRIPT_CACHE_MIB_DEFAULT);
    assert_eq!(settings.intensity, adit_actors::supervision::Intensity::default());
    let pool = adit_domain::mempool::MempoolConfig::default();
    assert_eq!(settings.mempool.pool, adit_domain::mempool::MempoolConfig { bytes_max: 300 << 20, ..pool });
    assert!(settings.mempool.is_kept);
}

#[test]
fn regtest_pays_to_anyone_by_default() {
    let anyone = ScriptBuf::builder().push_opcode(opcodes::OP_TRUE).into_script();
    let address = Address::p2wsh(&anyone, BitcoinNetwork::Regtest);
    let settings = Settings::read(&given("", &[], &[("network", "regtest"), ("datadir", "/d")])).unwrap();
    assert_eq!(settings.pool.unwrap().payout_script, address.script_pubkey());
}

#[test]
fn the_stronger_place_wins() {
    let file = "[chain]\ncache_mib = 11\nscript_threads = 1\n[mempool]\nmax_mib = 21\n";
    let env = [("ADIT_CHAIN_CACHE_MIB", "12"), ("ADIT_CHAIN_SCRIPT_THREADS", "2")];
    let settings =
        Settings::read(&given(file, &env, &[("chain.cache_mib", "13"), ("datadir", "/d")])).unwrap();
    let (chain, mempool) = (settings.chain, settings.mempool);
    assert_eq!((chain.cache_mib, chain.script_threads, mempool.pool.bytes_max), (13, 2, 21 << 20));
    assert_eq!(mempool.pool.min_fee_sat_per_kvb, 100);
}

#[test]
fn a_network_set_anywhere_brings_its_defaults() {
    for given in [
        given("network = \"regtest\"", &[], &[]),
        given("", &[("ADIT_NETWORK", "regtest")], &[]),
        given("network = \"signet\"", &[("ADIT_NETWORK", "mainnet")], &[("network", "regtest")]),
    ] {
        let entries = merge(&given).unwrap();
        let expected =
            Entry { raw: Raw::One("127.0.0.1:18444".to_owned()), place: Place::Network(Network::Regtest) };
        assert_eq!(entries.get("p2p.listen"), Some(&expected));
    }
}

#[test]
fn lists_come_from_files_and_with_commas() {
    let file = "[p2p]\nconnect = [\"a:1\", \"b:2\"]";
    let settings = Settings::read(&given(file, &[], &[("datadir", "/d")])).unwrap();
    assert_eq!(settings.peer.connect, ["a:1", "b:2"]);
    let flags = [("p2p.connect", "a:1, c:3"), ("datadir", "/d")];
    assert_eq!(Settings::read(&given(file, &[], &flags)).unwrap().peer.connect, ["a:1", "c:3"]);
}

#[test]
fn unknown_keys_name_the_place_and_the_nearest() {
    check_error(
        given("", &[], &[("stratum.lisen", "x")]),
        "unknown key stratum.lisen in the flag --set: expected a key of config/default.toml; the nearest is stratum.listen",
    );
    check_error(
        given("[chain]\ncache = 3", &[], &[]),
        "unknown key chain.cache in the file a.toml: expected a key of config/default.toml; the nearest is chain.cache_mib",
    );
    check_error(
        given("", &[("ADIT_NETWROK", "regtest")], &[]),
        "unknown key ADIT_NETWROK in the environment variable ADIT_NETWROK: expected a key of config/default.toml; the nearest is ADIT_NETWORK",
    );
}

#[test]
fn bad_values_name_the_place_and_what_would_do() {
    check_error(
        given("", &[], &[("chain.cache_mib", "many")]),
        "chain.cache_mib = \"many\" in the flag --set: expected a whole number from 4 to 1048576 (MiB)",
    );
    check_error(
        given("[chain]\ncache_mib = 2", &[], &[]),
        "chain.cache_mib = \"2\" in the file a.toml: expected a whole number from 4 to 1048576 (MiB)",
    );
    check_error(
        given("", &[], &[("chain.prune_mib", "549"), ("network", "mainnet")]),
        "chain.prune_mib = \"549\" in the flag --set: expected 0 (every block is kept), 1 (blocks go by command only), or a whole number from 550 to 16777216 (MiB)",
    );
    check_error(
        given("[mempool]\naccept_nonstandard = true", &[], &[("network", "mainnet")]),
        "mempool.accept_nonstandard = \"true\" in the file a.toml: expected false on mainnet",
    );
    check_error(
        given("", &[], &[("mempool.cluster_txs_max", "65")]),
        "mempool.cluster_txs_max = \"65\" in the flag --set: expected a whole number from 1 to 64 (transactions)",
    );
    check_error(
        given("[index]\ntransactions = true", &[], &[("chain.prune_mib", "550")]),
        "index.transactions = \"true\" in the file a.toml: expected false where chain.prune_mib is not 0",
    );
    check_error(
        given("", &[("ADIT_NETWORK", "regtes")], &[]),
        "network = \"regtes\" in the environment variable ADIT_NETWORK: expected one of mainnet, testnet3, testnet4, signet, regtest; the nearest is regtest",
    );
    check_error(
        given(
            "",
            &[],
            &[("pool.address", "bcrt1qft5p2uhsdcdc3l2ua4ap5qqfg4pjaqlp250x7us7a8qqhrxrxfsqseac85")],
        ),
        "pool.address = \"bcrt1qft5p2uhsdcdc3l2ua4ap5qqfg4pjaqlp250x7us7a8qqhrxrxfsqseac85\" in the flag --set: expected an address of mainnet, or nothing",
    );
    check_error(
        given("[p2p]\nconnect = [\"nowhere\"]", &[], &[]),
        "p2p.connect = \"nowhere\" in the file a.toml: expected a list of HOST:PORT such as 127.0.0.1:18444",
    );
    check_error(
        given("[p2p]\nconnect = [[1]]", &[], &[]),
        "p2p.connect = \"a list of lists or tables\" in the file a.toml: expected a list of values",
    );
    check_error(
        given("", &[], &[("stratum.difficulty_start", "0.5")]),
        "stratum.difficulty_start = \"0.5\" in the flag --set: expected a difficulty from stratum.difficulty_min to stratum.difficulty_max",
    );
    check_error(
        given("", &[], &[("rpc.tls_cert", "c.pem")]),
        "rpc.tls_cert = \"c.pem\" in the flag --set: expected rpc.tls_cert, rpc.tls_key and rpc.tls_client_ca together, or none of them",
    );
    check_error(
        given("", &[], &[("log.level", "loud")]),
        "log.level = \"loud\" in the flag --set: expected error, warn, info, debug or trace, or directives as info,adit_actors=debug",
    );
}

#[test]
fn what_does_not_read() {
    let error = Settings::read(&given("network = ", &[], &[])).unwrap_err();
    assert!(matches!(error, SettingsError::File { ref file, .. } if file == "the file a.toml"), "{error}");
    let missing = Given::collect(Some(std::path::Path::new("/nowhere/a.toml")), Vec::new()).unwrap_err();
    assert!(
        matches!(missing, SettingsError::File { ref file, .. } if file == "/nowhere/a.toml"),
        "{missing}"
    );
    assert!(SettingsError::NoEquals("x".to_owned()).to_string().contains("KEY=VALUE"));
    let other = SettingsError::other(&config::ConfigError::Message("m".to_owned()));
    assert!(other.to_string().ends_with(": m"));
}

#[test]
fn no_two_keys_share_a_variable() {
    let names: BTreeSet<String> = known_keys().iter().map(|key| env_name(key)).collect();
    assert_eq!(names.len(), known_keys().len());
    assert!(names.contains("ADIT_STRATUM_DIFFICULTY_START"));
}

#[test]
fn difficulties_are_exact() {
    for (text, steps) in [
        ("1", Some(1u64 << 32)),
        ("0.5", Some(1 << 31)),
        ("12.25", Some(49 << 30)),
        ("0.0000000003", Some(1)),
        ("0", None),
        ("0.00000000001", None),
        ("-1", None),
        ("1e3", None),
        ("", None),
        (".5", None),
        ("2147483648", Some(1 << 63)),
        ("2147483649", None),
        ("0.1234567890123456789", None),
    ] {
        assert_eq!(parse_difficulty(text).map(Difficulty::to_raw), steps, "{text:?}");
    }
}

#[test]
fn regtests_rules_can_be_moved() {
    let flags = [
        ("network", "regtest"),
        ("datadir", "/d"),
        ("chain.test_activation_heights", "segwit@432,bip34@2,dersig@3, cltv@0,csv@2147483646"),
        ("chain.version_bits", "testdummy:100:200:300"),
    ];
    let params = Settings::read(&given("", &[], &flags)).unwrap().params;
    let heights = BuriedFork::ALL.map(|fork| params.forks.of(fork).to_u32());
    assert_eq!(heights, [2, 3, 0, 2_147_483_646, 432]);
    let vote = &params.deployments[0];
    assert_eq!((vote.start, vote.timeout_s), (Start::At(100), 200));
    assert_eq!(vote.min_activation_height.to_u32(), 300);
    assert_eq!((vote.bit, vote.period, vote.threshold), (28, 144, 108));

    let file = "network = \"regtest\"\n[chain]\nversion_bits = [\"testdummy:-1:0\"]";
    let params = Settings::read(&given(file, &[], &[("datadir", "/d")])).unwrap().params;
    assert_eq!(params.deployments[0].start, Start::Always);
    assert_eq!(params.forks, Params::regtest().forks);
    let plain = Settings::read(&given("", &[], &[("network", "regtest"), ("datadir", "/d")])).unwrap();
    assert_eq!(plain.params, Params::regtest());
}

#[test]
fn rules_that_cannot_be_moved_so_are_named() {
    let check = |key: &str, value: &str, expected: &str| {
        let line = format!("{key} = {value:?} in the flag --set: expected {expected}");
        check_error(given("", &[], &[("network", "regtest"), (key, value)]), &line);
    };
    let heights = "a list of NAME@HEIGHT such as segwit@432: bip34, dersig, cltv, csv or segwit; a height from 0 to 2147483646";
    for value in ["segwit", "segwit@", "segwit@-1", "segwit@2147483647", "taproot@1", "bip66@1", "segwit@1@2"]
    {
        check("chain.test_activation_heights", value, heights);
    }
    let votes = "a list of DEPLOYMENT:START:END or DEPLOYMENT:START:END:HEIGHT such as testdummy:0:999999999999: times in \
                 seconds since 1970 (a start of -1: always, of -2: never), a height from 0 to 2147483646";
    for value in
        ["testdummy", "testdummy:0", "taproot:0:1", "testdummy:x:1", "testdummy:0:", "testdummy:0:1:x"]
    {
        check("chain.version_bits", value, votes);
    }
    check("chain.version_bits", "testdummy:0:1:2:3", votes);
    check("chain.version_bits", "testdummy:0:1:2147483647", votes);
}

#[test]
fn rules_stay_what_they_are_on_other_networks() {
    let check = |network: &str, key: &str, value: &str, only: &str| {
        let line = format!(
            "{key} = {value:?} in the flag --set: expected nothing on {network}: the key is for {only}"
        );
        check_error(given("", &[], &[("network", network), (key, value)]), &line);
    };
    for network in ["mainnet", "testnet3", "testnet4", "signet"] {
        check(network, "chain.test_activation_heights", "segwit@1", "regtest");
        check(network, "chain.version_bits", "testdummy:0:1", "regtest");
        check(network, "chain.assume_utxo", &format!("1:{0:064}:{0:064}:1", 1), "regtest");
    }
    for network in ["mainnet", "testnet3", "testnet4", "regtest"] {
        check(network, "chain.signet_challenge", "51", "signet");
    }
}

#[test]
fn what_is_assumed_of_a_chain_is_the_networks_own_unless_another_is_named() {
    let read = |key: &str, value: &str| Settings::read(&given("", &[], &[("datadir", "/d"), (key, value)]));
    let (hash, work) = ("chain.assume_valid", "chain.minimum_chain_work");
    let main = Params::mainnet();
    for key in [hash, work] {
        assert_eq!(read(key, "").unwrap().params, main);
    }
    let one = format!("{:0>64}", "1");
    for (text, assumed) in
        [("0", None), ("0x0", None), ("1", Some(&one)), (one.as_str(), Some(&one)), ("0x1", Some(&one))]
    {
        let found = read(hash, text).unwrap().params.assume_valid;
        assert_eq!(found.map(|h| h.to_string()).as_ref(), assumed, "{text}");
    }
    for (text, expected) in [("0", 0u8), ("ff", 255), ("0xFE", 254)] {
        let mut bytes = [0; 32];
        bytes[31] = expected;
        assert_eq!(read(work, text).unwrap().params.minimum_chain_work.to_be_bytes(), bytes, "{text}");
    }
    for bad in ["x", "0x", "+1", &"1".repeat(65)] {
        let line = |key: &str, want: &str| format!("{key} = {bad:?} in the flag --set: expected {want}");
        let wanted = line(hash, "a block's hash, 0 for no block, or nothing for the network's own");
        assert_eq!(read(hash, bad).unwrap_err().to_string(), wanted);
        let wanted = line(work, "a number in hex, 64 digits at most, or nothing for the network's own");
        assert_eq!(read(work, bad).unwrap_err().to_string(), wanted);
    }
}

#[test]
fn a_signet_may_be_ones_own() {
    let read = |challenge: &str| {
        let flags = [("network", "signet"), ("datadir", "/d"), ("chain.signet_challenge", challenge)];
        Settings::read(&given("", &[], &flags))
    };
    assert_eq!(read("").unwrap().params, Params::signet());
    let own = read("51Ac").unwrap().params;
    assert_eq!(own, Params::signet_with(vec![0x51, 0xac]));
    assert_eq!(read(&"51".repeat(10_000)).unwrap().params.signet_challenge.unwrap().len(), 10_000);
    for bad in ["5", "xy", "+1", "5 1", &"51".repeat(10_001)] {
        let line = format!(
            "chain.signet_challenge = {bad:?} in the flag --set: expected a script in hex, 10000 bytes at most, or nothing"
        );
        assert_eq!(read(bad).unwrap_err().to_string(), line);
    }
}

#[test]
fn coin_sets_of_tests_stand_beside_cores_own() {
    let read = |coins: &str| {
        let flags = [("network", "regtest"), ("datadir", "/d"), ("chain.assume_utxo", coins)];
        Settings::read(&given("", &[], &flags))
    };
    let known = |coins: &str| read(coins).unwrap().params.assumed_coins;
    assert_eq!(known(""), Params::regtest().assumed_coins);
    let row = format!("7:{:064}:{:064}:8", 1, 2);
    let found = known(&row);
    assert_eq!((found.len(), found[3].height.to_u32(), found[3].chain_txs), (4, 7, 8));
    let line = "chain.assume_utxo = \"7:1\" in the flag --set: expected a list of HEIGHT:BLOCK:HASH:TRANSACTIONS, the hashes in hex";
    assert_eq!(read("7:1").unwrap_err().to_string(), line);
}
