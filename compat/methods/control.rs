//! The server itself: help, stop, uptime, and what is being carried out.

use std::time::Duration;

use adit_actors::messages::peer::GetPeers;
use adit_actors::supervision::ExitReason;

use crate::ctx::{Ctx, ask, off_thread};
use crate::error::RpcError;
use crate::help;
use crate::json::{Json, object};
use crate::logging;
use crate::memory::Memory;
use crate::params::{self, Params};
use crate::table::Category::{Control, Hidden, Zmq};
use crate::table::{Kind, Method, hidden, method, opt, req};

pub(super) const METHODS: &[Method] = &[
    method("getrpcinfo", Control, &[], "What this server is doing.", |c, p| Box::pin(get_rpc_info(c, p))),
    method(
        "help",
        Control,
        &[opt("command", Kind::Str)],
        "All methods, or all there is to say of one.",
        |c, p| Box::pin(help_on(c, p)),
    ),
    method("stop", Control, &[hidden("wait", Kind::Num)], "Ends the node in order.", |c, p| {
        Box::pin(stop(c, p))
    }),
    method("uptime", Control, &[], "Seconds since the node began.", |c, p| Box::pin(uptime(c, p))),
    method(
        "logging",
        Control,
        &[
            opt("include", Kind::List).shown("[\"include_category\",...]"),
            opt("exclude", Kind::List).shown("[\"exclude_category\",...]"),
        ],
        "Which categories of the log are on; some may be put on, then some off. The valid logging categories are: addrman, bench, blockstorage, cmpctblock, coindb, estimatefee, http, i2p, ipc, kernel, leveldb, mempool, mempoolrej, net, privatebroadcast, proxy, prune, qt, rand, reindex, rpc, scan, selectcoins, tor, txpackages, txreconciliation, validation, walletdb, zmq",
        |c, p| Box::pin(log_categories(c, p)),
    ),
    method(
        "getmemoryinfo",
        Control,
        &[opt("mode", Kind::Str)],
        "Memory of the process: what its data takes (used) of what it has asked for (total), what of it is kept from being swapped out, its mappings, and those that are set aside.",
        |c, p| Box::pin(get_memory_info(c, p)),
    ),
    method("echoipc", Hidden, &[req("arg", Kind::Str)], "Gives back what it is given.", |c, p| {
        Box::pin(echo_ipc(c, p))
    }),
    method("rpc.discover", Hidden, &[], "This interface as an OpenRPC document.", |c, p| {
        Box::pin(discover(c, p))
    }),
    method("echo", Hidden, ECHO, "Gives back what it is given.", |c, p| Box::pin(echo(c, p))),
    method("echojson", Hidden, ECHO, "Gives back what it is given.", |c, p| Box::pin(echo(c, p))),
    method(
        "syncwithvalidationinterfacequeue",
        Hidden,
        &[],
        "Waits until everyone has heard of every block.",
        |c, p| Box::pin(sync_with_queue(c, p)),
    ),
    method(
        "getzmqnotifications",
        Zmq,
        &[],
        "Where blocks and transactions are published over ZeroMQ.",
        |c, p| Box::pin(get_zmq_notifications(c, p)),
    ),
];

const ECHO: &[crate::table::Arg] = &[
    opt("arg0", Kind::Any),
    opt("arg1", Kind::Any),
    opt("arg2", Kind::Any),
    opt("arg3", Kind::Any),
    opt("arg4", Kind::Any),
    opt("arg5", Kind::Any),
    opt("arg6", Kind::Any),
    opt("arg7", Kind::Any),
    opt("arg8", Kind::Any),
    opt("arg9", Kind::Any),
];

async fn get_rpc_info(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let call = |(method, time): (&'static str, Duration)| {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        object([("method", Json::from(method)), ("duration", Json::from(micros))])
    };
    let calls = ctx.calls().into_iter().map(call).collect();
    let log = Json::text(ctx.config.debug_log.display());
    Ok(object([("active_commands", Json::List(calls)), ("logpath", log)]))
}

