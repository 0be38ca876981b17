//! The best chain: where it ends, its headers and blocks.

use std::sync::Arc;
use std::time::Duration;

use adit_actors::events::EventKind;
use adit_chainstate::{ChainReader, HeaderEntry};
use adit_domain::consensus::BlockUndo;
use adit_domain::units::Height;
use bitcoin::consensus::encode::serialize;
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, Network};
use tokio::sync::broadcast::error::RecvError;

use crate::ctx::{Ctx, in_turn, off_thread};
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::{self, Params};
use crate::show::{self, Inside, KeptBlocks, TxDetail};
use crate::table::Category::Blockchain;
use crate::table::{Kind, Method, method, opt, req};

const HASH: crate::table::Arg = req("blockhash", Kind::Str);
const TIMEOUT: crate::table::Arg = opt("timeout", Kind::Num);

pub(super) const METHODS: &[Method] = &[
    method("getblockcount", Blockchain, &[], "The height of the best chain's last block.", |c, p| {
        Box::pin(get_block_count(c, p))
    }),
    method("getbestblockhash", Blockchain, &[], "The hash of the best chain's last block.", |c, p| {
        Box::pin(get_best_block_hash(c, p))
    }),
    method(
        "getblockhash",
        Blockchain,
        &[req("height", Kind::Num)],
        "The hash of the best chain's block at a height.",
        |c, p| Box::pin(get_block_hash(c, p)),
    ),
    method(
        "getblockheader",
        Blockchain,
        &[HASH, opt("verbose", Kind::Bool)],
        "A header: its 80 bytes in hex, or its fields.",
        |c, p| Box::pin(get_block_header(c, p)),
    ),
    method(
        "getblock",
        Blockchain,
        &[HASH, opt("verbosity|verbose", Kind::Any)],
        "A block: its bytes in hex (0), its fields and the ids of its transactions (1), the transactions (2), and the coins that they spent (3).",
        |c, p| Box::pin(get_block(c, p)),
    ),
    method(
        "getdifficulty",
        Blockchain,
        &[],
        "How much harder the last block was than the easiest.",
        |c, p| Box::pin(get_difficulty(c, p)),
    ),
    method("getchaintips", Blockchain, &[], "The ends of all branches that are known.", |c, p| {
        Box::pin(get_chain_tips(c, p))
    }),
    method(
        "waitfornewblock",
        Blockchain,
        &[TIMEOUT, opt("current_tip", Kind::Str)],
        "Waits until the best chain ends in another block; so many milliseconds at most, 0: for ever.",
        |c, p| Box::pin(wait_for_new_block(c, p)),
    ),
    method(
        "waitforblock",
        Blockchain,
        &[HASH, TIMEOUT],
        "Waits until the best chain ends in this block; so many milliseconds at most, 0: for ever.",
        |c, p| Box::pin(wait_for_block(c, p)),
    ),
    method(
        "waitforblockheight",
        Blockchain,
        &[req("height", Kind::Num), TIMEOUT],
        "Waits until the best chain is at least so high; so many milliseconds at most, 0: for ever.",
        |c, p| Box::pin(wait_for_block_height(c, p)),
    ),
];

async fn get_block_count(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    Ok(Json::from(ctx.node()?.chain.tip().height.to_u32()))
}

async fn get_best_block_hash(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    Ok(Json::hash(ctx.node()?.chain.tip().hash))
}

async fn get_block_hash(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let height: i32 = params.int(0)?;
    let hash =
        u32::try_from(height).ok().and_then(|height| ctx.node().ok()?.chain.hash_at(Height::new(height)));
    hash.map(Json::hash).ok_or_else(|| RpcError::invalid_parameter("Block height out of range"))
}

/// A known header.
pub(super) fn entry(chain: &ChainReader, hash: &BlockHash) -> Result<HeaderEntry, RpcError> {
    chain.entry(hash).ok_or_else(|| RpcError::invalid_address_or_key("Block not found"))
}

async fn get_block_header(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let hash = params.block_hash(0, "hash")?;
    let chain = ctx.node()?.chain.clone();
    let entry = entry(&chain, &hash)?;
    if !params.bool_or(1, true)? {
        return Ok(Json::hex(&serialize(&entry.header)));
    }
    if let Some(txs) = chain.known_tx_count(&hash) {
        return Ok(show::header(&entry, &chain.tip(), u64::from(txs)));
    }
    ctx.briefly(move || {
        let txs = chain.tx_count(&hash)?;
        Ok(show::header(&entry, &chain.tip(), u64::from(txs)))
    })
    .await
}

/// Why a block's bytes are not there.
pub(super) fn missing(chain: &ChainReader, hash: &BlockHash) -> RpcError {
    RpcError::misc(if chain.is_block_pruned(hash) {
        "Block not available (pruned data)"
    } else {
        "Block not available (not fully downloaded)"
    })
}

/// What is open can be read though somebody has moved it away: that is told before it is missed.
pub(super) fn lies_there(chain: &ChainReader, hash: &BlockHash) -> Result<(), RpcError> {
    match chain.is_file_there(hash)? {
        true => Ok(()),
        false if chain.has_block(hash) => Err(RpcError::misc("Block not found on disk")),
        false => Err(missing(chain, hash)),
    }
}

/// What a block spent, if it has ever joined the best chain.
pub(super) fn undo_of(chain: &ChainReader, hash: &BlockHash) -> Result<Option<BlockUndo>, RpcError> {
    if chain.is_undo_file_there(hash)? {
        return Ok(chain.spent_by(hash)?);
    }
    Err(RpcError::internal(
        "Undo data expected but can't be read. This could be due to disk corruption or a conflict with a pruning event.",
    ))
}

