use adit_domain::mempool::MempoolConfig;
use adit_store::Layout;

use super::{keys, settings};
use crate::cli::bitcoind::check::{check, follow};
use crate::cli::bitcoind::config::Config;
use crate::cli::bitcoind::line::Line;
use crate::cli::settings::Settings;

fn config(words: &[&str]) -> (Config, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let datadir = format!("-datadir={}", dir.path().display());
    let words: Vec<String> =
        [datadir.as_str(), "-regtest"].iter().chain(words).map(|word| (*word).to_owned()).collect();
    let mut config = Config::read(Line::read(&words).unwrap()).unwrap();
    follow(&mut config.layers);
    check(&config).unwrap();
    (config, dir)
}

fn read(words: &[&str]) -> Settings {
    settings(&config(words).0).unwrap()
}

#[test]
fn flags_become_keys() {
    let check = |words: &[&str], key: &str, wanted: &str| {
        let keys = keys(&config(words).0).unwrap();
        let found = keys.iter().rev().find(|(name, ..)| name == key).map(|(_, value, _)| value.as_str());
        assert_eq!(found, Some(wanted), "{words:?} {key}");
    };
    check(&["-dbcache=1"], "chain.cache_mib", "4");
    check(&["-dbcache=700"], "chain.cache_mib", "700");
    check(&["-par=3"], "chain.script_threads", "3");
    check(&["-par=0"], "chain.script_threads", "0");
    check(&["-par=-1000"], "chain.script_threads", "1");
    check(&["-assumevalid=0"], "chain.assume_valid", "0");
    check(&["-minimumchainwork=0x10"], "chain.minimum_chain_work", "0x10");
    check(&["-prune=600"], "chain.prune_mib", "600");
    check(&["-prune=123456789"], "chain.prune_mib", "16777216");
    check(&["-txindex"], "index.transactions", "true");
    check(&["-coinstatsindex"], "index.coin_stats", "true");
    check(&["-txospenderindex"], "index.spenders", "true");
    check(&["-blockfilterindex=basic"], "index.filters", "true");
    check(&["-blockfilterindex=0"], "index.filters", "false");
    check(&["-fastprune"], "chain.small_files", "true");
    check(
        &["-testactivationheight=csv@1", "-testactivationheight=cltv@2"],
        "chain.test_activation_heights",
        "csv@1,cltv@2",
    );
    check(&[], "p2p.listen", "0.0.0.0:18444");
    check(&["-port=5"], "p2p.listen", "0.0.0.0:5");
    check(&["-bind=127.0.0.1:7"], "p2p.listen", "127.0.0.1:7");
    check(&["-nolisten"], "p2p.listen", "");
    check(&["-connect=a", "-addnode=[::1]:3"], "p2p.connect", "a:18444,[::1]:3");
    check(&["-connect=0", "-addnode=b:1"], "p2p.connect", "b:1");
    check(&["-addnode=b:1", "-networkactive=0"], "p2p.connect", "");
    check(&["-maxconnections=94"], "p2p.inbound_max", "83");
    check(&["-maxmempool=5"], "mempool.max_mib", "5");
    check(&["-minrelaytxfee=0.00001"], "mempool.min_fee_sat_per_kvb", "1000");
    check(&["-incrementalrelayfee=0.00002"], "mempool.min_fee_sat_per_kvb", "2000");
    check(&["-incrementalrelayfee=0.00002"], "mempool.incremental_fee_sat_per_kvb", "2000");
    check(&["-dustrelayfee=0"], "mempool.dust_fee_sat_per_kvb", "0");
    check(&["-blockmintxfee=20000000"], "mempool.block_min_fee_sat_per_kvb", "100000000");
    check(&["-nodatacarrier", "-datacarriersize=83"], "mempool.data_bytes_max", "0");
    check(&["-datacarriersize=83"], "mempool.data_bytes_max", "83");
    check(&["-permitbaremultisig=0"], "mempool.bare_multisig", "false");
    check(&["-bytespersigop=5"], "mempool.bytes_per_sigop", "5");
    check(&["-limitclustercount=4"], "mempool.cluster_txs_max", "4");
    check(&["-limitclustersize=0"], "mempool.cluster_kvb_max", "1");
    check(&["-mempoolexpiry=2"], "mempool.expiry_h", "2");
    check(&["-nopersistmempool"], "mempool.persist", "false");
    check(&["-acceptnonstdtxn"], "mempool.accept_nonstandard", "true");
}

