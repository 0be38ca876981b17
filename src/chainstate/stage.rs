//! Blocks that are resolved but not yet verified, in front of the published coins.
//!
//! A block's coins are staged as soon as all rules but the scripts hold, so that the next block can be resolved while the
//! workers verify. What is staged is applied to the published coins only when it is verified, or dropped without a trace.
//!
//! The coins that a block spends are read some blocks ahead of its turn. What changes between the two is found here: blocks that have been
//! applied stay in the index until no block is on its way whose coins were read, or may have been read, before that.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;

use adit_domain::chain::Tip;
use adit_domain::consensus::{Coin, UtxoView, ViewFault};
use adit_domain::script::is_unspendable;
use adit_domain::wire::{IdState, ParsedBlock};
use adit_store::{CompactCoin, UndoRecord};
use bitcoin::OutPoint;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::coins::{Change, CoinsRead};
use crate::scripts::ScriptRun;
use crate::types::ChainFault;

/// Inputs that may be staged before the oldest block's scripts are waited for: half a second of work for two cores, so
/// that they never run dry.
const STAGED_INPUTS_MAX: usize = 20_000;
/// Blocks that may be staged, however few inputs they have.
const STAGED_BLOCKS_MAX: usize = 64;
/// Blocks and their bytes that may be staged in a reorganisation, before the new chain has more work: beyond that it is
/// published step by step. Two days of blocks; a gigabyte parsed.
pub(crate) const REORG_BLOCKS_MAX: usize = 288;
const REORG_BYTES_MAX: usize = 256 << 20;
/// Places in the index that are kept for the next way: 4 MB, enough for what is staged and read ahead of usual blocks.
const INDEX_KEPT_MAX: usize = 1 << 18;
/// Places in the index that are looked up together: so many waits for memory go on at the same time.
const AT_ONCE: usize = 16;

/// What a staged block does to the chain.
pub(crate) enum Step {
    /// It leaves.
    Disconnect,
    /// It joins, if the rules and its scripts hold.
    Connect {
        /// See [`UndoRecord::overwritten`].
        overwritten: Vec<(OutPoint, Coin)>,
        /// The verdict on it, and its undo data.
        run: Arc<ScriptRun>,
        /// Whether its body is in our own files.
        stored: bool,
    },
}

/// One staged block.
pub(crate) struct Staged {
    sequence: u64,
    pub(crate) block: Arc<ParsedBlock>,
    /// The tip when it is applied.
    pub(crate) tip: Arc<Tip>,
    pub(crate) changes: Vec<Change>,
    /// Of each change's outpoint, as the index has it.
    hashes: Vec<u64>,
    pub(crate) step: Step,
}

/// What a block changed that is applied.
struct Applied {
    sequence: u64,
    changes: Vec<Change>,
    hashes: Vec<u64>,
}

/// Where the last change of a coin stands: the block's sequence number, and which of its changes. It is found by the outpoint's hash, and
/// the outpoint itself is read there: so the index of a hundred thousand coins stays in a core's own cache.
#[derive(Clone, Copy, PartialEq, Eq)]
struct At {
    sequence: u64,
    number: u32,
}

/// The staged blocks, in order, and the coins as they leave them.
#[derive(Default)]
pub(crate) struct Stage {
    rows: Rows,
    index: HashTable<At>,
    /// Keyed by chance: who grinds txids cannot know what they do here.
    hasher: IdState,
    next: u64,
    inputs: usize,
    bytes: usize,
}

/// The changes that are found by the index.
#[derive(Default)]
struct Rows {
    blocks: VecDeque<Staged>,
    /// What the blocks before these changed, and is applied.
    applied: VecDeque<Applied>,
}

impl Stage {
    pub(crate) fn push(&mut self, block: Arc<ParsedBlock>, tip: Arc<Tip>, changes: Vec<Change>, step: Step) {
        let sequence = self.next;
        self.next = sequence.saturating_add(1);
        let hashes: Vec<u64> = changes.iter().map(|(outpoint, _)| self.hasher.hash_one(outpoint)).collect();
        self.inputs = self.inputs.saturating_add(inputs_of(&block));
        self.bytes = self.bytes.saturating_add(block.size_bytes());
        self.rows.blocks.push_back(Staged { sequence, block, tip, changes, hashes, step });
        self.index_newest();
    }

