//! Blocks of our own: templates, blocks that are made here, blocks that come from elsewhere.

use std::sync::Arc;
use std::time::Duration;

use adit_actors::messages::chain::{SubmitBlock, SubmitHeaders};
use adit_actors::messages::mempool::PublishSnapshot;
use adit_actors::root::NodeLinks;
use adit_chainstate::SubmitError;
use adit_domain::chain::NextBlock;
use adit_domain::consensus::witness_commitment_index;
use adit_domain::mempool::{MempoolEntry, MempoolSnapshot};
use adit_domain::peer::TxRef;
use adit_domain::template::{BlockTemplate, FoundHeader, TemplateRequest, build_template_of};
use adit_domain::units::parse_address;
use adit_domain::wire::{HEADER_BYTES, ParsedBlock, ParsedTx};
use bitcoin::absolute::LockTime;
use bitcoin::block::Version as BlockVersion;
use bitcoin::consensus::encode::{Decodable, deserialize, serialize};
use bitcoin::hex::FromHex;
use bitcoin::script::Builder;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Target, Transaction, TxIn, TxOut, Txid, Witness, Work};

use super::info::chain_name;
use super::mempool::decode;
use crate::ctx::{Ctx, ask, off_thread, within};
use crate::descriptor;
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::{self, Params};
use crate::show::{self, hex32};
use crate::table::Category::{Hidden, Mining};
use crate::table::{Kind, Method, method, opt, req};

pub(super) const METHODS: &[Method] = &[
    method(
        "generatetoaddress",
        Hidden,
        &[req("nblocks", Kind::Num), req("address", Kind::Str), opt("maxtries", Kind::Num)],
        "Makes blocks at once that pay to an address; on a test network of one's own.",
        |c, p| Box::pin(generate_to_address(c, p)),
    ),
    method(
        "generatetodescriptor",
        Hidden,
        &[req("num_blocks", Kind::Num), req("descriptor", Kind::Str), opt("maxtries", Kind::Num)],
        "Makes blocks at once that pay to a descriptor; on a test network of one's own.",
        |c, p| Box::pin(generate_to_descriptor(c, p)),
    ),
    method(
        "generateblock",
        Hidden,
        &[req("output", Kind::Str), req("transactions", Kind::List).shown("[\"rawtx/txid\",...]"), opt("submit", Kind::Bool)],
        "Makes one block of these transactions; their fees are nobody's.",
        |c, p| Box::pin(generate_block(c, p)),
    ),
    method("generate", Hidden, &[], "has been replaced by the -generate cli option. Refer to -help for more information.", |c, p| {
        Box::pin(generate(c, p))
    }),
    method(
        "submitblock",
        Mining,
        &[req("hexdata", Kind::Str), opt("dummy", Kind::Str)],
        "Takes a block from a miner; null where it was taken.",
        |c, p| Box::pin(submit_block(c, p)),
    ),
    method("submitheader", Mining, &[req("hexdata", Kind::Str)], "Takes a header.", |c, p| {
        Box::pin(submit_header(c, p))
    }),
    method("getmininginfo", Mining, &[], "What a miner wants to know of the chain.", |c, p| {
        Box::pin(get_mining_info(c, p))
    }),
    method(
        "getnetworkhashps",
        Mining,
        &[opt("nblocks", Kind::Num), opt("height", Kind::Num)],
        "Hashes a second, as the last blocks came: so many, or -1 for those since the last change of the target.",
        |c, p| Box::pin(get_network_hash_ps(c, p)),
    ),
    method(
        "getblocktemplate",
        Mining,
        &[req("template_request", Kind::Obj).shown(
            "{\"mode\":\"str\",\"capabilities\":[\"str\",...],\"rules\":[\"segwit\",\"str\",...],\"longpollid\":\"str\",\"data\":\"hex\"}",
        )],
        "What a miner should work on (BIP22, BIP23, BIP145).",
        |c, p| Box::pin(super::template::get_block_template(c, p)),
    ),
];

/// Hashes that are tried where nothing else is asked for, as in Core.
const TRIES_DEFAULT: u64 = 1_000_000;
/// How long a block may take: one that reorganises, or that waits behind a flush.
const SUBMIT_WITHIN: Duration = Duration::from_secs(600);
/// The last height that is an opcode of its own, one byte: a coinbase's script has two at least.
const SMALL_HEIGHT_MAX: u32 = 16;

