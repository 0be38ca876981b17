//! The addresses of other nodes that are known.

use adit_actors::peer::AddedAddress;
use adit_domain::peer::{Host, HostNetwork, KnownNode, Listed, NodeAddress};

use crate::ctx::Ctx;
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::Params;
use crate::table::Category::{Hidden, Network};
use crate::table::{Kind, Method, method, opt, req};

pub(super) const METHODS: &[Method] = &[
    method(
        "getnodeaddresses",
        Network,
        &[opt("count", Kind::Num), opt("network", Kind::Str)],
        "Some addresses of nodes that are known, drawn by chance; 0: all.",
        |c, p| Box::pin(get_node_addresses(c, p)),
    ),
    method(
        "getaddrmaninfo",
        Network,
        &[],
        "How many addresses of nodes are known, by their network.",
        |c, p| Box::pin(get_addrman_info(c, p)),
    ),
    method(
        "getrawaddrman",
        Hidden,
        &[],
        "Every address of a node that is known, at its place in its table.",
        |c, p| Box::pin(get_raw_addrman(c, p)),
    ),
    method(
        "addpeeraddress",
        Hidden,
        &[req("address", Kind::Str), req("port", Kind::Num), opt("tried", Kind::Bool)],
        "Adds the address of a node, as if it had told of itself. For tests.",
        |c, p| Box::pin(add_peer_address(c, p)),
    ),
];

/// What a node offers that is worth its address: blocks, with witnesses.
const SERVICES: u64 = 1 | 1 << 3;
/// What Core calls the network of an address that nobody can be reached at.
const UNROUTABLE: &str = "not_publicly_routable";

/// A network's name, as Core shows it.
pub(super) fn network_of(host: &Host) -> &'static str {
    host.network().map_or(UNROUTABLE, HostNetwork::name)
}

async fn get_node_addresses(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let count = params.opt_int::<i32>(0)?.unwrap_or(1);
    let Ok(count) = usize::try_from(count) else {
        return Err(RpcError::invalid_parameter("Address count out of range"));
    };
    let network = match params.opt_str(1)? {
        None => None,
        Some(name) => Some(
            HostNetwork::named(name)
                .ok_or_else(|| RpcError::invalid_parameter(format!("Network not recognized: {name}")))?,
        ),
    };
    let drawn = ctx.node()?.node_addresses.draw(count, network);
    Ok(Json::List(drawn.iter().map(node).collect()))
}

fn node(node: &KnownNode) -> Json {
    object([
        ("time", Json::from(node.time_s)),
        ("services", Json::from(node.services)),
        ("address", Json::text(node.address.host)),
        ("port", Json::from(node.address.port)),
        ("network", Json::from(network_of(&node.address.host))),
    ])
}

async fn get_addrman_info(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let counts = ctx.node()?.node_addresses.counts();
    let shown = |new: usize, tried: usize| {
        object([
            ("new", Json::from(new)),
            ("tried", Json::from(tried)),
            ("total", Json::from(new.saturating_add(tried))),
        ])
    };
    let all = counts
        .iter()
        .fold((0usize, 0usize), |(new, tried), (_, n, t)| (new.saturating_add(*n), tried.saturating_add(*t)));
    let each = counts.iter().map(|(network, new, tried)| (network.name(), shown(*new, *tried)));
    Ok(object(each.chain([("all_networks", shown(all.0, all.1))])))
}

async fn get_raw_addrman(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let places = ctx.node()?.node_addresses.places();
    let table = |tried: bool| {
        let of_it = places.iter().filter(|listed| listed.tried == tried);
        object(of_it.map(|listed| {
            (format!("{}/{}", listed.place.bucket, listed.place.position), listed_node(listed))
        }))
    };
    Ok(object([("new", table(false)), ("tried", table(true))]))
}

fn listed_node(listed: &Listed) -> Json {
    let KnownNode { time_s, services, address } = listed.node;
    object([
        ("address", Json::text(address.host)),
        ("port", Json::from(address.port)),
        ("services", Json::from(services)),
        ("time", Json::from(time_s)),
        ("network", Json::from(network_of(&address.host))),
        ("source", Json::text(listed.source)),
        ("source_network", Json::from(network_of(&listed.source))),
    ])
}

async fn add_peer_address(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let (typed, port) = (params.str(0)?, params.int::<u16>(1)?);
    let tried = params.bool_or(2, false)?;
    let host: Host = typed.parse().map_err(|_| RpcError::invalid_ip_or_subnet("Invalid IP address"))?;
    let node = ctx.node()?;
    let time_s = u32::try_from(node.clock.now().to_seconds_floor()).unwrap_or(u32::MAX);
    let known = KnownNode { time_s, services: SERVICES, address: NodeAddress { host, port } };
    Ok(match node.node_addresses.add(known, tried) {
        AddedAddress::Added => object([("success", Json::from(true))]),
        AddedAddress::NotNew => failed("failed-adding-to-new"),
        AddedAddress::NotTried => failed("failed-adding-to-tried"),
    })
}

fn failed(error: &str) -> Json {
    object([("error", Json::from(error.to_owned())), ("success", Json::from(false))])
}
