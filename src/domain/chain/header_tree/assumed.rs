//! What is taken as verified, since somebody has verified it before and said so: blocks' scripts, or the coins behind a block.

use bitcoin::Work;
use thiserror::Error;

use super::{HeaderTree, NodeId};
use crate::consensus::{add_work, work_of_bits};

/// Seconds of work that must lie on a block whose scripts do not run: two weeks.
const BURIAL_S: u32 = 14 * 24 * 60 * 60;

/// Why the scripts of a block run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum ScriptsRun {
    /// The network has no assumed block, or the configuration wants none.
    #[error("no block is assumed to be valid")]
    NothingAssumed,
    /// The assumed block's header has not come.
    #[error("the assumed block is not among the headers")]
    AssumedUnknown,
    /// It lies above the assumed block.
    #[error("above the assumed block")]
    AboveAssumed,
    /// The assumed block does not stand on it.
    #[error("not below the assumed block")]
    BesideAssumed,
    /// The best header does not stand on it.
    #[error("not below the best header")]
    BesideBest,
    /// The best header's chain has less work than the network is known to have.
    #[error("the best header's chain has too little work")]
    TooLittleWork,
    /// Not enough work lies on it: two weeks of the best header's difficulty.
    #[error("too recent beside the best header")]
    TooRecent,
}

impl HeaderTree {
    /// Says that the coins behind a block on the active chain are taken as they are: bodies below it may be missing. Until
    /// [`HeaderTree::coins_verified`] only what stands on it may be the tip, for nothing leads below it.
    pub fn assume_coins(&mut self, base: NodeId) {
        self.assumed_base = Some(base);
        self.find_candidates();
    }

    /// Says that they are what all blocks below lead to: any chain may be the best again.
    pub fn coins_verified(&mut self) {
        self.assumed_base = None;
        self.find_candidates();
    }

    /// The block of [`HeaderTree::assume_coins`].
    pub fn assumed_base(&self) -> Option<NodeId> {
        self.assumed_base
    }

    /// Whether a block is the assumed base or stands on it; any block where there is none.
    pub fn stands_on_base(&self, id: NodeId) -> bool {
        let stands = |base: NodeId| self.ancestor(id, self.node(base).height()) == Some(base);
        self.assumed_base.is_none_or(stands)
    }

    /// Whether a block's scripts are taken as verified, as in Core; why not, where they are not.
    ///
    /// The assumed block ([`crate::consensus::Params::assume_valid`]) stands on it and so does the best header, whose chain has the work that
    /// the network is known to have: a chain made to fool one node costs what the true one did. And what lies on the block took two weeks at
    /// the best header's difficulty: nobody who has a majority for less can press users into assuming what he made.
    pub fn scripts_are_assumed(&self, id: NodeId) -> Result<(), ScriptsRun> {
        let (node, best) = (self.node(id), self.node(self.best_header_id()));
        let assumed = self.params().assume_valid.ok_or(ScriptsRun::NothingAssumed)?;
        let assumed = self.find(&assumed).ok_or(ScriptsRun::AssumedUnknown)?;
        let (height, assumed_height) = (node.height(), self.node(assumed).height());
        ensure(height <= assumed_height, ScriptsRun::AboveAssumed)?;
        ensure(self.ancestor(assumed, height) == Some(id), ScriptsRun::BesideAssumed)?;
        ensure(self.best_at(height) == Some(id), ScriptsRun::BesideBest)?;
        ensure(best.work() >= self.params().minimum_chain_work, ScriptsRun::TooLittleWork)?;
        ensure(self.is_buried(id), ScriptsRun::TooRecent)
    }

    /// Whether the work from a block to the best header took more than [`BURIAL_S`] at that header's difficulty.
    ///
    /// Core's test is `floor(work * spacing / proof) > seconds`; without the division: `work * spacing >= (seconds + 1) * proof`.
    fn is_buried(&self, id: NodeId) -> bool {
        self.is_buried_for(id, BURIAL_S)
    }

    /// Whether the work from a block to the best header took more than so many seconds at that header's difficulty.
    pub fn is_buried_for(&self, id: NodeId, seconds: u32) -> bool {
        let best = self.node(self.best_header_id());
        let (above, below) = (best.work(), self.node(id).work());
        let proof = work_of_bits(best.header().bits);
        above > below
            && times(above - below, self.params().pow.spacing_s) >= times(proof, seconds.saturating_add(1))
    }
}

fn ensure(holds: bool, why_not: ScriptsRun) -> Result<(), ScriptsRun> {
    if holds { Ok(()) } else { Err(why_not) }
}

/// The product, which stays at the largest number there; no chain has the 2^235 hashes that this takes.
fn times(work: Work, factor: u32) -> Work {
    let mut product = Work::from_be_bytes([0; 32]);
    for bit in (0..u32::BITS).rev() {
        product = add_work(product, product);
        if (factor >> bit) & 1 == 1 {
            product = add_work(product, work);
        }
    }
    product
}

#[cfg(test)]
#[path = "assumed/tests.rs"]
mod tests;
