use std::collections::BTreeSet;
use std::sync::Arc;

use bitcoin::Txid;
use bitcoin::p2p::message_blockdata::Inventory;

use super::{
    BlockHash, ConnectionKind, DisconnectReason, Effect, FEE_FILTER_SYNCING, Message, NodeView, PeerId,
    Permissions, Phase, SERVES, Session, Turn, TxRef, UnixMillis, Unwanted, WITNESS,
};
use crate::peer::TxSource;
use crate::peer::limits::{
    FEE_FILTER_EVERY_MS, GETDATA_SENT_MAX, INV_MS_INBOUND, INV_MS_OUTBOUND, INVENTORY_MAX, LIMITED_BLOCKS,
    TX_INV_SENT_MAX, TX_TO_ANNOUNCE_MAX,
};
use crate::wire::ParsedTx;

/// A pause whose length nobody can foretell, `mean_ms` on average: as long as it takes until the next of events that happen by chance.
/// The logarithm of a random number, its fraction by a straight line: within 6 % of the curve.
pub(super) fn pause_ms(mean_ms: u64, chance: u64) -> u64 {
    /// ln 2, in thousandths.
    const LN2: u64 = 693;
    let zeros = chance.leading_zeros();
    let fraction = chance.checked_shl(zeros.saturating_add(1)).unwrap_or(0) >> 54;
    // In 1,024ths: the whole part, and what the digits behind the first one take off.
    let log2 = u64::from(zeros).saturating_add(1).saturating_mul(1_024).saturating_sub(fraction);
    mean_ms.saturating_mul(LN2).saturating_mul(log2) / (1_000 * 1_024)
}

impl Session {
    /// A transaction joined our mempool, paying `fee_sat` for `vsize` virtual bytes; it is announced with one of the next ticks.
    pub fn tx_accepted(&mut self, tx: &ParsedTx, fee_sat: u64, vsize: u64) {
        let wanted = self.remote.as_ref().is_some_and(|r| r.relay) && self.config.kind.relays_txs();
        let tx = if self.wtxid_relay { TxRef::Wtxid(tx.wtxid()) } else { TxRef::Txid(tx.txid()) };
        if wanted && self.phase == Phase::Ready && !self.txs_known.contains(&tx) {
            let rate = fee_sat.saturating_mul(1_000).checked_div(vsize).unwrap_or(0);
            self.txs_to_announce.push_back((tx, rate));
            if self.txs_to_announce.len() > TX_TO_ANNOUNCE_MAX {
                self.txs_to_announce.pop_front();
            }
        }
    }

    /// It is announced once more, whether the peer has it or not.
    pub fn tx_again(&mut self, tx: &ParsedTx) {
        let wanted = self.remote.as_ref().is_some_and(|r| r.relay) && self.config.kind.relays_txs();
        if wanted && self.phase == Phase::Ready {
            let tx = if self.wtxid_relay { TxRef::Wtxid(tx.wtxid()) } else { TxRef::Txid(tx.txid()) };
            self.txs_to_announce.push_back((tx, u64::MAX));
        }
    }

    pub(super) fn announce_txs(&mut self, turn: &Turn<'_>) {
        if self.announce_txs_at.is_some_and(|at| turn.now < at)
            && !self.config.permissions.has(Permissions::NO_BAN)
        {
            return;
        }
        let mean = if self.config.kind.is_inbound() { INV_MS_INBOUND } else { INV_MS_OUTBOUND };
        self.announce_txs_at = Some(turn.now.plus_ms(pause_ms(mean, turn.chance)));
        self.last_inv_sequence = turn.view.tx_sequence();
        let mut items = Vec::new();
        while items.len() < TX_INV_SENT_MAX
            && let Some((tx, rate)) = self.txs_to_announce.pop_front()
        {
            // What the peer has told us of meanwhile, what it would not take, and what has left is not told.
            if rate >= self.fee_filter
                && turn.view.knows_tx(&tx)
                && (self.txs_known.insert(tx) || rate == u64::MAX)
            {
                items.push(tx.announced());
            }
        }
        if !items.is_empty() {
            self.send(Message::Inv(items));
        }
    }

    /// Tells it below which feerate nothing is taken: at the beginning, and where that has changed.
    pub(super) fn say_fee_filter(&mut self, turn: &Turn<'_>) {
        if !self.wants_txs() || self.config.permissions.has(Permissions::FORCE_RELAY) {
            return;
        }
        let floor =
            if Self::is_syncing(turn.view) { FEE_FILTER_SYNCING } else { turn.view.fee_floor_sat_per_kvb() };
        let due = |(said, at): (u64, UnixMillis)| {
            // Once we have the chain, what was said while we had not is taken back at once.
            said != floor && (said == FEE_FILTER_SYNCING || turn.now.ms_since(at) >= FEE_FILTER_EVERY_MS)
        };
        if self.fee_filter_said.is_none_or(due) {
            self.fee_filter_said = Some((floor, turn.now));
            self.send(Message::FeeFilter(floor));
        }
    }

