use std::sync::Arc;

use adit_chainstate::ChainFault;
use adit_domain::chain::NextBlock;
use adit_domain::consensus::{HeaderView, UtxoView};
use adit_domain::script::ScriptFlags;
use adit_domain::units::{Height, UnixMillis};
use adit_domain::wire::ParsedBlock;
use bitcoin::BlockHash;

/// What the mempool reads of the chain. Every answer is at the present tip, which may move between two of them.
pub trait MempoolChain: HeaderView + UtxoView + Send + Sync {
    /// What the next block must be.
    fn next_block(&self, now: UnixMillis) -> NextBlock;
    /// The height of the header with the most work.
    fn best_header_height(&self) -> Height;
    /// Where a block stands in the best chain.
    fn height_of(&self, hash: &BlockHash) -> Option<Height>;
    /// Whether the tip is the best that there is: it is not in the middle of a longer way.
    fn is_settled(&self) -> bool;
    /// The rules that the scripts of a block at this height are verified under, if it is yet to be made.
    fn script_flags(&self, height: Height) -> ScriptFlags;
    /// The way from an old tip to the present one: blocks to disconnect, the highest first, and to connect, the lowest first.
    fn path_from(&self, tip: &BlockHash) -> Option<(Vec<BlockHash>, Vec<BlockHash>)>;
    /// A stored block.
    fn block(&self, hash: &BlockHash) -> Result<Option<Arc<ParsedBlock>>, ChainFault>;
}
