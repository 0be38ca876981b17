//! From the tip to another block: what leaves, what joins, in what order things happen.
//!
//! Blocks are read, parsed and prepared on the workers, some ahead (`bodies.rs`). Here the coins of each are found behind the staged
//! blocks; the rules beside them and its scripts go to the workers, and the next one follows. The published tip moves over a staged block
//! when all up to it are verified, and only to where there is more work than before: a reader never sees half of
//! a reorganisation, and one that fails leaves no trace.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use adit_domain::chain::{NodeId, ScriptsRun, Tip};
use adit_domain::consensus::{
    BlockContext, BlockError, Coin, Refused, UtxoView, connect_block, looks_for_overwritten_coins,
};
use adit_domain::units::Height;
use adit_domain::wire::ParsedBlock;
use adit_store::{CompactCoin, EncodedUndo, StoreFault, UndoRecord};
use bitcoin::{BlockHash, OutPoint};
use crossbeam_channel::Receiver;

use super::bodies::{Ahead, Below, Body, Coming, Early, no_first};
use super::{Chainstate, Part};
use crate::import::Unreadable;
use crate::judge::{Resolved, in_cores_words, judge};
use crate::live::{Places, tx_count};
use crate::prepare::{Prepared, ReadAhead};
use crate::scan::{BlockFile, Extent};
use crate::scripts::{Failure, ScriptRun};
use crate::stage::{StageView, Staged, Step, disconnect_changes};
use crate::types::{ChainFault, SubmitError};

/// Reasons of refusals that are kept: it takes work to make one, so an attacker makes few.
const FAILURES_MAX: usize = 1_000;
/// What is said of a block over which we panicked.
const PANICKED: &str = "internal-error";
/// Blocks that one step connects before its caller is heard again.
const STEP_BLOCKS_MAX: u32 = 32;

/// A block that was refused on its way into the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The block.
    pub hash: BlockHash,
    /// Its height.
    pub height: Height,
    /// Core's reject reason.
    pub reason: String,
}

impl From<Rejected> for SubmitError {
    fn from(rejected: Rejected) -> SubmitError {
        let Rejected { hash, height, reason } = rejected;
        SubmitError::Invalid { hash, height: Some(height), reject: reason }
    }
}

/// A body that is not in our own files yet.
#[derive(Clone, Debug)]
pub(crate) struct Outside {
    pub(crate) file: Arc<BlockFile>,
    pub(crate) extent: Extent,
}

/// One run of the engine: where bodies come from, what is kept of it.
#[derive(Default)]
pub(crate) struct Run<'a> {
    /// Bodies that are not in our own files yet.
    pub(crate) outside: Option<&'a HashMap<BlockHash, Outside>>,
    /// Told after each step of the tip; whether to go on.
    pub(crate) progress: Option<&'a mut dyn FnMut(Height) -> bool>,
    /// A body that is on its way to disk, to be waited for before the tip moves.
    pub(crate) syncing: Option<Receiver<Result<(), StoreFault>>>,
    /// Blocks that it moved over the tip, where they are kept.
    pub(crate) blocks: HashMap<BlockHash, Arc<ParsedBlock>>,
    /// Blocks that were refused.
    pub(crate) rejected: Vec<Rejected>,
    /// Bodies that are on their way before it begins.
    pub(super) early: Early,
    /// How many more blocks it connects; none without a limit, and then no block is kept.
    steps: Option<u32>,
}

impl Run<'_> {
    pub(crate) fn in_steps() -> Run<'static> {
        Run { steps: Some(STEP_BLOCKS_MAX), ..Run::default() }
    }

    pub(crate) fn of_import<'a>(
        outside: &'a HashMap<BlockHash, Outside>,
        progress: &'a mut dyn FnMut(Height) -> bool,
    ) -> Run<'a> {
        Run { outside: Some(outside), progress: Some(progress), ..Run::default() }
    }

    /// As long as `progress` says.
    pub(super) fn while_it_may(progress: &mut dyn FnMut(Height) -> bool) -> Run<'_> {
        Run { progress: Some(progress), ..Run::default() }
    }

    pub(crate) fn without_limit() -> Run<'static> {
        Run::default()
    }

    /// A reorganisation that is more than one step goes on in the next: what the caller is told of one must fit in memory.
    pub(super) fn end_step(&mut self) {
        self.steps = self.steps.map(|_| 0);
    }

    pub(super) fn is_over(&self) -> bool {
        self.steps == Some(0)
    }
}

