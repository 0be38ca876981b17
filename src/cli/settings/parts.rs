//! The tables of the configuration, one function each.

use std::path::Path;
use std::time::Duration;

use adit_actors::root::{
    ChainSettings, MempoolSettings, PeerSettings, PoolSettings, RpcAuth, RpcSettings, RpcTcp,
};
use adit_actors::supervision::Intensity;
use adit_chainstate::IndexConfig;
use adit_compat::{Publisher, Topic};
use adit_domain::mempool::MempoolConfig;
use adit_domain::mempool::limits::{CLUSTER_TXS_MAX, CLUSTER_VSIZE_MAX};
use adit_domain::peer::limits::HANDSHAKE_MS_MAX;
use adit_domain::peer::{HostNetwork, Whitelist};
use adit_domain::units::{Difficulty, parse_address};
use bitcoin::ScriptBuf;

use super::reader::Reader;
use super::{Network, SettingsError};

const TRANSACTIONS: &str = "index.transactions";
const NONSTANDARD: &str = "mempool.accept_nonstandard";
const SMALL_FILES: &str = "chain.small_files";
const PRUNE_EXPECTED: &str =
    "0 (every block is kept), 1 (blocks go by command only), or a whole number from 550 to 16777216 (MiB)";
/// 16 TiB.
const PRUNE_MIB_MAX: u64 = 1 << 24;
/// What a day of blocks, the two before it, and what is being written take in all: Core's least.
const PRUNE_MIB_MIN: u64 = 550;

/// Whether block files may be pruned to so many MiB, or by command only; a test's chain is small.
fn is_prune_size(mib: u64, network: Network) -> bool {
    mib <= 1 || mib >= PRUNE_MIB_MIN || network == Network::Regtest
}

pub(super) fn chain(r: &mut Reader, network: Network) -> Result<ChainSettings, SettingsError> {
    let place = r.place(SMALL_FILES);
    let small_files = r.flag(SMALL_FILES)?;
    if small_files && network != Network::Regtest {
        let expected = format!("false on {network}: the key is for regtest");
        return Err(SettingsError::bad(SMALL_FILES, "true", &place, &expected));
    }
    Ok(ChainSettings {
        cache_mib: r.number("chain.cache_mib", 4, 1 << 20, "MiB")?,
        script_cache_mib: r.number("chain.script_cache_mib", 0, 1 << 14, "MiB")?,
        script_threads: r.number("chain.script_threads", 0, 256, "threads; 0: one a core")?,
        prune_mib: r.one("chain.prune_mib", PRUNE_EXPECTED, |t| {
            t.parse().ok().filter(|mib| *mib <= PRUNE_MIB_MAX && is_prune_size(*mib, network))
        })?,
        small_files,
    })
}

/// Filters and statistics are whole without the blocks that they were made of; a transaction is read from its block.
pub(super) fn index(r: &mut Reader, is_pruned: bool) -> Result<IndexConfig, SettingsError> {
    let mut of_whole_blocks = |key: &'static str| {
        let place = r.place(key);
        match r.flag(key)? {
            true if is_pruned => {
                Err(SettingsError::bad(key, "true", &place, "false where chain.prune_mib is not 0"))
            }
            flag => Ok(flag),
        }
    };
    let (transactions, spenders) = (of_whole_blocks(TRANSACTIONS)?, of_whole_blocks("index.spenders")?);
    let (filters, coin_stats) = (r.flag("index.filters")?, r.flag("index.coin_stats")?);
    Ok(IndexConfig { transactions, filters, coin_stats, spenders })
}

pub(super) fn peer(r: &mut Reader) -> Result<PeerSettings, SettingsError> {
    let host_port = |t: &str| {
        let (host, port) = t.rsplit_once(':')?;
        let sound = !host.is_empty() && port.parse::<u16>().is_ok_and(|p| p != 0);
        sound.then(|| t.to_owned())
    };
    Ok(PeerSettings {
        listen: r.listen("p2p.listen")?,
        listen_more: Vec::new(),
        listen_maybe: Vec::new(),
        connect: r.many("p2p.connect", "a list of HOST:PORT such as 127.0.0.1:18444", host_port)?,
        inbound_max: r.number("p2p.inbound_max", 0, 10_000, "connections")?,
        user_agent: None,
        whitelist: Whitelist::default(),
        timeout_s: HANDSHAKE_MS_MAX / 1_000,
        blocks_only: false,
        serves_filters: false,
        encrypts: r.flag("p2p.encrypted")?,
        reachable: vec![HostNetwork::Ipv4, HostNetwork::Ipv6],
        fixed_places: false,
        is_active: true,
    })
}

