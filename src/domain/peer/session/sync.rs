use std::sync::Arc;

use super::presync::Presync;
use super::{
    BlockHash, DisconnectReason, Effect, Header, Height, Inventory, Locator, Message, NodeView, Permissions,
    Phase, Place, SERVES, SERVICES_FOR_BLOCKS, SERVICES_FOR_NEWS, Session, Turn, WITNESS,
};
use crate::peer::limits::{
    GETBLOCKS_MAX, HEADERS_MAX, HEADERS_MS_MAX, HEADERS_SYNC_MS_MAX, LIMITED_BLOCKS, LOCATOR_MAX,
};
use crate::peer::{BlockVerdict, FetchError, HeadersVerdict};
use crate::wire::ParsedBlock;

/// A tip that is older is far behind; seconds.
const BEHIND_S: u64 = 24 * 60 * 60;

/// Blocks above the tip whose bodies are kept though nobody asked for them: Core's number.
const UNASKED_AHEAD_MAX: u32 = 288;

/// Blocks of a chain beside the best that are looked at: more than all peers together usually are asked for.
const ASIDE_LOOK: usize = 256;

/// Blocks that may join a chain while those below are on their way, as in Core.
const MARGIN: u32 = 2;

/// Missing blocks that are looked at for the last of them: the window.
const LAST_LOOK: usize = 1_024;

/// What is wrong with bytes that are not the block whose header they have: Core's token, and what its log says of it.
const MUTATIONS: [(&str, &str); 5] = [
    ("bad-txnmrklroot", "hashMerkleRoot mismatch"),
    ("bad-txns-duplicate", "duplicate transaction"),
    ("bad-witness-nonce-size", "CheckWitnessMalleation : invalid witness reserved value size"),
    ("bad-witness-merkle-match", "CheckWitnessMalleation : witness merkle commitment mismatch"),
    ("unexpected-witness", "CheckWitnessMalleation : unexpected witness data found"),
];

/// From where on headers are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum HeadersFrom {
    /// From the one below our best: who has the same answers with that one, and what it has is known.
    BelowBest,
    /// From our best one.
    Best,
    /// From one that need not be on our best chain.
    After(BlockHash),
}

/// What becomes of a block that nobody asked for.
enum Unasked {
    /// It is judged, and kept if it is good.
    Judge,
    /// Its header is: it is not worth its bytes now.
    HeaderOnly,
    /// Nothing: what stands behind it is less than a stranger must show.
    LowWork,
    /// Nobody knows what it stands on.
    Unconnected,
}

impl Session {
    /// The first exchange of headers, one peer at a time while we are far behind: all of them at once would send the same.
    pub(super) fn begin_headers(&mut self, turn: &mut Turn<'_>) {
        let offered = self.remote.as_ref().map_or(0, |remote| remote.services);
        let fits = self.config.kind.relays_blocks() && offered & SERVES != 0;
        if fits && (turn.downloads.take_headers_turn(self.config.id) || Self::is_near(turn)) {
            self.headers_begun = true;
            self.sync_began_at = Some(turn.now);
            self.note(format!("initial getheaders ({}) to", turn.view.best_header().1));
            self.ask_headers(HeadersFrom::BelowBest, turn);
        }
    }

    /// Whether the best header is not a day old.
    fn is_near(turn: &Turn<'_>) -> bool {
        let best_time_s = turn.view.header(&turn.view.best_header().0).map_or(0, |best| u64::from(best.time));
        turn.now.to_seconds_floor().saturating_sub(best_time_s) < BEHIND_S
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
        if Self::is_near(turn) {
            self.sync_began_at = None;
        }
        let is_late = self.sync_began_at.is_some_and(|at| turn.now.ms_since(at) > HEADERS_SYNC_MS_MAX);
        if !is_late || !turn.downloads.has_others(self.config.id) {
            return false;
        }
        self.sync_began_at = None;
        let borne = self.config.permissions.has(Permissions::NO_BAN);
        if borne {
            self.note("Timeout downloading headers from noban peer, not disconnecting".to_owned());
            (self.headers_begun, self.headers_asked_at) = (false, None);
        }
        !borne
    }

