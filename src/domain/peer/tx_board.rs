//! Which transaction is asked of which peer: one board for all connections.

use std::collections::BTreeMap;

use super::TxRef;
use super::downloads::PeerId;
use super::limits::{TX_MS_MAX, TXS_IN_FLIGHT_MAX};
use crate::units::UnixMillis;

/// The board. At most [`TXS_IN_FLIGHT_MAX`] rows a peer.
#[derive(Debug, Default)]
pub struct TxBoard {
    asked: BTreeMap<TxRef, (PeerId, UnixMillis)>,
    counts: BTreeMap<PeerId, usize>,
}

impl TxBoard {
    /// Whether `peer` is to ask for `tx` now: nobody else does, or somebody did in vain, and it has a free slot.
    pub fn take(&mut self, tx: TxRef, peer: PeerId, now: UnixMillis) -> bool {
        let owed = |(_, at): &(PeerId, UnixMillis)| now.ms_since(*at) <= TX_MS_MAX;
        if self.asked.get(&tx).is_some_and(owed) || self.in_flight(peer) >= TXS_IN_FLIGHT_MAX {
            return false;
        }
        self.done(&tx);
        self.asked.insert(tx, (peer, now));
        let count = self.counts.entry(peer).or_default();
        *count = count.saturating_add(1);
        true
    }

    /// It came, or it isn't there.
    pub fn done(&mut self, tx: &TxRef) {
        let Some((peer, _)) = self.asked.remove(tx) else { return };
        if let Some(count) = self.counts.get_mut(&peer) {
            *count = count.saturating_sub(1);
        }
        self.counts.retain(|_, count| *count > 0);
    }

    /// `peer` is gone.
    pub fn forget(&mut self, peer: PeerId) {
        self.asked.retain(|_, (asked, _)| *asked != peer);
        self.counts.remove(&peer);
    }

    /// Transactions that `peer` was asked for.
    pub fn in_flight(&self, peer: PeerId) -> usize {
        self.counts.get(&peer).copied().unwrap_or(0)
    }
}

#[cfg(test)]
#[path = "tx_board/tests.rs"]
mod tests;
