use std::net::SocketAddr;

use adit_compat::Config as RpcConfig;

use super::settings;
use crate::cli::bitcoind::config::Config;
use crate::cli::bitcoind::line::Line;

fn read(words: &[&str]) -> (Result<RpcConfig, String>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let datadir = format!("-datadir={}", dir.path().display());
    let words: Vec<String> =
        [datadir.as_str(), "-regtest"].iter().chain(words).map(|word| (*word).to_owned()).collect();
    let config = Config::read(Line::read(&words).unwrap()).unwrap();
    (settings(&config).map_err(|error| error.to_string()), dir)
}

#[test]
fn this_machine_alone_may_call_unless_both_flags_say_otherwise() {
    let check = |words: &[&str], wanted: &[&str]| {
        let wanted: Vec<SocketAddr> = wanted.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(read(words).0.unwrap().bind, wanted, "{words:?}");
    };
    check(&[], &["[::1]:18443", "127.0.0.1:18443"]);
    check(&["-rpcport=7"], &["[::1]:7", "127.0.0.1:7"]);
    check(&["-rpcbind=0.0.0.0"], &["[::1]:18443", "127.0.0.1:18443"]);
    check(&["-rpcallowip=1.2.3.4"], &["[::1]:18443", "127.0.0.1:18443"]);
    check(&["-rpcallowip=1.2.3.4", "-rpcbind=0.0.0.0", "-rpcbind=[::]:5"], &["0.0.0.0:18443", "[::]:5"]);
    check(&["-rpcallowip=1.2.3.4", "-rpcbind=localhost:5"], &["127.0.0.1:5"]);
}

#[test]
fn what_no_server_can_be_told_is_refused() {
    let check = |words: &[&str], wanted: &str| {
        let got = read(words).0.unwrap_err();
        assert!(got.starts_with(wanted), "{words:?}: {got}");
    };
    check(&["-rpcallowip=x"], "Invalid -rpcallowip subnet specification: x. Valid values are");
    check(&["-rpccookieperms=x"], "Unable to start HTTP server. See debug log for details.");
    check(
        &["-rpcallowip=1.2.3.4", "-rpcbind=nobody.invalid"],
        "Cannot resolve -rpcbind address: 'nobody.invalid'",
    );
}

#[test]
fn the_rest_goes_through() {
    let (config, dir) = read(&[
        "-rpcuser=a",
        "-rpcpassword=b",
        "-rpcauth=c:d$e",
        "-rpcwhitelist=a:stop",
        "-rpcwhitelistdefault=0",
        "-rpccookieperms=group",
        "-rpcthreads=2",
        "-rpcworkqueue=0",
        "-rpcservertimeout=99",
    ]);
    let config = config.unwrap();
    assert_eq!((config.user.as_str(), config.password.as_str()), ("a", "b"));
    assert_eq!((config.auth.len(), config.whitelist.len(), config.whitelist_default), (1, 1, Some(false)));
    assert_eq!(
        (config.threads, config.work_queue, config.timeout.as_secs(), config.cookie_mode),
        (2, 1, 99, 0o640)
    );
    assert_eq!(config.cookie, Some(dir.path().join("regtest/.cookie")));
    assert_eq!(config.debug_log, dir.path().join("regtest/debug.log"));
    assert_eq!(read(&["-norpccookiefile"]).0.unwrap().cookie, None);
}
