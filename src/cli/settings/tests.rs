use std::collections::BTreeSet;

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
    assert_eq!((chain.cache_mib, chain.script_threads, mempool.max_mib), (13, 2, 21));
    assert_eq!(mempool.min_fee_sat_per_kvb, 100);
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
