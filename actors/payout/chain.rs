use std::sync::Arc;

use adit_chainstate::{ChainFault, ChainReader};
use adit_domain::payout::ChainPoint;
use adit_domain::wire::ParsedBlock;
use bitcoin::BlockHash;

/// What the books ask of a chain: our own, or another node's.
pub trait BooksChain: Send + Sync {
    /// The tip of the best chain.
    fn tip(&self) -> ChainPoint;

    /// The way from a block to the tip: what leaves, the highest first, and what joins, the lowest first. None where
    /// the block is not known.
    fn path_from(&self, from: &BlockHash) -> Option<(Vec<BlockHash>, Vec<BlockHash>)>;

    /// Whether the tip is the best that there is: no block is about to join that is not told of yet.
    fn is_settled(&self) -> bool;

    /// A block's body; none where it is not there.
    fn block(&self, hash: &BlockHash) -> Result<Option<Arc<ParsedBlock>>, ChainFault>;
}

/// Our own chain.
impl BooksChain for ChainReader {
    fn tip(&self) -> ChainPoint {
        let tip = ChainReader::tip(self);
        ChainPoint { hash: tip.hash, height: tip.height }
    }

    fn path_from(&self, from: &BlockHash) -> Option<(Vec<BlockHash>, Vec<BlockHash>)> {
        ChainReader::path_from(self, from)
    }

    fn is_settled(&self) -> bool {
        ChainReader::is_settled(self)
    }

    fn block(&self, hash: &BlockHash) -> Result<Option<Arc<ParsedBlock>>, ChainFault> {
        ChainReader::block(self, hash)
    }
}
