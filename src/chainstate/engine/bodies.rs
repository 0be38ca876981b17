//! Bodies on their way to the engine: read, parsed, checked by themselves and at their place, and what they spend read from disk.
//!
//! All of it on the workers, some blocks ahead of the engine.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use adit_domain::chain::NodeId;
use adit_domain::consensus::{BlockContext, HeaderView, contextual_check_block};
use adit_domain::units::Height;
use adit_domain::wire::{BlockDecodeError, DecodeError, ParsedBlock};
use bitcoin::block::Header;
use bitcoin::consensus::encode::deserialize_partial;
use bitcoin::{Block, BlockHash};
use crossbeam_channel::Receiver;

use super::pipeline::{NotStaged, Outside, Run};
use super::{Chainstate, check_alone};
use crate::live::Live;
use crate::prepare::{Prepared, ReadAhead};
use crate::stage::Stage;
use crate::types::ChainFault;

/// Blocks that are brought here ahead of the engine, however small they are.
const AHEAD_BLOCKS_MAX: usize = 64;
/// A body, and what was found out of it.
pub(super) struct Body {
    pub(super) block: Arc<ParsedBlock>,
    /// Whether it is in our own files already.
    pub(super) stored: bool,
    pub(super) prepared: Prepared,
    pub(super) read: ReadAhead,
}

/// A body on its way.
pub(super) enum Coming {
    /// It was just accepted, and so was checked.
    Here(Arc<ParsedBlock>),
    Later(Receiver<Result<Body, NotStaged>>),
}

/// A body that set out before its way was known, and what it looked at: see [`Fetched`].
pub(super) struct SetOut {
    coming: Receiver<Result<Body, NotStaged>>,
    looked_at: u64,
}

/// Bodies that set out before their way was known. What they looked at holds while nothing is applied that is not in the stage.
#[derive(Default)]
pub(super) struct Early {
    bodies: HashMap<NodeId, SetOut>,
    bytes: usize,
}

impl Early {
    /// Leaves those out that looked at other coins than those of the tip as the stage has it, or at those of a tip that is left.
    pub(super) fn begin(&mut self, stage: &Stage, leave: &[NodeId]) {
        self.bodies.retain(|_, body| leave.is_empty() && body.looked_at == stage.applied_below());
    }

    /// As [`Ahead::oldest_look`].
    pub(super) fn oldest_look(&self) -> u64 {
        self.bodies.values().map(|body| body.looked_at).min().unwrap_or(u64::MAX)
    }
}

/// A body on its way, its bytes on disk, and the first sequence number whose block may be missing in the coins that are read for it.
struct Fetched {
    coming: Coming,
    bytes: usize,
    looked_at: u64,
}

/// The bodies of a way up, in order, some of them on their way.
pub(super) struct Ahead<'p> {
    /// Whether it is one block: then there is nothing to be done beside it.
    single: bool,
    upcoming: std::slice::Iter<'p, NodeId>,
    coming: VecDeque<Fetched>,
    bytes: usize,
    /// Of these there may be so many, the last block's beside them.
    bytes_max: usize,
}

