//! JSON-RPC by Core's settings.
//!
//! Owns: what of the settings the server is told. Must not know: a method.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use adit_actors::clock::SystemEntropy;
use adit_compat::{Config as RpcConfig, Publisher, Server, Topic, Zmq};

use super::check;
use super::config::Config;
use super::error::InitError;
use super::layers::Layers;
use super::network;
use super::paths::Paths;
use crate::cli::host;

/// Requests that wait, and threads, at most.
const WORK_MAX: i64 = 100_000;
const THREADS_MAX: i64 = 1_024;
/// Core's defaults.
const WORK: i64 = 64;
const THREADS: i64 = 16;
/// Seconds that a ban lasts, as in Core: a day.
const BAN_S: i64 = 24 * 60 * 60;
const TIMEOUT_S: i64 = 30;
const ZMQ_MESSAGES: i64 = 1_000;
const TIP_AGE_S: i64 = 24 * 60 * 60;

/// Starts the server, which says that the node warms up; none with `-server=0`.
pub(super) fn start(config: &Config, zmq: Option<&Zmq>) -> Result<Option<Server>, InitError> {
    if !config.layers.switch("server", true) {
        return Ok(None);
    }
    let zmq = zmq.map(|zmq| zmq.publishers().to_vec()).unwrap_or_default();
    let connections_max = host::rpc_connections_max();
    let server = Server::start(RpcConfig { zmq, connections_max, ..settings(config)? }, &SystemEntropy);
    server.map(Some).map_err(|error| {
        tracing::error!("{error}");
        InitError::said("Unable to start HTTP server. See debug log for details.")
    })
}

/// Publishes over ZeroMQ what is asked for. Where an address can't be had nothing is, and the node starts all the same, as Core does.
pub(super) fn publish(config: &Config) -> Option<Zmq> {
    let zmq = Zmq::start(publishers(config));
    zmq.unwrap_or_else(|error| {
        tracing::error!("ZMQ: nothing is published: {error}");
        None
    })
}

/// What `-zmqpub...` ask for.
pub(super) fn publishers(config: &Config) -> Vec<Publisher> {
    let layers = &config.layers;
    let of = |topic: Topic| {
        let flag = format!("zmqpub{}", topic.name());
        let most = layers.number(&format!("{flag}hwm"), ZMQ_MESSAGES).max(0);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let addresses = layers.texts(&flag);
        addresses.into_iter().map(move |address| Publisher::new(topic, &address, most))
    };
    Topic::ALL.into_iter().flat_map(of).collect()
}

/// What the server is told.
pub(super) fn settings(config: &Config) -> Result<RpcConfig, InitError> {
    let (layers, paths) = (&config.layers, Paths::of(&config.layers));
    let cookie = paths.in_folder(config.chain, "rpccookiefile", ".cookie");
    let whole = |name: &str, default: i64, most: i64| {
        usize::try_from(layers.number(name, default).clamp(1, most)).unwrap_or(1)
    };
    let allow = layers.texts("rpcallowip").iter().map(|text| text.parse()).collect::<Result<_, _>>();
    let refused = |error| format!("{error}\nError: Unable to start HTTP server. See debug log for details.");
    let timeout = u64::try_from(layers.number("rpcservertimeout", TIMEOUT_S).max(1)).unwrap_or(1);
    let proxies = network::proxies(layers)?;
    Ok(RpcConfig {
        allow: allow.map_err(|error: adit_compat::AuthError| InitError::Said(refused(error)))?,
        user: layers.text("rpcuser").unwrap_or_default(),
        password: layers.text("rpcpassword").unwrap_or_default(),
        auth: layers.texts("rpcauth"),
        whitelist: layers.texts("rpcwhitelist"),
        whitelist_default: layers.get("rpcwhitelistdefault").map(|value| value.is_yes()),
        cookie_mode: cookie_mode(config)?,
        threads: whole("rpcthreads", THREADS, THREADS_MAX),
        work_queue: whole("rpcworkqueue", WORK, WORK_MAX),
        rest: layers.switch("rest", false),
        timeout: Duration::from_secs(timeout),
        subversion: RpcConfig::subversion(&check::comments(config)?),
        tip_age_s_max: u64::try_from(layers.number("maxtipage", TIP_AGE_S)).unwrap_or(0),
        proxy: proxies.proxy,
        onion: proxies.onion,
        proxy_isolates: proxies.isolates,
        debug_log: paths.in_folder(config.chain, "debuglogfile", "debug.log").unwrap_or_default(),
        log_categories: check::debug_categories(layers),
        block_version: block_version(layers),
        block_weight_max: weight(layers, "blockmaxweight", check::BLOCK_WEIGHT_MAX),
        block_weight_reserved: weight(layers, "blockreservedweight", check::RESERVED_WEIGHT),
        signer: layers.text("signer").unwrap_or_default(),
        ban_s: u64::try_from(layers.number("bantime", BAN_S)).unwrap_or_default(),
        deprecated: layers.texts("deprecatedrpc"),
        ..RpcConfig::new(binds(config)?, cookie)
    })
}

/// A weight of blocks, which has passed its checks.
fn weight(layers: &Layers, name: &str, default: i64) -> u64 {
    u64::try_from(layers.number(name, default)).unwrap_or_default()
}

/// `-blockversion`.
fn block_version(layers: &Layers) -> Option<i32> {
    layers.is_set("blockversion").then(|| i32::try_from(layers.number("blockversion", 0)).ok()).flatten()
}

/// Who may read the cookie.
fn cookie_mode(config: &Config) -> Result<u32, InitError> {
    match config.layers.text("rpccookieperms").as_deref() {
        None | Some("owner") => Ok(0o600),
        Some("group") => Ok(0o640),
        Some("all") => Ok(0o644),
        Some(text) => {
            tracing::error!("Invalid -rpccookieperms={text}; must be one of 'owner', 'group', or 'all'.");
            Err(InitError::said("Unable to start HTTP server. See debug log for details."))
        }
    }
}

/// Where it listens. Both flags are wanted for anything but this machine, since each alone is a mistake.
pub(super) fn binds(config: &Config) -> Result<Vec<SocketAddr>, InitError> {
    let layers = &config.layers;
    let port =
        u16::try_from(layers.number("rpcport", i64::from(config.chain.rpc_port()))).unwrap_or_default();
    let (binds, allowed) = (layers.texts("rpcbind"), !layers.list("rpcallowip").is_empty());
    if binds.is_empty() || !allowed {
        if !binds.is_empty() {
            tracing::warn!(
                "Option -rpcbind was ignored because -rpcallowip was not specified, refusing to allow everyone to connect"
            );
        } else if allowed {
            tracing::warn!(
                "Option -rpcallowip was specified without -rpcbind; this doesn't usually make sense"
            );
        }
        let here: [IpAddr; 2] = [Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        return Ok(here.map(|ip| SocketAddr::new(ip, port)).to_vec());
    }
    let bind = |text: &String| {
        let (host, own) = check::host_and_port(text)?;
        let ip = if host == "localhost" { Some(Ipv4Addr::LOCALHOST.into()) } else { host.parse().ok() };
        ip.map(|ip| SocketAddr::new(ip, own.unwrap_or(port)))
    };
    let wrong = |text: &String| InitError::said(format!("Cannot resolve -rpcbind address: '{text}'"));
    binds.iter().map(|text| bind(text).ok_or_else(|| wrong(text))).collect()
}

#[cfg(test)]
mod tests;
