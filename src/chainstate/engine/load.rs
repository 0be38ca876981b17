use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::thread;

use adit_domain::chain::{BlockStatus, HeaderTree, InsertError, NodeId};
use adit_domain::consensus::{BLOCK_WEIGHT_MAX, Params};
use adit_domain::script::ScriptVerifier;
use adit_domain::units::{Height, UnixMillis};
use adit_domain::wire::ParsedBlock;
use adit_store::{BlockFiles, ChainDb, FileEnd, FilePos, FlushState, NodeRecord, Store, UndoFiles, Verified};
use bitcoin::BlockHash;
use bitcoin::block::Header;
use bitcoin::consensus::serialize;

use super::{check_alone, prune};
use crate::coins::CoinCache;
use crate::config::ChainConfig;
use crate::live::{Live, Places};
use crate::types::ChainFault;

/// What was read of the headers' records.
struct Known {
    tree: HeaderTree,
    places: HashMap<BlockHash, Places>,
    /// Where each undo file ends.
    undo_ends: BTreeMap<u32, u32>,
}

/// What the store has: the tree and the coins as of the last flush, and the blocks whose bodies came after it.
pub(super) fn load(
    config: &ChainConfig,
    store: &Store,
    verifier: &Arc<dyn ScriptVerifier>,
) -> Result<Live, ChainFault> {
    let params = &config.params;
    let tree = HeaderTree::new(Arc::clone(params));
    let mut known = Known { tree, places: HashMap::new(), undo_ends: BTreeMap::new() };
    store.db().for_each_node(|record| restore(&mut known, record))?;
    let Known { mut tree, mut places, undo_ends } = known;
    let state = store.db().state()?;
    let tip = flushed_tip(&tree, state)?;
    tree.set_tip(tip);
    check_segwit(&store.db(), params, tree.node(tip).height())?;
    let behind = store.db_behind();
    let behind_tip = behind.as_ref().map(|db| db.state()).transpose()?.flatten().map(|state| state.tip);
    if behind.is_some() {
        let base = snapshot_base(&tree, store, params)?;
        tree.assume_coins(base);
    }
    tree.begin_in_order(&arrived(&tree, &places));
    tree.take_dirty();
    let tip = Arc::new(tree.as_tip(tip));
    let coins = CoinCache::new(store.db().snapshot()?, Arc::clone(&tip));
    let (blocks_end, flushes) = state.map(|s| (s.blocks_end, s.flushes)).unwrap_or_default();
    let mut blocks = store.block_files(params.magic, BLOCK_WEIGHT_MAX, blocks_end);
    if config.small_files {
        blocks = blocks.small();
    }
    if let Some(pos) = written_at(&places, [Some(tip.hash), behind_tip]) {
        // Its frame takes all eight bytes of the files' key: under a wrong one all that follows would look torn, and be cut.
        blocks.read(pos)?;
    }
    let is_sound = |block: &ParsedBlock| check_alone(block, params, verifier.as_ref()).is_ok();
    let tail = read_tail(&blocks, blocks_end, config.threads(), is_sound)?;
    join_tail(&mut tree, &mut places, tail);
    let are_new = blocks.end() == FileEnd::default();
    if are_new {
        begin_files(&blocks, params, &mut tree, &mut places)?;
    }
    let (undo, verified) = store.undo_files(params.magic, undo_ends, flushes)?;
    if are_new {
        undo.begin()?;
    }
    join_verified(&undo, &mut tree, &mut places, verified)?;
    let pruned = config.prune_mib > 0 || tree.ids().any(|id| tree.node(id).status().is_pruned());
    let live =
        Live::new((Arc::clone(params), Arc::clone(verifier)), (tree, tip), coins, (blocks, undo), places);
    if pruned {
        live.set_pruned();
        let kept_from = prune::kept_from(&live.tree());
        live.set_kept_from(kept_from);
    }
    if let Some(db) = &behind {
        live.behind.store(Some(Arc::new(coins_behind(&live, db)?)));
    }
    prune::finish(store, &live)?;
    Ok(live)
}

/// What is said of a chain that was verified while witnesses began to count above blocks of it; in Core's words, which tools look for.
const UNWITNESSED: &str = "Witness data for blocks after height";

