//! Other nodes.

use std::net::SocketAddr;
use std::time::Duration;

use adit_actors::messages::peer::{GetPeers, PingPeers, SetNetworkActive};
use adit_domain::peer::{Host, PeerInfo};
use adit_domain::units::Height;

use super::mempool::sat;
use crate::config::{Config, VERSION};
use crate::ctx::{Ctx, ask};
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::Params;
use crate::table::Category::Network;
use crate::table::{Method, method};

pub(super) const METHODS: &[Method] = &[
    method(
        "getnetworkinfo",
        Network,
        &[],
        "What this node is to others: its version and services, its connections, and what it reaches of the networks (ipv4, ipv6, onion, i2p, cjdns).",
        |c, p| Box::pin(get_network_info(c, p)),
    ),
    method(
        "getpeerinfo",
        Network,
        &[],
        "The nodes that we are connected to, each with its network (ipv4, ipv6, onion, i2p, cjdns, not_publicly_routable), what it offers, and what came from it and went to it.",
        |c, p| Box::pin(get_peer_info(c, p)),
    ),
    method("getconnectioncount", Network, &[], "How many nodes we are connected to.", |c, p| {
        Box::pin(get_connection_count(c, p))
    }),
    method("getnettotals", Network, &[], "Bytes that came and went.", |c, p| Box::pin(get_net_totals(c, p))),
    method("ping", Network, &[], "Asks all nodes for a sign of life.", |c, p| Box::pin(ping(c, p))),
];

/// The version of the protocol that we speak, as in Core.
const PROTOCOL: u32 = 70_016;
/// Blocks, all of them.
const NETWORK: u64 = 1;
/// Witnesses.
const WITNESS: u64 = 1 << 3;
/// Filters of blocks.
const COMPACT_FILTERS: u64 = 1 << 6;
/// The last blocks.
const NETWORK_LIMITED: u64 = 1 << 10;
/// Encrypted connections.
const ENCRYPTED: u64 = 1 << 11;

async fn peers(ctx: &Ctx) -> Result<Vec<PeerInfo>, RpcError> {
    let actor = ctx.node()?.peers.clone();
    ask(&actor, GetPeers).await
}

/// What we serve: a number and its names.
fn services(is_pruned: bool, filters: bool, encrypts: bool) -> (u64, Vec<Json>) {
    let mut named = vec![(WITNESS, "WITNESS"), (NETWORK_LIMITED, "NETWORK_LIMITED")];
    if filters {
        named.insert(1, (COMPACT_FILTERS, "COMPACT_FILTERS"));
    }
    if !is_pruned {
        named.insert(0, (NETWORK, "NETWORK"));
    }
    if encrypts {
        named.push((ENCRYPTED, "P2P_V2"));
    }
    let bits = named.iter().fold(0, |bits, (bit, _)| bits | bit);
    (bits, named.into_iter().map(|(_, name)| Json::from(name)).collect())
}

/// Which networks are reached, and through which proxy.
fn networks(config: &Config) -> Vec<Json> {
    let (proxy, onion) = (config.proxy, config.onion);
    let all = [
        ("ipv4", true, proxy),
        ("ipv6", true, proxy),
        ("onion", onion.is_some(), onion),
        ("i2p", false, None),
        ("cjdns", false, None),
    ];
    let shown = all.into_iter().map(|(name, reachable, proxy)| {
        object([
            ("name", Json::from(name)),
            ("limited", Json::from(!reachable)),
            ("reachable", Json::from(reachable)),
            ("proxy", Json::from(proxy.map(|at| at.to_string()).unwrap_or_default())),
            ("proxy_randomize_credentials", Json::from(proxy.is_some() && config.proxy_isolates)),
        ])
    });
    shown.collect()
}

async fn get_network_info(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let peers = peers(ctx).await?;
    let inbound = peers.iter().filter(|peer| peer.inbound).count();
    let network = ctx.node()?.network_active.clone();
    let active = ask(&network, SetNetworkActive { active: None }).await?;
    let node = ctx.node()?;
    let (bits, names) = services(node.chain.is_pruned(), node.serves_filters, node.encrypts);
    let relay = i64::try_from(node.mempool_config.min_fee_sat_per_kvb).unwrap_or(i64::MAX);
    let networks = networks(&ctx.config);
    Ok(object([
        ("version", Json::from(VERSION)),
        ("subversion", Json::from(ctx.config.subversion.clone())),
        ("protocolversion", Json::from(PROTOCOL)),
        ("localservices", Json::from(format!("{bits:016x}"))),
        ("localservicesnames", Json::List(names)),
        ("localrelay", Json::from(!node.blocks_only)),
        ("timeoffset", Json::from(0)),
        ("networkactive", Json::from(active)),
        ("connections", Json::from(peers.len())),
        ("connections_in", Json::from(inbound)),
        ("connections_out", Json::from(peers.len().saturating_sub(inbound))),
        ("networks", Json::List(networks)),
        ("relayfee", Json::Amount(relay)),
        ("incrementalfee", sat(node.mempool_config.incremental_sat_per_kvb)),
        ("localaddresses", Json::List(Vec::new())),
        ("warnings", ctx.warnings(&node)),
    ]))
}

/// The names of the bits that a peer offers.
fn names_of(bits: u64) -> Vec<Json> {
    let known = [
        (0, "NETWORK"),
        (2, "BLOOM"),
        (3, "WITNESS"),
        (6, "COMPACT_FILTERS"),
        (10, "NETWORK_LIMITED"),
        (11, "P2P_V2"),
    ];
    let name = |bit: u32| {
        let word = known.iter().find(|(known, _)| *known == bit).map(|(_, name)| Json::from(*name));
        word.unwrap_or_else(|| Json::from(format!("UNKNOWN[2^{bit}]")))
    };
    (0..u64::BITS).filter(|bit| (bits >> bit) & 1 == 1).map(name).collect()
}