    fn index_newest(&mut self) {
        let Stage { rows, index, .. } = self;
        let Some(staged) = rows.blocks.back() else { return };
        index.reserve(staged.hashes.len(), |at| rows.hash(at));
        // A block has fewer coins than bytes.
        let groups = staged.hashes.chunks(AT_ONCE).zip(staged.changes.chunks(AT_ONCE));
        for (first, (hashes, changes)) in (0u32..).step_by(AT_ONCE).zip(groups) {
            touch(index, hashes);
            for ((number, hash), (outpoint, _)) in (first..).zip(hashes).zip(changes) {
                let at = At { sequence: staged.sequence, number };
                let is_same = |other: &At| rows.change(other).is_some_and(|(found, _)| found == outpoint);
                match index.entry(*hash, is_same, |at| rows.hash(at)) {
                    Entry::Occupied(mut entry) => *entry.get_mut() = at,
                    Entry::Vacant(entry) => drop(entry.insert(at)),
                }
            }
        }
    }

    /// Takes the oldest block out, to be applied; then it comes back by [`Stage::applied`], and nothing is looked for before that.
    pub(crate) fn pop(&mut self) -> Option<Staged> {
        let staged = self.rows.blocks.pop_front()?;
        self.inputs = self.inputs.saturating_sub(inputs_of(&staged.block));
        self.bytes = self.bytes.saturating_sub(staged.block.size_bytes());
        Some(staged)
    }

    /// A block has been applied: its changes are found here until they are forgotten.
    pub(crate) fn applied(&mut self, staged: Staged) {
        let Staged { sequence, changes, hashes, .. } = staged;
        self.rows.applied.push_back(Applied { sequence, changes, hashes });
    }

    /// All blocks whose sequence number is below this are applied. Whoever looks at the published coins from now on sees them.
    pub(crate) fn applied_below(&self) -> u64 {
        self.rows.blocks.front().map_or(self.next, |staged| staged.sequence)
    }

    /// Forgets blocks that are applied and whose sequence number is below `sequence`.
    pub(crate) fn forget_below(&mut self, sequence: u64) {
        while self.rows.applied.front().is_some_and(|applied| applied.sequence < sequence) {
            let Some(applied) = self.rows.applied.pop_front() else { break };
            for (first, hashes) in (0u32..).step_by(AT_ONCE).zip(applied.hashes.chunks(AT_ONCE)) {
                touch(&self.index, hashes);
                for (number, hash) in (first..).zip(hashes) {
                    let at = At { sequence: applied.sequence, number };
                    // It is another's where a later block has changed the coin again.
                    if let Ok(entry) = self.index.find_entry(*hash, |other| *other == at) {
                        entry.remove();
                    }
                }
            }
        }
    }

    /// Drops everything; checks that have not begun are left out.
    pub(crate) fn clear(&mut self) {
        for staged in &self.rows.blocks {
            if let Step::Connect { run, .. } = &staged.step {
                run.cancel();
            }
        }
        let mut index = std::mem::take(&mut self.index);
        index.clear();
        if index.capacity() > INDEX_KEPT_MAX {
            index = HashTable::new();
        }
        *self = Stage { next: self.next, index, hasher: self.hasher, ..Stage::default() };
    }

    pub(crate) fn blocks(&self) -> &VecDeque<Staged> {
        &self.rows.blocks
    }

    /// Whether the oldest block must be settled before another is staged.
    pub(crate) fn is_full(&self, bytes_max: usize) -> bool {
        self.inputs >= STAGED_INPUTS_MAX
            || self.rows.blocks.len() >= STAGED_BLOCKS_MAX
            || self.bytes >= bytes_max
    }

    /// Whether a reorganisation has become too large to be published as one.
    pub(crate) fn is_beyond_one_step(&self) -> bool {
        self.rows.blocks.len() >= REORG_BLOCKS_MAX || self.bytes >= REORG_BYTES_MAX
    }