/// How a way to a block ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// There.
    Reached,
    /// On the way, at its limit or because its caller said so.
    Paused,
    /// At a block that was refused; the tip is the best that there was before it.
    Failed(Rejected),
    /// At a block that a file of others no longer has.
    Unreadable(Unreadable),
}

/// Why a block was not staged.
pub(super) enum NotStaged {
    Refused(BlockError),
    /// Bytes that are no block.
    NoBlock,
    Unreadable(Unreadable),
    Panicked,
    Fault(ChainFault),
}

impl From<ChainFault> for NotStaged {
    fn from(fault: ChainFault) -> NotStaged {
        NotStaged::Fault(fault)
    }
}

impl From<StoreFault> for NotStaged {
    fn from(fault: StoreFault) -> NotStaged {
        NotStaged::Fault(fault.into())
    }
}

impl From<Refused<BlockError>> for NotStaged {
    fn from(refused: Refused<BlockError>) -> NotStaged {
        match refused {
            Refused::Invalid(error) => NotStaged::Refused(error),
            Refused::Fault(fault) => NotStaged::Fault(fault.into()),
        }
    }
}

/// The coins that a block meets.
struct Coins {
    /// Those that it spends and does not make, in the order of its inputs.
    spent: Vec<(OutPoint, CompactCoin)>,
    /// See [`UndoRecord::overwritten`].
    overwritten: Vec<(OutPoint, Coin)>,
}

/// How long verdicts are waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// Not at all.
    No,
    /// For the oldest that is open.
    One,
    /// For all.
    All,
}

impl Chainstate {
    /// Moves the tip to the best chain whose bodies are all stored, around blocks that turn out invalid.
    pub(crate) fn activate(&mut self, run: &mut Run<'_>) -> Result<(), ChainFault> {
        while !run.is_over() && self.leave_fallen(run)? {}
        while !run.is_over() {
            let target = {
                let tree = self.live.tree();
                let target = tree.best_candidate();
                if target == tree.tip_id() {
                    break;
                }
                target
            };
            match self.run_to(target, run)? {
                Ended::Reached => {}
                Ended::Paused | Ended::Unreadable(_) => break,
                Ended::Failed(rejected) => {
                    tracing::warn!(hash = %rejected.hash, height = %rejected.height, reason = rejected.reason, "invalid block");
                    run.rejected.push(rejected);
                }
            }
        }
        self.wait_for_sync(run)
    }

    /// Moves the tip towards `target`.
    pub(crate) fn run_to(&mut self, target: NodeId, run: &mut Run<'_>) -> Result<Ended, ChainFault> {
        let path = {
            let tree = self.live.tree();
            tree.path(tree.tip_id(), target)
        };
        self.go(&path.disconnect, &path.connect, run)
    }

    /// Moves the coins along a way.
    pub(super) fn go(
        &mut self,
        leave: &[NodeId],
        join: &[NodeId],
        run: &mut Run<'_>,
    ) -> Result<Ended, ChainFault> {
        let ended = self.walk(leave, join, run);
        self.stage.clear();
        self.verified = 0;
        ended
    }

