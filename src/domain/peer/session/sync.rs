use std::sync::Arc;

use super::presync::Presync;
use super::{
    BlockHash, DisconnectReason, Effect, Header, Height, Inventory, Locator, Message, NodeView, Permissions,
    SERVICES_FOR_BLOCKS, Session, Turn, WITNESS,
};
use crate::peer::limits::{GETBLOCKS_MAX, HEADERS_MAX, HEADERS_MS_MAX, HEADERS_SYNC_MS_MAX, LOCATOR_MAX};
use crate::peer::{BlockVerdict, HeadersVerdict};
use crate::wire::ParsedBlock;

/// A tip that is older is far behind; seconds.
const BEHIND_S: u64 = 24 * 60 * 60;

impl Session {
    /// The first exchange of headers, one peer at a time: all of them at once would send the same.
    pub(super) fn begin_headers(&mut self, turn: &mut Turn<'_>) {
        let fits = self.config.kind.relays_blocks() && self.serves_blocks(turn.view);
        if fits && turn.downloads.take_headers_turn(self.config.id) {
            self.headers_begun = true;
            self.sync_began_at = Some(turn.now);
            self.ask_headers(None, turn);
        }
    }

    /// Whoever does not answer in time lets another one try.
    pub(super) fn release_headers_turn(&mut self, turn: &mut Turn<'_>) {
        if self.headers_asked_at.is_some_and(|at| turn.now.ms_since(at) > HEADERS_MS_MAX) {
            self.headers_asked_at = None;
            turn.downloads.end_headers_turn(self.config.id);
        }
    }

    /// Whether the first headers have been waited for in vain, while we are far behind and somebody else may have them.
    pub(super) fn headers_are_late(&mut self, turn: &mut Turn<'_>) -> bool {
        let is_late = self.sync_began_at.is_some_and(|at| turn.now.ms_since(at) > HEADERS_SYNC_MS_MAX);
        let behind = turn.now.to_seconds_floor().saturating_sub(turn.view.tip_time_s()) > BEHIND_S;
        if !is_late || !behind || !turn.downloads.has_others(self.config.id) {
            return false;
        }
        self.sync_began_at = None;
        let borne = self.config.permissions.has(Permissions::NO_BAN);
        if borne {
            self.note("Timeout downloading headers from noban peer, not disconnecting".to_owned());
            self.headers_begun = false;
        }
        !borne
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
            self.sync_began_at = None;
            return turn.downloads.end_headers_turn(self.config.id);
        };
        let zero = bitcoin::Work::from_be_bytes([0; 32]);
        if headers.iter().any(|header| turn.view.work_with(zero, header).is_none()) {
            return self
                .punish(DisconnectReason::InvalidHeader("header with invalid proof of work".to_owned()));
        }
        if !headers.is_sorted_by(|parent, child| child.prev_blockhash == parent.block_hash()) {
            return self.punish(DisconnectReason::NonContinuousHeaders);
        }
        if self.presync.is_off() && !turn.view.has_header(&first.prev_blockhash) {
            if let Some(last) = headers.last() {
                self.knows_block(last.block_hash(), turn.view);
            }
            return self.ask_headers(None, turn);
        }
        if self.config.permissions.has(Permissions::NO_BAN) {
            // An operator trusts it: its chain need not show its work before.
            return self.effects.push(Effect::SubmitHeaders(headers));
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
            HeadersVerdict::Invalid(reject) => self.punish(DisconnectReason::InvalidHeader(reject)),
            HeadersVerdict::KnownInvalid(reject) => {
                self.punish_where_chosen(DisconnectReason::InvalidHeader(reject));
            }
            HeadersVerdict::TooEarly(_) => turn.downloads.end_headers_turn(self.config.id),
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
                self.knows_block(last, turn.view);
                turn.downloads.reconsider();
                if count >= HEADERS_MAX || !self.presync.is_off() {
                    self.ask_headers(Some(last), turn);
                } else {
                    self.sync_began_at = None;
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
            BlockVerdict::Invalid(reject) => {
                self.punish(DisconnectReason::InvalidBlock(reject));
                // Where it stays all the same, it is not asked for the same once more until it tells of headers again.
                self.reach = None;
            }
            BlockVerdict::KnownInvalid(reject) => {
                self.punish_where_chosen(DisconnectReason::InvalidBlock(reject));
            }
            BlockVerdict::TooEarly(_) => {}
            BlockVerdict::Orphan => self.ask_headers(None, turn),
            BlockVerdict::Known | BlockVerdict::Failed => self.fetch_blocks(turn),
            BlockVerdict::Accepted => {
                self.last_block_at = turn.now;
                self.knows_block(hash, turn.view);
                if turn.view.tip().0 == hash {
                    self.prefers_compact(turn);
                }
                self.fetch_blocks(turn);
            }
        }
        self.take_effects()
    }

    /// Who connected to us may follow a chain that we know to be invalid; of those that we chose, others would do better.
    fn punish_where_chosen(&mut self, reason: DisconnectReason) {
        if !self.config.kind.is_inbound() {
            self.punish(reason);
        }
    }

    pub(super) fn fetch_blocks(&mut self, turn: &mut Turn<'_>) {
        let may = self.config.kind.relays_blocks() && self.serves_blocks(turn.view);
        let Some(reach) = self.reach.filter(|_| may) else { return };
        let hashes = turn.downloads.assign(self.config.id, reach, turn.view, turn.now);
        if !hashes.is_empty() {
            self.send(Message::GetData(hashes.into_iter().map(Inventory::WitnessBlock).collect()));
        }
    }

    pub(super) fn on_block(&mut self, block: Arc<ParsedBlock>, turn: &mut Turn<'_>) {
        let hash = block.hash();
        let asked = turn.downloads.arrived(&hash, turn.now);
        self.knows_block(hash, turn.view);
        if !asked && !turn.view.has_header(&block.header().prev_blockhash) {
            self.ask_headers(None, turn);
        } else if asked || Self::has_shown_work(block.header(), turn.view) {
            self.effects.push(Effect::SubmitBlock(block));
        }
        self.fetch_blocks(turn);
    }

    pub(super) fn on_get_headers(&mut self, locator: &Locator, view: &dyn NodeView) {
        if locator.hashes.is_empty() {
            // One header alone, by its hash.
            if let Some(header) = view.header(&locator.stop).filter(|_| view.has_block(&locator.stop)) {
                self.best_sent = Some(locator.stop);
                self.send(Message::Headers(vec![header]));
            }
            return;
        }
        let headers = view.headers_after(&locator.hashes, locator.stop, HEADERS_MAX);
        self.best_sent = Some(headers.last().map_or(view.tip().0, Header::block_hash));
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
        self.knows_block(hash, turn.view);
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

    /// Whether blocks are fetched from it: all of them, or, where we are nearly there, the news that it brings.
    pub(super) fn serves_blocks(&self, view: &dyn NodeView) -> bool {
        let has = |wanted: u64| self.remote.as_ref().is_some_and(|r| r.services & wanted == wanted);
        has(SERVICES_FOR_BLOCKS) || (has(WITNESS) && !Self::is_syncing(view))
    }
}
