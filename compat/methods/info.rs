//! The chain as a whole: its state, soft forks, coins, indexes, marks on blocks.

use std::sync::Arc;
use std::time::Duration;

use adit_actors::messages::chain::{MarkBlock, PruneBlocks};
use adit_actors::messages::utxo::GetUtxoStats;
use adit_actors::root::NodeLinks;
use adit_chainstate::{IndexError, IndexKind, Mark, MarkError, PruneError, PruneUpTo};
use adit_domain::consensus::{Tally, VoteReport};
use adit_domain::peer::TxRef;
use adit_domain::units::Height;
use bitcoin::hashes::{Hash, sha256d};
use bitcoin::{Network, OutPoint};

use super::chain::entry;
use super::coinstats::followed;
use super::progress;
use crate::ctx::{Ctx, off_thread, within};
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::Params;
use crate::show::{self, hex32};
use crate::table::Category::{Blockchain, Hidden, Util};
use crate::table::{Arg, Kind, Method, method, opt, req};

const HASH: &[Arg] = &[req("blockhash", Kind::Str)];

pub(super) const METHODS: &[Method] = &[
    method("getblockchaininfo", Blockchain, &[], "Where the chain stands.", |c, p| {
        Box::pin(get_blockchain_info(c, p))
    }),
    method(
        "getdeploymentinfo",
        Blockchain,
        &[opt("blockhash", Kind::Str)],
        "The soft forks at a block, or at the last one.",
        |c, p| Box::pin(get_deployment_info(c, p)),
    ),
    method(
        "invalidateblock",
        Hidden,
        HASH,
        "Says that a block is invalid, and what stands on it.",
        |c, p| Box::pin(mark(c, p, Mark::Invalid)),
    ),
    method("reconsiderblock", Hidden, HASH, "Takes back what was said against a block.", |c, p| {
        Box::pin(mark(c, p, Mark::Reconsider))
    }),
    method("preciousblock", Blockchain, HASH, "Prefers a block to others with as much work.", |c, p| {
        Box::pin(mark(c, p, Mark::Precious))
    }),
    method(
        "pruneblockchain",
        Blockchain,
        &[req("height", Kind::Num)],
        "Takes the files of blocks away, up to a height or a time, where the node prunes at all.",
        |c, p| Box::pin(prune_blockchain(c, p)),
    ),
    method(
        "gettxout",
        Blockchain,
        &[req("txid", Kind::Str), req("n", Kind::Num), opt("include_mempool", Kind::Bool)],
        "An output that is not spent; null where there is none.",
        |c, p| Box::pin(get_tx_out(c, p)),
    ),
    method(
        "gettxoutsetinfo",
        Blockchain,
        &[opt("hash_type", Kind::Str), opt("hash_or_height", Kind::Any), opt("use_index", Kind::Bool)],
        "The set of coins: its size and a hash of it.",
        |c, p| Box::pin(get_tx_out_set_info(c, p)),
    ),
    method(
        "getindexinfo",
        Util,
        &[opt("index_name", Kind::Str)],
        "Where the indexes stand that are kept.",
        |c, p| Box::pin(get_index_info(c, p)),
    ),
    method(
        "getblockfilter",
        Blockchain,
        &[req("blockhash", Kind::Str), opt("filtertype", Kind::Str)],
        "The compact filter of a block, and its header.",
        |c, p| Box::pin(get_block_filter(c, p)),
    ),
];

/// The network's name as Core has it.
pub(super) fn chain_name(network: Network) -> &'static str {
    match network {
        Network::Bitcoin => "main",
        Network::Testnet => "test",
        Network::Testnet4 => "testnet4",
        Network::Signet => "signet",
        _ => "regtest",
    }
}

