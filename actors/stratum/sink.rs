use std::sync::Arc;
use std::time::Duration;

use actix::Recipient;
use adit_chainstate::SubmitError;
use adit_domain::template::BlockSink;
use adit_domain::units::{Clock, Height};
use adit_domain::wire::ParsedBlock;
use bitcoin::Block;

use crate::events::{EventBus, EventKind};
use crate::messages::chain::SubmitBlock;
use crate::messages::peer::RelayBlock;

/// Tries to hand a block over whose reply was lost to a panic: a second in all, in which the chain is built again.
const TRIES_MAX: u32 = 20;
/// Faults of the chain over one block: a block that makes the engine panic each time must not end the process by itself.
const FAULTS_MAX: u32 = 3;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// Found blocks go to our own chain and, without waiting for its verdict, to our peers.
///
/// To be called on an arbiter's thread.
pub struct NodeSink {
    chain: Recipient<SubmitBlock>,
    peer: Option<Recipient<RelayBlock>>,
    events: EventBus,
    clock: Arc<dyn Clock>,
}

impl NodeSink {
    /// `peer` is none on a node without peers.
    pub fn new(
        chain: Recipient<SubmitBlock>,
        peer: Option<Recipient<RelayBlock>>,
        events: EventBus,
        clock: Arc<dyn Clock>,
    ) -> NodeSink {
        NodeSink { chain, peer, events, clock }
    }
}

impl BlockSink for NodeSink {
    fn submit(&self, block: Arc<ParsedBlock>) {
        actix::spawn(connect(self.chain.clone(), Arc::clone(&block)));
        if let Some(peer) = self.peer.clone() {
            actix::spawn(relay(peer, Arc::clone(&block)));
        }
        let height = height_of(&block);
        let kind = EventKind::BlockFound { height, hash: block.hash() };
        self.events.publish(self.clock.now(), kind);
    }
}

async fn connect(chain: Recipient<SubmitBlock>, block: Arc<ParsedBlock>) {
    let (hash, mut faults) = (block.hash(), 0u32);
    for _ in 0..TRIES_MAX {
        match chain.send(SubmitBlock { block: Arc::clone(&block) }).await {
            Ok(Ok(accepted)) => {
                let in_best_chain = accepted.tip.hash == hash;
                return tracing::info!(%hash, in_best_chain, duplicate = accepted.duplicate, "block found");
            }
            // The engine was built again over it, or is about to end the process: the block is as good as before.
            Ok(Err(SubmitError::Fault(fault))) => {
                tracing::warn!(%hash, %fault, "a found block waits for the chain");
                faults = faults.saturating_add(1);
                if faults == FAULTS_MAX {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
            Ok(Err(error)) => return tracing::error!(%hash, %error, "a found block was refused"),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    tracing::error!(%hash, "a found block got no verdict");
}

async fn relay(peer: Recipient<RelayBlock>, block: Arc<ParsedBlock>) {
    for _ in 0..TRIES_MAX {
        if peer.send(RelayBlock { block: Arc::clone(&block) }).await.is_ok() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
    tracing::error!(hash = %block.hash(), "a found block was not relayed");
}

/// The height as BIP34 has it; its coinbase alone says it.
fn height_of(block: &ParsedBlock) -> Option<Height> {
    let coinbase = block.txs().first()?.tx().clone();
    let head = Block { header: *block.header(), txdata: vec![coinbase] };
    let height = head.bip34_block_height().ok()?;
    u32::try_from(height).ok().map(Height::new)
}

#[cfg(test)]
#[path = "sink/tests.rs"]
mod tests;
