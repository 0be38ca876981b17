//! Blocks and undo data, read in the order in which they lie, on several threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use adit_domain::chain::{MuHash, NodeId};
use adit_domain::consensus::{Coin, check_block, is_intact};
use adit_domain::script::is_unspendable;
use adit_domain::wire::ParsedBlock;
use adit_store::{BlockFiles, FilePos, Store, UndoFiles, UndoRecord};
use bitcoin::OutPoint;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::Problem;
use super::headers::Known;
use crate::types::ChainFault;

/// Blocks that a thread takes at once: they lie behind each other.
const RUN_BLOCKS: usize = 64;

/// Where blocks are read from.
pub(crate) struct Reading<'a> {
    pub(crate) store: &'a Store,
    pub(crate) known: &'a Known,
    pub(crate) files: &'a BlockFiles,
    pub(crate) undo: &'a UndoFiles,
    /// Whether the blocks themselves are looked at, or their undo data alone.
    pub(crate) bodies: bool,
    /// The end of the blocks of which to put together what they leave.
    pub(crate) sums: Option<NodeId>,
}

/// What one thread says of a run of blocks.
#[derive(Default)]
pub(crate) struct Part {
    pub(crate) bytes: u64,
    pub(crate) blocks: u64,
    pub(crate) undo: u64,
    pub(crate) problems: Vec<Problem>,
}

/// Told what was read, and the bytes so far and in all; says whether to go on.
pub(crate) type Hear<'a> = dyn FnMut(Part, u64, u64) -> bool + 'a;

/// Reads blocks; gives the hash of the coins that those of a chain leave, where that was asked for.
pub(crate) fn read(
    reading: &Reading<'_>,
    mut wanted: Vec<NodeId>,
    threads: usize,
    hear: &mut Hear<'_>,
) -> Result<MuHash, ChainFault> {
    let place = |id: &NodeId| reading.known.place(*id).block.map(|pos| (pos.file, pos.offset));
    wanted.sort_by_key(place);
    let bytes_total = wanted.iter().map(|id| reading.len(*id)).fold(0, u64::saturating_add);
    let (jobs, todo) = unbounded();
    for run in wanted.chunks(RUN_BLOCKS) {
        // Its other end is below: it cannot be closed.
        let _ = jobs.send(run);
    }
    drop(jobs);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let (to, parts) = bounded(threads.max(1));
        let (todo, stop) = (&todo, &stop);
        let readers: Vec<_> = (0..threads.max(1))
            .map(|_| {
                let to = to.clone();
                scope.spawn(move || read_runs(reading, todo, stop, &to))
            })
            .collect();
        drop(to);
        let mut bytes = 0u64;
        for part in parts {
            bytes = bytes.saturating_add(part.bytes);
            if !hear(part, bytes, bytes_total) {
                stop.store(true, Ordering::Relaxed);
            }
        }
        let panicked = |_| ChainFault::State("reading blocks panicked".to_owned());
        let mut sum = MuHash::EMPTY;
        for reader in readers {
            sum.combine(&reader.join().map_err(panicked)?);
        }
        Ok(sum)
    })
}

fn read_runs(
    reading: &Reading<'_>,
    todo: &Receiver<&[NodeId]>,
    stop: &AtomicBool,
    to: &Sender<Part>,
) -> MuHash {
    let mut sum = MuHash::EMPTY;
    for run in todo.iter().take_while(|_| !stop.load(Ordering::Relaxed)) {
        let mut part = Part::default();
        run.iter().for_each(|id| reading.read_one(*id, &mut part, &mut sum));
        // The other end is open until all of us are done.
        let _ = to.send(part);
    }
    sum
}

