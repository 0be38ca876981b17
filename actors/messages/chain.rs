//! What the chain actor is told and asked.

use std::sync::Arc;

use actix::Message;
use adit_chainstate::{
    BlockAccepted, HeadersAccepted, Mark, MarkError, PruneError, PruneUpTo, Pruned, SubmitError,
};
use adit_domain::chain::Tip;
use adit_domain::wire::ParsedBlock;
use bitcoin::BlockHash;
use bitcoin::block::Header;

/// Headers to be joined to the tree, each the parent of the next.
/// Sent by: peer. Handled by: chain. Reply: how many were new, or the first that broke a rule. When full: the peer waits.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<HeadersAccepted, SubmitError>")]
pub struct SubmitHeaders {
    /// At most 2,000, as on the wire.
    pub headers: Vec<Header>,
}

/// A block to be validated, kept, and connected where it makes the best chain.
/// Sent by: stratum (a found block), peer, rpc. Handled by: chain. Reply: what became of it. When full: the sender waits.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<BlockAccepted, SubmitError>")]
pub struct SubmitBlock {
    /// The whole block.
    pub block: Arc<ParsedBlock>,
}

/// An operator says that a block is invalid, to be reconsidered, or precious.
/// Sent by: rpc. Handled by: chain. Reply: the tip to which that led, when the mark is durable and the chain is there.
/// When full: the sender waits.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<Arc<Tip>, MarkError>")]
pub struct MarkBlock {
    /// The block.
    pub hash: BlockHash,
    /// What is said of it.
    pub mark: Mark,
}

/// An operator has old block files taken away.
/// Sent by: rpc. Handled by: chain. Reply: what is gone, when it is. When full: the sender waits.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<Pruned, PruneError>")]
pub struct PruneBlocks {
    /// Up to where.
    pub up_to: PruneUpTo,
}

/// The best chain has another tip.
/// Sent by: chain. Handled by: utxo, index, mempool, template, payout, peer, rpc. Reply: nothing. When full: the chain waits for
/// none of them: it is dropped, and the receiver catches up from the reader with the next one.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct TipChanged {
    /// The new tip.
    pub tip: Arc<Tip>,
    /// Blocks that left the best chain, the highest first.
    pub disconnected: Vec<Arc<ParsedBlock>>,
    /// Blocks that joined it, the lowest first.
    pub connected: Vec<Arc<ParsedBlock>>,
}

/// The engine panicked on its thread, and has been built again. Sent by: the chain's engine. Handled by: chain, which panics
/// with it, so that it is counted. Reply: nothing. When full: the process ends, for then it panics faster than is counted.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct EngineDied;
