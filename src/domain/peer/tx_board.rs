//! Which transaction is asked of which peer, and when: one board for all connections, by the rules of Core's.
//!
//! One peer at a time is asked for a transaction. Those that we chose, or that an operator trusts, come first and at once; the others wait a
//! little, so that who connects to us cannot be the first with everything and then keep silent. Which of several alike is asked nobody can
//! foretell: the order is drawn anew for each transaction.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::hashes::{Hash, siphash24};

use super::TxRef;
use super::downloads::PeerId;
use super::limits::{
    INVENTORY_MAX, TX_ANNOUNCEMENTS_MAX, TX_MS_MAX, TX_WAIT_BUSY_MS, TX_WAIT_BY_TXID_MS, TX_WAIT_STRANGER_MS,
    TXS_IN_FLIGHT_MAX,
};
use crate::units::UnixMillis;

/// A transaction by either of its ids: where it has no witnesses they are the same.
type Id = [u8; 32];

/// What of a peer matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxSource {
    /// We chose it, or an operator excuses it: it is asked first, and does not wait.
    pub preferred: bool,
    /// An operator wants its transactions: it may tell of more at once, and is asked for more.
    pub trusted: bool,
    /// It names transactions by their wtxid.
    pub by_wtxid: bool,
}

/// The board. At most [`TX_ANNOUNCEMENTS_MAX`] rows a peer, of those that are trusted [`INVENTORY_MAX`].
#[derive(Debug, Default)]
pub struct TxBoard {
    salt: u64,
    told: u64,
    peers: BTreeMap<PeerId, Standing>,
    rows: BTreeMap<Id, BTreeMap<PeerId, Row>>,
    /// What happens by itself: the end of a pause, and of what was waited for.
    clock: BTreeSet<(UnixMillis, Id, PeerId)>,
}

#[derive(Debug, Default)]
struct Standing {
    source: TxSource,
    told: BTreeSet<Id>,
    asked: usize,
    /// What it is to be asked for now, in the order in which it told.
    due: BTreeMap<u64, Id>,
}

/// One peer has told of one transaction.
#[derive(Debug)]
struct Row {
    tx: TxRef,
    place: u64,
    /// The highest is asked first.
    rank: (bool, u64),
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It is not looked at before.
    Waits(UnixMillis),
    /// It may be asked.
    Ready,
    /// It is the one to be asked.
    Chosen,
    /// It was asked; the answer is due then.
    Asked(UnixMillis),
    /// It was asked in vain.
    Over,
}

impl TxBoard {
    /// An empty board; `salt` draws the order in which peers are asked.
    pub fn new(salt: u64) -> TxBoard {
        TxBoard { salt, ..TxBoard::default() }
    }

    /// `peer` may tell of transactions from now on.
    pub fn join(&mut self, peer: PeerId, source: TxSource) {
        self.peers.entry(peer).or_default().source = source;
    }

    /// `peer` tells of a transaction that is not held. What it has told of before, or beyond what it may, changes nothing.
    pub fn hear(&mut self, tx: TxRef, peer: PeerId, now: UnixMillis) {
        let (id, wait_ms) = (id_of(&tx), self.wait_ms(&tx, peer));
        let Some(standing) = self.peers.get_mut(&peer) else { return };
        let most = if standing.source.trusted { INVENTORY_MAX } else { TX_ANNOUNCEMENTS_MAX };
        if standing.told.len() >= most || !standing.told.insert(id) {
            return;
        }
        let drawn = siphash24::Hash::hash_to_u64_with_keys(self.salt, peer, &id);
        let (place, rank) = (self.told, (standing.source.preferred, drawn));
        self.told = self.told.saturating_add(1);
        let row = Row { tx, place, rank, stage: Stage::Ready };
        self.rows.entry(id).or_default().insert(peer, row);
        self.put(&id, peer, Stage::Waits(now.plus_ms(wait_ms)));
    }

    /// How long a transaction that `peer` tells of is not looked at: others may tell of it meanwhile who are asked more gladly.
    fn wait_ms(&self, tx: &TxRef, peer: PeerId) -> u64 {
        let Some(Standing { source, asked, .. }) = self.peers.get(&peer) else { return 0 };
        let by_txid = matches!(tx, TxRef::Txid(_)) && self.peers.values().any(|other| other.source.by_wtxid);
        let is_busy = !source.trusted && *asked >= TXS_IN_FLIGHT_MAX;
        let waits = [
            (!source.preferred, TX_WAIT_STRANGER_MS),
            (by_txid, TX_WAIT_BY_TXID_MS),
            (is_busy, TX_WAIT_BUSY_MS),
        ];
        waits.iter().filter(|(applies, _)| *applies).map(|(_, ms)| *ms).sum()
    }

    /// What `peer` is to be asked for now, at most `most`, in the order in which it told. Whoever asks says so by [`TxBoard::asked`]; what has
    /// come meanwhile is [`TxBoard::done`].
    pub fn due(&mut self, peer: PeerId, most: usize, now: UnixMillis) -> Vec<TxRef> {
        self.advance(now);
        let Some(standing) = self.peers.get(&peer) else { return Vec::new() };
        let rows = standing.due.values().filter_map(|id| self.rows.get(id)?.get(&peer));
        rows.take(most).map(|row| row.tx).collect()
    }

    /// `peer` has been asked.
    pub fn asked(&mut self, tx: &TxRef, peer: PeerId, now: UnixMillis) {
        self.put(&id_of(tx), peer, Stage::Asked(now.plus_ms(TX_MS_MAX)));
    }