async fn generate(_: &Ctx, _: Params) -> Result<Json, RpcError> {
    Err(RpcError::method_not_found(super::find("generate").map(crate::help::of).unwrap_or_default()))
}

async fn generate_to_address(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let count: i32 = params.int(0)?;
    let tries = params.opt_int(2)?.unwrap_or(TRIES_DEFAULT);
    let address = parse_address(params.str(1)?, ctx.node()?.params.network);
    let address = address.map_err(|_| RpcError::invalid_address_or_key("Error: Invalid address"))?;
    generate_many(ctx, count, address.script_pubkey(), tries).await
}

async fn generate_to_descriptor(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let count: i32 = params.int(0)?;
    let tries = params.opt_int(2)?.unwrap_or(TRIES_DEFAULT);
    let script = descriptor::payable(params.str(1)?, ctx.node()?.params.network)?;
    generate_many(ctx, count, script, tries).await
}

async fn generate_many(ctx: &Ctx, count: i32, script: ScriptBuf, tries: u64) -> Result<Json, RpcError> {
    let mut hashes = Vec::new();
    let mut tries = tries;
    for _ in 0..count {
        let node = ctx.node()?;
        let next = node.chain.next_block(node.clock.now());
        let snapshot = pooled(&node, &next).await;
        let template = template(ctx, &node, &next, snapshot.as_deref())?;
        let (solved, left) = solve(&node, template, script.clone(), tries).await?;
        tries = left;
        let Some(block) = solved else { break };
        let hash = block.hash();
        let actor = node.submit_block.clone();
        drop(node);
        let taken = within(SUBMIT_WITHIN, &actor, SubmitBlock { block: Arc::new(block) }).await?;
        if let Err(error) = taken {
            tracing::warn!(%error, "a block that was made here was refused");
            return Err(RpcError::internal("ProcessNewBlock, block not accepted"));
        }
        hashes.push(Json::text(hash));
    }
    Ok(Json::List(hashes))
}

/// How long the mempool may take to follow a tip; without it the block is empty.
const POOL_WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked whether it has, or whether there is another tip, without having been told.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What waits, on the parent of that block.
pub(super) async fn pooled(node: &NodeLinks, next: &NextBlock) -> Option<Arc<MempoolSnapshot>> {
    let mut changes = node.mempool.changes();
    let followed = async {
        while node.mempool.snapshot().tip != next.prev && node.chain.tip().hash == next.prev {
            let _ = tokio::time::timeout(LOOK_EVERY, changes.changed()).await;
        }
    };
    // Without the mempool the block is empty, and good all the same.
    tokio::time::timeout(POOL_WITHIN, followed).await.ok()?;
    ask(&node.publish_mempool, PublishSnapshot).await.ok()?;
    Some(node.mempool.snapshot()).filter(|snapshot| snapshot.tip == next.prev)
}

/// A template of what waits. Whoever asks makes the coinbase: any script stands in for theirs.
pub(super) fn template(
    ctx: &Ctx,
    node: &NodeLinks,
    next: &NextBlock,
    mempool: Option<&MempoolSnapshot>,
) -> Result<BlockTemplate, RpcError> {
    let request = TemplateRequest {
        next,
        subsidy: node.params.subsidy(next.height),
        payout_script: &ScriptBuf::from_bytes(vec![0x51]),
        now: node.clock.now(),
        id: 0,
    };
    // One unit less, as Core compares.
    let kept = ctx.config.block_weight_reserved.saturating_add(1);
    let room = ctx.config.block_weight_max.saturating_sub(kept);
    let built = build_template_of(&request, mempool, room);
    let built = built.map_err(|error| RpcError::internal(error.to_string()))?;
    let own = ctx.config.block_version.filter(|_| node.params.network == bitcoin::Network::Regtest);
    let version = own.map_or(built.version, BlockVersion::from_consensus);
    let built = BlockTemplate { version, ..built };
    let weight = built
        .txs
        .iter()
        .fold(ctx.config.block_weight_reserved, |sum, tx| sum.saturating_add(tx.weight().to_wu()));
    let mut last = ctx.last_template.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    *last = Some((built.txs.len(), weight));
    Ok(built)
}