/// A bitcoin for 1,000 virtual bytes: no policy asks for more.
pub(crate) const FEE_SAT_MAX: u64 = 100_000_000;
/// What a transaction weighs at most: its data outputs cannot be larger.
pub(crate) const DATA_BYTES_MAX: usize = 4_000_000;
/// Beyond it one signature takes a whole block.
pub(crate) const WEIGHT_A_SIGOP_MAX: u64 = 4_000_000;
/// As long as a process may run: 114 years.
pub(crate) const EXPIRY_H_MAX: u64 = 1_000_000;
const HOUR_MS: u64 = 60 * 60 * 1_000;

pub(super) fn mempool(r: &mut Reader, network: Network) -> Result<MempoolSettings, SettingsError> {
    let max_mib: u64 = r.number("mempool.max_mib", 5, 1 << 16, "MiB")?;
    let mut fee = |name: &str| r.number(&format!("mempool.{name}_sat_per_kvb"), 0, FEE_SAT_MAX, "satoshis");
    let (min, incremental, dust) = (fee("min_fee")?, fee("incremental_fee")?, fee("dust_fee")?);
    let block_min = fee("block_min_fee")?;
    let cluster_kvb: u64 = r.number("mempool.cluster_kvb_max", 1, CLUSTER_VSIZE_MAX / 1_000, "thousands")?;
    let expiry_h: u64 = r.number("mempool.expiry_h", 1, EXPIRY_H_MAX, "hours")?;
    let place = r.place(NONSTANDARD);
    let accept_nonstandard = r.flag(NONSTANDARD)?;
    if accept_nonstandard && network == Network::Mainnet {
        return Err(SettingsError::bad(NONSTANDARD, "true", &place, "false on mainnet"));
    }
    let pool = MempoolConfig {
        bytes_max: max_mib.saturating_mul(1 << 20),
        min_fee_sat_per_kvb: min,
        incremental_sat_per_kvb: incremental,
        dust_sat_per_kvb: dust,
        data_bytes_max: r.number("mempool.data_bytes_max", 0, DATA_BYTES_MAX, "bytes")?,
        bare_multisig: r.flag("mempool.bare_multisig")?,
        is_strict: !accept_nonstandard,
        cluster_txs_max: r.number("mempool.cluster_txs_max", 1, CLUSTER_TXS_MAX, "transactions")?,
        cluster_vsize_max: cluster_kvb.saturating_mul(1_000),
        expiry_ms: expiry_h.saturating_mul(HOUR_MS),
        weight_a_sigop: r.number("mempool.bytes_per_sigop", 0, WEIGHT_A_SIGOP_MAX, "virtual bytes")?,
        block_min_sat_per_kvb: block_min,
    };
    Ok(MempoolSettings { pool, is_kept: r.flag("mempool.persist")?, is_plain: false, takes_old_fees: false })
}

/// All of the keys are read and checked, whether the pool is on or off.
pub(super) fn pool(r: &mut Reader, network: Network) -> Result<Option<PoolSettings>, SettingsError> {
    let payout_script = payout_script(r, network)?;
    let listen = r.listen("stratum.listen")?;
    let (difficulty_start, difficulty_min, difficulty_max) = difficulties(r)?;
    let fee_basis_points = r.number("pool.fee_basis_points", 0, 10_000, "hundredths of a percent")?;
    let tip_age_h_max = r.number("pool.tip_age_h_max", 0, 1_000_000, "hours; 0: any")?;
    let window_factor = r.number("pool.window_factor", 1, 1000, "blocks' work")?;
    let shares_per_minute = r.number("stratum.shares_per_minute", 1, 6000, "shares a minute")?;
    let connections_max = r.number("stratum.connections_max", 1, 1_000_000, "connections")?;
    let connections_per_ip_max = r.number("stratum.connections_per_ip_max", 1, 1_000_000, "connections")?;
    let (Some(payout_script), Some(listen)) = (payout_script, listen) else { return Ok(None) };
    Ok(Some(PoolSettings {
        listen,
        payout_script,
        fee_basis_points,
        tip_age_h_max,
        window_factor,
        difficulty_start,
        difficulty_min,
        difficulty_max,
        shares_per_minute,
        connections_max,
        connections_per_ip_max,
    }))
}