    fn walk(&mut self, leave: &[NodeId], join: &[NodeId], run: &mut Run<'_>) -> Result<Ended, ChainFault> {
        run.early.begin(&self.stage, leave);
        for id in leave {
            self.stage_disconnect(*id)?;
            // What is more than one step may hold goes out before the rest comes in.
            self.settle(Wait::No, run)?;
            self.stage.forget_below(u64::MAX);
            if run.is_over() {
                return Ok(Ended::Paused);
            }
        }
        let mut ahead = Ahead::new(join, self.config.budget().window());
        for id in join {
            let coming = ahead.next(self, run);
            let staged = coming.map_or(Ok(()), |coming| self.stage_caught(*id, coming));
            if let Err(not_staged) = staged {
                // One below it, whose scripts still run, may be the first that is invalid.
                return match self.settle(Wait::All, run)? {
                    Some(rejected) => Ok(Ended::Failed(rejected)),
                    None => self.refused_on_the_way(*id, not_staged),
                };
            }
            let full = self.stage.is_full(self.config.budget().window());
            let wait = if full { Wait::One } else { Wait::No };
            if let Some(rejected) = self.settle(wait, run)? {
                return Ok(Ended::Failed(rejected));
            }
            self.stage.forget_below(ahead.oldest_look().min(run.early.oldest_look()));
            if run.is_over() {
                break;
            }
        }
        match self.settle(Wait::All, run)? {
            Some(rejected) => Ok(Ended::Failed(rejected)),
            None if run.is_over() => Ok(Ended::Paused),
            None => Ok(Ended::Reached),
        }
    }

    /// A panic costs this block alone: what it leaves half-done is in the stage, which is dropped with it.
    fn stage_caught(&mut self, id: NodeId, coming: Coming) -> Result<(), NotStaged> {
        let staged = catch_unwind(AssertUnwindSafe(|| self.stage_coming(id, coming)));
        staged.unwrap_or(Err(NotStaged::Panicked))
    }

    /// Finds the coins of a block behind the staged ones, and sends it to the workers to be judged.
    fn stage_coming(&mut self, id: NodeId, coming: Coming) -> Result<(), NotStaged> {
        let Body { block, stored, prepared, read } = self.receive(id, coming)?;
        let below = Below::of(&self.live, id).ok_or_else(no_first)?;
        let Coins { spent, overwritten } = self.resolve(&block, &below, &prepared, read)?;
        let (tip, verified, assumed) = {
            let tree = self.live.tree();
            (tree.as_tip(id), tree.node(id).status().script_valid, tree.scripts_are_assumed(id))
        };
        self.tell_whether_scripts_run(&tip, assumed);
        let (judged, live) = (Arc::clone(&block), Arc::clone(&self.live));
        let scripts = !verified && assumed.is_err();
        let run = ScriptRun::start(&self.workers, &self.live.verifier, &block, move || {
            judge(&judged, (&live.params, &below), &Resolved::new(spent), scripts)
        });
        let changes = prepared.into_changes();
        self.stage.push(block, Arc::new(tip), changes, Step::Connect { overwritten, run, stored });
        Ok(())
    }

    /// The coins that a block meets behind the staged ones.
    ///
    /// Where one is missing, or there is one that must not be, the rules see the block at once and say why it is refused.
    fn resolve(
        &self,
        block: &ParsedBlock,
        below: &Below,
        prepared: &Prepared,
        read: ReadAhead,
    ) -> Result<Coins, NotStaged> {
        let context = BlockContext { params: &self.live.params, parent: below };
        let coins = self.live.coins.read()?;
        let view = StageView::new(&self.stage, &coins);
        let mut found = Vec::with_capacity(prepared.spends().len());
        for (outpoint, read) in prepared.spends().zip(read.into_coins()) {
            // What has changed since it was read goes before it.
            match self.stage.get(outpoint).map_or(read, Option::<&CompactCoin>::cloned) {
                Some(coin) => found.push((*outpoint, coin)),
                None => return Err(refusal(block, &context, &view)),
            }
        }
        let overwritten = overwritten(block, &view)?;
        if looks_for_overwritten_coins(block.hash(), &context) {
            for outpoint in outputs(block) {
                if view.get(&outpoint)?.is_some() {
                    return Err(refusal(block, &context, &view));
                }
            }
        }
        Ok(Coins { spent: found, overwritten })
    }

    /// Says in the log from which block on scripts run, or do not any more.
    fn tell_whether_scripts_run(&mut self, tip: &Tip, assumed: Result<(), ScriptsRun>) {
        let Tip { height, hash, .. } = tip;
        if self.assumed.replace(assumed) == Some(assumed) {
            return;
        }
        match assumed {
            Ok(()) => tracing::info!(%height, %hash, "scripts are assumed to be valid from here"),
            Err(reason) => tracing::info!(%height, %hash, %reason, "scripts run from here"),
        }
    }