/// The coinbase as Core makes it, byte for byte, so that the same block comes of the same time, place and payee: the height, an
/// OP_0 behind it where it is a byte alone, and a lock time of the height before, which the sequence lets hold.
fn coinbase(template: &BlockTemplate, script: &ScriptBuf) -> Transaction {
    let height = template.height.to_u32();
    let mut script_sig = Builder::new().push_int(i64::from(height));
    if height <= SMALL_HEIGHT_MAX {
        script_sig = script_sig.push_int(0);
    }
    let input = TxIn {
        previous_output: OutPoint::null(),
        script_sig: script_sig.into_script(),
        sequence: Sequence::ENABLE_LOCKTIME_NO_RBF,
        witness: Witness::new(),
    };
    let reward = TxOut { value: template.coinbase_value, script_pubkey: script.clone() };
    let commitment = TxOut { value: Amount::ZERO, script_pubkey: template.witness_commitment.clone() };
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::from_consensus(height.saturating_sub(1)),
        input: vec![input],
        output: vec![reward, commitment],
    }
}

/// Looks for a nonce; says how many tries are left, and nothing where they did not do.
async fn solve(
    node: &NodeLinks,
    template: BlockTemplate,
    script: ScriptBuf,
    tries: u64,
) -> Result<(Option<ParsedBlock>, u64), RpcError> {
    let has_segwit = template.height >= node.params.forks.segwit;
    off_thread(move || {
        let bare = coinbase(&template, &script);
        let coinbase = serialize(&bare);
        let found = FoundHeader { version: template.version, time: template.time, nonce: 0 };
        let block = template.assemble(&coinbase, &found);
        let block = block.map_err(|error| RpcError::internal(error.to_string()))?;
        let (mut header, target) = (*block.header(), Target::from_compact(template.bits));
        let mut left = tries;
        while !target.is_met_by(header.block_hash()) {
            if left == 0 || header.nonce == u32::MAX {
                return Ok((None, left));
            }
            header.nonce = header.nonce.wrapping_add(1);
            left = left.saturating_sub(1);
        }
        let mut txs = block.txs().to_vec();
        if let Some(first) = txs.first_mut().filter(|_| !has_segwit) {
            // Before segwit a block must not have a witness; the id is the same without.
            *first = ParsedTx::new(bare);
        }
        Ok((Some(ParsedBlock::of_parsed(header, txs)), left))
    })
    .await
}

async fn generate_block(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let (output, submit) = (params.str(0)?, params.bool_or(2, true)?);
    let node = ctx.node()?;
    let network = node.params.network;
    let script = payee(output, network)?;
    let wanted = params::list(params.get(1))?;
    let entries = wanted.iter().map(|typed| chosen(&node, typed)).collect::<Result<Vec<_>, _>>()?;
    let next = node.chain.next_block(node.clock.now());
    let snapshot = MempoolSnapshot { tip: next.prev, entries };
    let template = template(ctx, &node, &next, Some(&snapshot))?;
    let actor = node.submit_block.clone();
    let (solved, _) = solve(&node, template, script, u64::from(u32::MAX)).await?;
    drop(node);
    let block = Arc::new(solved.ok_or_else(|| RpcError::misc("Failed to make block."))?);
    let mut shown = object([("hash", Json::text(block.hash()))]);
    if !submit {
        shown.push("hex", Json::hex(block.raw()));
        return Ok(shown);
    }
    match within(SUBMIT_WITHIN, &actor, SubmitBlock { block }).await? {
        Ok(_) => Ok(shown),
        Err(SubmitError::Fault(fault)) => Err(fault.into()),
        Err(refused) => Err(RpcError::verify(format!("TestBlockValidity failed: {refused}"))),
    }
}

/// The script of a descriptor or of an address.
fn payee(output: &str, network: bitcoin::Network) -> Result<ScriptBuf, RpcError> {
    match descriptor::read(output, network, false) {
        Ok(_) => descriptor::payable(output, network),
        Err(_) => {
            let text = "Error: Invalid address or descriptor";
            let address = parse_address(output, network).map(|address| address.script_pubkey());
            address.map_err(|_| RpcError::invalid_address_or_key(text))
        }
    }
}