/// Where found blocks pay to; none where the pool is off.
fn payout_script(r: &mut Reader, network: Network) -> Result<Option<ScriptBuf>, SettingsError> {
    let expected = format!("an address of {network}, or nothing");
    r.one("pool.address", &expected, |t| {
        if t.is_empty() {
            return Some(None);
        }
        Some(Some(parse_address(t, network.to_bitcoin()).ok()?.script_pubkey()))
    })
}

/// Start, lowest and highest; the start lies between the others.
fn difficulties(r: &mut Reader) -> Result<(Difficulty, Difficulty, Difficulty), SettingsError> {
    let key = "stratum.difficulty_start";
    let (place, typed) = (r.place(key), r.typed(key));
    let start = r.difficulty(key)?;
    let min = r.difficulty("stratum.difficulty_min")?;
    let max = r.difficulty("stratum.difficulty_max")?;
    if !(min..=max).contains(&start) {
        let expected = "a difficulty from stratum.difficulty_min to stratum.difficulty_max";
        return Err(SettingsError::bad(key, &typed, &place, expected));
    }
    Ok((start, min, max))
}

pub(super) fn rpc(r: &mut Reader, folder: &Path) -> Result<RpcSettings, SettingsError> {
    let socket = r.path("rpc.socket")?;
    let listen = r.listen("rpc.listen")?;
    let token = r.path("rpc.token_file")?.unwrap_or_else(|| folder.join("rpc.token"));
    let auth = tls(r)?.unwrap_or(RpcAuth::Token { file: token });
    Ok(RpcSettings { socket, tcp: listen.map(|listen| RpcTcp { listen, auth }) })
}

/// JSON-RPC as Bitcoin Core's clients know it.
pub(super) fn jsonrpc(r: &mut Reader, folder: &Path) -> Result<Option<adit_compat::Config>, SettingsError> {
    let listen = r.listen("jsonrpc.listen")?;
    let cookie = r.path("jsonrpc.cookie_file")?.unwrap_or_else(|| folder.join(".cookie"));
    let allow = r.many("jsonrpc.allow", "a list of ADDRESS or ADDRESS/BITS", |t| t.parse().ok())?;
    let auth = r.many("jsonrpc.auth", "a list of USER:SALT$HMAC", |t| {
        let sound = t.split_once(':').is_some_and(|(_, rest)| rest.contains('$'));
        sound.then(|| t.to_owned())
    })?;
    let rest = r.flag("jsonrpc.rest")?;
    let config = |listen| {
        let config = adit_compat::Config::new(vec![listen], Some(cookie));
        adit_compat::Config { allow, auth, rest, ..config }
    };
    Ok(listen.map(config))
}

/// What is published over ZeroMQ.
pub(super) fn zmq(r: &mut Reader) -> Result<Vec<Publisher>, SettingsError> {
    let most: usize = r.number("zmq.queue_max", 0, 1_000_000, "messages")?;
    let mut all = Vec::new();
    for topic in Topic::ALL {
        let make = |text: &str| Publisher::parse(topic, text, most);
        all.extend(r.many(
            &format!("zmq.{}", topic.name()),
            "a list of tcp://HOST:PORT or ipc://PATH",
            make,
        )?);
    }
    Ok(all)
}

/// All three files or none.
fn tls(r: &mut Reader) -> Result<Option<RpcAuth>, SettingsError> {
    let place = r.place("rpc.tls_cert");
    match (r.path("rpc.tls_cert")?, r.path("rpc.tls_key")?, r.path("rpc.tls_client_ca")?) {
        (None, None, None) => Ok(None),
        (Some(cert), Some(key), Some(client_ca)) => Ok(Some(RpcAuth::MutualTls { cert, key, client_ca })),
        (cert, ..) => {
            let typed = cert.map(|c| c.display().to_string()).unwrap_or_default();
            let expected = "rpc.tls_cert, rpc.tls_key and rpc.tls_client_ca together, or none of them";
            Err(SettingsError::bad("rpc.tls_cert", &typed, &place, expected))
        }
    }
}

pub(super) fn intensity(r: &mut Reader) -> Result<Intensity, SettingsError> {
    Ok(Intensity {
        restarts_max: r.number("supervision.restarts_max", 0, 10_000, "restarts")?,
        period: Duration::from_secs(r.number("supervision.period_s", 1, 86_400, "seconds")?),
    })
}
