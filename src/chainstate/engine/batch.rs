//! Several blocks at once, as a first sync brings them: they connect in one run of the pipeline.

use std::collections::HashSet;
use std::sync::Arc;

use adit_domain::chain::NodeId;
use adit_domain::units::UnixMillis;
use adit_domain::wire::ParsedBlock;
use bitcoin::BlockHash;

use super::{Chainstate, Run, check_alone};
use crate::types::{BlockAccepted, ChainFault, SubmitError};

/// Blocks that are accepted at once: as many as one step connects.
pub const BATCH_BLOCKS_MAX: usize = 32;
/// Their bytes, the last block's beside them: those of a batch lie parsed in memory until all of it is connected, which takes two to four times
/// their bytes.
pub const BATCH_BYTES_MAX: usize = 16 << 20;

/// What became of several blocks.
#[derive(Debug)]
pub struct BlocksAccepted {
    /// What each is told, in their order: of the chain's move no more than that the block itself joined it.
    pub each: Vec<Result<BlockAccepted, SubmitError>>,
    /// What became of the chain; none where we failed.
    pub moved: Option<BlockAccepted>,
}

impl Chainstate {
    /// As [`Chainstate::accept_block`] of each in turn, but that they connect together: nobody hears of a tip between them. At most
    /// [`BATCH_BLOCKS_MAX`].
    pub fn accept_blocks(&mut self, blocks: &[Arc<ParsedBlock>], now: UnixMillis) -> BlocksAccepted {
        if let [block] = blocks {
            let accepted = self.accept_block(Arc::clone(block), now);
            return BlocksAccepted { moved: accepted.as_ref().ok().cloned(), each: vec![accepted] };
        }
        self.accept_batch(blocks, now).unwrap_or_else(|fault| BlocksAccepted {
            each: blocks.iter().map(|_| Err(fault.clone().into())).collect(),
            moved: None,
        })
    }

    fn accept_batch(
        &mut self,
        blocks: &[Arc<ParsedBlock>],
        now: UnixMillis,
    ) -> Result<BlocksAccepted, ChainFault> {
        let before = self.live.tip.load_full();
        let mut run = Run::in_steps();
        let kept = self.keep_batch(blocks, now, &mut run)?;
        self.begin_sync(&mut run);
        self.activate(&mut run)?;
        self.forget_recent();
        let moved = self.accepted(&before, std::mem::take(&mut run.blocks))?;
        let joined: HashSet<BlockHash> = moved.connected.iter().map(|block| block.hash()).collect();
        let mut each = Vec::with_capacity(blocks.len());
        for (block, kept) in blocks.iter().zip(kept) {
            let verdict = kept.and_then(|id| self.verdict_on(block, id, &run).map(|()| id));
            each.push(verdict.map(|id| BlockAccepted {
                duplicate: id.is_none(),
                tip: Arc::clone(&moved.tip),
                disconnected: Vec::new(),
                connected: joined.get(&block.hash()).map(|_| Arc::clone(block)).into_iter().collect(),
            }));
        }
        Ok(BlocksAccepted { each, moved: Some(moved) })
    }

    /// Stores those that are sound, in their order; none for one that is known. What needs nothing but the block is checked on
    /// the workers, which go on with what a block does to the coins while the next ones are stored.
    fn keep_batch(
        &mut self,
        blocks: &[Arc<ParsedBlock>],
        now: UnixMillis,
        run: &mut Run<'_>,
    ) -> Result<Vec<Result<Option<NodeId>, SubmitError>>, ChainFault> {
        let checks = blocks.iter().map(|block| {
            let (live, block) = (Arc::clone(&self.live), Arc::clone(block));
            self.workers.urgent(move || check_alone(&block, &live.params, live.verifier.as_ref()))
        });
        let checks: Vec<_> = checks.collect();
        let mut kept = Vec::with_capacity(blocks.len());
        for (block, check) in blocks.iter().zip(checks) {
            // One over which the check panicked is checked here, where a panic is noticed.
            let checked = check.recv().unwrap_or_else(|_| self.alone(block));
            let sound = checked.map_err(|error| self.refused_alone(block, &error));
            match sound.and_then(|()| self.keep_checked(block, now)) {
                Err(SubmitError::Fault(fault)) => return Err(fault),
                other => {
                    if let Ok(Some(id)) = &other {
                        self.set_out(*id, block, &mut run.early);
                    }
                    kept.push(other);
                }
            }
        }
        Ok(kept)
    }
}