/// Seconds, with their fraction.
fn seconds(ms: u64) -> Json {
    Json::Double(Duration::from_millis(ms).as_secs_f64())
}

/// A height; -1 where none is known.
fn height(height: Option<Height>) -> Json {
    height.map_or(Json::from(-1), |height| Json::from(height.to_u32()))
}

/// The network that a peer is on; of one that was named by a name nothing is known.
fn network_of(remote: &str) -> &'static str {
    let host = remote.parse::<SocketAddr>().ok().map(|at| Host::from(at.ip()));
    let host = host.or_else(|| remote.rsplit_once(':').and_then(|(name, _)| name.parse().ok()));
    host.map_or("not_publicly_routable", |host| super::addresses::network_of(&host))
}

/// As both ends show it.
fn shown_id(id: [u8; 32]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn peer(info: &PeerInfo) -> Json {
    let kinds = |kinds: &[(String, u64)]| {
        object(kinds.iter().map(|(name, bytes)| (name.clone(), Json::from(*bytes))))
    };
    let fee_filter = i64::try_from(info.fee_filter_sat_per_kvb).unwrap_or(i64::MAX);
    let mut fields = vec![("id", Json::from(info.id)), ("addr", Json::from(info.remote.clone()))];
    fields.extend(info.local.clone().map(|local| ("addrbind", Json::from(local))));
    fields.extend([
        ("network", Json::from(network_of(&info.remote))),
        ("services", Json::from(format!("{:016x}", info.services))),
        ("servicesnames", Json::List(names_of(info.services))),
        ("relaytxes", Json::from(info.relays_txs)),
        // Before the other has said what it wants it is sent nothing.
        ("last_inv_sequence", Json::from(if info.protocol == 0 { 0 } else { info.last_inv_sequence })),
        ("inv_to_send", Json::from(info.inv_to_send)),
        ("lastsend", Json::from(info.last_sent_at.to_seconds_floor())),
        ("lastrecv", Json::from(info.last_received_at.to_seconds_floor())),
        ("last_transaction", Json::from(info.last_tx_at.to_seconds_floor())),
        ("last_block", Json::from(info.last_block_at.to_seconds_floor())),
        ("bytessent", Json::from(info.bytes_sent)),
        ("bytesrecv", Json::from(info.bytes_received)),
        ("conntime", Json::from(info.connected_at.to_seconds_floor())),
        ("timeoffset", Json::from(info.time_offset_s)),
    ]);
    let pings = [("pingtime", info.ping_ms), ("minping", info.ping_min_ms), ("pingwait", info.ping_wait_ms)];
    fields.extend(pings.into_iter().filter_map(|(name, ms)| ms.map(|ms| (name, seconds(ms)))));
    fields.extend([
        ("version", Json::from(info.protocol)),
        ("subver", Json::from(info.user_agent.clone())),
        ("inbound", Json::from(info.inbound)),
        ("bip152_hb_to", Json::from(info.high_bandwidth_to)),
        ("bip152_hb_from", Json::from(info.high_bandwidth_from)),
        ("presynced_headers", height(info.presynced_headers)),
        ("synced_headers", height(info.synced_headers)),
        ("synced_blocks", height(info.synced_blocks)),
        ("inflight", Json::List(info.in_flight.iter().map(|at| Json::from(at.to_u32())).collect())),
        ("addr_relay_enabled", Json::from(info.addr_relay)),
        ("addr_processed", Json::from(info.addr_processed)),
        ("addr_rate_limited", Json::from(info.addr_limited)),
        ("permissions", Json::List(info.permissions.names().into_iter().map(Json::from).collect())),
        ("minfeefilter", Json::Amount(fee_filter)),
        ("bytessent_per_msg", kinds(&info.sent_by_kind)),
        ("bytesrecv_per_msg", kinds(&info.received_by_kind)),
        ("connection_type", Json::from(info.kind.name())),
        ("transport_protocol_type", Json::from(info.transport.name())),
        ("session_id", Json::from(info.session_id.map(shown_id).unwrap_or_default())),
    ]);
    object(fields)
}

async fn get_peer_info(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    Ok(Json::List(peers(ctx).await?.iter().map(peer).collect()))
}

async fn get_connection_count(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    Ok(Json::from(peers(ctx).await?.len()))
}

/// Of the connections that there are: what closed ones have moved is not kept.
async fn get_net_totals(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let peers = peers(ctx).await?;
    let sum = |of: fn(&PeerInfo) -> u64| peers.iter().map(of).fold(0, u64::saturating_add);
    let target = object([
        ("timeframe", Json::from(86_400)),
        ("target", Json::from(0)),
        ("target_reached", Json::from(false)),
        ("serve_historical_blocks", Json::from(true)),
        ("bytes_left_in_cycle", Json::from(0)),
        ("time_left_in_cycle", Json::from(0)),
    ]);
    Ok(object([
        ("totalbytesrecv", Json::from(sum(|peer| peer.bytes_received))),
        ("totalbytessent", Json::from(sum(|peer| peer.bytes_sent))),
        ("timemillis", Json::from(ctx.node()?.clock.now().to_ms())),
        ("uploadtarget", target),
    ]))
}

/// They are sent a moment later.
async fn ping(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let actor = ctx.node()?.ping_peers.clone();
    ask(&actor, PingPeers).await.map(|()| Json::Null)
}
