use super::{Proxies, listens, proxies};
use crate::cli::bitcoind::config::Config;
use crate::cli::bitcoind::line::Line;

fn config(words: &[&str]) -> (Config, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let datadir = format!("-datadir={}", dir.path().display());
    let words: Vec<String> =
        [datadir.as_str(), "-regtest"].iter().chain(words).map(|word| (*word).to_owned()).collect();
    (Config::read(Line::read(&words).unwrap()).unwrap(), dir)
}

#[test]
fn what_is_not_named_may_be_missing() {
    let check = |words: &[&str], must: &[&str], maybe: &[&str]| {
        let found = listens(&config(words).0).unwrap();
        let texts = |all: &[std::net::SocketAddr]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!((texts(&found.must), texts(&found.maybe)), (texts_of(must), texts_of(maybe)), "{words:?}");
    };
    check(&[], &["0.0.0.0:18444"], &["127.0.0.1:18445", "[::]:18444"]);
    check(&["-port=65535"], &["0.0.0.0:65535"], &["[::]:65535"]);
    check(&["-bind=[::]"], &["[::]:18444"], &[]);
    check(&["-bind=127.0.0.1=onion", "-port=7"], &["127.0.0.1:8"], &[]);
    check(&["-bind=127.0.0.1:8", "-whitebind=noban@127.0.0.1:9"], &["127.0.0.1:8", "127.0.0.1:9"], &[]);
    check(&["-whitebind=127.0.0.1:9"], &["0.0.0.0:18444", "127.0.0.1:9"], &["127.0.0.1:18445", "[::]:18444"]);
    check(&["-nolisten"], &[], &[]);
    check(&["-networkactive=0"], &[], &[]);
}

fn texts_of(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn an_address_that_is_none_is_refused() {
    let check = |words: &[&str], wanted: &str| {
        let said = listens(&config(words).0).unwrap_err().to_string();
        assert_eq!(said, wanted, "{words:?}");
    };
    let twice = "Duplicate binding configuration for address 127.0.0.1:9. Please check your -bind, -bind=...=onion and -whitebind \
                 settings.";
    check(&["-bind=127.0.0.1:9", "-bind=127.0.0.1:9=onion"], twice);
    check(&["-bind=127.0.0.1:9", "-whitebind=noban@127.0.0.1:9"], twice);
    check(&["-bind=a"], "Cannot resolve -bind address: 'a'");
    check(&["-bind=127.0.0.1=clear"], "Cannot resolve -bind address: '127.0.0.1=clear'");
    check(&["-whitebind=127.0.0.1"], "Need to specify a port with -whitebind: '127.0.0.1'");
    check(&["-whitebind=relay@a:1"], "Cannot resolve -whitebind address: 'a:1'");
    check(&["-whitebind=127.0.0.1:0"], "Invalid port specified in -whitebind: '127.0.0.1:0'");
}

#[test]
fn proxies_are_of_a_network_or_of_all() {
    let check = |words: &[&str], proxy: Option<&str>, onion: Option<&str>, isolates: bool| {
        let address = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        let wanted = Proxies { proxy: address(proxy), onion: address(onion), isolates };
        assert_eq!(proxies(&config(words).0.layers).unwrap(), wanted, "{words:?}");
    };
    let (one, two) = (Some("127.0.0.1:9050"), Some("127.0.0.1:2"));
    check(&[], None, None, true);
    check(&["-proxy=127.0.0.1"], one, one, true);
    check(&["-proxy=127.0.0.1:2", "-noproxy"], None, None, true);
    check(&["-proxy=127.0.0.1", "-onion=0"], one, None, true);
    check(&["-proxy=127.0.0.1", "-onion=127.0.0.1:2"], one, two, true);
    check(&["-proxy=127.0.0.1:2=tor", "-proxyrandomize=0"], None, two, false);
    check(&["-proxy=127.0.0.1=ipv4", "-proxy=127.0.0.1:2=onion", "-proxy=127.0.0.1=cjdns"], one, two, true);
    for (words, wanted) in [
        ("-proxy=127.0.0.1:x", "Invalid -proxy address or hostname: '127.0.0.1:x'"),
        ("-onion=127.0.0.1:x", "Invalid -onion address or hostname: '127.0.0.1:x'"),
        ("-proxy=127.0.0.1=mars", "Unrecognized network in -proxy='127.0.0.1=mars': 'mars'"),
    ] {
        assert_eq!(proxies(&config(&[words]).0.layers).unwrap_err().to_string(), wanted);
    }
}