async fn help_on(_: &Ctx, params: Params) -> Result<Json, RpcError> {
    Ok(Json::from(match params.opt_str(0)?.unwrap_or_default() {
        "" => help::all(&super::all()),
        "dump_all_command_conversions" => return Ok(help::conversions(&super::all())),
        name => super::find(name).map_or_else(|| format!("help: unknown command: {name}"), help::of),
    }))
}

/// How long a caller may ask to be kept waiting for the answer.
const STOP_WAIT_MS_MAX: u64 = 60_000;

async fn stop(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let wait = params.opt_int::<u64>(0)?.unwrap_or(0).min(STOP_WAIT_MS_MAX);
    let node = ctx.node()?;
    node.supervisor.end(ExitReason::Requested);
    drop(node);
    tokio::time::sleep(Duration::from_millis(wait)).await;
    Ok(Json::from("Bitcoin Core stopping"))
}

async fn uptime(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    Ok(Json::from(ctx.began.elapsed().as_secs()))
}

async fn log_categories(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    ctx.warm()?;
    let mut on = ctx.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for (place, is_on) in [(0, true), (1, false)] {
        for typed in params.given(place).map_or(Ok(&[][..]), params::list)? {
            let name = params::text(typed)?;
            if name == "libevent" {
                tracing::warn!(
                    "The logging category `libevent` is deprecated, does nothing, and will be removed in a future version"
                );
            }
            let unknown = || RpcError::invalid_parameter(format!("unknown logging category {name}"));
            for category in logging::named(name).ok_or_else(unknown)? {
                if is_on {
                    on.insert(category)
                } else {
                    on.remove(category)
                };
            }
        }
    }
    let shown = |category: &'static str| (category, Json::from(on.contains(category)));
    Ok(object(logging::CATEGORIES.into_iter().map(shown)))
}

async fn get_memory_info(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    ctx.warm()?;
    match params.opt_str(0)?.unwrap_or("stats") {
        "stats" => {
            let memory = off_thread(|| Ok(Memory::of_process())).await?;
            let figures = [
                ("used", memory.used_bytes),
                ("free", memory.total_bytes.saturating_sub(memory.used_bytes)),
                ("total", memory.total_bytes),
                ("locked", memory.locked_bytes),
                ("chunks_used", memory.mappings),
                ("chunks_free", memory.mappings_aside),
            ];
            Ok(object([("locked", object(figures.map(|(name, value)| (name, Json::from(value)))))]))
        }
        "mallocinfo" => Err(RpcError::invalid_parameter("mallocinfo mode not available")),
        other => Err(RpcError::invalid_parameter(format!("unknown mode {other}"))),
    }
}

async fn echo_ipc(_: &Ctx, params: Params) -> Result<Json, RpcError> {
    Ok(params.get(0).clone())
}

async fn discover(_: &Ctx, _: Params) -> Result<Json, RpcError> {
    Ok(crate::openrpc::document(&super::all(), env!("CARGO_PKG_VERSION")))
}

async fn echo(_: &Ctx, params: Params) -> Result<Json, RpcError> {
    if params.get(9).as_str() == Some("trigger_internal_bug") {
        let text = "Internal bug detected: request.params[9].get_str() != \"trigger_internal_bug\"";
        return Err(RpcError::misc(text));
    }
    Ok(Json::List(params.values().to_vec()))
}

async fn get_zmq_notifications(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let shown = ctx.config.zmq.iter().map(|publisher| {
        object([
            ("type", Json::from(format!("pub{}", publisher.topic.name()))),
            ("address", Json::from(publisher.address.clone())),
            ("hwm", Json::from(publisher.queue_max)),
        ])
    });
    Ok(Json::List(shown.collect()))
}

/// How long it may take until all have followed the tip.
const QUEUE_WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Those who follow the tip are the mempool and the peers; an answer of the latter comes behind what they have been told.
async fn sync_with_queue(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let node = ctx.node()?;
    let followed = async {
        while node.mempool.snapshot().tip != node.chain.tip().hash && !ctx.is_ending() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    if tokio::time::timeout(QUEUE_WITHIN, followed).await.is_err() {
        return Err(RpcError::internal("The mempool does not follow the chain"));
    }
    ask(&node.peers, GetPeers).await?;
    Ok(Json::Null)
}