    pub(super) fn on_get_data(&mut self, items: Vec<Inventory>, turn: &Turn<'_>) {
        if let Some(first) = items.first() {
            self.note(format!("received getdata for: {}", named(first)));
        }
        let blocks = || items.iter().filter_map(block_of);
        if blocks().any(|hash| self.is_too_old(&hash, turn)) {
            self.note("Ignore block request below NODE_NETWORK_LIMITED threshold, disconnect".to_owned());
            return self.disconnect(DisconnectReason::Unwanted(Unwanted::OldBlock));
        }
        let shown = |item: &Inventory| block_of(item).is_none_or(|hash| turn.view.is_shown(&hash));
        let items = items.into_iter().filter(shown).map(|item| self.served_as(item, turn)).collect();
        self.effects.push(Effect::Serve { items, before: self.last_inv_sequence });
    }

    /// Whether a block is below those that a node without its old blocks offers, and two for whoever is a little behind: which of the older ones
    /// are still there would tell it from others.
    fn is_too_old(&self, hash: &BlockHash, turn: &Turn<'_>) -> bool {
        let offered = turn.view.tip().1.to_u32().saturating_sub(LIMITED_BLOCKS.saturating_add(2));
        turn.view.is_pruned()
            && !self.config.permissions.has(Permissions::NO_BAN)
            && turn.view.height_of(hash).is_some_and(|height| height.to_u32() < offered)
    }

    /// The mempool has judged a transaction from this peer: one that it does not know now is asked of others. Where it misses parents, whoever
    /// has told of the child has them too.
    pub fn tx_judged(
        &mut self,
        tx: &ParsedTx,
        joined: bool,
        missing: &[Txid],
        turn: &mut Turn<'_>,
    ) -> Vec<Effect> {
        if joined {
            self.last_tx_at = turn.now;
        }
        let refs = [TxRef::Wtxid(tx.wtxid()), TxRef::Txid(tx.txid())];
        let tellers: BTreeSet<PeerId> = refs.iter().flat_map(|tx| turn.txs.tellers(tx)).collect();
        self.tx_came(tx, turn);
        want_parents(self.config.id, missing, turn);
        for other in tellers.into_iter().filter(|other| *other != self.config.id && !missing.is_empty()) {
            let of_his = turn.view.orphan_told(&TxRef::Wtxid(tx.wtxid()), other);
            want_parents(other, &of_his.unwrap_or_default(), turn);
        }
        self.fetch_txs(turn);
        self.take_effects()
    }

    fn tx_came(&mut self, tx: &ParsedTx, turn: &mut Turn<'_>) {
        for came in [TxRef::Txid(tx.txid()), TxRef::Wtxid(tx.wtxid())] {
            if turn.view.knows_tx(&came) {
                turn.txs.done(&came);
            }
            turn.txs.answered(&came, self.config.id);
        }
    }

    pub(super) fn on_inv(&mut self, items: &[Inventory], turn: &mut Turn<'_>) {
        let syncing = Self::is_syncing(turn.view);
        let mut announced = false;
        for item in items {
            match item {
                Inventory::Block(hash) => {
                    announced = true;
                    self.on_block_announced(*hash, turn);
                }
                _ if TxRef::of(item).is_some() && !self.wants_txs() => {
                    let hash = hash_of(item);
                    return self.disconnect(DisconnectReason::Unwanted(Unwanted::TxInv(hash)));
                }
                _ if syncing => {}
                _ => self.on_tx_announced(item, turn),
            }
        }
        if announced {
            self.fetch_blocks(turn);
        }
        self.fetch_txs(turn);
    }

    fn on_tx_announced(&mut self, item: &Inventory, turn: &mut Turn<'_>) {
        let Some(tx) = TxRef::of(item).filter(|tx| matches!(tx, TxRef::Wtxid(_)) == self.wtxid_relay) else {
            return;
        };
        self.txs_known.insert(tx);
        if let Some(parents) = turn.view.orphan_told(&tx, self.config.id) {
            return want_parents(self.config.id, &parents, turn);
        }
        if !turn.view.knows_tx(&tx) {
            turn.txs.hear(tx, self.config.id, turn.now);
        }
    }

    /// What matters of it where transactions are asked for.
    pub(super) fn as_tx_source(&self) -> TxSource {
        let chosen = !self.config.kind.is_inbound() || self.config.permissions.has(Permissions::NO_BAN);
        let serves = self.remote.as_ref().is_some_and(|remote| remote.services & SERVES != 0);
        TxSource {
            preferred: chosen && serves && self.config.kind != ConnectionKind::AddrFetch,
            trusted: self.config.permissions.has(Permissions::RELAY),
            by_wtxid: self.wtxid_relay,
        }
    }