/// Of a network of one's own that begins with witnesses at another height than before, the blocks in between were not verified by the rules.
fn check_segwit(db: &ChainDb, params: &Params, tip: Height) -> Result<(), ChainFault> {
    let (was, now) = (db.segwit_from()?, params.forks.segwit);
    if was.is_some_and(|was| was > now) && tip >= now {
        let text = format!("{UNWITNESSED} {now} requires validation. Please restart with -reindex.");
        return Err(ChainFault::State(text));
    }
    if was != Some(now) {
        db.set_segwit_from(now)?;
    }
    Ok(())
}

/// Where the first of these blocks that is stored lies.
fn written_at(places: &HashMap<BlockHash, Places>, blocks: [Option<BlockHash>; 2]) -> Option<FilePos> {
    blocks.into_iter().flatten().find_map(|hash| places.get(&hash)?.block)
}

/// The block of the snapshot that the chain stands on, which must be one that is known still.
fn snapshot_base(tree: &HeaderTree, store: &Store, params: &Params) -> Result<NodeId, ChainFault> {
    let base = store.db().snapshot_base()?;
    let base =
        base.ok_or_else(|| ChainFault::State("the snapshot does not say of which block it is".to_owned()))?;
    let unknown = || {
        ChainFault::State(format!(
            "nothing is known of the coins behind block {base}, of which there is a snapshot"
        ))
    };
    params.assumed_coins_at(&base).and_then(|_| tree.find(&base)).ok_or_else(unknown)
}

/// The coins that follow from below, over the same headers and files.
fn coins_behind(live: &Live, db: &ChainDb) -> Result<Live, ChainFault> {
    let tree = live.tree();
    let tip = Arc::new(tree.as_tip(flushed_tip(&tree, db.state()?)?));
    Ok(live.beside(CoinCache::new(db.snapshot()?, Arc::clone(&tip)), tip))
}

fn restore(known: &mut Known, record: NodeRecord) -> Result<(), ChainFault> {
    let status = BlockStatus::from_bits(record.status)
        .ok_or_else(|| ChainFault::State(format!("header {} has an unknown status", record.number)))?;
    known.tree.restore(record.header, status).map_err(|e| ChainFault::State(e.to_string()))?;
    let NodeRecord { header, block, undo, txs, .. } = record;
    if block.is_some() || undo.is_some() || txs > 0 {
        known.places.insert(header.block_hash(), Places { block, undo, txs });
    }
    if let Some(pos) = undo {
        let out_of_range = || ChainFault::State(format!("header {} has undo data nowhere", record.number));
        let behind = pos.undo_end().ok_or_else(out_of_range)?;
        let end = known.undo_ends.entry(pos.file).or_default();
        *end = behind.max(*end);
    }
    Ok(())
}

/// The files begin with the first block of the network, as Core's do: without it nobody can index them.
fn begin_files(
    blocks: &BlockFiles,
    params: &Params,
    tree: &mut HeaderTree,
    places: &mut HashMap<BlockHash, Places>,
) -> Result<(), ChainFault> {
    let pos = blocks.append(&serialize(&params.genesis))?;
    places.insert(params.genesis_hash, Places { block: Some(pos), undo: None, txs: 1 });
    tree.body_stored(HeaderTree::GENESIS);
    Ok(())
}

/// The blocks beside the tip's chain in the order in which their bodies came: that in which they lie in the files.
fn arrived(tree: &HeaderTree, places: &HashMap<BlockHash, Places>) -> Vec<NodeId> {
    let beside = tree.ids().filter(|id| !tree.is_active(*id));
    let place = |id: &NodeId| places.get(&tree.node(*id).hash()).and_then(|places| places.block);
    let mut stored: Vec<_> = beside.filter_map(|id| place(&id).map(|at| (at.file, at.offset, id))).collect();
    stored.sort_unstable();
    stored.into_iter().map(|(.., id)| id).collect()
}

fn flushed_tip(tree: &HeaderTree, state: Option<FlushState>) -> Result<NodeId, ChainFault> {
    let Some(state) = state else { return Ok(HeaderTree::GENESIS) };
    tree.find(&state.tip).ok_or_else(|| ChainFault::State(format!("flushed tip {} has no header", state.tip)))
}

