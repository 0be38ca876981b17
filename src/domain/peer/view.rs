use bitcoin::BlockHash;
use bitcoin::block::Header;

use super::TxRef;
use crate::units::Height;

/// What the protocol asks of the node behind it. Every answer comes from memory.
pub trait NodeView {
    /// The validated tip.
    fn tip(&self) -> (BlockHash, Height);
    /// The best header, whose block may be missing still.
    fn best_header(&self) -> (BlockHash, Height);
    /// Whether a header is known.
    fn has_header(&self, hash: &BlockHash) -> bool;
    /// Whether a block's body is there.
    fn has_block(&self, hash: &BlockHash) -> bool;
    /// Hashes of the best header chain, the tip first, in doubling steps.
    fn locator(&self) -> Vec<BlockHash>;
    /// Headers of the best chain after the first hash of `locator` that is on it, up to `stop`.
    fn headers_after(&self, locator: &[BlockHash], stop: BlockHash, most: usize) -> Vec<Header>;
    /// Missing bodies on the best header chain, the lowest first.
    fn blocks_wanted(&self, most: usize) -> Vec<(BlockHash, Height)>;
    /// Whether a transaction is held, or was refused lately.
    fn knows_tx(&self, tx: &TxRef) -> bool;
    /// Held transactions.
    fn held_txs(&self, most: usize) -> Vec<TxRef>;
    /// Whether we drew this nonce for a connection of our own.
    fn is_own_nonce(&self, nonce: u64) -> bool;
}