async fn get_blockchain_info(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let node = ctx.node()?;
    let (tip, (_, headers)) = (node.chain.tip(), node.chain.best_header());
    let syncing = ctx.is_fetching(&node);
    let pruning = node.chain.pruning();
    let (bytes, progress) = {
        let (node, tip, counting) = (Arc::clone(&node), Arc::clone(&tip), ctx.counting());
        off_thread(move || Ok((node.chain.file_bytes()?, progress::of(&node, &tip, &counting)))).await?
    };
    let mut info = object([
        ("chain", Json::from(chain_name(node.params.network))),
        ("blocks", Json::from(tip.height.to_u32())),
        ("headers", Json::from(headers.to_u32())),
        ("bestblockhash", Json::text(tip.hash)),
        ("bits", hex32(tip.header.bits.to_consensus())),
        ("target", show::target(tip.header.bits)),
        ("difficulty", Json::from(show::difficulty(tip.header.bits))),
        ("time", Json::from(tip.header.time)),
        ("mediantime", Json::from(tip.median_time_past)),
        ("verificationprogress", Json::from(progress)),
        ("initialblockdownload", Json::from(syncing)),
        ("chainwork", Json::hex(&tip.chain_work.to_be_bytes())),
        ("size_on_disk", Json::from(bytes)),
        ("pruned", Json::from(pruning.is_pruned)),
    ]);
    if pruning.is_pruned {
        info.push("pruneheight", pruning.kept_from.to_u32());
        info.push("automatic_pruning", pruning.target_mib > 1);
        if pruning.target_mib > 1 {
            info.push("prune_target_size", pruning.target_mib.saturating_mul(1 << 20));
        }
    }
    if let Some(challenge) = &node.params.signet_challenge {
        info.push("signet_challenge", Json::hex(challenge));
    }
    info.push("warnings", ctx.warnings(&node));
    Ok(info)
}

async fn get_deployment_info(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let node = ctx.node()?;
    let block = params.given(0).map(|_| params.block_hash(0, "blockhash")).transpose()?;
    let report = node.chain.deployments(block.as_ref());
    let report = report.ok_or_else(|| RpcError::invalid_address_or_key("Block not found"))?;
    let report = report.map_err(|fault| RpcError::internal(fault.to_string()))?;
    let buried = report.buried.iter().map(|fork| {
        let shown = object([
            ("type", Json::from("buried")),
            ("active", Json::from(fork.active)),
            ("height", Json::from(fork.height.to_u32())),
        ]);
        (fork.fork.name().to_owned(), shown)
    });
    let votes = report.votes.iter().map(|vote| (vote.deployment.name.to_owned(), voted(vote, report.height)));
    let flags = report.script_flag_names().map(Json::from).collect();
    Ok(object([
        ("hash", Json::text(report.hash)),
        ("height", Json::from(report.height.to_u32())),
        ("script_flags", Json::List(flags)),
        ("deployments", object(buried.chain(votes))),
    ]))
}

fn voted(vote: &VoteReport, height: Height) -> Json {
    let deployment = &vote.deployment;
    let mut bip9 = Vec::new();
    if vote.tally.is_some() {
        bip9.push(("bit", Json::from(deployment.bit)));
    }
    bip9.extend([
        ("start_time", Json::from(deployment.start.to_seconds())),
        ("timeout", Json::from(deployment.timeout_s)),
        ("min_activation_height", Json::from(deployment.min_activation_height.to_u32())),
        ("status", Json::from(vote.state.as_str())),
        ("since", Json::from(vote.since.to_u32())),
        ("status_next", Json::from(vote.next.as_str())),
    ]);
    if let Some(tally) = &vote.tally {
        let letters: String = tally.votes.iter().map(|voted| if *voted { '#' } else { '-' }).collect();
        bip9.extend([("statistics", statistics(tally)), ("signalling", Json::from(letters))]);
    }
    let mut shown = vec![("type", Json::from("bip9"))];
    shown.extend(vote.active_since.map(|since| ("height", Json::from(since.to_u32()))));
    shown.push(("active", Json::from(vote.is_active(height))));
    shown.push(("bip9", object(bip9)));
    object(shown)
}

fn statistics(tally: &Tally) -> Json {
    let mut fields = vec![
        ("period", Json::from(tally.period)),
        ("elapsed", Json::from(tally.elapsed)),
        ("count", Json::from(tally.count)),
    ];
    if let Some(goal) = &tally.goal {
        fields.push(("threshold", Json::from(goal.threshold)));
        fields.push(("possible", Json::from(goal.possible)));
    }
    object(fields)
}

