//! Who we are connected to, at an operator's word.

use std::net::{IpAddr, SocketAddr};

use adit_actors::messages::peer::{ConnectPeer, DisconnectPeer, FetchBlockFrom, SendToPeer, Which};
use adit_domain::peer::{Command, ConnectionKind, FetchError};
use bitcoin::Network as Chain;
use bitcoin::hex::FromHex;

use crate::ctx::{Ctx, ask};
use crate::error::RpcError;
use crate::help;
use crate::json::{Json, object};
use crate::params::Params;
use crate::table::Category::{Blockchain, Hidden, Network};
use crate::table::{Kind, Method, method, opt, req};

pub(super) const METHODS: &[Method] = &[
    method(
        "addnode",
        Network,
        &[req("node", Kind::Str), req("command", Kind::Str), opt("v2transport", Kind::Bool)],
        "Connects to a node: once (onetry), or for good (add, remove).",
        |c, p| Box::pin(add_node(c, p)),
    ),
    method(
        "disconnectnode",
        Network,
        &[opt("address", Kind::Str), opt("nodeid", Kind::Num)],
        "Lets go of a node, by its address or by its number.",
        |c, p| Box::pin(disconnect_node(c, p)),
    ),
    method(
        "addconnection",
        Hidden,
        &[req("address", Kind::Str), req("connection_type", Kind::Str), req("v2transport", Kind::Bool)],
        "Connects to a node as a kind of connection. On regtest.",
        |c, p| Box::pin(add_connection(c, p)),
    ),
    method(
        "sendmsgtopeer",
        Hidden,
        &[req("peer_id", Kind::Num), req("msg_type", Kind::Str), req("msg", Kind::Str)],
        "Sends bytes to a peer as a message. For tests.",
        |c, p| Box::pin(send_msg_to_peer(c, p)),
    ),
    method(
        "getblockfrompeer",
        Blockchain,
        &[req("blockhash", Kind::Str), req("peer_id", Kind::Num)],
        "Asks a peer for a block whose header is known. It comes when it comes.",
        |c, p| Box::pin(get_block_from_peer(c, p)),
    ),
];

/// `HOST:PORT`, with the network's port where none is named.
fn target(typed: &str, ctx: &Ctx) -> Result<String, RpcError> {
    let port = ctx.node()?.params.default_port;
    if let Ok(address) = typed.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, port).to_string());
    }
    let has_port = typed.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Ok(if has_port { typed.to_owned() } else { format!("{typed}:{port}") })
}

fn no_v2() -> RpcError {
    RpcError::invalid_parameter("Error: v2transport requested but not enabled (see -v2transport)")
}

async fn connect(ctx: &Ctx, target: String, kind: ConnectionKind, how: How) -> Result<bool, RpcError> {
    let actor = ctx.node()?.connect_peer.clone();
    let How { keep, encrypted } = how;
    ask(&actor, ConnectPeer { target, kind, keep, encrypted }).await
}

/// Whether a connection is kept, and whether it is to be encrypted.
#[derive(Clone, Copy)]
struct How {
    keep: bool,
    encrypted: bool,
}

async fn add_node(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let (node, command) = (target(params.str(0)?, ctx)?, params.str(1)?);
    let encrypts = ctx.node()?.encrypts;
    let encrypted = params.bool_or(2, encrypts)?;
    if encrypted && !encrypts {
        return Err(no_v2());
    }
    let how = |keep| How { keep, encrypted };
    match command {
        "onetry" => connect(ctx, node, ConnectionKind::Manual, how(false)).await.map(|_| Json::Null),
        "add" if connect(ctx, node.clone(), ConnectionKind::Manual, how(true)).await? => Ok(Json::Null),
        "add" => Err(RpcError::node_already_added("Error: Node already added")),
        "remove" => {
            let actor = ctx.node()?.disconnect_peer.clone();
            if ask(&actor, DisconnectPeer { which: Which::Added(node) }).await? {
                return Ok(Json::Null);
            }
            let text = "Error: Node could not be removed. It has not been added previously.";
            Err(RpcError::node_not_added(text))
        }
        _ => Err(RpcError::misc(super::find("addnode").map(help::of).unwrap_or_default())),
    }
}

