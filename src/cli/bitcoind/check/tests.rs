use super::{check, comments, follow, gone, host_and_port, money, sections, there, unknown_sections};
use crate::cli::bitcoind::config::Config;
use crate::cli::bitcoind::line::Line;

fn config(words: &[&str], conf: &str) -> (Config, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bitcoin.conf"), conf).unwrap();
    let datadir = format!("-datadir={}", dir.path().display());
    let words: Vec<String> = [datadir.as_str()].iter().chain(words).map(|word| (*word).to_owned()).collect();
    let mut config = Config::read(Line::read(&words).unwrap()).unwrap();
    follow(&mut config.layers);
    (config, dir)
}

fn refusal(words: &[&str], conf: &str) -> String {
    let (config, _dir) = config(words, conf);
    sections(&config)
        .and_then(|()| check(&config))
        .and_then(|()| there(&config))
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default()
}

#[test]
fn what_does_not_go_together_is_said_in_cores_words() {
    let check = |words: &[&str], wanted: &str| assert_eq!(refusal(words, ""), wanted, "{words:?}");
    check(&["-regtest"], "");
    check(&["-blocksdir=/nowhere/at/all"], "Specified blocks directory \"/nowhere/at/all\" does not exist.");
    check(&["-blockfilterindex=abc"], "Unknown -blockfilterindex value abc.");
    check(&["-peerblockfilters"], "Cannot set -peerblockfilters without -blockfilterindex.");
    check(&["-prune=600", "-txindex"], "Prune mode is incompatible with -txindex.");
    check(&["-prune=600", "-txospenderindex"], "Prune mode is incompatible with -txospenderindex.");
    let text = "Prune mode is incompatible with -reindex-chainstate. Use full -reindex instead.";
    check(&["-prune=600", "-reindex-chainstate"], text);
    check(&["-prune=-1"], "Prune cannot be configured with a negative value.");
    check(&["-prune=549"], "Prune configured below the minimum of 550 MiB.  Please use a higher number.");
    check(
        &["-forcednsseed", "-nodnsseed"],
        "Cannot set -forcednsseed to true when setting -dnsseed to false.",
    );
    check(&["-bind=127.0.0.1", "-nolisten"], "Cannot set -bind or -whitebind together with -listen=0");
    check(&["-nolisten", "-listenonion"], "Cannot set -listen=0 together with -listenonion=1");
    check(&["-maxconnections=-1"], "-maxconnections must be greater or equal than zero");
    check(&["-debug=abc"], "Unsupported logging category -debug=abc.");
    check(&["-debugexclude=abc"], "Unsupported logging category -debugexclude=abc.");
    check(&["-debug=abc", "-debug=0"], "");
    check(&["-peertimeout=0"], "peertimeout must be a positive integer.");
    check(&["-test=x"], "-test=<option> can only be used with regtest");
    check(&["-vbparams=testdummy:1:2"], "The -vbparams option may not be used on mainnet.");
    check(&["-minimumchainwork=x"], "Invalid minimum work specified (x), must be up to 64 hex digits");
    let text = "Invalid assumevalid block hash specified (x), must be up to 64 hex digits (or 0 to disable)";
    check(&["-assumevalid=x"], text);
    check(&["-maxmempool=4"], "-maxmempool must be at least 5 MB");
    check(&["-minrelaytxfee=x"], "Invalid amount for -minrelaytxfee=<amount>: 'x'");
    check(&["-port=0"], "Invalid port specified in -port: '0'");
    check(&["-bind=127.0.0.1:70000"], "Invalid port specified in -bind: '127.0.0.1:70000'");
    check(&["-uacomment=a/b"], "User Agent comment (a/b) contains unsafe characters.");
    check(
        &["-blockmaxweight=4000001"],
        "-blockmaxweight (4000001) exceeds consensus maximum block weight (4000000)",
    );
}

#[test]
fn old_fees_are_for_regtest() {
    let check = |words: &[&str], wanted: &str| assert_eq!(refusal(words, ""), wanted, "{words:?}");
    check(&["-acceptstalefeeestimates"], "acceptstalefeeestimates is not supported on main chain.");
    check(
        &["-signet", "-acceptstalefeeestimates"],
        "acceptstalefeeestimates is not supported on signet chain.",
    );
    check(&["-acceptstalefeeestimates", "-blocksonly"], "");
    check(&["-regtest", "-acceptstalefeeestimates"], "");
}

