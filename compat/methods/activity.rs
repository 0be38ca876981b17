//! Blocks that concern a descriptor: by their filters, or read whole.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use adit_actors::root::NodeLinks;
use adit_chainstate::{ChainReader, HeaderEntry, IndexKind};
use adit_domain::peer::TxRef;
use adit_domain::units::Height;
use bitcoin::bip158::BlockFilter;
use bitcoin::{BlockHash, OutPoint, ScriptBuf, TxIn, TxOut, Txid};

use super::chain::{entry, missing};
use super::coinstats::followed;
use super::descriptors::scanned;
use crate::ctx::{Ctx, Scan, off_thread};
use crate::descriptor::Known;
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::{self, Params};
use crate::show;
use crate::table::Category::Blockchain;
use crate::table::{Arg, Kind, Method, method, opt, options, req};

const OBJECTS: Arg = req("scanobjects", Kind::List).shown("[scanobjects,...]");

pub(super) const METHODS: &[Method] = &[
    method(
        "scanblocks",
        Blockchain,
        &[
            req("action", Kind::Str),
            opt("scanobjects", Kind::List).shown("[scanobjects,...]"),
            opt("start_height", Kind::Num),
            opt("stop_height", Kind::Num),
            opt("filtertype", Kind::Str),
            options("options", &[opt("filter_false_positives", Kind::Bool)]),
        ],
        "Which blocks have scripts of these descriptors, by their filters: start, abort, or status.",
        |c, p| Box::pin(scan_blocks(c, p)),
    ),
    method(
        "getdescriptoractivity",
        Blockchain,
        &[
            req("blockhashes", Kind::List).shown("[\"blockhash\",...]"),
            OBJECTS,
            opt("include_mempool", Kind::Bool),
        ],
        "What scripts of these descriptors received and spent, in these blocks and in the mempool.",
        |c, p| Box::pin(get_descriptor_activity(c, p)),
    ),
];

/// The scripts of all scan objects.
fn scripts(typed: &Json, network: bitcoin::Network) -> Result<HashSet<ScriptBuf>, RpcError> {
    let mut found = HashSet::new();
    for object in params::list(typed)? {
        found.extend(scanned(object, network, &mut Known::default())?);
    }
    Ok(found)
}

async fn scan_blocks(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    match params.str(0)? {
        "status" => Ok(ctx.filter_scan.progress().map_or(Json::Null, |percent| {
            let height = Json::from(ctx.filter_scan.height());
            object([("progress", Json::from(percent)), ("current_height", height)])
        })),
        "abort" => Ok(Json::from(ctx.filter_scan.abort())),
        "start" => start(ctx, &params).await,
        other => Err(RpcError::invalid_parameter(format!("Invalid action '{other}'"))),
    }
}

/// Heights of the best chain: from the first to the last.
fn heights(chain: &ChainReader, params: &Params) -> Result<(u32, u32), RpcError> {
    let tip = chain.tip().height.to_u32();
    let read = |place: usize, otherwise: u32| {
        let typed = params.opt_int::<i32>(place)?;
        Ok::<_, RpcError>(typed.map_or(Some(otherwise), |height| u32::try_from(height).ok()))
    };
    let first = read(2, 0)?.filter(|height| *height <= tip);
    let first = first.ok_or_else(|| RpcError::misc("Invalid start_height"))?;
    let last = read(3, tip)?.filter(|height| (first..=tip).contains(height));
    Ok((first, last.ok_or_else(|| RpcError::misc("Invalid stop_height"))?))
}

async fn start(ctx: &Ctx, params: &Params) -> Result<Json, RpcError> {
    let Some(running) = Scan::begin(&ctx.filter_scan) else {
        let text = "Scan already in progress, use action \"abort\" or \"status\"";
        return Err(RpcError::invalid_parameter(text));
    };
    if params.opt_str(4)?.unwrap_or("basic") != "basic" {
        return Err(RpcError::invalid_address_or_key("Unknown filtertype"));
    }
    let is_exact = match params.given(5).and_then(|options| options.get("filter_false_positives")) {
        Some(exact) => params::boolean(exact)?,
        None => false,
    };
    let node = ctx.node()?;
    if !node.indexes.kinds().contains(&IndexKind::Filters) {
        return Err(RpcError::misc("Index is not enabled for filtertype basic"));
    }
    let (first, last) = heights(&node.chain, params)?;
    let needles = scripts(params.get(1), node.params.network)?;
    followed(&node, IndexKind::Filters).await;
    let scan = Arc::clone(&ctx.filter_scan);
    off_thread(move || {
        let _running = running;
        let (mut found, mut at) = (Vec::new(), first);
        for height in first..=last {
            if scan.is_aborted() {
                break;
            }
            at = height;
            scan.reached(height, first, last);
            found.extend(concerned(&node, height, &needles, is_exact)?.map(Json::text));
        }
        Ok(object([
            ("from_height", Json::from(first)),
            ("to_height", Json::from(at)),
            ("relevant_blocks", Json::List(found)),
            ("completed", Json::from(!scan.is_aborted())),
        ]))
    })
    .await
}

/// The block at a height, if its filter has one of the scripts; where the block itself is asked, if it really has one.
fn concerned(
    node: &NodeLinks,
    height: u32,
    needles: &HashSet<ScriptBuf>,
    is_exact: bool,
) -> Result<Option<BlockHash>, RpcError> {
    let Some(hash) = node.chain.hash_at(Height::new(height)) else { return Ok(None) };
    let Ok(found) = node.indexes.filter(&hash) else { return Ok(None) };
    let queries = needles.iter().map(|script| script.as_bytes());
    let matches = BlockFilter::new(&found.filter).match_any(&hash, queries);
    if !matches.is_ok_and(|matches| matches) {
        return Ok(None);
    }
    let really = !is_exact || has_any(&node.chain, &hash, needles)?;
    Ok(really.then_some(hash))
}

