use super::{check, toml_of};
use crate::cli::bitcoind::{Counterpart, counterparts};
use crate::cli::settings::Network;

fn parts(conf: &str) -> (Vec<Counterpart>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bitcoin.conf"), conf).unwrap();
    (counterparts(&dir.path().join("bitcoin.conf"), None).unwrap(), dir)
}

#[test]
fn what_is_printed_is_a_configuration_that_means_the_same() {
    let conf = "regtest=1\ndbcache=700\npar=2\nassumevalid=0\n[regtest]\naddnode=1.2.3.4\nconnect=a:1\nbind=127.0.0.1:5\ntxindex=1\n\
                testactivationheight=csv@7\nmaxmempool=100\nmempoolexpiry=2\npersistmempool=0\ndatacarriersize=83\nminimumchainwork=1000000000000000000000\n";
    let (parts, dir) = parts(conf);
    let file = dir.path().join("bitcoin.conf");
    let settings = check(&file, &toml_of(&file, &parts)).unwrap();
    assert_eq!(
        (settings.network, settings.chain.cache_mib, settings.chain.script_threads),
        (Network::Regtest, 700, 2)
    );
    assert_eq!(settings.peer.connect, ["a:1", "1.2.3.4:18444"]);
    assert_eq!(settings.peer.listen, Some("127.0.0.1:5".parse().unwrap()));
    assert!(settings.index.transactions && settings.params.assume_valid.is_none() && settings.pool.is_none());
    assert_eq!(settings.mempool.pool.bytes_max, 96 << 20);
    assert_eq!((settings.mempool.pool.expiry_ms, settings.mempool.pool.data_bytes_max), (7_200_000, 83));
    assert!(!settings.mempool.is_kept);
    assert!(!parts.iter().any(|part| matches!(part, Counterpart::Nothing { .. })), "{parts:?}");
    // Nothing was made beside the file.
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn what_has_no_counterpart_is_named() {
    let (parts, dir) =
        parts("rpcuser=me\nproxy=127.0.0.1:9050\nfallbackfee=1\nfoo=1\nblocknotify=x\ndatadir=/nowhere\n");
    let named: Vec<&str> = parts
        .iter()
        .filter_map(|part| match part {
            Counterpart::Nothing { name, .. } => Some(name.as_str()),
            Counterpart::Key { .. } => None,
        })
        .collect();
    assert_eq!(named, ["foo", "blocknotify", "datadir", "fallbackfee", "proxy", "rpcuser"]);
    let file = dir.path().join("bitcoin.conf");
    let text = toml_of(&file, &parts);
    assert!(
        text.contains("# proxy has no counterpart: `adit run` connects directly")
            && check(&file, &text).is_ok()
    );
}

#[test]
fn a_name_that_does_not_print_spoils_no_comment() {
    let (parts, dir) = parts("f\u{2}oo=1\n");
    let file = dir.path().join("bitcoin.conf");
    let text = toml_of(&file, &parts);
    assert!(text.contains("# f\u{fffd}oo has no counterpart") && check(&file, &text).is_ok(), "{text}");
    let text = toml_of(std::path::Path::new("a\nb = 1"), &parts);
    assert!(text.starts_with("# What a\u{fffd}b = 1 means"), "{text}");
}

#[test]
fn a_file_that_is_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |name: &str, chain: Option<&str>| {
        counterparts(&dir.path().join(name), chain).unwrap_err().to_string()
    };
    assert!(refused("none", None).ends_with("could not be opened."));
    std::fs::write(dir.path().join("word"), "word").unwrap();
    assert_eq!(refused("word", None), "parse error on line 1: word");
    std::fs::write(dir.path().join("empty"), "").unwrap();
    assert_eq!(refused("empty", Some("foo")), "Unknown chain foo.");
}
