use std::sync::Arc;

use super::{BlockHash, Effect, Header, Inventory, Message, NodeView, Phase, Session, Turn, TxRef};
use crate::peer::limits::{
    GETDATA_SENT_MAX, HEADERS_ANNOUNCED_MAX, INVENTORY_MAX, TX_ANNOUNCEMENTS_A_TICK_MAX,
    TX_ANNOUNCEMENTS_MAX, TX_INV_SENT_MAX, TX_TO_ANNOUNCE_MAX,
};
use crate::wire::{ParsedBlock, ParsedTx};

impl Session {
    /// The best chain has new blocks, `connected`, the lowest first.
    pub fn tip_changed(&mut self, connected: &[Header], view: &dyn NodeView) -> Vec<Effect> {
        if self.phase == Phase::Ready && !Self::is_syncing(view) {
            self.announce_blocks(connected);
        }
        self.take_effects()
    }

    fn announce_blocks(&mut self, connected: &[Header]) {
        let news: Vec<(BlockHash, Header)> = connected
            .iter()
            .map(|header| (header.block_hash(), *header))
            .filter(|(hash, _)| !self.blocks_known.contains(hash))
            .collect();
        let (Some((_, first)), Some((tip, _))) = (news.first(), news.last()) else { return };
        let joins = self.blocks_known.contains(&first.prev_blockhash);
        if self.send_headers && joins && news.len() <= HEADERS_ANNOUNCED_MAX {
            self.send(Message::Headers(news.iter().map(|(_, header)| *header).collect()));
        } else {
            self.send(Message::Inv(vec![Inventory::Block(*tip)]));
        }
        self.knows_blocks(news.iter().map(|(hash, _)| *hash));
    }

    /// We have found a block, and no chain has it yet. Those that we chose to connect to get it whole, at once: that spares a round
    /// trip. Others get its header, where that joins what they have: by `inv` they would ask for headers that the chain
    /// does not know for another moment. Whoever has not been told, or could not use it, hears of it as the new tip.
    pub fn found_block(&mut self, block: &Arc<ParsedBlock>) -> Vec<Effect> {
        let header = block.header();
        let joins = self.blocks_known.contains(&header.prev_blockhash);
        match self.phase {
            Phase::Ready if !self.config.inbound => self.send(Message::Block(Arc::clone(block))),
            Phase::Ready if joins && self.send_headers => self.announce_blocks(&[*header]),
            _ => {}
        }
        self.take_effects()
    }

    /// A transaction joined our mempool; it is announced with the next tick.
    pub fn tx_accepted(&mut self, tx: &ParsedTx) {
        let wanted = self.remote.as_ref().is_some_and(|r| r.relay);
        let tx = if self.wtxid_relay { TxRef::Wtxid(tx.wtxid()) } else { TxRef::Txid(tx.txid()) };
        if wanted && self.phase == Phase::Ready && self.txs_known.insert(tx) {
            self.txs_to_announce.push_back(tx);
            if self.txs_to_announce.len() > TX_TO_ANNOUNCE_MAX {
                self.txs_to_announce.pop_front();
            }
        }
    }

    pub(super) fn announce_txs(&mut self) {
        let count = self.txs_to_announce.len().min(TX_INV_SENT_MAX);
        if count > 0 {
            let items = self.txs_to_announce.drain(..count).map(TxRef::announced).collect();
            self.send(Message::Inv(items));
        }
    }

    pub(super) fn on_inv(&mut self, items: &[Inventory], turn: &mut Turn<'_>) {
        let syncing = Self::is_syncing(turn.view);
        for item in items {
            match item {
                Inventory::Block(hash) => self.on_block_announced(*hash, turn),
                _ if syncing => {}
                _ => self.on_tx_announced(item, turn.view),
            }
        }
        self.fetch_txs(turn);
    }

    fn on_tx_announced(&mut self, item: &Inventory, view: &dyn NodeView) {
        let Some(tx) = TxRef::of(item) else { return };
        let room = self.txs_announced.len() < TX_ANNOUNCEMENTS_MAX;
        if self.txs_known.insert(tx) && room && !view.knows_tx(&tx) {
            self.txs_announced.push_back(tx);
        }
    }

    /// Asks for what was announced and nobody else is asked for.
    pub(super) fn fetch_txs(&mut self, turn: &mut Turn<'_>) {
        let mut wanted = Vec::new();
        for _ in 0..self.txs_announced.len().min(TX_ANNOUNCEMENTS_A_TICK_MAX) {
            let Some(tx) = self.txs_announced.pop_front() else { break };
            if turn.view.knows_tx(&tx) {
                continue;
            }
            if wanted.len() < GETDATA_SENT_MAX && turn.txs.take(tx, self.config.id, turn.now) {
                wanted.push(tx.wanted());
            } else {
                self.txs_announced.push_back(tx);
            }
        }
        if !wanted.is_empty() {
            self.send(Message::GetData(wanted));
        }
    }

    pub(super) fn on_tx(&mut self, tx: Arc<ParsedTx>, turn: &mut Turn<'_>) {
        let refs = [TxRef::Txid(tx.txid()), TxRef::Wtxid(tx.wtxid())];
        for known in refs {
            turn.txs.done(&known);
            self.txs_known.insert(known);
        }
        if !Self::is_syncing(turn.view) && !refs.iter().any(|tx| turn.view.knows_tx(tx)) {
            self.effects.push(Effect::SubmitTx(tx));
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
                        turn.txs.done(&tx);
                    }
                }
            }
        }
    }

    pub(super) fn on_mempool(&mut self, view: &dyn NodeView) {
        let items: Vec<Inventory> = view.held_txs(INVENTORY_MAX).into_iter().map(TxRef::announced).collect();
        if !items.is_empty() {
            self.send(Message::Inv(items));
        }
    }
}
