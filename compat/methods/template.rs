//! `getblocktemplate`.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use adit_actors::messages::peer::GetPeers;
use adit_actors::root::NodeLinks;
use adit_chainstate::ChainReader;
use adit_domain::chain::NextBlock;
use adit_domain::consensus::{BLOCK_SIGOP_COST_MAX, BLOCK_WEIGHT_MAX, DeploymentState};
use adit_domain::mempool::MempoolSnapshot;
use adit_domain::template::BlockTemplate;
use adit_domain::wire::{ParsedBlock, ParsedTx};
use axum::body::Bytes;
use bitcoin::block::Version;
use bitcoin::hashes::Hash;
use bitcoin::hex::FromHex;
use bitcoin::{Amount, BlockHash, Network, ScriptBuf, Target, Txid};

use super::chain::follow;
use super::mining::{pooled, template};
use super::proposal::judge;
use crate::ctx::{Ctx, ask, off_thread};
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::{self, Params};
use crate::show::hex32;

/// How long a long poll lasts where nothing happens; Core's is a minute, then every 10 seconds it looks for transactions.
const LONG_POLL: Duration = Duration::from_secs(60);
/// What a unit of cost was before witnesses.
const WITNESS_SCALE: u32 = 4;
/// Bytes of a block, serialised, as miners are told; the weight is what counts.
const BLOCK_BYTES_MAX: u32 = 4_000_000;

/// What a miner should work on.
pub(super) async fn get_block_template(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let empty = Json::Object(Vec::new());
    let request = params.given(0).unwrap_or(&empty);
    let mode = match request.get("mode") {
        None | Some(Json::Null) => "template",
        Some(mode) => mode.as_str().ok_or_else(|| RpcError::invalid_parameter("Invalid mode"))?,
    };
    match mode {
        "template" => {}
        "proposal" => return proposal(ctx, request).await,
        _ => return Err(RpcError::invalid_parameter("Invalid mode")),
    }
    let rules = match request.get("rules") {
        Some(Json::List(rules)) => rules.iter().map(params::text).collect::<Result<BTreeSet<_>, _>>()?,
        _ => BTreeSet::new(),
    };
    is_synced(ctx).await?;
    if let Some(id) = request.get("longpollid").filter(|id| !id.is_null()) {
        wait(ctx, id).await?;
    }
    let node = ctx.node()?;
    if node.params.signet_challenge.is_some() && !rules.contains("signet") {
        let text = "getblocktemplate must be called with the signet rule set (call with {\"rules\": [\"segwit\", \"signet\"]})";
        return Err(RpcError::invalid_parameter(text));
    }
    if !rules.contains("segwit") {
        let text =
            "getblocktemplate must be called with the segwit rule set (call with {\"rules\": [\"segwit\"]})";
        return Err(RpcError::invalid_parameter(text));
    }
    let next = node.chain.next_block(node.clock.now());
    let snapshot = pooled(&node, &next).await;
    let known = || ctx.template.load_full().filter(|made| made.is_of(&next, snapshot.as_ref()));
    if let Some(made) = known() {
        return shown(&node, &next, &made);
    }
    // All who wait for the next one come at once: one makes it.
    let _alone = ctx.making.lock().await;
    let made = match known() {
        Some(made) => made,
        None => make(ctx, &node, next, snapshot).await?,
    };
    shown(&node, &next, &made)
}

/// What is the same for everybody who asks on the same tip while the same transactions wait.
pub(crate) struct Made {
    prev: BlockHash,
    /// Whether it is the same is all that is asked: what waited then is not kept.
    snapshot: Option<Weak<MempoolSnapshot>>,
    coinbase_value: Amount,
    version: Version,
    witness_commitment: ScriptBuf,
    /// The transactions as they are sent.
    transactions: Bytes,
}

impl Made {
    fn is_of(&self, next: &NextBlock, snapshot: Option<&Arc<MempoolSnapshot>>) -> bool {
        let is_same = match (&self.snapshot, snapshot) {
            (Some(ours), Some(theirs)) => Weak::ptr_eq(ours, &Arc::downgrade(theirs)),
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        };
        is_same && self.prev == next.prev
    }
}