    /// Stores the body of a block that came from outside: now that it is verified, so that no other body is ever found on disk.
    fn store_body(&self, block: &ParsedBlock) -> Result<(), ChainFault> {
        let pos = self.live.blocks.append(block.raw())?;
        self.live.change_place(block.hash(), |places| places.store(pos, block));
        let mut tree = self.live.tree_mut();
        if let Some(id) = tree.find(&block.hash()) {
            tree.body_stored(id);
        }
        Ok(())
    }

    pub(super) fn stage_disconnect(&mut self, id: NodeId) -> Result<(), ChainFault> {
        let (hash, tip) = {
            let tree = self.live.tree();
            let node = tree.node(id);
            let parent = node.parent();
            let parent =
                parent.ok_or_else(|| ChainFault::State("the first block cannot leave".to_owned()))?;
            (node.hash(), tree.as_tip(parent))
        };
        let missing = || {
            let text = "cannot leave the chain: it or its undo data is not kept; begin anew from all blocks";
            ChainFault::State(format!("block {hash} {text}"))
        };
        let block = self.live.block(&hash)?.ok_or_else(missing)?;
        let spent = self.live.spent_by(&hash)?.ok_or_else(missing)?;
        let undo = UndoRecord { spent, overwritten: self.db.overwritten(&hash)? };
        let changes = disconnect_changes(&block, &undo).ok_or_else(missing)?;
        self.stage.push(block, Arc::new(tip), changes, Step::Disconnect);
        Ok(())
    }

    /// Looks at the verdicts on staged blocks, the oldest first, and moves the tip as far as they allow. Gives the
    /// block whose scripts fail, if one does.
    fn settle(&mut self, wait: Wait, run: &mut Run<'_>) -> Result<Option<Rejected>, ChainFault> {
        let mut waited = false;
        while let Some(staged) = self.stage.blocks().get(self.verified) {
            if let Step::Connect { run: scripts, .. } = &staged.step {
                let may_wait = wait == Wait::All || (wait == Wait::One && !waited);
                if !may_wait && !scripts.is_done() {
                    break;
                }
                waited = true;
                if let Err(failure) = scripts.wait() {
                    let block = Arc::clone(&staged.block);
                    self.commit(run)?;
                    return self.verdict(&block, failure).map(Some);
                }
            }
            self.verified = self.verified.saturating_add(1);
        }
        self.commit(run)?;
        Ok(None)
    }

    fn verdict(&mut self, block: &ParsedBlock, failure: Failure) -> Result<Rejected, ChainFault> {
        match failure {
            Failure::Rules(Refused::Invalid(error)) => self.mark_invalid(&block.hash(), &error),
            Failure::Rules(Refused::Fault(fault)) => Err(fault.into()),
            Failure::Script(failure) => self.mark_invalid(&block.hash(), &failure.error_in(block)),
            Failure::Panicked => self.set_aside(&block.hash()),
        }
    }

    /// Puts aside a block over which we panicked: our bug, so it is not marked, and is no candidate until it comes again.
    /// Without this a node would end, and meet the same block at its next start.
    fn set_aside(&mut self, hash: &BlockHash) -> Result<Rejected, ChainFault> {
        tracing::error!(%hash, "a panic over this block: it is put aside");
        let live = Arc::clone(&self.live);
        let mut tree = live.tree_mut();
        let id = tree.find(hash).ok_or_else(|| ChainFault::State(format!("no header of block {hash}")))?;
        if tree.node(id).status().body_stored {
            tree.body_missing(id);
            live.change_place(*hash, Places::never_came);
        }
        self.recent.retain(|block| block.hash() != *hash);
        Ok(Rejected { hash: *hash, height: tree.node(id).height(), reason: PANICKED.to_owned() })
    }

