//! The coins in files: written, and taken over to stand on.

use std::path::Path;
use std::time::Duration;

use adit_actors::messages::utxo::{DumpUtxoSet, LoadUtxoSet};
use adit_actors::root::NodeLinks;
use adit_chainstate::{ChainstateInfo, DumpError, Dumped, LoadError};
use adit_domain::consensus::Params as Network;
use bitcoin::BlockHash;
use tokio::sync::mpsc;

use super::coinstats::block_of;
use super::info::{UTXO_WITHIN, chain_name};
use super::progress;
use crate::ctx::{Ctx, off_thread, within};
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::Params;
use crate::show::{self, hex32};
use crate::table::Category::Blockchain;
use crate::table::{Kind, Method, method, opt, options, req};

pub(super) const METHODS: &[Method] = &[
    method(
        "dumptxoutset",
        Blockchain,
        &[
            req("path", Kind::Str),
            opt("type", Kind::Str),
            options("options", &[opt("rollback", Kind::Any), opt("in_memory", Kind::Bool)])
                .shown("{\"rollback\":n,\"in_memory\":bool,...}"),
        ],
        "Writes all coins to a new file: those of today (\"latest\"), or as they were at a block of the best chain (\"rollback\").",
        |c, p| Box::pin(dump_tx_out_set(c, p)),
    ),
    method(
        "loadtxoutset",
        Blockchain,
        &[req("path", Kind::Str)],
        "Takes the coins of a file over whose hash is known, and goes on from there; the blocks below are verified beside it.",
        |c, p| Box::pin(load_tx_out_set(c, p)),
    ),
    method("getchainstates", Blockchain, &[], "The chains of coins that are kept.", |c, p| {
        Box::pin(get_chain_states(c, p))
    }),
];

/// The block whose coins are meant; none: the tip.
fn wanted(node: &NodeLinks, params: &Params) -> Result<Option<BlockHash>, RpcError> {
    let kind = params.opt_str(1)?.unwrap_or_default();
    let named = params.get(2).get("rollback").filter(|named| !named.is_null());
    let words = |rest: &str| format!("Invalid snapshot type \"{kind}\" specified{rest}");
    let (height, hash) = match (kind, named) {
        ("" | "rollback", Some(named)) => block_of(node, named)?,
        (_, Some(_)) => return Err(RpcError::invalid_parameter(words(" with rollback option"))),
        ("rollback", None) => {
            let known = node.params.assumed_coins.iter().map(|known| known.height.to_u32()).max();
            block_of(node, &Json::from(known.unwrap_or(0)))?
        }
        ("latest", None) => return Ok(None),
        _ => {
            let text = words(". Please specify \"rollback\" or \"latest\"");
            return Err(RpcError::invalid_parameter(text));
        }
    };
    let hash = hash.or_else(|| node.chain.hash_at(height));
    let tip = node.chain.tip().hash;
    Ok(hash.filter(|hash| *hash != tip))
}

async fn dump_tx_out_set(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let node = ctx.node()?;
    let at = wanted(&node, &params)?;
    let path = node.folder.join(params.str(0)?);
    if path.exists() {
        let text = format!(
            "{} already exists. If you are sure this is what you want, move it out of the way first",
            path.display()
        );
        return Err(RpcError::invalid_parameter(text));
    }
    let (actor, chain) = (node.dump_utxo.clone(), node.chain.clone());
    drop(node);
    let written = within(UTXO_WITHIN, &actor, DumpUtxoSet { path: path.clone(), at }).await?;
    let written = written.map_err(|error| not_dumped(error, &path))?;
    let (base, counting) = (written.base, ctx.counting());
    let txs = off_thread(move || Ok(progress::chain_txs(&chain, &base, &counting))).await?;
    Ok(dumped(&written, &path, txs))
}

fn not_dumped(error: DumpError, path: &Path) -> RpcError {
    match error {
        DumpError::Write { source, .. } if !path.parent().is_some_and(Path::is_dir) => {
            tracing::warn!(path = %path.display(), error = %source, "coins are not written");
            let text = format!("Couldn't open file {}.incomplete for writing.", path.display());
            RpcError::invalid_parameter(text)
        }
        DumpError::Gone { .. } => RpcError::misc(
            "Could not roll back to requested height since necessary block data is already pruned.",
        ),
        other => RpcError::misc(other.to_string()),
    }
}

fn dumped(dumped: &Dumped, path: &Path, txs: Option<u64>) -> Json {
    object([
        ("coins_written", Json::from(dumped.coins)),
        ("base_hash", Json::text(dumped.base)),
        ("base_height", Json::from(dumped.height.to_u32())),
        ("path", Json::text(path.display())),
        ("txoutset_hash", Json::from(dumped.hash_serialized.clone())),
        ("nchaintx", Json::from(txs.unwrap_or(0))),
    ])
}

/// How long it may take: 170 million coins at 0.2 million a second, read and hashed, and twice that again.
const LOAD_WITHIN: Duration = Duration::from_secs(7200);
/// What is said of how far it is, which nobody here listens to: the newest is dropped.
const PROGRESS_MAX: usize = 1;

