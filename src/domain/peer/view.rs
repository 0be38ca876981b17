use core::net::IpAddr;
use std::sync::Arc;

use bitcoin::block::Header;
use bitcoin::{BlockHash, Txid, Work, Wtxid};

use super::TxRef;
use super::downloads::PeerId;
use crate::units::{Height, UnixMillis};
use crate::wire::ParsedTx;

/// What the protocol asks of the node behind it. Every answer comes from memory.
pub trait NodeView {
    /// The validated tip.
    fn tip(&self) -> (BlockHash, Height);
    /// The best header, whose block may be missing still.
    fn best_header(&self) -> (BlockHash, Height);
    /// Whether a header is known.
    fn has_header(&self, hash: &BlockHash) -> bool;
    /// The work of the chain up to a header; none where it is not in the tree.
    fn work_at(&self, hash: &BlockHash) -> Option<Work>;
    /// That work and a header's on top; none where the header's hash does not meet its own target.
    fn work_with(&self, below: Work, header: &Header) -> Option<Work>;
    /// The work that a chain must have for its headers to be kept.
    fn work_wanted(&self) -> Work;
    /// Whether a block's body is there.
    fn has_block(&self, hash: &BlockHash) -> bool;
    /// Whether a stranger may see a block: it is on the best chain, or left that lately.
    fn is_shown(&self, hash: &BlockHash) -> bool;
    /// Whether old blocks may be gone.
    fn is_pruned(&self) -> bool;
    /// Hashes of the best header chain, the tip first, in doubling steps.
    fn locator(&self) -> Vec<BlockHash>;
    /// Headers of the best chain after the first hash of `locator` that is on it, up to `stop`.
    fn headers_after(&self, locator: &[BlockHash], stop: BlockHash, most: usize) -> Vec<Header>;
    /// Missing bodies on the best header chain, the lowest first.
    fn blocks_wanted(&self, most: usize) -> Vec<(BlockHash, Height)>;
    /// Missing bodies of the chain that ends in a known block, the lowest first; none where it cannot be the best chain yet: it has less
    /// work than the tip's, or is known to be invalid.
    fn blocks_wanted_up_to(&self, hash: &BlockHash, most: usize) -> Vec<(BlockHash, Height)>;
    /// The height up to which the chain that ends in a known block is the best header's.
    fn height_on_best(&self, hash: &BlockHash) -> Option<Height>;
    /// A known header.
    fn header(&self, hash: &BlockHash) -> Option<Header>;
    /// A known header's height.
    fn height_of(&self, hash: &BlockHash) -> Option<Height>;
    /// Whether `block` is `of` or below it in its chain; both are known.
    fn is_ancestor(&self, block: &BlockHash, of: &BlockHash) -> bool;
    /// When the tip's block says that it was made; seconds since 1970.
    fn tip_time_s(&self) -> u64;
    /// The lowest feerate that the mempool takes; satoshis per 1,000 virtual bytes.
    fn fee_floor_sat_per_kvb(&self) -> u64;
    /// How often the mempool has changed.
    fn tx_sequence(&self) -> u64;
    /// Whether a transaction is held, waits for its parents, or was refused lately.
    fn knows_tx(&self, tx: &TxRef) -> bool;
    /// Whether a transaction was refused lately for what another may pay: then it is looked at again when it comes again.
    fn may_be_paid_for(&self, wtxid: &Wtxid) -> bool;
    /// A peer tells of a transaction. Where it is kept because parents of it are missing: those, as far as this peer is to be asked for them.
    fn orphan_told(&self, tx: &TxRef, from: PeerId) -> Option<Vec<Txid>>;
    /// Offers every transaction that is here, held or waiting for its parents, until no more are wanted.
    fn offer_txs(&self, take: &mut dyn FnMut(&Arc<ParsedTx>) -> bool);
    /// Held transactions.
    fn held_txs(&self, most: usize) -> Vec<TxRef>;
    /// Whether nobody from there may connect.
    fn is_banned(&self, ip: IpAddr, now: UnixMillis) -> bool;
    /// Whether we drew this nonce for a connection of our own.
    fn is_own_nonce(&self, nonce: u64) -> bool;
}