/// Puts it together where nobody waits behind it, and leaves it for those who ask next.
async fn make(
    ctx: &Ctx,
    node: &Arc<NodeLinks>,
    next: NextBlock,
    snapshot: Option<Arc<MempoolSnapshot>>,
) -> Result<Arc<Made>, RpcError> {
    let built = template(ctx, node, &next, snapshot.as_deref())?;
    let scale = if has_segwit(node, &next) { 1 } else { WITNESS_SCALE };
    let made = off_thread(move || {
        let written = Json::List(transactions(&built, snapshot.as_deref(), scale)).to_bytes();
        Ok(Arc::new(Made {
            prev: next.prev,
            snapshot: snapshot.as_ref().map(Arc::downgrade),
            coinbase_value: built.coinbase_value,
            version: built.version,
            witness_commitment: built.witness_commitment,
            transactions: written.into(),
        }))
    });
    let made = made.await?;
    ctx.template.store(Some(Arc::clone(&made)));
    Ok(made)
}

/// On a real network: somebody to send the block to, and a chain that is not behind.
async fn is_synced(ctx: &Ctx) -> Result<(), RpcError> {
    let node = ctx.node()?;
    if matches!(node.params.network, Network::Bitcoin) {
        if ask(&node.peers, GetPeers).await?.is_empty() {
            return Err(RpcError::not_connected("Bitcoin Core is not connected!"));
        }
        if ctx.is_fetching(&node) {
            let text = "Bitcoin Core is in initial sync and waiting for blocks...";
            return Err(RpcError::initial_download(text));
        }
    }
    Ok(())
}

/// `HASH` of the tip and a number that grows with what waits.
fn poll_id(chain: &ChainReader, waiting: usize) -> String {
    format!("{}{waiting}", chain.tip().hash)
}

/// Waits until the tip is another, or what waits is after a while.
async fn wait(ctx: &Ctx, id: &Json) -> Result<(), RpcError> {
    let node = ctx.node()?;
    let id = id.as_str().map_or_else(|| poll_id(&node.chain, node.mempool.count()), str::to_owned);
    let (hash, seen) = id.split_at_checked(64).unwrap_or((&id, ""));
    let hash = BlockHash::from_byte_array(params::hash(&Json::from(hash.to_owned()), "longpollid")?);
    drop(node);
    let seen: usize = seen.parse().unwrap_or(0);
    let mut another = std::pin::pin!(follow(ctx, |chain| chain.tip().hash != hash));
    let mut time = LONG_POLL;
    while tokio::time::timeout(time, &mut another).await.is_err() {
        if ctx.node()?.mempool.count() != seen {
            break;
        }
        time = Duration::from_secs(10);
    }
    ctx.warm()
}

/// What would become of a block without its proof of work; null where it would be taken.
async fn proposal(ctx: &Ctx, request: &Json) -> Result<Json, RpcError> {
    let Some(Json::Str(data)) = request.get("data") else {
        return Err(RpcError::wrong_type("Missing data String key for proposal"));
    };
    let failed = || RpcError::deserialization("Block decode failed");
    let raw = Vec::from_hex(data).map_err(|_| failed())?;
    let block = ParsedBlock::decode(&raw).map_err(|_| failed())?;
    let node = ctx.node()?;
    match node.chain.entry(&block.hash()).map(|entry| entry.status) {
        Some(status) if status.script_valid => return Ok(Json::from("duplicate")),
        Some(status) if status.is_failed() => return Ok(Json::from("duplicate-invalid")),
        Some(_) => return Ok(Json::from("duplicate-inconclusive")),
        None => {}
    }
    off_thread(move || Ok(judge(&node, &block)?.map_or(Json::Null, Json::from))).await
}