    /// Asks once, and again when that has been answered.
    pub(super) fn ask_headers(&mut self, from: HeadersFrom, turn: &Turn<'_>) {
        // Two passes over the same headers are asked for message by message; what else there is comes after them.
        let is_next = matches!(from, HeadersFrom::After(_));
        if self.headers_asked_at.is_some() || (!is_next && !self.presync.is_off()) {
            return;
        }
        let mut hashes = turn.view.locator();
        match from {
            HeadersFrom::After(hash) => hashes.insert(0, hash),
            HeadersFrom::BelowBest if hashes.len() > 1 => drop(hashes.remove(0)),
            HeadersFrom::BelowBest | HeadersFrom::Best => {}
        }
        hashes.truncate(LOCATOR_MAX);
        self.headers_asked_at = Some(turn.now);
        self.send(Message::GetHeaders(Locator::from_hashes(hashes)));
    }

    pub(super) fn on_headers(&mut self, headers: Vec<Header>, turn: &mut Turn<'_>) {
        if !self.awaits_headers(headers.first(), turn.view) {
            return;
        }
        let Some(first) = headers.first() else {
            self.headers_asked_at = None;
            self.presync = Presync::Off;
            return;
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
            // It announces: what was asked for would join what we have.
            if self.judging.is_empty() {
                self.ask_headers(HeadersFrom::Best, turn);
            } else {
                self.asks_when_judged = true;
            }
            return;
        }
        self.headers_asked_at = None;
        if self.config.permissions.has(Permissions::NO_BAN) {
            // An operator trusts it: its chain need not show its work before.
            turn.downloads.claim(headers.iter().map(Header::block_hash), self.config.id);
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
        let compact = self.compacts.judged(&last);
        match verdict {
            HeadersVerdict::Invalid(reject) => self.punish(DisconnectReason::InvalidHeader(reject)),
            // It may be sent on before it is verified.
            HeadersVerdict::KnownInvalid(_) if compact.is_some() => {}
            HeadersVerdict::KnownInvalid(reject) => {
                self.punish_where_chosen(DisconnectReason::InvalidHeader(reject));
            }
            HeadersVerdict::TooEarly(_) => turn.downloads.end_headers_turn(self.config.id),
            HeadersVerdict::Unconnected => {
                self.presync = Presync::Off;
                self.ask_headers(HeadersFrom::Best, turn);
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
                self.protect_where_due(turn);
                turn.downloads.reconsider();
                if count >= HEADERS_MAX || !self.presync.is_off() {
                    self.ask_headers(HeadersFrom::After(last), turn);
                }
                match compact {
                    Some(compact) => self.take_compact(&compact, turn),
                    None => self.fetch_blocks(turn),
                }
            }
        }
        turn.downloads.end_claims(self.config.id);
        self.take_effects()
    }

    /// The chain has judged a block from this peer.
    pub fn block_judged(
        &mut self,
        hash: BlockHash,
        verdict: BlockVerdict,
        turn: &mut Turn<'_>,
    ) -> Vec<Effect> {
        self.judging.remove(&hash);
        let asks = self.judging.is_empty() && std::mem::take(&mut self.asks_when_judged);
        let made_here = self.compacts.was_made_here(&hash);
        match &verdict {
            BlockVerdict::Invalid(reject) if Self::is_mutation(reject) && made_here => {
                self.take_whole(hash, turn);
            }
            BlockVerdict::Invalid(reject) if Self::is_mutation(reject) => {
                turn.downloads.spoilt(&hash, self.config.id);
            }
            _ => turn.downloads.judged(&hash),
        }
        match verdict {
            BlockVerdict::Invalid(reject) => {
                if let Some((token, why)) = Self::mutation(&reject) {
                    self.effects.push(Effect::Note(format!("Block mutated: {token}, {why}")));
                }
                if !made_here {
                    self.punish(DisconnectReason::InvalidBlock(reject));
                }
                // Where it stays all the same, it is not asked for the same once more until it tells of what it has again.
                (self.reach, self.best_known) = (None, None);
            }
            BlockVerdict::KnownInvalid(_) if made_here => {}
            BlockVerdict::KnownInvalid(reject) => {
                self.punish_where_chosen(DisconnectReason::InvalidBlock(reject));
            }
            BlockVerdict::TooEarly(_) => {}
            BlockVerdict::Orphan => self.ask_headers(HeadersFrom::Best, turn),
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
        if asks {
            self.ask_headers(HeadersFrom::Best, turn);
        }
        self.take_effects()
    }

    /// Who connected to us may follow a chain that we know to be invalid; of those that we chose, others would do better.
    fn punish_where_chosen(&mut self, reason: DisconnectReason) {
        if !self.config.kind.is_inbound() {
            self.punish(reason);
        }
    }

    fn is_mutation(reject: &str) -> bool {
        Self::mutation(reject).is_some()
    }

    fn mutation(reject: &str) -> Option<(&'static str, &'static str)> {
        let token = reject.split([',', ' ']).next()?;
        MUTATIONS.into_iter().find(|(known, _)| *known == token)
    }

    /// Asks for blocks that it is known to have: of the best chain of headers, and where that has none left for it, of its own chain, if that
    /// may become the best.
    pub(super) fn fetch_blocks(&mut self, turn: &mut Turn<'_>) {
        let (id, view) = (self.config.id, turn.view);
        if turn.now.to_seconds_floor().saturating_sub(view.tip_time_s()) < BEHIND_S {
            turn.downloads.catch_up();
        }
        self.settle_unknown(view);
        let may = self.config.kind.relays_blocks() && turn.downloads.has_room(id);
        let Some(best) = self.best_known.filter(|_| may) else { return };
        if !self.serves_blocks(view) {
            return self.fetch_last_blocks(&best, turn);
        }
        // What has less work than our tip has nothing for us. Headers may be kept of less than a stranger must show: those whom an operator
        // trusts show them.
        let tip = view.work_at(&view.tip().0);
        let enough = view.work_at(&best).is_some_and(|work| work >= view.work_wanted() && Some(work) >= tip);
        let Some(shared) = view.height_on_best(&best).filter(|_| enough) else { return };
        let mut hashes = turn.downloads.assign(id, shared, view, turn.now);
        if hashes.is_empty() && view.height_of(&best).is_some_and(|height| height > shared) {
            let wanted = view.blocks_wanted_up_to(&best, ASIDE_LOOK);
            hashes = turn.downloads.assign_aside(id, wanted, turn.now);
        }
        self.effects.extend(turn.downloads.take_notes().into_iter().map(Effect::Note));
        if !hashes.is_empty() {
            let wanted = self.wanted_as(hashes, turn);
            self.send(Message::GetData(wanted));
        }
    }

    /// Of who keeps the last blocks alone, and not the next that we need, those are fetched that it keeps: others will bring what is below. Not before
    /// we have come near the network's tip once: until then whoever has all blocks brings them in order.
    fn fetch_last_blocks(&mut self, best: &BlockHash, turn: &mut Turn<'_>) {
        let (id, view) = (self.config.id, turn.view);
        let offered = self.remote.as_ref().map_or(0, |remote| remote.services);
        let keeps_last = offered & SERVICES_FOR_NEWS == SERVICES_FOR_NEWS;
        let Some(top) = view.height_of(best).filter(|_| keeps_last && turn.downloads.has_caught_up()) else {
            return;
        };
        let kept = |(_, height): &(BlockHash, Height)| top.blocks_above(*height) < LIMITED_BLOCKS - MARGIN;
        let wanted = view.blocks_wanted_up_to(best, LAST_LOOK).into_iter().filter(kept).collect();
        let hashes = turn.downloads.assign_aside(id, wanted, turn.now);
        if !hashes.is_empty() {
            self.send(Message::GetData(hashes.into_iter().map(Inventory::WitnessBlock).collect()));
        }
    }

    /// Asks for a block that an operator wants from this peer.
    pub fn fetch_one(&mut self, hash: BlockHash, turn: &mut Turn<'_>) -> Result<Vec<Effect>, FetchError> {
        let remote = self.remote.as_ref().filter(|_| self.phase == Phase::Ready).ok_or(FetchError::NoPeer)?;
        if remote.services & WITNESS == 0 {
            return Err(FetchError::NoWitnesses);
        }
        let height = turn.view.height_of(&hash).ok_or(FetchError::NoHeader)?;
        if turn.downloads.heights_in_flight(self.config.id).contains(&height)
            && turn.downloads.is_asked(&hash)
        {
            return Err(FetchError::Asked);
        }
        turn.downloads.assign_one(self.config.id, (hash, height), turn.now);
        self.send(Message::GetData(vec![Inventory::WitnessBlock(hash)]));
        Ok(self.take_effects())
    }

    pub(super) fn on_block(&mut self, block: Arc<ParsedBlock>, turn: &mut Turn<'_>) {
        let hash = block.hash();
        let asked = turn.downloads.arrived(&hash, self.config.id, turn.now);
        self.knows_block(hash, turn.view);
        match if asked { Unasked::Judge } else { self.weigh(block.header(), turn.view) } {
            Unasked::Judge => {
                self.judge(block.header(), turn.view);
                self.effects.push(Effect::SubmitBlock(block));
            }
            Unasked::HeaderOnly => {
                if !turn.view.has_header(&hash) {
                    self.effects.push(Effect::SubmitHeaders(vec![*block.header()]));
                }
            }
            Unasked::LowWork => self.effects.push(Effect::Note(format!(
                "AcceptBlockHeader: not adding new block header {hash}, missing anti-dos proof-of-work validation"
            ))),
            Unasked::Unconnected => {
                self.effects.push(Effect::Note("AcceptBlock FAILED (prev-blk-not-found)".to_owned()));
                self.punish(DisconnectReason::InvalidBlock("prev-blk-not-found".to_owned()));
                self.ask_headers(HeadersFrom::Best, turn);
            }
        }
        self.fetch_blocks(turn);
    }

    /// Where a block stands on what is known, or on what is being judged; none without proof.
    fn place(&self, header: &Header, view: &dyn NodeView) -> Option<Place> {
        let prev = &header.prev_blockhash;
        let known = view.work_at(prev).zip(view.height_of(prev)).map(|(work, height)| Place { height, work });
        let below = known.or_else(|| self.judging.get(prev).copied().flatten())?;
        Some(Place { height: below.height.next(), work: view.work_with(below.work, header)? })
    }

    /// Takes note of a block that the chain will judge.
    pub(super) fn judge(&mut self, header: &Header, view: &dyn NodeView) {
        self.judging.insert(header.block_hash(), self.place(header, view));
    }

    /// Whether a block that nobody asked for is worth its bytes: Core's conditions.
    fn weigh(&self, header: &Header, view: &dyn NodeView) -> Unasked {
        let (hash, prev) = (header.block_hash(), header.prev_blockhash);
        if !view.has_header(&prev) && !self.judging.contains_key(&prev) {
            return Unasked::Unconnected;
        }
        // Without proof it is refused at first sight.
        let Some(Place { height, work }) = self.place(header, view) else { return Unasked::Judge };
        let (tip, tip_height) = view.tip();
        let is_weak = work < view.work_wanted();
        if is_weak && !view.has_header(&hash) {
            return Unasked::LowWork;
        }
        let lags = view.work_at(&tip).is_some_and(|tip| work < tip);
        let is_far = height.blocks_above(tip_height) > UNASKED_AHEAD_MAX;
        if is_weak || lags || is_far { Unasked::HeaderOnly } else { Unasked::Judge }
    }

    pub(super) fn on_get_headers(&mut self, locator: &Locator, view: &dyn NodeView) {
        let is_weak = view.work_at(&view.tip().0).is_some_and(|work| work < view.work_wanted());
        if is_weak && !self.config.permissions.has(Permissions::DOWNLOAD) {
            self.note(
                "Ignoring getheaders from a peer while the active chain has too little work,".to_owned(),
            );
            // So that it does not wait for us.
            return self.send(Message::Headers(Vec::new()));
        }
        if locator.hashes.is_empty() {
            // One header alone, by its hash.
            let shown = view.has_block(&locator.stop) && view.is_shown(&locator.stop);
            if let Some(header) = view.header(&locator.stop).filter(|_| shown) {
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
        if turn.view.has_block(&hash) {
            return;
        }
        // While another one shows us its headers, one more is asked for each new block: should the first be slow, it goes on with these.
        if self.headers_begun || (!self.asked_for_news && turn.downloads.is_news(hash)) {
            self.asked_for_news |= !self.headers_begun;
            self.ask_headers(HeadersFrom::Best, turn);
        }
    }

    pub(super) fn is_syncing(view: &dyn NodeView) -> bool {
        /// Blocks that the tip may lag the best header by and count as synchronised: four hours of them.
        const LAG_MAX: u32 = 24;
        let ((_, tip), (_, best)): ((_, Height), (_, Height)) = (view.tip(), view.best_header());
        best.blocks_above(tip) > LAG_MAX
    }

    /// Whether blocks are fetched from it: all of them; of who keeps the last ones alone those, where the next that we need is among them;
    /// of others, where we are nearly there, the news that they bring.
    pub(super) fn serves_blocks(&self, view: &dyn NodeView) -> bool {
        let has = |wanted: u64| self.remote.as_ref().is_some_and(|r| r.services & wanted == wanted);
        let next_is_kept = || has(SERVICES_FOR_NEWS) && self.keeps_our_next(view);
        has(SERVICES_FOR_BLOCKS) || (has(WITNESS) && !Self::is_syncing(view)) || next_is_kept()
    }

    /// Whether the block above our tip is one of the last ones of the chain that it has told of, and not about to be none.
    fn keeps_our_next(&self, view: &dyn NodeView) -> bool {
        let best = self.best_known.and_then(|best| view.height_of(&best));
        best.is_some_and(|best| best.blocks_above(view.tip().1) <= LIMITED_BLOCKS - MARGIN)
    }
}