    /// Moves the tip over verified blocks, to the last one that goes before it.
    fn commit(&mut self, run: &mut Run<'_>) -> Result<(), ChainFault> {
        let better = self.last_better();
        let too_many = self.stage.is_beyond_one_step().then(|| self.verified.checked_sub(1)).flatten();
        let Some(last) = better.or(too_many) else { return Ok(()) };
        if better.is_none() {
            run.end_step();
        }
        let mut moved: Vec<Staged> = Vec::new();
        for _ in 0..=last {
            moved.extend(self.stage.pop());
        }
        self.verified = self.verified.saturating_sub(moved.len());
        self.wait_for_sync(run)?;
        self.publish(moved, run)
    }

    /// The last of the verified blocks with more work than the tip, or with as much where it was first.
    fn last_better(&self) -> Option<usize> {
        let tip = self.live.tip.load();
        let is_better = |staged: &Staged| match staged.tip.chain_work.cmp(&tip.chain_work) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal => {
                let tree = self.live.tree();
                tree.find(&staged.tip.hash).is_some_and(|id| tree.beats_tip(id))
            }
        };
        let verified = self.stage.blocks().iter().take(self.verified);
        verified.enumerate().rfind(|(_, staged)| is_better(staged)).map(|(last, _)| last)
    }

    pub(super) fn publish(&mut self, mut moved: Vec<Staged>, run: &mut Run<'_>) -> Result<(), ChainFault> {
        let Some(tip) = moved.last().map(|staged| Arc::clone(&staged.tip)) else { return Ok(()) };
        for staged in &mut moved {
            if let Step::Connect { run: judged, overwritten, stored } = &mut staged.step {
                if !*stored {
                    self.store_body(&staged.block)?;
                }
                if let Some(undo) = judged.take_undo() {
                    self.keep_undo(&staged.block.hash(), &undo, overwritten)?;
                }
                self.count(&staged.block, run);
            }
        }
        self.live.coins.apply(moved.iter().map(|staged| staged.changes.as_slice()), Arc::clone(&tip))?;
        self.mark_connected(&moved, &tip);
        self.live.tip.store(Arc::clone(&tip));
        for staged in moved {
            if run.steps.is_some() {
                run.blocks.insert(staged.block.hash(), Arc::clone(&staged.block));
            }
            self.stage.applied(staged);
        }
        let must_stop = match self.part {
            Part::Tip => self.flush_if_due().map(|()| false)?,
            // The other's headers are flushed before: see `behind.rs`.
            Part::Behind => self.is_flush_due()?,
        };
        let goes_on = run.progress.as_mut().is_none_or(|progress| progress(tip.height));
        if must_stop || !goes_on {
            run.steps = Some(0);
        }
        Ok(())
    }

    /// Keeps what it takes to disconnect a block that was verified; it is the same whenever that block connects.
    fn keep_undo(
        &self,
        hash: &BlockHash,
        undo: &EncodedUndo,
        overwritten: &[(OutPoint, Coin)],
    ) -> Result<(), ChainFault> {
        let Places { block: Some(body), undo: None, .. } = self.live.place(hash) else { return Ok(()) };
        // Core's undo data has no room for these, nor is a block that has any found verified after a crash.
        if !overwritten.is_empty() {
            self.db.keep_overwritten(hash, overwritten)?;
            if self.part == Part::Behind {
                // Of the two databases the one that stays is not this one.
                self.store.db().keep_overwritten(hash, overwritten)?;
            }
        }
        let pos = self.live.undo.append(hash, body.file, undo, overwritten.is_empty())?;
        self.live.change_place(*hash, |places| places.undo = Some(pos));
        Ok(())
    }

    fn count(&mut self, block: &ParsedBlock, run: &mut Run<'_>) {
        let inputs: usize = block.txs().iter().skip(1).map(|tx| tx.tx().input.len()).sum();
        let add = |total: &mut u64, n: usize| *total = total.saturating_add(u64::try_from(n).unwrap_or(0));
        add(&mut self.totals.blocks, 1);
        add(&mut self.totals.txs, block.txs().len());
        add(&mut self.totals.inputs, inputs);
        run.steps = run.steps.map(|steps| steps.saturating_sub(1));
    }

    fn mark_connected(&self, moved: &[Staged], tip: &adit_domain::chain::Tip) {
        let mut tree = self.live.tree_mut();
        for staged in moved {
            let node = tree.find(&staged.block.hash());
            if let (Step::Connect { .. }, Some(id)) = (&staged.step, node) {
                tree.script_valid(id);
                self.live.note_count(&staged.block.hash(), tx_count(&staged.block));
            }
        }
        if let Some(id) = tree.find(&tip.hash).filter(|_| self.part == Part::Tip) {
            tree.set_tip(id);
        }
    }

    fn wait_for_sync(&self, run: &mut Run<'_>) -> Result<(), ChainFault> {
        let Some(syncing) = run.syncing.take() else { return Ok(()) };
        let panicked = |_| ChainFault::State("syncing a block panicked".to_owned());
        Ok(syncing.recv().map_err(panicked)??)
    }

    fn refused_on_the_way(&mut self, id: NodeId, not_staged: NotStaged) -> Result<Ended, ChainFault> {
        let (hash, height) = {
            let tree = self.live.tree();
            (tree.node(id).hash(), tree.node(id).height())
        };
        match not_staged {
            NotStaged::Fault(fault) => return Err(fault),
            NotStaged::Unreadable(error) => return Ok(Ended::Unreadable(error)),
            NotStaged::Refused(error) => self.mark_invalid(&hash, &error),
            NotStaged::Panicked => self.set_aside(&hash),
            NotStaged::NoBlock => Ok(Rejected { hash, height, reason: "block-decode-failed".to_owned() }),
        }
        .map(Ended::Failed)
    }

    /// Keeps why a block was refused, for whoever asks again.
    fn remember_failure(&mut self, hash: BlockHash, reason: &str) {
        if self.failures.len() >= FAILURES_MAX {
            self.failures.clear();
        }
        self.failures.insert(hash, reason.to_owned());
    }

    /// Marks a block that breaks a rule for ever; one whose body was changed on the way may come again.
    fn mark_invalid(&mut self, hash: &BlockHash, error: &BlockError) -> Result<Rejected, ChainFault> {
        let live = Arc::clone(&self.live);
        let mut tree = live.tree_mut();
        let id = tree.find(hash).ok_or_else(|| ChainFault::State(format!("no header of block {hash}")))?;
        let height = tree.node(id).height();
        if error.is_final() {
            tree.mark_failed(id);
        } else if tree.node(id).status().body_stored {
            tree.body_missing(id);
            self.live.change_place(*hash, Places::never_came);
        }
        let reason = in_cores_words(error);
        drop(tree);
        self.remember_failure(*hash, &reason);
        Ok(Rejected { hash: *hash, height, reason })
    }
}

