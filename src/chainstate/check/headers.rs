//! The headers, and where blocks and undo data are said to lie.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use adit_domain::chain::{BlockStatus, HeaderTree, NodeId};
use adit_domain::consensus::{Params, check_proof_of_work};
use adit_store::{ChainDb, FilePos, FlushState, NodeRecord, Store, StoreFault};
use bitcoin::BlockHash;

use super::{Checked, Problem};
use crate::live::Places;
use crate::types::ChainFault;

/// All headers, and where their blocks lie.
pub(crate) struct Known {
    pub(crate) tree: HeaderTree,
    places: HashMap<NodeId, Places>,
}

impl Known {
    pub(crate) fn new(tree: HeaderTree, places: HashMap<NodeId, Places>) -> Known {
        Known { tree, places }
    }

    pub(crate) fn place_of(&self, hash: &BlockHash) -> Places {
        self.tree.find(hash).map(|id| self.place(id)).unwrap_or_default()
    }

    pub(crate) fn place(&self, id: NodeId) -> Places {
        self.places.get(&id).copied().unwrap_or_default()
    }

    /// The headers whose blocks are stored.
    pub(crate) fn stored(&self) -> impl Iterator<Item = NodeId> {
        let stored = self.tree.ids().skip(1);
        stored.filter(|id| self.place(*id).block.is_some())
    }
}

/// Why the walk over the headers ended.
enum Ended {
    Fault(StoreFault),
    Header(u32),
}

impl From<StoreFault> for Ended {
    fn from(fault: StoreFault) -> Ended {
        Ended::Fault(fault)
    }
}

/// Reads all headers; none where they are no tree.
pub(crate) fn read(db: &ChainDb, params: &Arc<Params>, checked: &mut Checked) -> Option<Known> {
    let mut known = Known { tree: HeaderTree::new(Arc::clone(params)), places: HashMap::new() };
    let read = db.for_each_node(|record| {
        checked.headers = checked.headers.saturating_add(1);
        let hash = record.header.block_hash();
        if check_proof_of_work(hash, record.header.bits, params).is_err() {
            checked.found(Problem::HeaderWork { hash });
        }
        take(&mut known, record)
    });
    match read {
        Ok(()) => return Some(known),
        Err(Ended::Fault(fault)) => checked.found(Problem::Headers(fault)),
        Err(Ended::Header(number)) => checked.found(Problem::Header { number }),
    }
    None
}

fn take(known: &mut Known, record: NodeRecord) -> Result<(), Ended> {
    let wrong = Ended::Header(record.number);
    let Some(status) = BlockStatus::from_bits(record.status) else { return Err(wrong) };
    let Ok(id) = known.tree.restore(record.header, status) else { return Err(wrong) };
    if id.to_u32() != record.number {
        return Err(wrong);
    }
    let NodeRecord { block, undo, txs, .. } = record;
    known.places.insert(id, Places { block, undo, txs });
    Ok(())
}

/// The tip that the coins belong to, set in the tree.
pub(crate) fn tip(
    mut known: Known,
    state: Option<FlushState>,
    checked: &mut Checked,
) -> Option<(Known, NodeId)> {
    let found = state.map_or(Some(HeaderTree::GENESIS), |state| known.tree.find(&state.tip));
    let Some(tip) = found else {
        checked.found(Problem::NoTip { hash: state.map(|s| s.tip)? });
        return None;
    };
    known.tree.set_tip(tip);
    Some((known, tip))
}

/// Whether everything that should be stored has a place, in a file that is long enough.
pub(crate) fn check_places(
    store: &Store,
    known: &Known,
    active: &[NodeId],
    checked: &mut Checked,
) -> Result<(), ChainFault> {
    for id in active {
        let (node, place) = (known.tree.node(*id), known.place(*id));
        let (hash, height) = (node.hash(), node.height());
        match (place.block, place.undo) {
            _ if node.status().is_pruned() => {}
            (None, _) => checked.found(Problem::NoBody { hash, height }),
            (_, None) => checked.found(Problem::NoUndo { hash, height }),
            _ => {}
        }
    }
    let ends = |place: fn(Places) -> Option<FilePos>| {
        let mut ends: BTreeMap<u32, u64> = BTreeMap::new();
        for pos in known.places.values().filter_map(|places| place(*places)) {
            let end = u64::from(pos.offset).saturating_add(u64::from(pos.len));
            let known = ends.entry(pos.file).or_default();
            *known = end.max(*known);
        }
        ends
    };
    for (kind, ends) in [("blk", ends(|p| p.block)), ("rev", ends(|p| p.undo))] {
        let files = store.flat_files(kind)?;
        for (number, needed) in ends {
            let bytes = files.get(&number).copied().unwrap_or(0);
            if bytes < needed {
                checked.found(Problem::FileShort { kind, number, bytes, needed });
            }
        }
    }
    Ok(())
}
