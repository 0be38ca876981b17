//! How many transactions the chain has, up to each of its blocks.
//!
//! Owns: the sums, which are made when somebody asks. Must not know: what a transaction is.
//!
//! A block's own count lies in its header's record. Records of before blocks were counted have none: of those the block files are read, beside
//! everything else; until then, and for ever where the blocks are pruned, the sums above them are not known.

use std::sync::{Mutex, MutexGuard, PoisonError};

use adit_domain::chain::{HeaderTree, NodeId};
use adit_domain::units::Height;
use bitcoin::BlockHash;

use crate::live::Live;
use crate::reader::ChainReader;
use crate::types::ChainFault;

/// Blocks that are summed while nobody can change the tree: some milliseconds.
const PIECE_BLOCKS: usize = 10_000;

/// By height: the best chain's block, and the transactions up to it; none where they are not known. 24 bytes a block, and only where somebody
/// has asked: 24 MB of a million blocks.
#[derive(Default)]
pub(crate) struct TxSums(Mutex<Sums>);

#[derive(Default)]
struct Sums {
    rows: Vec<(NodeId, Option<u64>)>,
    /// Whether one of them is not known: it may be when somebody asks again.
    has_gaps: bool,
}

impl TxSums {
    fn lock(&self) -> MutexGuard<'_, Sums> {
        // A row is pushed whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sums {
    /// Leaves out what has left the best chain.
    fn follow(&mut self, tree: &HeaderTree) {
        let stands = |rows: &[(NodeId, Option<u64>)]| {
            let last = rows.len().checked_sub(1).and_then(|last| u32::try_from(last).ok());
            let row = last.zip(rows.last());
            row.is_none_or(|(height, (id, _))| tree.active_at(Height::new(height)) == Some(*id))
        };
        while !stands(&self.rows) {
            self.rows.pop();
        }
    }

    fn at(&self, height: Height) -> Option<(NodeId, Option<u64>)> {
        self.rows.get(usize::try_from(height.to_u32()).ok()?).copied()
    }

    /// Sums up a piece of the best chain; whether there was any.
    fn extend(&mut self, live: &Live, tree: &HeaderTree) -> bool {
        for done in 0..PIECE_BLOCKS {
            let next = u32::try_from(self.rows.len()).ok().and_then(|next| tree.active_at(Height::new(next)));
            let Some(id) = next else { return done > 0 };
            let below = self.rows.last().map_or(Some(0), |(_, sum)| *sum);
            let sum = sum_with(live, tree, id, below);
            self.has_gaps |= sum.is_none();
            self.rows.push((id, sum));
        }
        true
    }
}

/// What is known of a block's chain, with those of its parent's.
fn sum_with(live: &Live, tree: &HeaderTree, id: NodeId, below: Option<u64>) -> Option<u64> {
    let hash = tree.node(id).hash();
    let own = match live.place(&hash).txs {
        0 if id == HeaderTree::GENESIS => 1,
        txs => txs,
    };
    let sum = below.filter(|_| own > 0).map(|below| below.saturating_add(u64::from(own)));
    // The blocks below a snapshot may be missing yet.
    sum.or_else(|| live.params.assumed_coins_at(&hash).map(|known| known.chain_txs))
}

impl ChainReader {
    /// The transactions of the chain up to a block, its own among them; none where those of a block are not known.
    ///
    /// The first question looks at every block, later ones at what is new.
    pub fn chain_tx_count(&self, hash: &BlockHash) -> Option<u64> {
        let live = self.live();
        let (fork, above) = branch(&live, hash)?;
        let mut sum = active_sum(&live, fork)?;
        let tree = live.tree();
        for id in above.into_iter().rev() {
            sum = sum_with(&live, &tree, id, Some(sum))?;
        }
        Some(sum)
    }

    /// Counts the transactions of all stored blocks of the best chain that nobody has counted, as long as `go_on` says so.
    pub fn count_stored(&self, go_on: &dyn Fn() -> bool) -> Result<(), ChainFault> {
        let mut height = Height::GENESIS;
        while let Some(hash) = self.hash_at(height).filter(|_| go_on()) {
            self.tx_count(&hash)?;
            height = height.next();
        }
        Ok(())
    }
}

/// Where a block's chain leaves the best one, and the blocks above, the highest first.
fn branch(live: &Live, hash: &BlockHash) -> Option<(NodeId, Vec<NodeId>)> {
    let tree = live.tree();
    let (mut at, mut above) = (tree.find(hash)?, Vec::new());
    while !tree.is_active(at) {
        above.push(at);
        at = tree.node(at).parent()?;
    }
    Some((at, above))
}

/// The sum at a block of the best chain; none where it has just left it.
fn active_sum(live: &Live, id: NodeId) -> Option<u64> {
    {
        let mut sums = live.sums.lock();
        if std::mem::take(&mut sums.has_gaps) {
            sums.rows.clear();
        }
    }
    loop {
        let mut sums = live.sums.lock();
        let tree = live.tree();
        sums.follow(&tree);
        if let Some((found, sum)) = sums.at(tree.node(id).height()) {
            return sum.filter(|_| found == id);
        }
        if !sums.extend(live, &tree) {
            return None;
        }
    }
}
