use std::sync::{Arc, PoisonError, RwLock};

use actix::Recipient;
use adit_domain::wire::ParsedTx;

use crate::messages::mempool::TransactionAccepted;

/// Who hears of each transaction that joins the pool. Added to while the node starts, since they start after it.
#[derive(Clone, Default)]
pub struct TxListeners(Arc<RwLock<Vec<Recipient<TransactionAccepted>>>>);

impl TxListeners {
    /// One more.
    pub fn add(&self, listener: Recipient<TransactionAccepted>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// Tells all; whoever's mailbox is full does not hear of it.
    pub(super) fn tell(&self, tx: &Arc<ParsedTx>, fee_sat: u64, vsize: u64) {
        for listener in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if listener.try_send(TransactionAccepted { tx: Arc::clone(tx), fee_sat, vsize }).is_err() {
                tracing::debug!(txid = %tx.txid(), "a listener's mailbox is full: not told of a transaction");
            }
        }
    }
}