impl<'p> Ahead<'p> {
    pub(super) fn new(way: &'p [NodeId], bytes_max: usize) -> Ahead<'p> {
        Ahead { single: way.len() == 1, upcoming: way.iter(), coming: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// The next body; behind it as many more set out as there is room for.
    pub(super) fn next(&mut self, chain: &Chainstate, run: &mut Run<'_>) -> Option<Coming> {
        while self.coming.is_empty() || (self.coming.len() < AHEAD_BLOCKS_MAX && self.bytes < self.bytes_max)
        {
            let Some(id) = self.upcoming.next() else { break };
            let fetched = chain.fetch(*id, run, self.single);
            self.bytes = self.bytes.saturating_add(fetched.bytes);
            self.coming.push_back(fetched);
        }
        let Fetched { coming, bytes, .. } = self.coming.pop_front()?;
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(coming)
    }

    /// No coins are read any more, or were, that do not have all blocks below this sequence number in them.
    pub(super) fn oldest_look(&self) -> u64 {
        self.coming.front().map_or(u64::MAX, |fetched| fetched.looked_at)
    }
}

/// The chain that a block stands on, looked up in the tree at each question: most blocks have none, and nobody who changes the tree waits
/// for a block to be judged.
pub(super) struct Below {
    live: Arc<Live>,
    parent: NodeId,
    height: Height,
}

impl Below {
    /// The chain below block `id`; none where that is the first one.
    pub(super) fn of(live: &Arc<Live>, id: NodeId) -> Option<Below> {
        let tree = live.tree();
        let parent = tree.node(id).parent()?;
        Some(Below { live: Arc::clone(live), parent, height: tree.node(parent).height() })
    }
}

impl HeaderView for Below {
    fn tip_height(&self) -> Height {
        self.height
    }

    fn header_at(&self, height: Height) -> Option<Header> {
        self.live.tree().branch(self.parent).header_at(height)
    }

    fn hash_at(&self, height: Height) -> Option<BlockHash> {
        self.live.tree().branch(self.parent).hash_at(height)
    }

    fn median_time_past_at(&self, height: Height) -> Option<u32> {
        self.live.tree().branch(self.parent).median_time_past_at(height)
    }
}

impl Chainstate {
    /// Has what a block does to the coins found out, which is stored and about to connect with others: they need not wait for each other to be
    /// stored. No more of them than may be read ahead.
    pub(super) fn set_out(&self, id: NodeId, block: &Arc<ParsedBlock>, early: &mut Early) {
        if early.bytes >= self.config.budget().window() {
            return;
        }
        early.bytes = early.bytes.saturating_add(block.size_bytes());
        let (live, block) = (Arc::clone(&self.live), Arc::clone(block));
        let coming = self.workers.urgent(move || prepare(&live, id, block, true));
        early.bodies.insert(id, SetOut { coming, looked_at: self.stage.applied_below() });
    }

    /// Begins to bring a body here, if it is not on its way.
    fn fetch(&self, id: NodeId, run: &mut Run<'_>, single: bool) -> Fetched {
        let hash = self.live.tree().node(id).hash();
        let live = Arc::clone(&self.live);
        let looked_at = self.stage.applied_below();
        if let Some(block) = self.recent.iter().find(|block| block.hash() == hash) {
            let (block, bytes) = (Arc::clone(block), block.size_bytes());
            if let Some(SetOut { coming, looked_at }) = run.early.bodies.remove(&id) {
                return Fetched { coming: Coming::Later(coming), bytes, looked_at };
            }
            let coming = match single {
                true => Coming::Here(block),
                false => Coming::Later(self.workers.urgent(move || prepare(&live, id, block, true))),
            };
            return Fetched { coming, bytes, looked_at };
        }
        let stored = self.live.place(&hash).block;
        let outside = run.outside.and_then(|bodies| bodies.get(&hash)).filter(|_| stored.is_none()).cloned();
        let len = outside.as_ref().map(|outside| outside.extent.len).or(stored.map(|pos| pos.len));
        let coming = Coming::Later(self.workers.urgent(move || {
            let block = match &outside {
                Some(outside) => read_outside(&live, &hash, outside)?,
                None => read_stored(&live, &hash)?,
            };
            check_at_place(&live, id, &block)?;
            prepare(&live, id, block, outside.is_none())
        }));
        let bytes = len.and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
        Fetched { coming, bytes, looked_at }
    }

    /// Waits for a body.
    pub(super) fn receive(&self, id: NodeId, coming: Coming) -> Result<Body, NotStaged> {
        match coming {
            Coming::Here(block) => {
                let height = self.live.tree().node(id).height();
                let prepared = Prepared::new(&block, height);
                let read = ReadAhead::read(&prepared, &self.live.coins)?;
                Ok(Body { block, stored: true, prepared, read })
            }
            Coming::Later(receiver) => receiver.recv().unwrap_or(Err(NotStaged::Panicked)),
        }
    }
}

fn read_stored(live: &Live, hash: &BlockHash) -> Result<Arc<ParsedBlock>, NotStaged> {
    let missing = || ChainFault::State(format!("block {hash} is missing"));
    let pos = live.place(hash).block.ok_or_else(missing)?;
    Ok(live.read_block(hash, pos)?)
}

fn read_outside(live: &Live, hash: &BlockHash, outside: &Outside) -> Result<Arc<ParsedBlock>, NotStaged> {
    let block = outside.read(hash).map_err(NotStaged::Unreadable)?.ok_or(NotStaged::NoBlock)?;
    check_alone(&block, &live.params, live.verifier.as_ref()).map_err(NotStaged::Refused)?;
    Ok(Arc::new(block))
}

fn check_at_place(live: &Arc<Live>, id: NodeId, block: &ParsedBlock) -> Result<(), NotStaged> {
    let below = Below::of(live, id).ok_or_else(no_first)?;
    Ok(contextual_check_block(block, &BlockContext { params: &live.params, parent: &below })?)
}

/// Finds out what a block does to the coins.
fn prepare(live: &Live, id: NodeId, block: Arc<ParsedBlock>, stored: bool) -> Result<Body, NotStaged> {
    let height = live.tree().node(id).height();
    let prepared = Prepared::new(&block, height);
    let read = ReadAhead::read(&prepared, &live.coins)?;
    Ok(Body { block, stored, prepared, read })
}

/// What is said where the first block is to connect: nothing ever leads there.
pub(super) fn no_first() -> ChainFault {
    ChainFault::State("the first block cannot connect".to_owned())
}

/// The block that a frame begins with. A frame may be larger than its block, as Core takes it: what follows is left out.
pub(crate) fn decode_framed(raw: Vec<u8>) -> Option<ParsedBlock> {
    let raw: Arc<[u8]> = raw.into();
    match ParsedBlock::decode_shared(Arc::clone(&raw)) {
        Err(BlockDecodeError(DecodeError::TrailingBytes)) => {
            let (_, len) = deserialize_partial::<Block>(&raw).ok()?;
            ParsedBlock::decode(raw.get(..len)?).ok()
        }
        decoded => decoded.ok(),
    }
}
