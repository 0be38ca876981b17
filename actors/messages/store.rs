//! What the store actor is asked.

use actix::Message;
use adit_chainstate::ChainFault;
use adit_domain::units::Height;
use bitcoin::BlockHash;

/// What is durable, and how much room there is. Sent by: rpc. Handled by: store. Reply: the figures. When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<StoreStatus, ChainFault>")]
pub struct GetStoreStatus;

/// What is durable of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreStatus {
    /// The tip that the coins on disk belong to; none before the first flush.
    pub flushed: Option<(BlockHash, Height)>,
    /// Flushes so far.
    pub flushes: u64,
    /// Tables that the coins lie in.
    pub tiers: usize,
    /// Bytes that the disk has left.
    pub free_bytes: u64,
}
