//! Core's settings as Adit's.
//!
//! Owns: which key of config/default.toml a flag becomes, and what it becomes where there is no key. Must not know: how a node
//! is started. What comes in has passed every check.

use std::net::SocketAddr;

use adit_compat::Topic;
use adit_domain::mempool::limits::{CLUSTER_TXS_MAX, CLUSTER_VSIZE_MAX};
use adit_domain::peer::{HostNetwork, Whitelist, Whitelisted};
use adit_store::Layout;

use super::check::{self, CONNECTIONS};
use super::config::Config;
use super::error::InitError;
use super::layers::Layers;
use super::network;
use super::paths::Paths;
use super::policy;
use super::serve;
use crate::cli::settings::{DATA_BYTES_MAX, EXPIRY_H_MAX, FEE_SAT_MAX, WEIGHT_A_SIGOP_MAX};
use crate::cli::settings::{Given, Settings};

/// What connections out take of `-maxconnections`, as in Core: eight that relay all, two for blocks alone, one that tries others.
const OUTBOUND: i64 = 11;
/// What threads are taken as many of as cores: more is a mistake.
const THREADS_MAX: i64 = 256;
/// The most that a cache may be, in MiB: what adit.toml bears.
const CACHE_MIB_MAX: i64 = 1 << 20;
/// The least.
const CACHE_MIB_MIN: i64 = 4;
/// What block files may take at most, in MiB: beyond it nothing is ever pruned.
const PRUNE_MIB_MAX: i64 = 1 << 24;
/// Bytes of our megabyte.
const MEBIBYTE: u64 = 1 << 20;

/// A key of config/default.toml, its value, and the flag that it comes from.
pub(super) type Line = (String, String, String);

/// The keys that the settings become.
pub(super) fn keys(config: &Config) -> Result<Vec<Line>, InitError> {
    let layers = &config.layers;
    let mut keys = Keys(Vec::new());
    keys.add("chain", "network", config.chain.network().as_str().to_owned());
    keys.add("datadir", "datadir", Paths::of(layers).base().display().to_string());
    chain_keys(layers, &mut keys);
    test_keys(layers, &mut keys);
    peer_keys(config, &mut keys)?;
    mempool_keys(layers, &mut keys);
    // What Core does not have.
    keys.add("server", "stratum.listen", String::new());
    Ok(keys.0)
}

/// Adit's settings.
pub(super) fn settings(config: &Config) -> Result<Settings, InitError> {
    let flags = keys(config)?.into_iter().map(|(key, value, flag)| (format!("-{flag}"), key, value));
    let given = Given { file: None, env: Vec::new(), flags: flags.collect() };
    let mut settings = Settings::read(&given).map_err(|error| InitError::said(error.to_string()))?;
    settings.layout = Layout::Core { blocks: Paths::of(&config.layers).blocks_base(config.chain) };
    settings.datadir = config.folder();
    let listens = network::listens(config)?;
    settings.peer.listen_more = listens.must.into_iter().skip(1).collect();
    settings.peer.listen_maybe = listens.maybe;
    settings.peer.user_agent = Some(adit_compat::Config::subversion(&check::comments(config)?));
    settings.peer.whitelist = whitelist(&config.layers)?;
    settings.peer.timeout_s = timeout_s(&config.layers)?;
    settings.peer.blocks_only = config.layers.switch("blocksonly", false);
    settings.peer.serves_filters = config.layers.switch("peerblockfilters", false);
    settings.peer.encrypts = config.layers.switch("v2transport", true);
    settings.peer.reachable = reachable(config)?;
    let tests = config.layers.texts("test");
    let tests = |name: &str| tests.iter().any(|text| text == name);
    settings.peer.fixed_places = tests("addrman");
    settings.params.pow.enforce_bip94 |= tests("bip94");
    settings.peer.is_active = config.layers.switch("networkactive", true);
    settings.mempool = policy::of(&config.layers);
    Ok(settings)
}

/// The networks that are reached: hidden services where there is a proxy for them, cjdns where it runs on this machine.
fn reachable(config: &Config) -> Result<Vec<HostNetwork>, InitError> {
    let onion = network::proxies(&config.layers)?.onion.map(|_| HostNetwork::Onion);
    let cjdns = config.layers.switch("cjdnsreachable", false).then_some(HostNetwork::Cjdns);
    Ok([HostNetwork::Ipv4, HostNetwork::Ipv6].into_iter().chain(onion).chain(cjdns).collect())
}