async fn get_block(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let hash = params.block_hash(0, "blockhash")?;
    let verbosity = params.verbosity(1, 1, true)?;
    let detail = match verbosity {
        ..=0 => None,
        1 => Some(TxDetail::Id),
        2 => Some(TxDetail::Full),
        _ => Some(TxDetail::WithPrevouts),
    };
    let node = ctx.node()?;
    let (chain, network, kept) = (node.chain.clone(), node.params.network, Arc::clone(&ctx.kept));
    let Some(detail) = detail else {
        let read = move || {
            entry(&chain, &hash)?;
            let raw = chain.raw_block(&hash)?.ok_or_else(|| missing(&chain, &hash))?;
            lies_there(&chain, &hash).map(|()| Json::Hex(raw))
        };
        return in_turn(read).await;
    };
    // What is kept is shown as long as the block is stored.
    if let Some(inside) = kept.get(&hash, detail).filter(|_| chain.has_block(&hash)) {
        lies_there(&chain, &hash)?;
        if detail != TxDetail::Id && !chain.is_undo_file_there(&hash)? {
            undo_of(&chain, &hash)?;
        }
        return Ok(show::block(&entry(&chain, &hash)?, &chain.tip(), &inside));
    }
    in_turn(move || {
        let entry = entry(&chain, &hash)?;
        let inside = inside(&chain, &hash, detail, network, &kept)?;
        Ok(show::block(&entry, &chain.tip(), &inside))
    })
    .await
}

/// What is said of a block, from disk; and kept for the next.
fn inside(
    chain: &ChainReader,
    hash: &BlockHash,
    detail: TxDetail,
    network: Network,
    kept: &KeptBlocks,
) -> Result<Arc<Inside>, RpcError> {
    let block = chain.shown_block(hash)?.ok_or_else(|| missing(chain, hash))?;
    lies_there(chain, hash)?;
    let undo = match detail {
        TxDetail::Id => None,
        _ => undo_of(chain, hash)?,
    };
    let inside = Arc::new(Inside::of(&block, undo.as_ref(), detail, network));
    // Without the coins that it spent it is not all: they are known once it has been in the best chain.
    if undo.is_some() || detail == TxDetail::Id {
        kept.put(*hash, detail, &inside);
    }
    Ok(inside)
}

async fn get_difficulty(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    Ok(Json::from(show::difficulty(ctx.node()?.chain.tip().header.bits)))
}

async fn get_chain_tips(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let chain = ctx.node()?.chain.clone();
    let shown = |tip: adit_chainstate::ChainTip| {
        let status = &tip.entry.status;
        let word = match () {
            () if tip.entry.is_active => "active",
            () if status.is_failed() => "invalid",
            () if !tip.entry.is_complete => "headers-only",
            () if status.script_valid => "valid-fork",
            () => "valid-headers",
        };
        object([
            ("height", Json::from(tip.entry.height.to_u32())),
            ("hash", Json::text(tip.entry.hash)),
            ("branchlen", Json::from(tip.branch_blocks)),
            ("status", Json::from(word)),
        ])
    };
    off_thread(move || Ok(Json::List(chain.chain_tips().into_iter().map(shown).collect()))).await
}

fn timeout(params: &Params, place: usize) -> Result<Option<Duration>, RpcError> {
    let millis = params.opt_int::<i32>(place)?.unwrap_or(0);
    let millis = u64::try_from(millis).map_err(|_| RpcError::misc("Negative timeout"))?;
    Ok((millis > 0).then(|| Duration::from_millis(millis)))
}

async fn wait_for_new_block(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let within = timeout(&params, 0)?;
    let from = match params.given(1) {
        Some(hash) => BlockHash::from_byte_array(params::hash(hash, "current_tip")?),
        None => ctx.node()?.chain.tip().hash,
    };
    wait_until(ctx, within, |chain| chain.tip().hash != from).await
}

async fn wait_for_block(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let hash = params.block_hash(0, "blockhash")?;
    let within = timeout(&params, 1)?;
    wait_until(ctx, within, |chain| chain.tip().hash == hash).await
}

async fn wait_for_block_height(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let height: i32 = params.int(0)?;
    let within = timeout(&params, 1)?;
    wait_until(ctx, within, |chain| i64::from(chain.tip().height.to_u32()) >= i64::from(height)).await
}

/// How often it is looked without having been told.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Waits for the chain, or for the node to end. It holds nothing of the node while it waits.
pub(super) async fn follow(ctx: &Ctx, is_there: impl Fn(&ChainReader) -> bool) {
    let Ok(mut events) = ctx.node().map(|node| node.events.subscribe()) else { return };
    while ctx.node().is_ok_and(|node| !is_there(&node.chain)) {
        let tip = async {
            loop {
                match events.recv().await {
                    Ok(event) if !matches!(event.kind, EventKind::TipChanged { .. }) => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => return,
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        // Over its time: looked at without having been told.
        let _ = tokio::time::timeout(LOOK_EVERY, tip).await;
    }
}

/// Waits for the chain, for the time to be over, or for the node to end; then says where the chain is.
async fn wait_until(
    ctx: &Ctx,
    within: Option<Duration>,
    is_there: impl Fn(&ChainReader) -> bool,
) -> Result<Json, RpcError> {
    let there = follow(ctx, is_there);
    match within {
        // Over its time: what there is is said.
        Some(within) => drop(tokio::time::timeout(within, there).await),
        None => there.await,
    }
    let tip = ctx.node()?.chain.tip();
    Ok(object([("hash", Json::text(tip.hash)), ("height", Json::from(tip.height.to_u32()))]))
}