/// How long a mark may take: a year of blocks that leave, 50,000 at 30 a second.
const MARK_WITHIN: Duration = Duration::from_secs(1800);

async fn mark(ctx: &Ctx, params: Params, mark: Mark) -> Result<Json, RpcError> {
    let hash = params.block_hash(0, "blockhash")?;
    let actor = ctx.node()?.mark_block.clone();
    match within(MARK_WITHIN, &actor, MarkBlock { hash, mark }).await? {
        Ok(_) => Ok(Json::Null),
        Err(MarkError::Unknown) => Err(RpcError::invalid_address_or_key("Block not found")),
        Err(other) => Err(RpcError::database(other.to_string())),
    }
}

/// How long pruning may take: thousands of files.
const PRUNE_WITHIN: Duration = Duration::from_secs(600);

async fn prune_blockchain(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let node = ctx.node()?;
    if !node.chain.pruning().is_pruned {
        return Err(RpcError::misc("Cannot prune blocks because node is not in prune mode."));
    }
    let number: i32 = params.int(0)?;
    let number = u64::try_from(number).map_err(|_| RpcError::invalid_parameter("Negative block height."))?;
    let actor = node.prune_blocks.clone();
    drop(node);
    let command = PruneBlocks { up_to: PruneUpTo::from_number(number) };
    match within(PRUNE_WITHIN, &actor, command).await? {
        // The last block that is gone; -1 where none is.
        Ok(pruned) => Ok(Json::from(i64::from(pruned.kept_from.to_u32()) - 1)),
        Err(PruneError::TooHigh { .. }) => {
            Err(RpcError::invalid_parameter("Blockchain is shorter than the attempted prune height."))
        }
        Err(PruneError::NoneSince { .. }) => {
            let text = "Could not find block with at least the specified timestamp.";
            Err(RpcError::invalid_parameter(text))
        }
        Err(other) => Err(RpcError::misc(other.to_string())),
    }
}

async fn get_tx_out(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let (txid, vout) = (params.txid(0, "txid")?, params.int(1)?);
    let with_mempool = params.bool_or(2, true)?;
    let node = ctx.node()?;
    let chain = node.chain.clone();
    let (tip, coins) = ctx.briefly(move || Ok(chain.coins(&[OutPoint { txid, vout }])?)).await?;
    let in_chain = coins.into_iter().next().flatten();
    let held = if with_mempool { node.mempool.get(&TxRef::Txid(txid)) } else { None };
    let place = usize::try_from(vout).unwrap_or(usize::MAX);
    let waiting = held.as_ref().and_then(|tx| tx.tx().output.get(place));
    if with_mempool && node.mempool.spender(&OutPoint { txid, vout }).is_some() {
        return Ok(Json::Null);
    }
    let (output, confirmations, is_coinbase) = match (&in_chain, waiting) {
        (Some(coin), _) => {
            let confirmations = tip.height.next().blocks_above(coin.height);
            (&coin.output, confirmations, coin.is_coinbase)
        }
        (None, Some(output)) => (output, 0, false),
        (None, None) => return Ok(Json::Null),
    };
    Ok(object([
        ("bestblock", Json::hash(tip.hash)),
        ("confirmations", Json::from(confirmations)),
        ("value", Json::from(output.value)),
        ("scriptPubKey", show::script(&output.script_pubkey, node.params.network)),
        ("coinbase", Json::from(is_coinbase)),
    ]))
}

/// How long the walk over all coins may take: 170 million coins at 0.2 million a second, and as much again.
pub(super) const UTXO_WITHIN: Duration = Duration::from_secs(1800);

/// What the index has.
async fn indexed(node: Arc<NodeLinks>, block: Json, kind: &str) -> Result<Json, RpcError> {
    let kind = kind.to_owned();
    off_thread(move || super::coinstats::at(&node, &block, &kind)).await
}

