//! Who may connect at all: bans, added nodes, and whether there are connections.

use adit_actors::messages::peer::{BanPeers, GetAddedNodes, GetBans, SetNetworkActive, UnbanPeers};
use adit_domain::peer::{Ban, BanError, Subnet};

use crate::ctx::{Ctx, ask};
use crate::error::RpcError;
use crate::help;
use crate::json::{Json, object};
use crate::params::Params;
use crate::table::Category::Network;
use crate::table::{Kind, Method, method, opt, req};

pub(super) const METHODS: &[Method] = &[
    method(
        "setban",
        Network,
        &[
            req("subnet", Kind::Str),
            req("command", Kind::Str),
            opt("bantime", Kind::Num),
            opt("absolute", Kind::Bool),
        ],
        "Bans an address or a range of them (add), or takes a ban back (remove).",
        |c, p| Box::pin(set_ban(c, p)),
    ),
    method("listbanned", Network, &[], "Who is banned, and until when.", |c, p| Box::pin(list_banned(c, p))),
    method("clearbanned", Network, &[], "Takes all bans back.", |c, p| Box::pin(clear_banned(c, p))),
    method(
        "setnetworkactive",
        Network,
        &[req("state", Kind::Bool)],
        "Whether there are connections to other nodes at all.",
        |c, p| Box::pin(set_network_active(c, p)),
    ),
    method(
        "getaddednodeinfo",
        Network,
        &[opt("node", Kind::Str)],
        "The nodes that addnode has added.",
        |c, p| Box::pin(get_added_node_info(c, p)),
    ),
];

async fn set_ban(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let (typed, command) = (params.str(0)?, params.str(1)?);
    if !["add", "remove"].contains(&command) {
        return Err(RpcError::misc(super::find("setban").map(help::of).unwrap_or_default()));
    }
    let subnet: Subnet =
        typed.parse().map_err(|_| RpcError::invalid_ip_or_subnet("Error: Invalid IP/Subnet"))?;
    if command == "remove" {
        let actor = ctx.node()?.unban_peers.clone();
        if ask(&actor, UnbanPeers { subnet: Some(subnet) }).await? {
            return Ok(Json::Null);
        }
        let text = "Error: Unban failed. Requested address/subnet was not previously manually banned.";
        return Err(RpcError::invalid_ip_or_subnet(text));
    }
    let node = ctx.node()?;
    let (now_s, actor) = (node.clock.now().to_seconds_floor(), node.ban_peers.clone());
    drop(node);
    let time: i64 = params.opt_int(2)?.unwrap_or(0);
    let is_absolute = params.bool_or(3, false)?;
    let until_s = match u64::try_from(time).ok().filter(|time| *time > 0) {
        Some(time) if is_absolute => time,
        _ if is_absolute => 0,
        Some(time) => now_s.saturating_add(time),
        None => now_s.saturating_add(ctx.config.ban_s),
    };
    if is_absolute && until_s < now_s {
        return Err(RpcError::invalid_parameter("Error: Absolute timestamp is in the past"));
    }
    let ban = BanPeers { subnet, as_range: typed.contains('/'), ban: Ban { created_s: now_s, until_s } };
    match ask(&actor, ban).await? {
        Ok(()) => Ok(Json::Null),
        Err(BanError::AlreadyBanned) => Err(RpcError::node_already_added("Error: IP/Subnet already banned")),
        Err(other) => Err(RpcError::misc(other.to_string())),
    }
}

async fn list_banned(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let node = ctx.node()?;
    let (now_s, actor) = (node.clock.now().to_seconds_floor(), node.bans.clone());
    drop(node);
    let whole = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    let one = |(subnet, ban): (Subnet, Ban)| {
        let (created, until) = (whole(ban.created_s), whole(ban.until_s));
        object([
            ("address", Json::text(subnet)),
            ("ban_created", Json::from(created)),
            ("banned_until", Json::from(until)),
            ("ban_duration", Json::from(until.saturating_sub(created))),
            ("time_remaining", Json::from(until.saturating_sub(whole(now_s)))),
        ])
    };
    Ok(Json::List(ask(&actor, GetBans).await?.into_iter().map(one).collect()))
}

async fn clear_banned(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let actor = ctx.node()?.unban_peers.clone();
    ask(&actor, UnbanPeers { subnet: None }).await.map(|_| Json::Null)
}

async fn set_network_active(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let active = params.bool_or(0, true)?;
    let actor = ctx.node()?.network_active.clone();
    tracing::info!("SetNetworkActive: {active}");
    ask(&actor, SetNetworkActive { active: Some(active) }).await.map(Json::from)
}

async fn get_added_node_info(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let actor = ctx.node()?.added_nodes.clone();
    let mut nodes = ask(&actor, GetAddedNodes).await?;
    if let Some(name) = params.opt_str(0)? {
        nodes.retain(|node| node.target == name);
        if nodes.is_empty() {
            return Err(RpcError::node_not_added("Error: Node has not been added."));
        }
    }
    let one = |node: adit_actors::messages::peer::AddedNode| {
        let address = || {
            let fields =
                [("address", Json::from(node.target.clone())), ("connected", Json::from("outbound"))];
            object(fields)
        };
        let addresses = if node.connected { vec![address()] } else { Vec::new() };
        object([
            ("addednode", Json::from(node.target.clone())),
            ("connected", Json::from(node.connected)),
            ("addresses", Json::List(addresses)),
        ])
    };
    Ok(Json::List(nodes.into_iter().map(one).collect()))
}