/// Why a block is refused whose coins are not as they must be, by all rules in their order.
fn refusal(block: &ParsedBlock, context: &BlockContext<'_>, coins: &StageView<'_>) -> NotStaged {
    match connect_block(block, context, coins) {
        Err(refused) => refused.into(),
        Ok(_) => ChainFault::State(format!("the coins of block {} were not found", block.hash())).into(),
    }
}

/// Every output of a block.
fn outputs(block: &ParsedBlock) -> impl Iterator<Item = OutPoint> {
    block.txs().iter().flat_map(|tx| {
        let vouts = (0u32..).zip(&tx.tx().output);
        vouts.map(|(vout, _)| OutPoint { txid: tx.txid(), vout })
    })
}

/// The unspent coins that a coinbase's outputs take the place of (BIP30's two exceptions).
fn overwritten(block: &ParsedBlock, coins: &dyn UtxoView) -> Result<Vec<(OutPoint, Coin)>, ChainFault> {
    let mut found = Vec::new();
    let made_by_coinbase = block.txs().first().map_or(0, |coinbase| coinbase.tx().output.len());
    for outpoint in outputs(block).take(made_by_coinbase) {
        if let Some(coin) = coins.coin(&outpoint)? {
            found.push((outpoint, coin));
        }
    }
    Ok(found)
}