async fn disconnect_node(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let address = params.opt_str(0)?.filter(|address| !address.is_empty() || params.given(1).is_none());
    let which = match (address, params.opt_int::<i64>(1)?) {
        (Some(address), None) => Which::Address(address.to_owned()),
        (None, Some(id)) => Which::Id(u64::try_from(id).unwrap_or(u64::MAX)),
        _ => {
            return Err(RpcError::invalid_params("Only one of address and nodeid should be provided."));
        }
    };
    let actor = ctx.node()?.disconnect_peer.clone();
    if ask(&actor, DisconnectPeer { which }).await? {
        return Ok(Json::Null);
    }
    Err(RpcError::node_not_connected("Node not found in connected nodes"))
}

async fn add_connection(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    if ctx.node()?.params.network != Chain::Regtest {
        return Err(RpcError::misc("addconnection is for regression testing (-regtest mode) only."));
    }
    let (typed, kind) = (params.str(0)?, params.str(1)?.trim());
    let chosen = ConnectionKind::named(kind)
        .filter(|kind| !matches!(kind, ConnectionKind::Inbound | ConnectionKind::Manual));
    let Some(chosen) = chosen else {
        let text = super::find("addconnection").map(help::of).unwrap_or_default();
        return Err(RpcError::invalid_parameter(text));
    };
    let encrypted = params.bool_or(2, false)?;
    if encrypted && !ctx.node()?.encrypts {
        let text = "Error: Adding v2transport connections requires -v2transport init flag to be set.";
        return Err(RpcError::invalid_parameter(text));
    }
    connect(ctx, target(typed, ctx)?, chosen, How { keep: false, encrypted }).await?;
    Ok(object([("address", Json::from(typed.to_owned())), ("connection_type", Json::from(kind.to_owned()))]))
}

/// Bytes of a message's name.
const NAME_BYTES_MAX: usize = 12;

async fn send_msg_to_peer(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let (id, name, hex) = (params.int::<i64>(0)?, params.str(1)?, params.str(2)?);
    if name.len() > NAME_BYTES_MAX {
        let text = format!("Error: msg_type too long, max length is {NAME_BYTES_MAX}");
        return Err(RpcError::invalid_parameter(text));
    }
    let payload =
        Vec::<u8>::from_hex(hex).map_err(|_| RpcError::invalid_parameter("Error parsing input for msg"))?;
    let actor = ctx.node()?.send_to_peer.clone();
    let id = u64::try_from(id).unwrap_or(u64::MAX);
    if ask(&actor, SendToPeer { id, command: Command::new(name), payload }).await? {
        return Ok(object::<&str>([]));
    }
    Err(RpcError::misc("Error: Could not send message to peer"))
}

async fn get_block_from_peer(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let (hash, id) = (params.block_hash(0, "hash")?, params.int::<i64>(1)?);
    let node = ctx.node()?;
    let Some((_, height)) = node.chain.header(&hash) else {
        return Err(RpcError::misc("Block header missing"));
    };
    if node.chain.is_pruned() && height > node.chain.tip().height {
        return Err(RpcError::misc(
            "In prune mode, only blocks that the node has already synced previously can be fetched from a peer",
        ));
    }
    if node.chain.has_block(&hash) {
        return Err(RpcError::misc("Block already downloaded"));
    }
    if node.chain.is_block_pruned(&hash) {
        node.chain.want_block(hash);
    }
    let actor = node.fetch_block.clone();
    let id = u64::try_from(id).unwrap_or(u64::MAX);
    match ask(&actor, FetchBlockFrom { hash, id }).await? {
        Ok(()) => Ok(object::<&str>([])),
        Err(FetchError::NoPeer) => Err(RpcError::misc("Peer does not exist")),
        Err(FetchError::NoWitnesses) => Err(RpcError::misc("Pre-SegWit peer")),
        Err(FetchError::NoHeader) => Err(RpcError::misc("Block header missing")),
        Err(FetchError::Asked) => Err(RpcError::misc("Already requested from this peer")),
    }
}
