//! Blocks as they were shown, for who asks for the same ones: the newest are asked for by everybody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bitcoin::BlockHash;

use super::block::{Inside, TxDetail};

/// Bytes of them: 300 full blocks with the ids of their transactions, or three with all that is said of them.
const KEPT_BYTES_MAX: usize = 48 << 20;
/// Blocks, whatever their bytes: what stands around those is some hundred bytes each.
const KEPT_MAX: usize = 1_024;

/// What was said of blocks that does not change.
#[derive(Default)]
pub(crate) struct KeptBlocks(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    rows: HashMap<(BlockHash, TxDetail), Row>,
    bytes: usize,
    uses: u64,
}

struct Row {
    inside: Arc<Inside>,
    /// When it was asked for last.
    used: u64,
}

impl KeptBlocks {
    /// What was said of a block in this detail. Whether the block may still be shown is for the caller to know.
    pub(crate) fn get(&self, block: &BlockHash, detail: TxDetail) -> Option<Arc<Inside>> {
        // Each use of the lock is one step, so a poisoned one hides nothing.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses = kept.uses.saturating_add(1);
        let now = kept.uses;
        let row = kept.rows.get_mut(&(*block, detail))?;
        row.used = now;
        Some(Arc::clone(&row.inside))
    }

    /// Keeps it, in the place of what nobody has asked for the longest.
    pub(crate) fn put(&self, block: BlockHash, detail: TxDetail, inside: &Arc<Inside>) {
        let bytes = inside.bytes();
        // One that is most of all there is room for is not worth the others.
        if bytes > KEPT_BYTES_MAX / 2 {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.forget(&(block, detail));
        while kept.rows.len() >= KEPT_MAX || kept.bytes.saturating_add(bytes) > KEPT_BYTES_MAX {
            if !kept.forget_oldest() {
                break;
            }
        }
        kept.uses = kept.uses.saturating_add(1);
        let row = Row { inside: Arc::clone(inside), used: kept.uses };
        kept.rows.insert((block, detail), row);
        kept.bytes = kept.bytes.saturating_add(bytes);
    }
}

impl Kept {
    /// Whether there was one.
    fn forget_oldest(&mut self) -> bool {
        let oldest = self.rows.iter().min_by_key(|(_, row)| row.used).map(|(key, _)| *key);
        oldest.is_some_and(|key| self.forget(&key))
    }

    /// Whether it was there.
    fn forget(&mut self, key: &(BlockHash, TxDetail)) -> bool {
        let gone = self.rows.remove(key);
        self.bytes = self.bytes.saturating_sub(gone.as_ref().map_or(0, |row| row.inside.bytes()));
        gone.is_some()
    }
}

#[cfg(test)]
#[path = "kept/tests.rs"]
mod tests;