/// A transaction by its id in the mempool, or by its bytes.
fn chosen(node: &NodeLinks, typed: &Json) -> Result<MempoolEntry, RpcError> {
    let typed = params::text(typed)?;
    let tx = match typed.parse::<Txid>() {
        Ok(txid) => node.mempool.get(&TxRef::Txid(txid)).ok_or_else(|| {
            RpcError::invalid_address_or_key(format!("Transaction {typed} not in mempool."))
        })?,
        Err(_) => {
            let text = "Make sure the tx has at least one input.";
            let failed =
                || RpcError::deserialization(format!("Transaction decode failed for {typed}. {text}"));
            Arc::new(decode(typed).ok_or_else(failed)?)
        }
    };
    Ok(MempoolEntry { tx, fee: Amount::ZERO, sigop_cost: 0 })
}

async fn submit_block(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let failed = || RpcError::deserialization("Block decode failed");
    let raw = Vec::from_hex(params.str(0)?).map_err(|_| failed())?;
    let block = first_block(&raw).ok_or_else(failed)?;
    let node = ctx.node()?;
    if node.chain.work_with(Work::from_be_bytes([0; 32]), block.header()).is_none() {
        // Before its parent is looked for, as in Core.
        return Ok(Json::from("high-hash"));
    }
    let block = Arc::new(with_reserved_value(block, &node));
    let hash = block.hash();
    let known = node.chain.entry(&hash).map(|entry| entry.status);
    let was_pruned = node.chain.is_block_pruned(&hash);
    if was_pruned {
        node.chain.want_block(hash);
    }
    let actor = node.submit_block.clone();
    drop(node);
    let taken = within(SUBMIT_WITHIN, &actor, SubmitBlock { block }).await?;
    Ok(match taken {
        Ok(accepted) if accepted.duplicate && !was_pruned => Json::from("duplicate"),
        Ok(accepted) if accepted.connected.iter().any(|block| block.hash() == hash) => Json::Null,
        Ok(_) => Json::from("inconclusive"),
        Err(SubmitError::Fault(fault)) => return Err(fault.into()),
        Err(_) if known.is_some_and(|status| status.is_failed()) => Json::from("duplicate-invalid"),
        Err(SubmitError::Invalid { reject, .. }) => Json::from(reject_token(&reject)),
        Err(SubmitError::Orphan { .. }) => Json::from("prev-blk-not-found"),
    })
}

/// A block; what follows it is not looked at, as in Core.
fn first_block(raw: &[u8]) -> Option<ParsedBlock> {
    ParsedBlock::decode(raw).ok().or_else(|| {
        let mut rest = raw;
        bitcoin::Block::consensus_decode(&mut rest).ok()?;
        ParsedBlock::decode(raw.get(..raw.len().checked_sub(rest.len())?)?).ok()
    })
}

/// A coinbase that commits to witnesses and lacks its own gets it, as miners' programs rely on.
fn with_reserved_value(block: ParsedBlock, node: &NodeLinks) -> ParsedBlock {
    let parent = node.chain.entry(&block.header().prev_blockhash);
    let segwit = parent.is_some_and(|parent| parent.height.next() >= node.params.forks.segwit);
    let coinbase = block.txs().first().map(ParsedTx::tx);
    let commits = coinbase.is_some_and(|tx| witness_commitment_index(tx).is_some());
    let lacks = coinbase.is_some_and(|tx| tx.input.iter().all(|input| input.witness.is_empty()));
    let (true, Some(coinbase)) = (segwit && commits && lacks, coinbase) else { return block };
    let mut coinbase = coinbase.clone();
    for input in &mut coinbase.input {
        input.witness = bitcoin::Witness::from_slice(&[[0u8; 32]]);
    }
    let rest = block.txs().iter().skip(1).cloned();
    let txs = std::iter::once(ParsedTx::new(coinbase)).chain(rest).collect();
    ParsedBlock::of_parsed(*block.header(), txs)
}

/// Core's token without the detail behind it.
pub(super) fn reject_token(reject: &str) -> String {
    reject.split(", ").next().unwrap_or(reject).to_owned()
}

async fn submit_header(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let failed = || RpcError::deserialization("Block header decode failed");
    let raw = Vec::from_hex(params.str(0)?).map_err(|_| failed())?;
    // What follows the header is passed over, as in Core: a whole block will do.
    let raw = raw.get(..HEADER_BYTES).ok_or_else(failed)?;
    let header: bitcoin::block::Header = deserialize(raw).map_err(|_| failed())?;
    let node = ctx.node()?;
    if !node.chain.has_header(&header.prev_blockhash) {
        let text = format!("Must submit previous header ({}) first", header.prev_blockhash);
        return Err(RpcError::verify(text));
    }
    let actor = node.submit_headers.clone();
    drop(node);
    match within(SUBMIT_WITHIN, &actor, SubmitHeaders { headers: vec![header] }).await? {
        Ok(_) => Ok(Json::Null),
        Err(SubmitError::Fault(fault)) => Err(fault.into()),
        Err(SubmitError::Invalid { reject, .. }) => Err(RpcError::verify(reject_token(&reject))),
        Err(orphan @ SubmitError::Orphan { .. }) => Err(RpcError::verify(orphan.to_string())),
    }
}