async fn get_tx_out_set_info(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let kind = params.opt_str(0)?.unwrap_or("hash_serialized_3");
    if !matches!(kind, "hash_serialized_3" | "muhash" | "none") {
        return Err(RpcError::invalid_parameter(format!("'{kind}' is not a valid hash_type")));
    }
    let node = ctx.node()?;
    let has_index = node.indexes.kinds().contains(&IndexKind::CoinStats);
    if has_index && kind != "hash_serialized_3" {
        followed(&node, IndexKind::CoinStats).await;
    }
    if let Some(block) = params.given(1) {
        let refused = |text: &str| Err(RpcError::invalid_parameter(text));
        return match () {
            () if !has_index => refused("Querying specific block heights requires coinstatsindex"),
            () if kind == "hash_serialized_3" => {
                refused("hash_serialized_3 hash type cannot be queried for a specific block")
            }
            () if !params.bool_or(2, true)? => {
                refused("Cannot set use_index to false when querying for a specific block")
            }
            () => indexed(node, block.clone(), kind).await,
        };
    }
    if has_index && kind != "hash_serialized_3" && params.bool_or(2, true)? {
        let height = Json::from(node.chain.tip().height.to_u32());
        return indexed(node, height, kind).await;
    }
    let actor = node.utxo_stats.clone();
    drop(node);
    let stats = within(UTXO_WITHIN, &actor, GetUtxoStats).await??;
    let mut fields = vec![
        ("height", Json::from(stats.height.to_u32())),
        ("bestblock", Json::text(stats.tip)),
        ("txouts", Json::from(stats.coins)),
        ("bogosize", Json::from(stats.bogo_size)),
    ];
    match kind {
        "hash_serialized_3" => fields.push(("hash_serialized_3", Json::from(stats.hash_serialized))),
        "muhash" => fields.push(("muhash", Json::from(stats.muhash))),
        _ => {}
    }
    fields.push(("total_amount", Json::Amount(i64::try_from(stats.amount_sat).unwrap_or(i64::MAX))));
    fields.push(("transactions", Json::from(stats.transactions)));
    fields.push(("disk_size", Json::from(stats.record_bytes)));
    Ok(object(fields))
}

async fn get_index_info(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let wanted = params.opt_str(0)?.unwrap_or_default();
    let node = ctx.node()?;
    let mut all = node.indexes.status();
    // Core's order.
    all.sort_by_key(|status| match status.kind {
        IndexKind::Transactions => 0,
        IndexKind::CoinStats => 1,
        IndexKind::Spenders => 2,
        IndexKind::Filters => 3,
    });
    let shown = all.into_iter().filter_map(|status| {
        let name = match status.kind {
            IndexKind::Transactions => "txindex",
            IndexKind::CoinStats => "coinstatsindex",
            IndexKind::Filters => "basic block filter index",
            IndexKind::Spenders => "txospenderindex",
        };
        let height = status.best.map_or(0, |(height, _)| height.to_u32());
        let fields = [("synced", Json::from(status.synced)), ("best_block_height", Json::from(height))];
        (wanted.is_empty() || wanted == name).then(|| (name, object(fields)))
    });
    Ok(object(shown))
}

async fn get_block_filter(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let hash = params.block_hash(0, "blockhash")?;
    if params.opt_str(1)?.unwrap_or("basic") != "basic" {
        return Err(RpcError::invalid_address_or_key("Unknown filtertype"));
    }
    let node = ctx.node()?;
    if !node.indexes.kinds().contains(&IndexKind::Filters) {
        return Err(RpcError::misc("Index is not enabled for filtertype basic"));
    }
    let entry = entry(&node.chain, &hash)?;
    followed(&node, IndexKind::Filters).await;
    let not_found = |error: IndexError| {
        let syncing = "Block filters are still in the process of being indexed.";
        RpcError::misc(format!("Filter not found. {syncing} ({error})"))
    };
    let hash = entry.hash;
    off_thread(move || {
        let found = node.indexes.filter_of_any(&hash, STALE_BLOCKS_MAX).map_err(not_found)?;
        let header = sha256d::Hash::from_byte_array(found.record.header);
        Ok(object([("filter", Json::hex(&found.filter)), ("header", Json::text(header))]))
    })
    .await
}

/// Blocks of a branch that is not the best one whose filters are made at most: two weeks of them.
const STALE_BLOCKS_MAX: usize = 2_016;