impl Reading<'_> {
    fn read_one(&self, id: NodeId, part: &mut Part, sum: &mut MuHash) {
        let place = self.known.place(id);
        let block = place.block.filter(|_| self.bodies).map(|pos| {
            part.bytes = part.bytes.saturating_add(u64::from(pos.len));
            part.blocks = part.blocks.saturating_add(1);
            self.block(id, pos)
        });
        let undo = place.undo.map(|pos| {
            part.bytes = part.bytes.saturating_add(u64::from(pos.len));
            part.undo = part.undo.saturating_add(1);
            self.undo(id, pos).map(|undo| (pos, undo))
        });
        match (block.transpose(), undo.transpose()) {
            (Ok(Some(block)), Ok(Some((pos, undo)))) => {
                if !fits(&block, &undo) {
                    part.problems.push(Problem::OtherUndo { hash: block.hash(), pos });
                } else if self.is_summed(id) {
                    self.add(id, &block, &undo, sum);
                }
            }
            (block, undo) => part.problems.extend(block.err().into_iter().chain(undo.err())),
        }
    }

    fn is_summed(&self, id: NodeId) -> bool {
        let tree = &self.known.tree;
        self.sums.is_some_and(|tip| tree.ancestor(tip, tree.node(id).height()) == Some(id))
    }

    /// Bytes that are read of it.
    fn len(&self, id: NodeId) -> u64 {
        let place = self.known.place(id);
        let (block, undo) = (place.block.filter(|_| self.bodies), place.undo);
        [block, undo].into_iter().flatten().map(|pos| u64::from(pos.len)).sum()
    }

    fn block(&self, id: NodeId, pos: FilePos) -> Result<ParsedBlock, Problem> {
        let hash = self.known.tree.node(id).hash();
        let raw = self.files.read(pos).map_err(|fault| Problem::BlockUnread { hash, pos, fault })?;
        let block = ParsedBlock::decode_shared(raw.into()).ok().filter(|block| block.hash() == hash);
        let block = block.ok_or(Problem::OtherBlock { hash, pos })?;
        match check_block(&block, self.known.tree.params()) {
            // The header says nothing of witnesses: their commitment does.
            Ok(()) if !is_intact(&block) => Err(Problem::OtherBlock { hash, pos }),
            Ok(()) => Ok(block),
            Err(error) => Err(Problem::BlockInvalid { hash, pos, error }),
        }
    }

    fn undo(&self, id: NodeId, pos: FilePos) -> Result<UndoRecord, Problem> {
        let node = self.known.tree.node(id);
        let (hash, parent) = (node.hash(), node.header().prev_blockhash);
        let unread = |fault| Problem::UndoUnread { hash, pos, fault };
        let spent = self.undo.read(&parent, pos).map_err(unread)?;
        Ok(UndoRecord { spent, overwritten: self.store.db().overwritten(&hash).map_err(unread)? })
    }

    /// Puts in what a block made, and takes out what it spent.
    fn add(&self, id: NodeId, block: &ParsedBlock, undo: &UndoRecord, sum: &mut MuHash) {
        let height = self.known.tree.node(id).height();
        for tx in block.txs() {
            let is_coinbase = tx.tx().is_coinbase();
            for (vout, output) in (0u32..).zip(&tx.tx().output) {
                if !is_unspendable(&output.script_pubkey) {
                    let outpoint = OutPoint { txid: tx.txid(), vout };
                    sum.insert_coin(&outpoint, &Coin { output: output.clone(), height, is_coinbase });
                }
            }
        }
        for (tx, coins) in block.txs().iter().skip(1).zip(&undo.spent.spent) {
            for (input, coin) in tx.tx().input.iter().zip(coins) {
                sum.remove_coin(&input.previous_output, coin);
            }
        }
        undo.overwritten.iter().for_each(|(outpoint, coin)| sum.remove_coin(outpoint, coin));
    }
}

/// Whether undo data has a coin for each input of the block.
fn fits(block: &ParsedBlock, undo: &UndoRecord) -> bool {
    let inputs = block.txs().iter().skip(1).map(|tx| tx.tx().input.len());
    inputs.eq(undo.spent.spent.iter().map(Vec::len))
}