    /// `peer` has answered, one way or the other: where it is not there now, the next one is asked. What it was not asked for it has not answered:
    /// a parent that came unasked and was refused may be asked for again when a child wants it.
    pub fn answered(&mut self, tx: &TxRef, peer: PeerId) {
        let id = id_of(tx);
        if matches!(self.stage(&id, peer), Some(Stage::Asked(_))) {
            self.end(&id, peer);
        }
    }

    /// It is asked of nobody any more.
    pub fn done(&mut self, tx: &TxRef) {
        let id = id_of(tx);
        let tellers = self.rows.get(&id).map(|rows| rows.keys().copied().collect::<Vec<_>>());
        tellers.into_iter().flatten().for_each(|peer| self.strike(&id, peer));
    }

    /// `peer` is gone.
    pub fn forget(&mut self, peer: PeerId) {
        let told = self.peers.get(&peer).map(|standing| standing.told.clone()).unwrap_or_default();
        for id in told {
            self.strike(&id, peer);
            self.choose(&id);
        }
        self.peers.remove(&peer);
    }

    /// Who has told of a transaction and may have it still.
    pub fn tellers(&self, tx: &TxRef) -> Vec<PeerId> {
        let rows = self.rows.get(&id_of(tx)).into_iter().flatten();
        rows.filter(|(_, row)| row.stage != Stage::Over).map(|(peer, _)| *peer).collect()
    }

    /// Transactions that `peer` was asked for.
    pub fn in_flight(&self, peer: PeerId) -> usize {
        self.peers.get(&peer).map_or(0, |standing| standing.asked)
    }

    /// Does what has come by itself.
    fn advance(&mut self, now: UnixMillis) {
        while let Some((_, id, peer)) = self.clock.first().copied().filter(|(at, ..)| *at <= now) {
            match self.stage(&id, peer) {
                Some(Stage::Waits(_)) => {
                    self.put(&id, peer, Stage::Ready);
                    self.choose(&id);
                }
                _ => self.end(&id, peer),
            }
        }
    }

    fn stage(&self, id: &Id, peer: PeerId) -> Option<Stage> {
        Some(self.rows.get(id)?.get(&peer)?.stage)
    }

    /// Moves a row on, and everything that depends on where it is.
    fn put(&mut self, id: &Id, peer: PeerId, stage: Stage) {
        let Some(row) = self.rows.get_mut(id).and_then(|rows| rows.get_mut(&peer)) else { return };
        let Some(standing) = self.peers.get_mut(&peer) else { return };
        match std::mem::replace(&mut row.stage, stage) {
            Stage::Waits(at) => drop(self.clock.remove(&(at, *id, peer))),
            Stage::Asked(at) => {
                self.clock.remove(&(at, *id, peer));
                standing.asked = standing.asked.saturating_sub(1);
            }
            Stage::Chosen => drop(standing.due.remove(&row.place)),
            Stage::Ready | Stage::Over => {}
        }
        match stage {
            Stage::Waits(at) => drop(self.clock.insert((at, *id, peer))),
            Stage::Asked(at) => {
                self.clock.insert((at, *id, peer));
                standing.asked = standing.asked.saturating_add(1);
            }
            Stage::Chosen => drop(standing.due.insert(row.place, *id)),
            Stage::Ready | Stage::Over => {}
        }
    }

    /// `peer` is not asked for it any more. When nobody is left who could be, all is forgotten, and whoever tells of it again is asked again.
    fn end(&mut self, id: &Id, peer: PeerId) {
        self.put(id, peer, Stage::Over);
        let all_over = |rows: &BTreeMap<PeerId, Row>| rows.values().all(|row| row.stage == Stage::Over);
        match self.rows.get(id) {
            Some(rows) if all_over(rows) => {
                let tellers: Vec<PeerId> = rows.keys().copied().collect();
                tellers.into_iter().for_each(|peer| self.strike(id, peer));
            }
            _ => self.choose(id),
        }
    }

    /// Takes a row off.
    fn strike(&mut self, id: &Id, peer: PeerId) {
        self.put(id, peer, Stage::Over);
        if let Some(rows) = self.rows.get_mut(id) {
            rows.remove(&peer);
            if rows.is_empty() {
                self.rows.remove(id);
            }
        }
        if let Some(standing) = self.peers.get_mut(&peer) {
            standing.told.remove(id);
        }
    }

    /// Has the first of those that may be asked be the one; none while somebody is asked.
    fn choose(&mut self, id: &Id) {
        let Some(rows) = self.rows.get(id) else { return };
        let is_asked = rows.values().any(|row| matches!(row.stage, Stage::Asked(_)));
        let may = |row: &Row| !is_asked && matches!(row.stage, Stage::Ready | Stage::Chosen);
        let first = rows.iter().filter(|(_, row)| may(row)).max_by_key(|(_, row)| row.rank);
        let first = first.map(|(peer, _)| *peer);
        let before = rows.iter().find(|(_, row)| row.stage == Stage::Chosen).map(|(peer, _)| *peer);
        if first == before {
            return;
        }
        if let Some(before) = before {
            self.put(id, before, Stage::Ready);
        }
        if let Some(first) = first {
            self.put(id, first, Stage::Chosen);
        }
    }
}

fn id_of(tx: &TxRef) -> Id {
    match tx {
        TxRef::Txid(txid) => txid.to_byte_array(),
        TxRef::Wtxid(wtxid) => wtxid.to_byte_array(),
    }
}

#[cfg(test)]
#[path = "tx_board/tests.rs"]
mod tests;