    /// Asks for what is its turn now.
    pub(super) fn fetch_txs(&mut self, turn: &mut Turn<'_>) {
        let (id, mut wanted) = (self.config.id, Vec::new());
        let has_witnesses = self.remote.as_ref().is_some_and(|remote| remote.services & WITNESS != 0);
        for tx in turn.txs.due(id, GETDATA_SENT_MAX, turn.now) {
            if turn.view.knows_tx(&tx) {
                turn.txs.done(&tx);
            } else {
                turn.txs.asked(&tx, id, turn.now);
                wanted.push(if has_witnesses { tx.wanted() } else { tx.announced() });
            }
        }
        if !wanted.is_empty() {
            self.send(Message::GetData(wanted));
        }
    }

    pub(super) fn on_tx(&mut self, tx: Arc<ParsedTx>, turn: &mut Turn<'_>) {
        if !self.wants_txs() {
            return self.disconnect(DisconnectReason::Unwanted(Unwanted::Tx));
        }
        let refs = [TxRef::Txid(tx.txid()), TxRef::Wtxid(tx.wtxid())];
        for tx in refs {
            self.txs_known.insert(tx);
        }
        let known = !turn.view.may_be_paid_for(&tx.wtxid()) && refs.iter().any(|tx| turn.view.knows_tx(tx));
        if let Some(parents) = turn.view.orphan_told(&TxRef::Wtxid(tx.wtxid()), self.config.id) {
            want_parents(self.config.id, &parents, turn);
        }
        if !Self::is_syncing(turn.view) && !known {
            // Nobody else is asked for it before it is judged.
            self.effects.push(Effect::SubmitTx(tx));
        } else {
            self.tx_came(&tx, turn);
            if known && self.config.permissions.has(Permissions::FORCE_RELAY) {
                self.effects.push(Effect::RelayAgain(tx));
            }
        }
        self.fetch_txs(turn);
    }

    pub(super) fn on_not_found(&mut self, items: &[Inventory], turn: &mut Turn<'_>) {
        for item in items {
            match item {
                Inventory::Block(hash) | Inventory::WitnessBlock(hash) => {
                    turn.downloads.refused(hash, self.config.id);
                }
                _ => {
                    if let Some(tx) = TxRef::of(item) {
                        turn.txs.answered(&tx, self.config.id);
                    }
                }
            }
        }
    }

    /// What the mempool holds is told to those alone who may ask: to others it would tell where transactions come from.
    pub(super) fn on_mempool(&mut self, view: &dyn NodeView) {
        if !self.config.permissions.has(Permissions::MEMPOOL) {
            if !self.config.permissions.has(Permissions::NO_BAN) {
                self.disconnect(DisconnectReason::Unwanted(Unwanted::Mempool));
            }
            return;
        }
        self.last_inv_sequence = view.tx_sequence();
        let items: Vec<Inventory> = view.held_txs(INVENTORY_MAX).into_iter().map(TxRef::announced).collect();
        if !items.is_empty() {
            self.send(Message::Inv(items));
        }
    }
}

/// Has a peer asked for parents of a transaction that it has, as far as they are not here.
fn want_parents(peer: PeerId, parents: &[Txid], turn: &mut Turn<'_>) {
    for parent in parents {
        let parent = TxRef::Txid(*parent);
        if !turn.view.knows_tx(&parent) {
            turn.txs.hear(parent, peer, turn.now);
        }
    }
}

/// The block that is asked for, in whatever form.
fn block_of(item: &Inventory) -> Option<BlockHash> {
    match item {
        Inventory::Block(hash) | Inventory::WitnessBlock(hash) | Inventory::CompactBlock(hash) => Some(*hash),
        _ => None,
    }
}

/// What is asked for, as Core's log names it.
fn named(item: &Inventory) -> String {
    let kind = match item {
        Inventory::Transaction(_) => "tx",
        Inventory::WitnessTransaction(_) => "witness-tx",
        Inventory::WTx(_) => "wtx",
        Inventory::Block(_) => "block",
        Inventory::WitnessBlock(_) => "witness-block",
        Inventory::CompactBlock(_) => "cmpctblock",
        _ => "unknown",
    };
    format!("{kind} {}", hash_of(item))
}

fn hash_of(item: &Inventory) -> String {
    match item {
        Inventory::Transaction(txid) | Inventory::WitnessTransaction(txid) => txid.to_string(),
        Inventory::WTx(wtxid) => wtxid.to_string(),
        Inventory::Block(hash) | Inventory::WitnessBlock(hash) | Inventory::CompactBlock(hash) => {
            hash.to_string()
        }
        _ => String::new(),
    }
}