    /// The coin at `outpoint` where a staged block has touched it, or one that is applied and not forgotten.
    pub(crate) fn get(&self, outpoint: &OutPoint) -> Option<Option<&CompactCoin>> {
        let is_same = |at: &At| self.rows.change(at).is_some_and(|(found, _)| found == outpoint);
        let at = self.index.find(self.hasher.hash_one(outpoint), is_same)?;
        self.rows.change(at).map(|(_, coin)| coin.as_ref())
    }
}

impl Rows {
    fn change(&self, at: &At) -> Option<&Change> {
        self.of(at.sequence)?.0.get(usize::try_from(at.number).ok()?)
    }

    /// What is in the index is here: a place that is not has no neighbours to be told from.
    fn hash(&self, at: &At) -> u64 {
        let number = usize::try_from(at.number).ok();
        self.of(at.sequence).and_then(|(_, hashes)| hashes.get(number?)).copied().unwrap_or(0)
    }

    /// Sequence numbers have no gaps, neither among the applied blocks nor among the staged ones behind them.
    fn of(&self, sequence: u64) -> Option<(&[Change], &[u64])> {
        let behind = |first: u64| usize::try_from(sequence.checked_sub(first)?).ok();
        match self.blocks.front().and_then(|first| behind(first.sequence)) {
            Some(number) => self.blocks.get(number).map(|staged| (&staged.changes[..], &staged.hashes[..])),
            None => {
                let applied = self.applied.get(behind(self.applied.front()?.sequence)?)?;
                Some((&applied.changes, &applied.hashes))
            }
        }
    }
}

/// Reads where the index has these, or would have them.
fn touch(index: &HashTable<At>, hashes: &[u64]) {
    let found = hashes.iter().filter_map(|hash| index.find(*hash, |_| true));
    std::hint::black_box(found.fold(0, |sum, at| sum ^ at.number));
}

fn inputs_of(block: &ParsedBlock) -> usize {
    block.txs().iter().map(|tx| tx.tx().input.len()).sum()
}

/// The coins behind the newest staged block.
pub(crate) struct StageView<'a> {
    stage: &'a Stage,
    coins: &'a CoinsRead<'a>,
}

impl<'a> StageView<'a> {
    pub(crate) fn new(stage: &'a Stage, coins: &'a CoinsRead<'a>) -> StageView<'a> {
        StageView { stage, coins }
    }

    /// The coin at `outpoint`, if it is unspent.
    pub(crate) fn get(&self, outpoint: &OutPoint) -> Result<Option<CompactCoin>, ChainFault> {
        if let Some(coin) = self.stage.get(outpoint) {
            return Ok(coin.cloned());
        }
        if let Some(coin) = self.coins.cached(outpoint) {
            return Ok(coin);
        }
        Ok(self.coins.disk().get(outpoint)?)
    }
}

impl UtxoView for StageView<'_> {
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, ViewFault> {
        let coin = self.get(outpoint).map_err(|e| ViewFault { source_text: e.to_string() })?;
        Ok(coin.map(|coin| coin.to_coin()))
    }
}

/// What disconnecting `block` does to the coins; none where the undo data does not fit it.
pub(crate) fn disconnect_changes(block: &ParsedBlock, undo: &UndoRecord) -> Option<Vec<Change>> {
    let mut changes: HashMap<OutPoint, Option<CompactCoin>> = HashMap::new();
    let mut rows = undo.spent.spent.iter().rev();
    for tx in block.txs().iter().rev() {
        for (vout, output) in (0u32..).zip(&tx.tx().output) {
            let outpoint = OutPoint { txid: tx.txid(), vout };
            // An output that a later transaction of this block spent was put back a moment ago: it leaves no trace.
            if !is_unspendable(&output.script_pubkey) && changes.remove(&outpoint).is_none() {
                changes.insert(outpoint, None);
            }
        }
        if tx.tx().is_coinbase() {
            continue;
        }
        let coins = rows.next().filter(|coins| coins.len() == tx.tx().input.len())?;
        for (input, coin) in tx.tx().input.iter().zip(coins) {
            changes.insert(input.previous_output, Some(CompactCoin::from(coin)));
        }
    }
    for (outpoint, coin) in &undo.overwritten {
        changes.insert(*outpoint, Some(CompactCoin::from(coin)));
    }
    rows.next().is_none().then(|| changes.into_iter().collect())
}

#[cfg(test)]
#[path = "stage/tests.rs"]
mod tests;