fn shown(node: &NodeLinks, next: &NextBlock, made: &Made) -> Result<Json, RpcError> {
    let late = |_| RpcError::internal("The clock is beyond what a header can say");
    let now = u32::try_from(node.clock.now().to_seconds_floor()).map_err(late)?;
    let words = |words: &[&'static str]| Json::List(words.iter().map(|word| Json::from(*word)).collect());
    let segwit = has_segwit(node, next);
    let scale = if segwit { 1 } else { WITNESS_SCALE };
    let (rules, available) = rules(node, segwit);
    let mut fields = vec![
        ("capabilities", words(&["proposal"])),
        ("version", Json::from(made.version.to_consensus())),
        ("rules", Json::List(rules)),
        ("vbavailable", object(available)),
        ("vbrequired", Json::from(0)),
        ("previousblockhash", Json::hash(next.prev)),
        ("transactions", Json::written(&made.transactions)),
        ("coinbaseaux", object::<&str>([])),
        ("coinbasevalue", Json::from(made.coinbase_value.to_sat())),
        ("longpollid", Json::from(poll_id(&node.chain, node.mempool.count()))),
        ("target", Json::hex(&Target::from_compact(next.bits).to_be_bytes())),
        ("mintime", Json::from(next.time_min)),
        ("mutable", words(&["time", "transactions", "prevblock"])),
        ("noncerange", Json::from("00000000ffffffff")),
        ("sigoplimit", Json::from(BLOCK_SIGOP_COST_MAX / u64::from(scale))),
        ("sizelimit", Json::from(BLOCK_BYTES_MAX / scale)),
    ];
    fields.extend(segwit.then(|| ("weightlimit", Json::from(BLOCK_WEIGHT_MAX))));
    fields.extend([
        ("curtime", Json::from(now.max(next.time_min))),
        ("bits", hex32(next.bits.to_consensus())),
        ("height", Json::from(next.height.to_u32())),
    ]);
    fields.extend(node.params.signet_challenge.as_ref().map(|c| ("signet_challenge", Json::hex(c))));
    fields.push(("default_witness_commitment", Json::hex(made.witness_commitment.as_bytes())));
    Ok(object(fields))
}

/// The rules that hold for the next block, and the bits that may be voted with.
fn rules(node: &NodeLinks, segwit: bool) -> (Vec<Json>, Vec<(&'static str, Json)>) {
    let mut rules = vec![Json::from("csv")];
    if segwit {
        rules.extend(["!segwit", "taproot"].map(Json::from));
    }
    rules.extend(node.params.signet_challenge.as_ref().map(|_| Json::from("!signet")));
    let mut available = Vec::new();
    let report = node.chain.deployments(None).and_then(Result::ok);
    for vote in report.iter().flat_map(|report| &report.votes) {
        let name = vote.deployment.name;
        match vote.next {
            DeploymentState::Started | DeploymentState::LockedIn => {
                available.push((name, Json::from(vote.deployment.bit)));
            }
            DeploymentState::Active => rules.push(Json::from(name)),
            _ => {}
        }
    }
    (rules, available)
}

/// Whether the next block may have witnesses; before that it counts as blocks did, in a quarter of the cost.
fn has_segwit(node: &NodeLinks, next: &NextBlock) -> bool {
    next.height >= node.params.forks.segwit
}

fn transactions(template: &BlockTemplate, snapshot: Option<&MempoolSnapshot>, scale: u32) -> Vec<Json> {
    let entries = snapshot.map_or(&[][..], |snapshot| snapshot.entries.as_slice());
    let prices: HashMap<Txid, (u64, u32)> =
        entries.iter().map(|e| (e.tx.txid(), (e.fee.to_sat(), e.sigop_cost))).collect();
    let places: HashMap<Txid, u32> = template.txs.iter().zip(1..).map(|(tx, n)| (tx.txid(), n)).collect();
    let one = |tx: &ParsedTx| {
        let (fee, sigops) = prices.get(&tx.txid()).copied().unwrap_or_default();
        let parents = tx.tx().input.iter().filter_map(|input| places.get(&input.previous_output.txid));
        object([
            ("data", Json::Hex(tx.raw().to_vec())),
            ("txid", Json::hash(tx.txid())),
            ("hash", Json::hash(tx.wtxid())),
            ("depends", Json::List(parents.map(|place| Json::from(*place)).collect())),
            ("fee", Json::from(fee)),
            ("sigops", Json::from(sigops.checked_div(scale).unwrap_or(0))),
            ("weight", Json::from(tx.weight().to_wu())),
        ])
    };
    template.txs.iter().map(|tx| one(tx)).collect()
}