#[test]
fn what_has_no_key_is_set_all_the_same() {
    let words = ["-bind=127.0.0.1:7", "-bind=127.0.0.1:8=onion", "-uacomment=me", "-nopersistmempool"];
    let (config, dir) = config(&words);
    let settings = settings(&config).unwrap();
    assert_eq!(settings.peer.listen, Some("127.0.0.1:7".parse().unwrap()));
    assert_eq!(settings.peer.listen_more, ["127.0.0.1:8".parse().unwrap()]);
    let agent = settings.peer.user_agent.unwrap();
    assert!(agent.starts_with("/Satoshi:31.0.0/Adit:") && agent.ends_with("(me)/"), "{agent}");
    assert!(!settings.mempool.is_kept && settings.pool.is_none());
    assert_eq!(
        (settings.layout, settings.datadir),
        (Layout::Core { blocks: None }, dir.path().join("regtest"))
    );
    let blocks = tempfile::tempdir().unwrap();
    let settings = read(&[&format!("-blocksdir={}", blocks.path().display())]);
    assert_eq!(settings.layout, Layout::Core { blocks: Some(blocks.path().join("regtest")) });
    assert!(settings.mempool.is_kept);
}

#[test]
fn what_is_relayed_is_chosen() {
    let default = MempoolConfig { bytes_max: 300_000_000, ..MempoolConfig::default() };
    let check = |words: &[&str], change: fn(&mut MempoolConfig)| {
        let mut want = default;
        change(&mut want);
        assert_eq!(read(words).mempool.pool, want, "{words:?}");
    };
    check(&[], |_| {});
    check(&["-maxmempool=5", "-mempoolexpiry=2"], |pool| {
        (pool.bytes_max, pool.expiry_ms) = (5_000_000, 7_200_000)
    });
    check(&["-limitclustercount=4", "-limitclustersize=10"], |pool| {
        (pool.cluster_txs_max, pool.cluster_vsize_max) = (4, 10_000);
    });
    check(&["-incrementalrelayfee=0.00001"], |pool| {
        (pool.incremental_sat_per_kvb, pool.min_fee_sat_per_kvb) = (1_000, 1_000);
    });
    check(&["-incrementalrelayfee=0.00001", "-minrelaytxfee=0"], |pool| {
        (pool.incremental_sat_per_kvb, pool.min_fee_sat_per_kvb) = (1_000, 0);
    });
    check(&["-dustrelayfee=0", "-blockmintxfee=0.0001"], |pool| {
        (pool.dust_sat_per_kvb, pool.block_min_sat_per_kvb) = (0, 10_000);
    });
    check(&["-permitbaremultisig=0", "-acceptnonstdtxn"], |pool| {
        (pool.bare_multisig, pool.is_strict) = (false, false);
    });
    check(&["-bytespersigop=5", "-datacarriersize=83"], |pool| {
        (pool.weight_a_sigop, pool.data_bytes_max) = (5, 83);
    });
    check(&["-nodatacarrier", "-datacarriersize=83"], |pool| pool.data_bytes_max = 0);
    assert!(read(&["-persistmempoolv1"]).mempool.is_plain);
    assert!(read(&["-acceptstalefeeestimates"]).mempool.takes_old_fees);
}

#[test]
fn an_address_is_one_in_digits() {
    let refused = settings(&config(&["-bind=nobody.invalid"]).0).unwrap_err().to_string();
    assert_eq!(refused, "Cannot resolve -bind address: 'nobody.invalid'");
}
