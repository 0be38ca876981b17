use std::sync::Arc;

use adit_chainstate::{ChainFault, ChainReader};
use adit_domain::chain::Tip;
use adit_domain::units::Height;
use bitcoin::block::Header;
use bitcoin::{BlockHash, Work};

/// What the peers read of the chain. All but a block's bytes come from memory.
pub trait PeerChain: Send + Sync {
    /// The last block of the best chain.
    fn tip(&self) -> Arc<Tip>;
    /// The best header, whose block may be missing still.
    fn best_header(&self) -> (BlockHash, Height);
    /// Whether a header is known.
    fn has_header(&self, hash: &BlockHash) -> bool;
    /// The work of the chain up to a known header.
    fn header_work(&self, hash: &BlockHash) -> Option<Work>;
    /// A work and that of a header on top; none where the header's hash does not meet its own target.
    fn work_with(&self, below: Work, header: &Header) -> Option<Work>;
    /// The work that a chain must have for its headers to be kept.
    fn header_work_wanted(&self) -> Work;
    /// A known header, and its height.
    fn header(&self, hash: &BlockHash) -> Option<(Header, Height)>;
    /// Whether `block` is `of` or below it in its chain.
    fn is_ancestor(&self, block: &BlockHash, of: &BlockHash) -> bool;
    /// Whether a block's body is stored.
    fn has_block(&self, hash: &BlockHash) -> bool;
    /// Whether a block was refused by coins of a snapshot that is not verified: then whoever sent it may be right.
    fn is_doubted(&self, hash: &BlockHash) -> bool;
    /// Whether a stranger may see a block.
    fn is_shown(&self, hash: &BlockHash) -> bool;
    /// Whether everything that came has led to where it leads.
    fn is_settled(&self) -> bool;
    /// Whether old blocks may be gone.
    fn is_pruned(&self) -> bool;
    /// Hashes of the best header chain, the highest first, in doubling steps.
    fn locator(&self) -> Vec<BlockHash>;
    /// Headers of the best chain after the first hash of `locator` that is on it, up to `stop`.
    fn headers_after(&self, locator: &[BlockHash], stop: BlockHash, most: usize) -> Vec<Header>;
    /// Missing bodies on the best header chain, the lowest first.
    fn blocks_wanted(&self, most: usize) -> Vec<(BlockHash, Height)>;
    /// Missing bodies of the chain that ends in a known block, the lowest first, where it may become the best.
    fn blocks_wanted_up_to(&self, hash: &BlockHash, most: usize) -> Vec<(BlockHash, Height)>;
    /// The height up to which the chain that ends in a known block is the best header's.
    fn height_on_best(&self, hash: &BlockHash) -> Option<Height>;
    /// A stored block's bytes, witnesses included. Reads the disk.
    fn raw_block(&self, hash: &BlockHash) -> Result<Option<Vec<u8>>, ChainFault>;
}

impl PeerChain for ChainReader {
    fn tip(&self) -> Arc<Tip> {
        ChainReader::tip(self)
    }
    fn best_header(&self) -> (BlockHash, Height) {
        ChainReader::best_header(self)
    }
    fn has_header(&self, hash: &BlockHash) -> bool {
        ChainReader::has_header(self, hash)
    }
    fn header_work(&self, hash: &BlockHash) -> Option<Work> {
        ChainReader::header_work(self, hash)
    }
    fn work_with(&self, below: Work, header: &Header) -> Option<Work> {
        ChainReader::work_with(self, below, header)
    }
    fn header_work_wanted(&self) -> Work {
        ChainReader::header_work_wanted(self)
    }
    fn header(&self, hash: &BlockHash) -> Option<(Header, Height)> {
        ChainReader::header(self, hash)
    }
    fn is_ancestor(&self, block: &BlockHash, of: &BlockHash) -> bool {
        ChainReader::is_ancestor(self, block, of)
    }
    fn has_block(&self, hash: &BlockHash) -> bool {
        ChainReader::has_block(self, hash)
    }
    fn is_doubted(&self, hash: &BlockHash) -> bool {
        ChainReader::is_doubted(self, hash)
    }
    fn is_shown(&self, hash: &BlockHash) -> bool {
        ChainReader::is_shown(self, hash)
    }
    fn is_settled(&self) -> bool {
        ChainReader::is_settled(self)
    }
    fn is_pruned(&self) -> bool {
        ChainReader::is_pruned(self) || self.stands_on_snapshot()
    }
    fn locator(&self) -> Vec<BlockHash> {
        ChainReader::locator(self)
    }
    fn headers_after(&self, locator: &[BlockHash], stop: BlockHash, most: usize) -> Vec<Header> {
        ChainReader::headers_after(self, locator, stop, most)
    }
    fn blocks_wanted(&self, most: usize) -> Vec<(BlockHash, Height)> {
        ChainReader::blocks_wanted(self, most)
    }
    fn blocks_wanted_up_to(&self, hash: &BlockHash, most: usize) -> Vec<(BlockHash, Height)> {
        ChainReader::blocks_wanted_up_to(self, hash, most)
    }
    fn height_on_best(&self, hash: &BlockHash) -> Option<Height> {
        ChainReader::height_on_best(self, hash)
    }
    fn raw_block(&self, hash: &BlockHash) -> Result<Option<Vec<u8>>, ChainFault> {
        ChainReader::raw_block(self, hash)
    }
}