/// Whether a block pays to one of the scripts, or spends from one.
fn has_any(chain: &ChainReader, hash: &BlockHash, needles: &HashSet<ScriptBuf>) -> Result<bool, RpcError> {
    let block = chain.block(hash)?.ok_or_else(|| missing(chain, hash))?;
    let undo = chain.spent_by(hash)?;
    let is_wanted = |output: &TxOut| needles.contains(&output.script_pubkey);
    let pays = block.txs().iter().any(|tx| tx.tx().output.iter().any(is_wanted));
    let spends = undo.iter().flat_map(|undo| undo.spent.iter().flatten()).any(|coin| is_wanted(&coin.output));
    Ok(pays || spends)
}

/// Where something happened: a block, or the mempool.
fn place(block: Option<&HeaderEntry>) -> Vec<(&'static str, Json)> {
    let Some(block) = block else { return Vec::new() };
    vec![("blockhash", Json::text(block.hash)), ("height", Json::from(block.height.to_u32()))]
}

/// What is looked for, and what was found.
struct Watch {
    scripts: HashSet<ScriptBuf>,
    network: bitcoin::Network,
    events: Vec<Json>,
}

impl Watch {
    fn spent(&mut self, output: &TxOut, txid: Txid, n: usize, input: &TxIn, block: Option<&HeaderEntry>) {
        if !self.scripts.contains(&output.script_pubkey) {
            return;
        }
        let mut fields = vec![("type", Json::from("spend")), ("amount", Json::from(output.value))];
        fields.extend(place(block));
        fields.extend([
            ("spend_txid", Json::text(txid)),
            ("spend_vin", Json::from(n)),
            ("prevout_txid", Json::text(input.previous_output.txid)),
            ("prevout_vout", Json::from(input.previous_output.vout)),
            ("prevout_spk", show::script(&output.script_pubkey, self.network)),
        ]);
        self.events.push(object(fields));
    }

    fn received(&mut self, outputs: &[TxOut], txid: Txid, block: Option<&HeaderEntry>) {
        for (n, output) in outputs.iter().enumerate() {
            if !self.scripts.contains(&output.script_pubkey) {
                continue;
            }
            let mut fields = vec![("type", Json::from("receive")), ("amount", Json::from(output.value))];
            fields.extend(place(block));
            fields.extend([
                ("txid", Json::text(txid)),
                ("vout", Json::from(n)),
                ("output_spk", show::script(&output.script_pubkey, self.network)),
            ]);
            self.events.push(object(fields));
        }
    }

    fn block(&mut self, chain: &ChainReader, at: &HeaderEntry) -> Result<(), RpcError> {
        let block = chain.block(&at.hash)?.ok_or_else(|| missing(chain, &at.hash))?;
        let undo = chain.spent_by(&at.hash)?;
        for (n, tx) in block.txs().iter().enumerate() {
            let coins = n.checked_sub(1).and_then(|n| undo.as_ref()?.spent.get(n));
            let spends = tx.tx().input.iter().zip(coins.into_iter().flatten()).enumerate();
            for (n, (input, coin)) in spends {
                self.spent(&coin.output, tx.txid(), n, input, Some(at));
            }
            self.received(&tx.tx().output, tx.txid(), Some(at));
        }
        Ok(())
    }

    fn mempool(&mut self, node: &NodeLinks) -> Result<(), RpcError> {
        for wtxid in node.mempool.wtxids(usize::MAX) {
            let Some(tx) = node.mempool.get(&TxRef::Wtxid(wtxid)) else { continue };
            let wanted: Vec<OutPoint> = tx.tx().input.iter().map(|input| input.previous_output).collect();
            let (_, coins) = node.chain.coins(&wanted)?;
            for (n, (input, coin)) in tx.tx().input.iter().zip(coins).enumerate() {
                let output = coin.map(|coin| coin.output).or_else(|| {
                    let parent = node.mempool.get(&TxRef::Txid(input.previous_output.txid))?;
                    parent.tx().output.get(usize::try_from(input.previous_output.vout).ok()?).cloned()
                });
                if let Some(output) = output {
                    self.spent(&output, tx.txid(), n, input, None);
                }
            }
            self.received(&tx.tx().output, tx.txid(), None);
        }
        Ok(())
    }
}

async fn get_descriptor_activity(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let node = ctx.node()?;
    let mut blocks = BTreeSet::new();
    for typed in params::list(params.get(0))? {
        let hash: BlockHash = bitcoin::hashes::Hash::from_byte_array(params::hash(typed, "blockhash")?);
        let found = entry(&node.chain, &hash)?;
        if !found.is_active {
            return Err(RpcError::invalid_parameter("Block is not in main chain"));
        }
        blocks.insert((found.height, hash));
    }
    let network = node.params.network;
    let mut watch = Watch { scripts: scripts(params.get(1), network)?, network, events: Vec::new() };
    let with_mempool = params.bool_or(2, true)?;
    off_thread(move || {
        for (_, hash) in &blocks {
            watch.block(&node.chain, &entry(&node.chain, hash)?)?;
        }
        if with_mempool {
            watch.mempool(&node)?;
        }
        Ok(object([("activity", Json::List(watch.events))]))
    })
    .await
}