#[test]
fn levels_are_known_by_name() {
    let global = "Unsupported global logging level -loglevel=abc. Valid values: info, debug, trace.";
    assert_eq!(refusal(&["-loglevel=abc"], ""), global);
    assert!(
        refusal(&["-loglevel=net:abc"], "")
            .starts_with("Unsupported category-specific logging level -loglevel=net:abc.")
    );
    assert_eq!(refusal(&["-loglevel=net:trace", "-loglevel=debug"], ""), "");
}

#[test]
fn a_setting_of_one_network_stands_in_its_section() {
    let text = "Config setting for -port only applied on regtest network when in [regtest] section.\n";
    assert_eq!(refusal(&["-regtest"], "port=1"), text);
    assert_eq!(refusal(&["-regtest"], "[regtest]\nport=1"), "");
    assert_eq!(refusal(&[], "port=1"), "");
}

#[test]
fn what_is_not_there_is_not_passed_over() {
    let check = |words: &[&str], wanted: &str| {
        let got = refusal(words, "");
        assert!(got.starts_with(wanted) && got.is_empty() == wanted.is_empty(), "{words:?}: {got}");
    };
    check(&["-onlynet=onion"], "-onlynet is not available in Adit: connections go over IPv4 and IPv6.");
    check(&["-onlynet=0", "-noi2psam", "-noasmap", "-noblocksonly"], "");
    check(&["-i2psam=1"], "-i2psam is not available in Adit: ");
}

#[test]
fn warnings_are_said_and_the_node_starts() {
    assert!(gone(&config(&["-regtest"], "").0).is_empty());
    assert_eq!(gone(&config(&["-checkpoints", "-limitancestorsize=1"], "").0).len(), 2);
    let unknown = |conf: &str| unknown_sections(&config(&[], conf).0);
    assert_eq!(unknown("[regtest]\npar=1"), None);
    assert!(unknown("[foo]\n").unwrap().ends_with("bitcoin.conf:1 Section [foo] is not recognized.\n"));
}

#[test]
fn one_setting_makes_another() {
    let check = |words: &[&str], name: &str, wanted: bool| {
        assert_eq!(config(words, "").0.layers.switch(name, !wanted), wanted, "{words:?} {name}");
    };
    check(&["-connect=1.2.3.4"], "listen", false);
    check(&["-noconnect"], "dnsseed", false);
    check(&["-connect=1.2.3.4", "-bind=127.0.0.1"], "listen", true);
    check(&["-nolisten"], "listenonion", false);
    check(&["-externalip=1.2.3.4"], "discover", false);
    check(&["-proxy=127.0.0.1:1"], "natpmp", false);
    check(&["-whitelistforcerelay"], "whitelistrelay", true);
    assert_eq!(config(&["-blocksonly"], "").0.layers.number("maxmempool", 0), 5);
}

#[test]
fn amounts_and_ports_read_as_in_core() {
    for (text, wanted) in [
        ("1", Some(100_000_000)),
        ("0.00001", Some(1000)),
        (".5", Some(50_000_000)),
        ("", None),
        ("1.123456789", None),
        ("-1", None),
    ] {
        assert_eq!(money(text), wanted, "{text}");
    }
    assert_eq!(money("21000001"), None);
    for (text, wanted) in [
        ("a:1", Some(("a", Some(1)))),
        ("a", Some(("a", None))),
        ("[::1]:2", Some(("::1", Some(2)))),
        ("::1", Some(("::1", None))),
        ("[::1]", Some(("::1", None))),
        ("a:0", None),
        ("a:x", None),
        ("a:", None),
    ] {
        assert_eq!(host_and_port(text), wanted, "{text}");
    }
}

#[test]
fn comments_are_bounded() {
    let long = format!("-uacomment={}", "x".repeat(256));
    assert!(
        refusal(&[&long], "")
            .starts_with("Total length of network version string (275) exceeds maximum length (256).")
    );
    assert_eq!(comments(&config(&["-uacomment=a", "-uacomment=b"], "").0).unwrap(), ["a", "b"]);
}
