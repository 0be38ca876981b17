use std::sync::Arc;

use super::presync::Presync;
use super::{
    BlockHash, DisconnectReason, Effect, Header, Height, Inventory, Locator, Message, NodeView,
    SERVICES_FOR_BLOCKS, Session, Turn,
};
use crate::peer::limits::{GETBLOCKS_MAX, HEADERS_MAX, LOCATOR_MAX};
use crate::peer::{BlockVerdict, HeadersVerdict};
use crate::wire::ParsedBlock;

impl Session {
    /// The first exchange of headers, one peer at a time: all of them at once would send the same.
    pub(super) fn begin_headers(&mut self, turn: &mut Turn<'_>) {
        if self.serves_blocks() && turn.downloads.take_headers_turn(self.config.id) {
            self.headers_begun = true;
            self.ask_headers(None, turn);
        }
    }

    /// Asks once, and again when that has been answered.
    fn ask_headers(&mut self, first: Option<BlockHash>, turn: &Turn<'_>) {
        // Two passes over the same headers are asked for message by message; what else there is comes after them.
        if self.headers_asked_at.is_some() || (first.is_none() && !self.presync.is_off()) {
            return;
        }
        let mut hashes = turn.view.locator();
        match first {
            Some(hash) => hashes.insert(0, hash),
            // Without the best header itself, a peer that has the same answers with that one, and its reach is known.
            None if hashes.len() > 1 => drop(hashes.remove(0)),
            None => {}
        }
        hashes.truncate(LOCATOR_MAX);
        self.headers_asked_at = Some(turn.now);
        self.send(Message::GetHeaders(Locator::from_hashes(hashes)));
    }

    pub(super) fn ask_headers_from(&mut self, known: BlockHash, turn: &Turn<'_>) {
        self.ask_headers(Some(known), turn);
    }

    pub(super) fn on_headers(&mut self, headers: Vec<Header>, turn: &mut Turn<'_>) {
        if !self.awaits_headers(headers.first(), turn.view) {
            return;
        }
        self.headers_asked_at = None;
        let Some(first) = headers.first() else {
            self.presync = Presync::Off;
            return turn.downloads.end_headers_turn(self.config.id);
        };
        if !headers.is_sorted_by(|parent, child| child.prev_blockhash == parent.block_hash()) {
            return self.disconnect(DisconnectReason::NonContinuousHeaders);
        }
        if self.presync.is_off() && !turn.view.has_header(&first.prev_blockhash) {
            return self.ask_headers(None, turn);
        }
        self.sift_headers(headers, turn);
    }

    /// The chain has judged headers from this peer: `count` of them, `last` the last.
    pub fn headers_judged(
        &mut self,
        last: BlockHash,
        count: usize,
        verdict: HeadersVerdict,
        turn: &mut Turn<'_>,
    ) -> Vec<Effect> {
        match verdict {
            HeadersVerdict::Invalid(reject) => self.disconnect(DisconnectReason::InvalidHeader(reject)),
            HeadersVerdict::Unconnected => {
                self.presync = Presync::Off;
                self.ask_headers(None, turn);
            }
            // Begun anew with a later tick: what was lost on our side is asked for again.
            HeadersVerdict::Failed => {
                self.presync = Presync::Off;
                self.headers_begun = false;
                turn.downloads.end_headers_turn(self.config.id);
            }
            HeadersVerdict::Accepted { last_height } => {
                self.reach = self.reach.max(Some(last_height));
                self.blocks_known.insert(last);
                turn.downloads.reconsider();
                if count >= HEADERS_MAX || !self.presync.is_off() {
                    self.ask_headers(Some(last), turn);
                } else {
                    turn.downloads.end_headers_turn(self.config.id);
                }
                self.fetch_blocks(turn);
            }
        }
        self.take_effects()
    }

    /// The chain has judged a block from this peer.
    pub fn block_judged(
        &mut self,
        hash: BlockHash,
        verdict: BlockVerdict,
        turn: &mut Turn<'_>,
    ) -> Vec<Effect> {
        turn.downloads.judged(&hash);
        match verdict {
            BlockVerdict::Invalid(reject) => self.disconnect(DisconnectReason::InvalidBlock(reject)),
            BlockVerdict::Orphan => self.ask_headers(None, turn),
            BlockVerdict::Accepted | BlockVerdict::Failed => self.fetch_blocks(turn),
        }
        self.take_effects()
    }

    pub(super) fn fetch_blocks(&mut self, turn: &mut Turn<'_>) {
        let Some(reach) = self.reach.filter(|_| self.serves_blocks()) else { return };
        let hashes = turn.downloads.assign(self.config.id, reach, turn.view, turn.now);
        if !hashes.is_empty() {
            self.send(Message::GetData(hashes.into_iter().map(Inventory::WitnessBlock).collect()));
        }
    }

    pub(super) fn on_block(&mut self, block: Arc<ParsedBlock>, turn: &mut Turn<'_>) {
        let hash = block.hash();
        let asked = turn.downloads.arrived(&hash, turn.now);
        self.blocks_known.insert(hash);
        if !asked && !turn.view.has_header(&block.header().prev_blockhash) {
            self.ask_headers(None, turn);
        } else if asked || Self::has_shown_work(block.header(), turn.view) {
            self.effects.push(Effect::SubmitBlock(block));
        }
        self.fetch_blocks(turn);
    }

    pub(super) fn on_get_headers(&mut self, locator: &Locator, view: &dyn NodeView) {
        self.knows_blocks(locator.hashes.iter().rev().copied());
        let headers = view.headers_after(&locator.hashes, locator.stop, HEADERS_MAX);
        self.knows_blocks(headers.iter().map(Header::block_hash));
        self.send(Message::Headers(headers));
    }

    pub(super) fn on_get_blocks(&mut self, locator: &Locator, view: &dyn NodeView) {
        let headers = view.headers_after(&locator.hashes, locator.stop, GETBLOCKS_MAX);
        let items: Vec<Inventory> = headers.iter().map(|h| Inventory::Block(h.block_hash())).collect();
        if !items.is_empty() {
            self.send(Message::Inv(items));
        }
    }

    /// A block was announced that is not there: headers are asked for, once whatever the number.
    pub(super) fn on_block_announced(&mut self, hash: BlockHash, turn: &mut Turn<'_>) {
        self.blocks_known.insert(hash);
        if !turn.view.has_block(&hash) {
            self.ask_headers(None, turn);
        }
    }

    pub(super) fn is_syncing(view: &dyn NodeView) -> bool {
        /// Blocks that the tip may lag the best header by and count as synchronised: four hours of them.
        const LAG_MAX: u32 = 24;
        let ((_, tip), (_, best)): ((_, Height), (_, Height)) = (view.tip(), view.best_header());
        best.blocks_above(tip) > LAG_MAX
    }

    fn serves_blocks(&self) -> bool {
        self.remote.as_ref().is_some_and(|r| r.services & SERVICES_FOR_BLOCKS == SERVICES_FOR_BLOCKS)
    }
}