async fn load_tx_out_set(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let node = ctx.node()?;
    let path = node.folder.join(params.str(0)?);
    if std::fs::File::open(&path).is_err() {
        let text = format!("Couldn't open file {} for reading.", path.display());
        return Err(RpcError::invalid_parameter(text));
    }
    let (actor, network, waiting) = (node.load_utxo.clone(), node.params.clone(), node.mempool.count());
    drop(node);
    let (progress, heard) = mpsc::channel(PROGRESS_MAX);
    let loaded = if waiting > 0 {
        Err(LoadError::MempoolNotEmpty)
    } else {
        within(LOAD_WITHIN, &actor, LoadUtxoSet { path: path.clone(), progress }).await?
    };
    drop(heard);
    let loaded = loaded.map_err(|error| not_loaded(&error, &network, &path))?;
    Ok(object([
        ("coins_loaded", Json::from(loaded.coins)),
        ("tip_hash", Json::text(loaded.base)),
        ("base_height", Json::from(loaded.height.to_u32())),
        ("path", Json::text(path.display())),
    ]))
}

/// Core's words for each; what its clients and tests look for.
fn not_loaded(error: &LoadError, network: &Network, path: &Path) -> RpcError {
    let head = |text: String| RpcError::deserialization(format!("Unable to parse metadata: {text}"));
    let text = match error {
        LoadError::NotASnapshot => {
            return head(
                "Invalid UTXO set snapshot magic bytes. Please check if this is indeed a snapshot file or if you are using an outdated snapshot format."
                    .to_owned(),
            );
        }
        LoadError::OtherVersion { found } => {
            return head(format!("Version of snapshot {found} does not match any of the supported versions."));
        }
        LoadError::OtherNetwork { found: Some(found), .. } => {
            let name = Network::from_name(found).map_or(*found, |params| chain_name(params.network));
            let ours = chain_name(network.network);
            return head(format!(
                "The network of the snapshot ({name}) does not match the network of this node ({ours})."
            ));
        }
        LoadError::OtherNetwork { found: None, .. } => {
            return head(
                "This snapshot has been created for an unrecognized network. This could be a custom signet, a new testnet or possibly caused by data corruption."
                    .to_owned(),
            );
        }
        LoadError::NotListed { base, heights } => {
            let heights: Vec<String> = heights.iter().map(u32::to_string).collect();
            format!(
                "assumeutxo block hash in snapshot metadata not recognized (hash: {base}). The following snapshot heights are available: {}",
                heights.join(", ")
            )
        }
        LoadError::NoHeader { base } => format!(
            "The base block header ({base}) must appear in the headers chain. Make sure all headers are syncing, and call loadtxoutset again"
        ),
        LoadError::InvalidChain { base } => {
            format!("The base block header ({base}) is part of an invalid chain")
        }
        LoadError::OtherChain { .. } => {
            "A forked headers-chain with more work than the chain with the snapshot base block header exists. Please proceed to sync without AssumeUtxo."
                .to_owned()
        }
        LoadError::Already => "Can't activate a snapshot-based chainstate more than once".to_owned(),
        LoadError::MempoolNotEmpty => "Can't activate a snapshot when mempool not empty".to_owned(),
        other => format!("Population failed: {}", population(other)),
    };
    RpcError::internal(format!("Unable to load UTXO snapshot: {text}. ({})", path.display()))
}

/// Why the coins of a file are not those that they should be.
fn population(error: &LoadError) -> String {
    match error {
        LoadError::NoMoreWork { .. } => "Work does not exceed active chainstate".to_owned(),
        LoadError::CountMismatch { .. } => {
            "Mismatch in coins count in snapshot metadata and actual snapshot data".to_owned()
        }
        LoadError::Malformed { coins } => {
            format!("Bad snapshot format or truncated snapshot after deserializing {coins} coins")
        }
        LoadError::AboveBase { coins } => format!("Bad snapshot data after deserializing {coins} coins"),
        LoadError::BadAmount { coins } => {
            format!("Bad snapshot data after deserializing {coins} coins - bad tx out value")
        }
        LoadError::LeftOver { coins } => {
            format!("Bad snapshot - coins left over after deserializing {coins} coins")
        }
        LoadError::OtherCoins { found, wanted } => {
            format!("Bad snapshot content hash: expected {wanted}, got {found}")
        }
        other => other.to_string(),
    }
}

async fn get_chain_states(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let node = ctx.node()?;
    let counting = ctx.counting();
    off_thread(move || {
        let shown = |info: &ChainstateInfo| {
            let tip = &info.tip;
            let mut fields = vec![
                ("blocks", Json::from(tip.height.to_u32())),
                ("bestblockhash", Json::text(tip.hash)),
                ("bits", hex32(tip.header.bits.to_consensus())),
                ("target", show::target(tip.header.bits)),
                ("difficulty", Json::from(show::difficulty(tip.header.bits))),
                ("verificationprogress", Json::from(progress::of(&node, tip, &counting))),
                // Coins are kept in one cache over tables of their own: there are no two to tell apart.
                ("coins_db_cache_bytes", Json::from(0)),
                ("coins_tip_cache_bytes", Json::from(0)),
            ];
            fields.extend(info.snapshot_base.map(|(base, _)| ("snapshot_blockhash", Json::text(base))));
            fields.push(("validated", Json::from(info.validated)));
            object(fields)
        };
        let all = node.chain.chainstates().iter().map(shown).collect();
        let headers = node.chain.best_header().1.to_u32();
        Ok(object([("headers", Json::from(headers)), ("chainstates", Json::List(all))]))
    })
    .await
}
