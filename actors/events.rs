//! What happens in the node, for whoever listens.
//!
//! Owns: the bus and its events. Must not know: who listens, or how an event looks on the wire.

use std::sync::Arc;

use adit_domain::units::{Height, UnixMillis};
use adit_domain::wire::ParsedTx;
use bitcoin::{BlockHash, Txid};
use tokio::sync::broadcast;

/// Events that a slow listener may fall behind by before it misses some: at 64 bytes each 256 kB, shared by all
/// listeners. A thousand sessions that restart at once are a quarter of it.
pub const EVENTS_MAX: usize = 4096;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEvent {
    /// When.
    pub at: UnixMillis,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The best chain has another tip.
    TipChanged {
        /// Its height.
        height: Height,
        /// Its hash.
        tip: BlockHash,
        /// Blocks that left the best chain.
        disconnected: u32,
        /// Blocks that joined it.
        connected: u32,
    },
    /// A miner of this pool found a block; it is on its way to the chain and the peers.
    BlockFound {
        /// Its height; none where its parent is not the tip any more.
        height: Option<Height>,
        /// Its hash.
        hash: BlockHash,
    },
    /// What all workers have done, where it changed.
    ShareTotals {
        /// Shares credited.
        shares_accepted: u64,
        /// Shares refused since the process began.
        shares_rejected: u64,
        /// Hashes a second over the last minutes.
        hashrate: u64,
        /// Workers ever seen.
        workers: u32,
    },
    /// An actor was built again.
    ActorRestarted {
        /// Its name.
        name: String,
        /// Restarts since it was started.
        restarts: u64,
        /// The panic's message; empty where an operator asked for it.
        panic: String,
    },
}

/// Changes of the mempool that a slow listener may fall behind by: as many transactions as the mempool takes in some seconds. What waits there is in
/// the mempool too, most of it: at 500 bytes each 4 MB are not.
pub const POOL_CHANGES_MAX: usize = 8192;

/// What happens in the mempool, in its order, with the moves of the chain that it follows between. [`crate::mempool::MempoolReader::follow`] gives them.
/// The numbers are Core's mempool sequence: one for each that joins or leaves, also where a block is the reason, which is not told.
#[derive(Clone, Debug)]
pub enum PoolChange {
    /// A transaction joined it.
    Added {
        /// The transaction.
        tx: Arc<ParsedTx>,
        /// Its number.
        sequence: u64,
    },
    /// One left it for another reason than that a block has it.
    Removed {
        /// Which one.
        txid: Txid,
        /// Its number.
        sequence: u64,
    },
    /// The chain has turned aside: what is told until it has followed comes of that.
    Leaves {
        /// The tip that it follows to.
        towards: BlockHash,
    },
    /// It has followed the chain to this tip.
    Followed {
        /// The tip.
        tip: BlockHash,
    },
}

/// Where events are published and listened to. A publisher never waits: a slow listener loses the oldest, and is told.
#[derive(Clone, Debug)]
pub struct EventBus {
    sender: broadcast::Sender<NodeEvent>,
}

impl Default for EventBus {
    fn default() -> Self {
        EventBus { sender: broadcast::channel(EVENTS_MAX).0 }
    }
}

impl EventBus {
    /// Tells all who listen; nobody listening is no error.
    pub fn publish(&self, at: UnixMillis, kind: EventKind) {
        let _ = self.sender.send(NodeEvent { at, kind });
    }

    /// Every event from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<NodeEvent> {
        self.sender.subscribe()
    }

    /// Whether anybody listens: what costs something to find out need not be found out for nobody.
    pub fn is_heard(&self) -> bool {
        self.sender.receiver_count() > 0
    }
}

#[cfg(test)]
mod tests;
