use std::sync::Arc;
use std::time::Duration;

use actix::Recipient;
use adit_chainstate::SubmitError;
use adit_domain::template::BlockSink;
use adit_domain::units::{Clock, Height};
use adit_domain::wire::ParsedBlock;
use adit_store::{FoundBlocks, StoreFault};
use bitcoin::Block;

use crate::events::{EventBus, EventKind};
use crate::messages::chain::SubmitBlock;
use crate::messages::peer::RelayBlock;

/// Tries to hand a block to the chain: about twenty minutes. What has no verdict then waits on disk for the next start.
const CHAIN_TRIES_MAX: u32 = 30;
/// The first pause between two of them; each one after it is twice as long. A block that makes the engine panic each time
/// does so seven times within five seconds, which the chain's intensity bears: it doesn't end the process by itself.
const CHAIN_PAUSE_FIRST: Duration = Duration::from_millis(50);
/// The longest.
const CHAIN_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Tries to hand a block to the peers' manager over its panics: a second in all, in which it is built again.
const RELAY_TRIES_MAX: u32 = 20;
/// Between two of them.
const RELAY_PAUSE: Duration = Duration::from_millis(50);

/// Found blocks go to our own chain and, without waiting for its verdict, to our peers. On disk they wait for the verdict too,
/// so that neither a panic nor the end of the process takes one away.
///
/// To be called on an arbiter's thread.
pub struct NodeSink {
    chain: Recipient<SubmitBlock>,
    peer: Option<Recipient<RelayBlock>>,
    kept: FoundBlocks,
    events: EventBus,
    clock: Arc<dyn Clock>,
}

impl NodeSink {
    /// `peer` is none on a node without peers.
    pub fn new(
        chain: Recipient<SubmitBlock>,
        peer: Option<Recipient<RelayBlock>>,
        kept: FoundBlocks,
        events: EventBus,
        clock: Arc<dyn Clock>,
    ) -> NodeSink {
        NodeSink { chain, peer, kept, events, clock }
    }

    /// Hands over what an earlier process found and had no verdict for.
    pub fn submit_kept(&self) -> Result<(), StoreFault> {
        for block in self.kept.all()? {
            let hash = block.hash();
            tracing::warn!(%hash, "a block that was found before this start is handed to the chain");
            self.hand_over(Arc::new(block));
        }
        Ok(())
    }

    fn hand_over(&self, block: Arc<ParsedBlock>) {
        actix::spawn(connect(self.chain.clone(), Arc::clone(&block), self.kept.clone()));
        if let Some(peer) = self.peer.clone() {
            actix::spawn(relay(peer, block));
        }
    }
}

impl BlockSink for NodeSink {
    fn submit(&self, block: Arc<ParsedBlock>) {
        self.hand_over(Arc::clone(&block));
        let height = height_of(&block);
        let kind = EventKind::BlockFound { height, hash: block.hash() };
        self.events.publish(self.clock.now(), kind);
    }
}

/// The block is on its way to the chain before it is on its way to the disk.
async fn connect(chain: Recipient<SubmitBlock>, block: Arc<ParsedBlock>, kept: FoundBlocks) {
    let hash = block.hash();
    let (judged, is_kept) =
        tokio::join!(until_judged(chain, Arc::clone(&block)), on_disk(kept.clone(), move |k| k.keep(&block)));
    if !judged {
        tracing::error!(%hash, is_kept, "a found block got no verdict: it is handed over again at the next start");
    } else {
        // Also where it could not be kept now: it may be there from an earlier process.
        on_disk(kept, move |k| k.forget(&hash)).await;
    }
}

/// Whether the chain said anything to it.
async fn until_judged(chain: Recipient<SubmitBlock>, block: Arc<ParsedBlock>) -> bool {
    let (hash, mut pause) = (block.hash(), CHAIN_PAUSE_FIRST);
    for _ in 0..CHAIN_TRIES_MAX {
        match chain.send(SubmitBlock { block: Arc::clone(&block) }).await {
            Ok(Ok(accepted)) => {
                let in_best_chain = accepted.tip.hash == hash;
                tracing::info!(%hash, in_best_chain, duplicate = accepted.duplicate, "block found");
                return true;
            }
            // The engine was built again over it, or is about to end the process: the block is as good as before. So it is
            // where its parent is not there yet: after a crash the chain may have to fetch that first.
            Ok(Err(error @ (SubmitError::Fault(_) | SubmitError::Orphan { .. }))) => {
                tracing::warn!(%hash, %error, "a found block waits for the chain");
            }
            Ok(Err(error)) => {
                tracing::error!(%hash, %error, "a found block was refused");
                return true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(CHAIN_PAUSE_MAX);
    }
    false
}

/// Does something on the disk, off this thread; whether it worked. Where it doesn't, the block is handed over all the same:
/// the process must not end over a copy while the block is under way. The chain, whose disk it is too, ends it.
async fn on_disk(
    kept: FoundBlocks,
    act: impl FnOnce(&FoundBlocks) -> Result<(), StoreFault> + Send + 'static,
) -> bool {
    match tokio::task::spawn_blocking(move || act(&kept)).await {
        Ok(Ok(())) => true,
        Ok(Err(fault)) => {
            tracing::error!(%fault, "found blocks");
            false
        }
        Err(_) => false,
    }
}

async fn relay(peer: Recipient<RelayBlock>, block: Arc<ParsedBlock>) {
    for _ in 0..RELAY_TRIES_MAX {
        if peer.send(RelayBlock { block: Arc::clone(&block) }).await.is_ok() {
            return;
        }
        tokio::time::sleep(RELAY_PAUSE).await;
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