/// Who may do what others may not.
fn whitelist(layers: &Layers) -> Result<Whitelist, InitError> {
    let row = |text: String| Whitelisted::parse(&text).map_err(|error| InitError::said(error.to_string()));
    Ok(Whitelist {
        rows: layers.texts("whitelist").into_iter().map(row).collect::<Result<_, _>>()?,
        no_relay: !layers.switch("whitelistrelay", true),
        force_relay: layers.switch("whitelistforcerelay", false),
    })
}

/// How long a handshake may take, and how long nothing else is missed.
fn timeout_s(layers: &Layers) -> Result<u64, InitError> {
    let seconds = u64::try_from(layers.number("peertimeout", 60)).ok().filter(|seconds| *seconds > 0);
    seconds.ok_or_else(|| InitError::said("peertimeout must be a positive integer."))
}

struct Keys(Vec<Line>);

impl Keys {
    fn add(&mut self, flag: &str, key: &str, value: String) {
        self.0.push((key.to_owned(), value, flag.to_owned()));
    }

    fn switch(&mut self, layers: &Layers, flag: &str, key: &str) {
        if layers.is_set(flag) {
            self.add(flag, key, layers.switch(flag, false).to_string());
        }
    }

    fn text(&mut self, layers: &Layers, flag: &str, key: &str) {
        if let Some(text) = layers.text(flag) {
            self.add(flag, key, text);
        }
    }
}

fn chain_keys(layers: &Layers, keys: &mut Keys) {
    if layers.is_set("dbcache") {
        let mib = layers.number("dbcache", 0).clamp(CACHE_MIB_MIN, CACHE_MIB_MAX);
        keys.add("dbcache", "chain.cache_mib", mib.to_string());
    }
    if layers.is_set("par") {
        keys.add("par", "chain.script_threads", threads(layers.number("par", 0)).to_string());
    }
    keys.text(layers, "assumevalid", "chain.assume_valid");
    keys.text(layers, "minimumchainwork", "chain.minimum_chain_work");
    keys.switch(layers, "txindex", "index.transactions");
    keys.switch(layers, "coinstatsindex", "index.coin_stats");
    keys.switch(layers, "txospenderindex", "index.spenders");
    if layers.is_set("blockfilterindex") {
        keys.add("blockfilterindex", "index.filters", check::keeps_filters(layers).to_string());
    }
    if layers.number("prune", 0) > 0 {
        let mib = layers.number("prune", 0).min(PRUNE_MIB_MAX);
        keys.add("prune", "chain.prune_mib", mib.to_string());
    }
}

/// Threads for scripts: none is one a core, and below it so many cores are left to others.
fn threads(par: i64) -> i64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = i64::try_from(cores).unwrap_or(1);
    match par {
        0 => 0,
        ..0 => cores.saturating_add(par).clamp(1, THREADS_MAX),
        _ => par.min(THREADS_MAX),
    }
}

fn test_keys(layers: &Layers, keys: &mut Keys) {
    keys.switch(layers, "fastprune", "chain.small_files");
    let lists = [
        ("testactivationheight", "chain.test_activation_heights"),
        ("vbparams", "chain.version_bits"),
        ("signetchallenge", "chain.signet_challenge"),
    ];
    for (flag, key) in lists {
        let texts = layers.texts(flag);
        if !texts.is_empty() {
            keys.add(flag, key, texts.join(","));
        }
    }
}

/// Where others connect, whom to connect to, and how many.
fn peer_keys(config: &Config, keys: &mut Keys) -> Result<(), InitError> {
    let layers = &config.layers;
    let listen = network::listens(config)?.must.first().map(SocketAddr::to_string).unwrap_or_default();
    keys.add("bind", "p2p.listen", listen);
    let port = config.chain.port();
    let targets = targets(layers);
    let targets = targets.iter().map(|target| with_port(target, port)).collect::<Result<Vec<_>, _>>()?;
    keys.add("connect", "p2p.connect", targets.join(","));
    let most = layers.number("maxconnections", CONNECTIONS).saturating_sub(OUTBOUND).clamp(0, 10_000);
    keys.add("maxconnections", "p2p.inbound_max", most.to_string());
    Ok(())
}

/// Whom to stay connected to.
fn targets(layers: &Layers) -> Vec<String> {
    if !layers.switch("networkactive", true) {
        return Vec::new();
    }
    let only: Vec<String> = layers.texts("connect");
    let none = only.len() == 1 && only.first().is_some_and(|text| text == "0");
    let only = if none { Vec::new() } else { only };
    only.into_iter().chain(layers.texts("addnode")).collect()
}

