//! What happens in the node, as messages.

use std::sync::Arc;

use adit_actors::events::{EventKind, NodeEvent, PoolChange};
use adit_actors::root::NodeLinks;
use adit_chainstate::ChainReader;
use adit_domain::chain::Tip;
use adit_domain::units::Clock;
use adit_domain::wire::ParsedTx;
use axum::body::Bytes;
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, Txid};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::Hub;
use super::address::Topic;

/// How old a tip may be that is taken for the chain's newest, as Core's `-maxtipage`.
const TIP_AGE_S_MAX: u64 = 24 * 60 * 60;

/// Follows the node and says what it sees.
pub(super) struct Teller {
    hub: Arc<Hub>,
    chain: ChainReader,
    clock: Arc<dyn Clock>,
    events: Receiver<NodeEvent>,
    changes: Receiver<PoolChange>,
    /// The last tip that was told of.
    tip: Arc<Tip>,
    /// Where the mempool stands: what happened up to there was told of.
    followed: BlockHash,
    /// Whether the chain was new enough once.
    is_synced: bool,
}

/// As it is shown: the last byte first.
fn shown<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    bytes.reverse();
    bytes
}

impl Teller {
    pub(super) fn new(hub: Arc<Hub>, links: &NodeLinks) -> Teller {
        let events = links.events.subscribe();
        let (followed, changes) = links.mempool.follow();
        let (chain, clock) = (links.chain.clone(), Arc::clone(&links.clock));
        let tip = chain.tip();
        Teller { hub, chain, clock, events, changes, tip, followed, is_synced: false }
    }

    /// Until the node ends.
    pub(super) async fn tell(mut self) {
        loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Ok(NodeEvent { kind: EventKind::TipChanged { .. }, .. }) => self.tip_changed(),
                    Ok(_) => {}
                    // One of them may have been a tip.
                    Err(RecvError::Lagged(_)) => self.tip_changed(),
                    Err(RecvError::Closed) => return,
                },
                change = self.changes.recv() => match change {
                    Ok(change) => self.pool_changed(change),
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, "ZMQ: transactions were not published, there were too many");
                        for topic in [Topic::HashTx, Topic::RawTx, Topic::Sequence] {
                            self.hub.skip(topic);
                        }
                    }
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }

    /// Every block that made the best chain better than it was.
    fn tip_changed(&mut self) {
        let tip = self.chain.tip();
        if tip.hash == self.tip.hash {
            return;
        }
        let before = std::mem::replace(&mut self.tip, Arc::clone(&tip));
        let age_s = self.clock.now().to_seconds_floor().saturating_sub(u64::from(tip.header.time));
        let has_work = tip.chain_work >= self.chain.params().minimum_chain_work;
        self.is_synced |= has_work && age_s <= TIP_AGE_S_MAX;
        if !self.is_synced {
            return;
        }
        let Some((_, connected)) = self.chain.path_between(&before.hash, &tip.hash) else { return };
        let is_better =
            |hash: &BlockHash| self.chain.header_work(hash).is_some_and(|w| w > before.chain_work);
        let last = connected.last().copied();
        for hash in connected.into_iter().filter(|hash| is_better(hash) || last == Some(*hash)) {
            self.hub.publish(Topic::HashBlock, &Bytes::copy_from_slice(&shown(hash.to_byte_array())));
            self.raw_block(&hash);
        }
    }

    fn raw_block(&self, hash: &BlockHash) {
        if !self.hub.is_wanted(Topic::RawBlock) {
            return self.hub.skip(Topic::RawBlock);
        }
        match tokio::task::block_in_place(|| self.chain.raw_block(hash)) {
            Ok(Some(raw)) => self.hub.publish(Topic::RawBlock, &Bytes::from(raw)),
            Ok(None) | Err(_) => {
                tracing::warn!(%hash, "ZMQ: a block can't be read, it is not published");
                self.hub.skip(Topic::RawBlock);
            }
        }
    }

    fn pool_changed(&mut self, change: PoolChange) {
        match change {
            PoolChange::Added { tx, sequence } => {
                self.transaction(&tx);
                self.sequence(shown(tx.txid().to_byte_array()), b'A', Some(sequence));
            }
            PoolChange::Removed { txid, sequence } => self.removed(&txid, sequence),
            PoolChange::Leaves { towards } => self.disconnect(&towards),
            PoolChange::Followed { tip } => {
                self.disconnect(&tip);
                self.connect(&tip);
            }
        }
    }

    fn removed(&self, txid: &Txid, sequence: u64) {
        self.sequence(shown(txid.to_byte_array()), b'R', Some(sequence));
    }

    /// Hash, letter, and where there is one the mempool's number.
    fn sequence(&self, hash: [u8; 32], letter: u8, number: Option<u64>) {
        let mut body = hash.to_vec();
        body.push(letter);
        body.extend(number.into_iter().flat_map(u64::to_le_bytes));
        self.hub.publish(Topic::Sequence, &Bytes::from(body));
    }

    fn transaction(&self, tx: &ParsedTx) {
        let txid = shown(tx.txid().to_byte_array());
        self.hub.publish(Topic::HashTx, &Bytes::copy_from_slice(&txid));
        self.hub.publish(Topic::RawTx, &Bytes::copy_from_slice(tx.raw()));
    }

    /// The blocks that leave on the way to a tip, the highest first.
    fn disconnect(&mut self, towards: &BlockHash) {
        let Some((gone, _)) = self.chain.path_between(&self.followed, towards) else { return };
        for hash in gone {
            self.transactions(&hash);
            self.sequence(shown(hash.to_byte_array()), b'D', None);
            if let Some((header, _)) = self.chain.header(&hash) {
                self.followed = header.prev_blockhash;
            }
        }
    }

    /// The blocks that join up to a tip, the lowest first.
    fn connect(&mut self, tip: &BlockHash) {
        let Some((_, new)) = self.chain.path_between(&self.followed, tip) else { return };
        for hash in new {
            self.transactions(&hash);
            self.sequence(shown(hash.to_byte_array()), b'C', None);
            self.followed = hash;
        }
    }

    /// A block's transactions; it is read only for someone who listens.
    fn transactions(&self, hash: &BlockHash) {
        let topics = [Topic::HashTx, Topic::RawTx];
        if !topics.iter().any(|topic| self.hub.is_wanted(*topic)) {
            return topics.iter().for_each(|topic| self.hub.skip(*topic));
        }
        match tokio::task::block_in_place(|| self.chain.block(hash)) {
            Ok(Some(block)) => block.txs().iter().for_each(|tx| self.transaction(tx)),
            Ok(None) | Err(_) => {
                tracing::warn!(%hash, "ZMQ: a block can't be read, its transactions are not published");
                topics.iter().for_each(|topic| self.hub.skip(*topic));
            }
        }
    }
}