/// The blocks behind the last flush, each whole and sound by itself; what follows a torn one is forgotten.
fn read_tail(
    blocks: &BlockFiles,
    from: FileEnd,
    threads: usize,
    is_sound: impl Fn(&ParsedBlock) -> bool + Sync,
) -> Result<Vec<Stored>, ChainFault> {
    let mut tail = Vec::new();
    blocks.recover_tail(from, |records| {
        let before = tail.len();
        tail.extend(sound_blocks(records, threads, &is_sound)?.into_iter().map_while(|sound| sound));
        Ok::<usize, ChainFault>(tail.len().saturating_sub(before))
    })?;
    if !tail.is_empty() {
        tracing::info!(blocks = tail.len(), "blocks found behind the last flush");
    }
    Ok(tail)
}

/// A block that lies behind the last flush, and where.
type Stored = (Header, Places);

/// Those of these records that are sound blocks, found out on so many threads.
fn sound_blocks(
    records: &[(FilePos, Vec<u8>)],
    threads: usize,
    is_sound: &(impl Fn(&ParsedBlock) -> bool + Sync),
) -> Result<Vec<Option<Stored>>, ChainFault> {
    let stored = |(pos, raw): &(FilePos, Vec<u8>)| {
        let block = ParsedBlock::decode(raw).ok().filter(is_sound)?;
        let mut places = Places::default();
        places.store(*pos, &block);
        Some((*block.header(), places))
    };
    let each = records.len().div_ceil(threads.max(1)).max(1);
    thread::scope(|scope| {
        let parts: Vec<_> = records
            .chunks(each)
            .map(|part| scope.spawn(move || part.iter().map(stored).collect::<Vec<_>>()))
            .collect();
        parts.into_iter().try_fold(Vec::with_capacity(records.len()), |mut found, part| {
            let panicked = || ChainFault::State("a thread that read stored blocks panicked".to_owned());
            found.extend(part.join().map_err(|_| panicked())?);
            Ok(found)
        })
    })
}

/// Joins blocks in any order; one whose parent is not known stays where it lies and is fetched again.
fn join_tail(tree: &mut HeaderTree, places: &mut HashMap<BlockHash, Places>, tail: Vec<Stored>) {
    let mut waiting: HashMap<BlockHash, Vec<Stored>> = HashMap::new();
    for row in tail {
        let mut ready = VecDeque::from([row]);
        while let Some((header, found)) = ready.pop_front() {
            match tree.insert(header, long_after(&header)) {
                Ok(id) => {
                    let hash = header.block_hash();
                    let place = places.entry(hash).or_default();
                    (place.block, place.txs) = (found.block, found.txs);
                    tree.body_stored(id);
                    ready.extend(waiting.remove(&hash).unwrap_or_default());
                }
                Err(InsertError::ParentUnknown { parent }) => {
                    waiting.entry(parent).or_default().push((header, found));
                }
                Err(error) => tracing::warn!(hash = %header.block_hash(), %error, "stored block not taken"),
            }
        }
    }
}

/// Undo data is written when a block is verified, scripts and all: what is noted and whole of it says that this need not be done
/// again.
fn join_verified(
    undo: &UndoFiles,
    tree: &mut HeaderTree,
    places: &mut HashMap<BlockHash, Places>,
    verified: Vec<Verified>,
) -> Result<(), ChainFault> {
    for found in verified {
        let stored = tree.find(&found.block).filter(|id| tree.node(*id).status().body_stored);
        let is_new = places.get(&found.block).is_some_and(|places| places.undo.is_none());
        let Some(id) = stored.filter(|_| is_new) else { continue };
        if undo.take(&found, &tree.node(id).header().prev_blockhash)? {
            places.entry(found.block).or_default().undo = Some(found.pos);
            tree.script_valid(id);
        }
    }
    Ok(())
}

/// It was taken before: that its time is ahead of our clock is no matter any more.
fn long_after(header: &Header) -> UnixMillis {
    UnixMillis::from_seconds(u64::from(header.time))
}