/// `HOST:PORT` of a host that may have none.
fn with_port(target: &str, default: u16) -> Result<String, InitError> {
    let (host, port) = check::host_and_port(target)
        .ok_or_else(|| InitError::said(format!("Invalid port specified in -connect: '{target}'")))?;
    let port = port.unwrap_or(default);
    Ok(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}

/// What of the mempool's policy is not as it is by itself; as near as the keys come.
fn mempool_keys(layers: &Layers, keys: &mut Keys) {
    let mib = |bytes: u64| bytes.div_ceil(MEBIBYTE).clamp(5, 1 << 16).to_string();
    let fee = |sat: u64| sat.min(FEE_SAT_MAX).to_string();
    let count = |number: usize, most: usize| number.min(most).to_string();
    let policy = policy::of(layers);
    let (pool, data) = (policy.pool, count(policy.pool.data_bytes_max, DATA_BYTES_MAX));
    let hours = (pool.expiry_ms / policy::HOUR_MS).clamp(1, EXPIRY_H_MAX);
    let cluster_kvb = (pool.cluster_vsize_max / 1_000).clamp(1, CLUSTER_VSIZE_MAX / 1_000);
    let cluster_txs = count(pool.cluster_txs_max.max(1), CLUSTER_TXS_MAX);
    let rows = [
        ("maxmempool", "max_mib", mib(pool.bytes_max)),
        ("minrelaytxfee", "min_fee_sat_per_kvb", fee(pool.min_fee_sat_per_kvb)),
        ("incrementalrelayfee", "min_fee_sat_per_kvb", fee(pool.min_fee_sat_per_kvb)),
        ("incrementalrelayfee", "incremental_fee_sat_per_kvb", fee(pool.incremental_sat_per_kvb)),
        ("dustrelayfee", "dust_fee_sat_per_kvb", fee(pool.dust_sat_per_kvb)),
        ("blockmintxfee", "block_min_fee_sat_per_kvb", fee(pool.block_min_sat_per_kvb)),
        ("datacarrier", "data_bytes_max", data.clone()),
        ("datacarriersize", "data_bytes_max", data),
        ("permitbaremultisig", "bare_multisig", pool.bare_multisig.to_string()),
        ("bytespersigop", "bytes_per_sigop", pool.weight_a_sigop.min(WEIGHT_A_SIGOP_MAX).to_string()),
        ("limitclustercount", "cluster_txs_max", cluster_txs),
        ("limitclustersize", "cluster_kvb_max", cluster_kvb.to_string()),
        ("mempoolexpiry", "expiry_h", hours.to_string()),
        ("persistmempool", "persist", policy.is_kept.to_string()),
        ("acceptnonstdtxn", "accept_nonstandard", (!pool.is_strict).to_string()),
    ];
    let mut named: Vec<&str> = Vec::new();
    for (flag, key, value) in rows {
        // Two flags may speak of one key.
        if layers.is_set(flag) && !named.contains(&key) {
            named.push(key);
            keys.add(flag, &format!("mempool.{key}"), value);
        }
    }
}

/// The keys of JSON-RPC, which `adit run` serves too; adit.toml has less to say of it.
pub(super) fn rpc_keys(config: &Config) -> Result<Vec<Line>, InitError> {
    let (layers, mut keys) = (&config.layers, Keys(Vec::new()));
    for topic in Topic::ALL {
        let (flag, texts) =
            (format!("zmqpub{}", topic.name()), layers.texts(&format!("zmqpub{}", topic.name())));
        if !texts.is_empty() {
            keys.add(&flag, &format!("zmq.{}", topic.name()), texts.join(","));
        }
    }
    if !layers.switch("server", true) {
        return Ok(keys.0);
    }
    let listen = serve::binds(config)?.into_iter().find(SocketAddr::is_ipv4);
    keys.add("rpcbind", "jsonrpc.listen", listen.map(|at| at.to_string()).unwrap_or_default());
    for (flag, key) in [("rpcauth", "jsonrpc.auth"), ("rpcallowip", "jsonrpc.allow")] {
        let texts = layers.texts(flag);
        if !texts.is_empty() {
            keys.add(flag, key, texts.join(","));
        }
    }
    keys.switch(layers, "rest", "jsonrpc.rest");
    Ok(keys.0)
}

#[cfg(test)]
mod tests;
