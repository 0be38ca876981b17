//! Which blocks the peer is known to have, and how it hears of new ones.

use std::sync::Arc;

use super::{
    BlockHash, COMPACT_VERSION, ConnectionKind, Effect, Header, Inventory, Message, NodeView, Phase, Session,
    Turn,
};
use crate::peer::CompactBlock;
use crate::peer::limits::HEADERS_ANNOUNCED_MAX;
use crate::wire::ParsedBlock;

impl Session {
    /// It has that block, and all below it.
    pub(super) fn knows_block(&mut self, hash: BlockHash, view: &dyn NodeView) {
        self.settle_unknown(view);
        let Some(work) = view.work_at(&hash) else {
            self.unknown = Some(hash);
            return;
        };
        let best = self.best_known.and_then(|best| view.work_at(&best));
        if best.is_none_or(|best| work >= best) {
            self.best_known = Some(hash);
        }
    }

    /// What it announced before we knew it may be known now.
    pub(super) fn settle_unknown(&mut self, view: &dyn NodeView) {
        if let Some(hash) = self.unknown.filter(|hash| view.work_at(hash).is_some()) {
            self.unknown = None;
            self.knows_block(hash, view);
        }
    }

    /// Whether it has that block's header, as far as we know.
    fn has_header(&self, hash: &BlockHash, view: &dyn NodeView) -> bool {
        let known = [self.best_known, self.best_sent];
        known.iter().flatten().any(|known| known == hash || view.is_ancestor(hash, known))
    }

    /// The best chain has new blocks, `connected`, the lowest first; the last one's compact block.
    pub fn tip_changed(
        &mut self,
        connected: &[Header],
        compact: Option<&Arc<CompactBlock>>,
        view: &dyn NodeView,
    ) -> Vec<Effect> {
        if self.phase == Phase::Ready && self.config.kind.relays_blocks() && !Self::is_syncing(view) {
            self.settle_unknown(view);
            self.announce_blocks(connected, compact, view);
        }
        self.take_effects()
    }

    fn announce_blocks(
        &mut self,
        connected: &[Header],
        compact: Option<&Arc<CompactBlock>>,
        view: &dyn NodeView,
    ) {
        let Some(tip) = connected.last().map(Header::block_hash) else { return };
        let compact = compact.filter(|compact| self.high_bandwidth_from && compact.hash() == tip);
        let wants_headers = self.send_headers || (compact.is_some() && connected.len() == 1);
        match self.news(connected, view).filter(|_| wants_headers) {
            Some(news) if news.is_empty() => {}
            Some(news) if news.len() == 1 && compact.is_some() => {
                self.best_sent = Some(tip);
                compact.cloned().into_iter().for_each(|compact| self.send(Message::CompactBlock(compact)));
            }
            Some(news) => {
                self.best_sent = Some(tip);
                self.send(Message::Headers(news));
            }
            None if self.has_header(&tip, view) => {}
            None => self.send(Message::Inv(vec![Inventory::Block(tip)])),
        }
    }

    /// The headers that are new to it; none where they would not join what it has, or are too many.
    fn news(&self, connected: &[Header], view: &dyn NodeView) -> Option<Vec<Header>> {
        if connected.len() > HEADERS_ANNOUNCED_MAX.saturating_add(1) {
            return None;
        }
        // Of a long way the last ones are told, as in Core; they join only where it has the one below.
        let from = connected.len().saturating_sub(HEADERS_ANNOUNCED_MAX);
        let told = connected.get(from..).unwrap_or(connected);
        let new = told.iter().position(|header| !self.has_header(&header.block_hash(), view));
        let Some(news) = new.and_then(|at| told.get(at..)) else { return Some(Vec::new()) };
        let joins = news.first().is_some_and(|first| self.has_header(&first.prev_blockhash, view));
        joins.then(|| news.to_vec())
    }

    /// We have found a block, and no chain has it yet. Those that want compact blocks at once get one; others that we chose to connect to get it
    /// whole: that spares a round trip. Others get its header, where that joins what they have: by `inv` they would ask for headers that the chain
    /// does not know for another moment. Whoever has not been told, or could not use it, hears of it as the new tip.
    pub fn found_block(
        &mut self,
        block: &Arc<ParsedBlock>,
        compact: &Arc<CompactBlock>,
        view: &dyn NodeView,
    ) -> Vec<Effect> {
        let header = block.header();
        let joins = self.has_header(&header.prev_blockhash, view);
        match self.phase {
            Phase::Ready if !self.config.kind.relays_blocks() => {}
            Phase::Ready if joins && self.high_bandwidth_from => {
                self.best_sent = Some(block.hash());
                self.send(Message::CompactBlock(Arc::clone(compact)));
            }
            // Who does not know what it stands on could only take it for an offence.
            Phase::Ready if joins && !self.config.kind.is_inbound() => {
                self.send(Message::Block(Arc::clone(block)));
            }
            Phase::Ready if joins && self.send_headers => {
                self.best_sent = Some(block.hash());
                self.send(Message::Headers(vec![*header]));
            }
            _ => {}
        }
        self.take_effects()
    }

    /// It was the first with a block: next time it may send one at once.
    pub(super) fn prefers_compact(&mut self, turn: &mut Turn<'_>) {
        let trusted = self.compact && self.config.kind != ConnectionKind::BlockRelayOnly;
        if trusted && !self.config.rules.blocks_only && !Self::is_syncing(turn.view) {
            turn.downloads.prefer(self.config.id, !self.config.kind.is_inbound());
            self.settle_high_bandwidth(turn);
        }
    }

    /// Says to it what the board says of it.
    pub(super) fn settle_high_bandwidth(&mut self, turn: &Turn<'_>) {
        let wanted = turn.downloads.is_preferred(self.config.id);
        if wanted != self.high_bandwidth_to {
            self.high_bandwidth_to = wanted;
            self.send(Message::SendCompact { announce: u8::from(wanted), version: COMPACT_VERSION });
        }
    }
}