async fn get_mining_info(ctx: &Ctx, _: Params) -> Result<Json, RpcError> {
    let node = ctx.node()?;
    let tip = node.chain.tip();
    let next = node.chain.next_block(node.clock.now());
    let hashes = hashes_per_second(&node, HASHES_BLOCKS_DEFAULT, tip.height.to_u32());
    let coming = object([
        ("height", Json::from(next.height.to_u32())),
        ("bits", hex32(next.bits.to_consensus())),
        ("difficulty", Json::from(show::difficulty(next.bits))),
        ("target", show::target(next.bits)),
    ]);
    let block_min = i64::try_from(node.mempool_config.block_min_sat_per_kvb).unwrap_or(i64::MAX);
    let last = *ctx.last_template.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut info = object([("blocks", Json::from(tip.height.to_u32()))]);
    if let Some((txs, weight)) = last {
        info.push("currentblockweight", weight);
        info.push("currentblocktx", txs);
    }
    let rest = [
        ("bits", hex32(tip.header.bits.to_consensus())),
        ("difficulty", Json::from(show::difficulty(tip.header.bits))),
        ("target", show::target(tip.header.bits)),
        ("networkhashps", Json::from(hashes)),
        ("pooledtx", Json::from(node.mempool.count())),
        ("blockmintxfee", Json::Amount(block_min)),
        ("chain", Json::from(chain_name(node.params.network))),
        ("next", coming),
    ];
    rest.into_iter().for_each(|(name, value)| info.push(name, value));
    if let Some(challenge) = &node.params.signet_challenge {
        info.push("signet_challenge", Json::hex(challenge));
    }
    info.push("warnings", ctx.warnings(&node));
    Ok(info)
}

/// Blocks that are looked at where nothing else is asked for.
const HASHES_BLOCKS_DEFAULT: i64 = 120;

async fn get_network_hash_ps(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let blocks: i64 = i64::from(params.opt_int::<i32>(0)?.unwrap_or(120));
    let height: i64 = i64::from(params.opt_int::<i32>(1)?.unwrap_or(-1));
    if blocks < -1 || blocks == 0 {
        let text = "Invalid nblocks. Must be a positive number or -1.";
        return Err(RpcError::invalid_parameter(text));
    }
    let node = ctx.node()?;
    let tip = node.chain.tip().height.to_u32();
    if height < -1 || height > i64::from(tip) {
        return Err(RpcError::invalid_parameter("Block does not exist at specified height"));
    }
    let height = u32::try_from(height).unwrap_or(tip);
    Ok(Json::from(hashes_per_second(&node, blocks, height)))
}

/// The work of the last blocks up to `height`, for the seconds between the earliest and the latest of their times.
fn hashes_per_second(node: &NodeLinks, blocks: i64, height: u32) -> f64 {
    use adit_domain::units::Height;
    let period = node.params.pow.timespan_s.checked_div(node.params.pow.spacing_s).unwrap_or(1).max(1);
    let since_change = height.checked_rem(period).unwrap_or(0).saturating_add(1);
    let blocks = u32::try_from(blocks).unwrap_or(since_change).min(height);
    let entries =
        (height.saturating_sub(blocks)..=height).filter_map(|h| node.chain.entry_at(Height::new(h)));
    let entries: Vec<_> = entries.collect();
    let times = entries.iter().map(|entry| entry.header.time);
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return 0.0 };
    let (earliest, latest) = (times.clone().min().unwrap_or(0), times.max().unwrap_or(0));
    if earliest == latest || first.chain_work > last.chain_work {
        return 0.0;
    }
    let work = last.chain_work - first.chain_work;
    // The nearest double to a number of 256 bits: exact for its highest 53.
    let work = work.to_be_bytes().iter().fold(0.0, |sum, byte| sum * 256.0 + f64::from(*byte));
    work / f64::from(latest.saturating_sub(earliest))
}
