//! Blocks that come and go as compact ones: the header, short ids of the transactions, and what the other end can't have. BIP-0152
//!
//! Whoever sends one has shown its work first. What cannot be put together is asked of whoever sent it, and others may bring the same block
//! meanwhile; one that turns out to be invalid costs nobody his connection, since it may be sent before it is verified.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bitcoin::BlockHash;

use super::sync::HeadersFrom;
use super::{DisconnectReason, Effect, Height, Inventory, Message, Session, Turn};
use crate::peer::downloads::Standing;
use crate::peer::limits::{
    BLOCK_TXS_DEPTH_MAX, COMPACT_AHEAD_MAX, COMPACT_DEPTH_MAX, COMPACT_FLIGHTS_MAX, NEAR_TIP_S,
};
use crate::peer::{BlockTxs, BlockTxsRequest, CompactBlock, CompactError, Rebuilding};
use crate::wire::ParsedTx;

/// What has come so, and is no block yet.
#[derive(Debug, Default)]
pub(super) struct Compacts {
    /// Its header is being judged.
    waits: Option<Arc<CompactBlock>>,
    /// Blocks that this peer was asked for: no more than may be in flight from it.
    partial: BTreeMap<BlockHash, Partial>,
    /// Put together here, and being judged.
    made_here: BTreeSet<BlockHash>,
}

#[derive(Debug)]
enum Partial {
    /// Transactions of it are missing.
    Open(Box<Rebuilding>),
    /// It could not be put together, and was asked for as a whole.
    Failed,
}

impl Compacts {
    /// The compact block whose header has been judged.
    pub(super) fn judged(&mut self, header: &BlockHash) -> Option<Arc<CompactBlock>> {
        self.waits.take_if(|compact| compact.hash() == *header)
    }

    /// Whether a block that has been judged was put together here.
    pub(super) fn was_made_here(&mut self, hash: &BlockHash) -> bool {
        self.made_here.remove(hash)
    }
}

impl Session {
    /// Its header is judged first, as any other.
    pub(super) fn on_compact_block(&mut self, compact: Arc<CompactBlock>, turn: &mut Turn<'_>) {
        let (header, view, id) = (compact.header, turn.view, self.config.id);
        if self.config.rules.blocks_only {
            return self.note("compact block even though we are blocksonly from".to_owned());
        }
        if !self.compact {
            return self.note("compact block despite never having sent us a SENDCMPCT from".to_owned());
        }
        let Some(below) = view.work_at(&header.prev_blockhash) else {
            if !Self::is_syncing(view) {
                self.ask_headers(HeadersFrom::Best, turn);
            }
            return;
        };
        let Some(work) = view.work_with(below, &header) else {
            return self.punish(DisconnectReason::InvalidHeader("high-hash".to_owned()));
        };
        if work < view.work_wanted() {
            let text = format!("Ignoring low-work compact block from peer {id}");
            return self.effects.push(Effect::Note(text));
        }
        turn.downloads.claim([compact.hash()].into_iter(), id);
        self.compacts.waits = Some(compact);
        self.effects.push(Effect::SubmitHeaders(vec![header]));
    }

    /// Its header has joined. Where it may be the next tip it is put together from what the mempool holds; otherwise it is fetched as any other.
    pub(super) fn take_compact(&mut self, compact: &CompactBlock, turn: &mut Turn<'_>) {
        let (hash, view, id) = (compact.hash(), turn.view, self.config.id);
        self.drop_stale(turn);
        let standing = turn.downloads.standing(&hash, id);
        if view.has_block(&hash) {
            return;
        }
        if !standing.of_it && !self.high_bandwidth_to {
            self.note("not marked as high-bandwidth, sent us an unsolicited compact block:".to_owned());
            return self.fetch_blocks(turn);
        }
        let (tip, tip_height) = view.tip();
        let height = view.height_of(&hash).unwrap_or(tip_height);
        let is_next = height.blocks_above(tip_height) <= COMPACT_AHEAD_MAX;
        let is_near = standing.asked > 0 || Self::has_near_tip(turn);
        if view.work_at(&hash) <= view.work_at(&tip) || !is_next || !is_near {
            return if standing.of_it { self.ask_whole(hash) } else { self.fetch_blocks(turn) };
        }
        self.rebuild(compact, height, standing, turn);
    }

    fn rebuild(&mut self, compact: &CompactBlock, height: Height, before: Standing, turn: &mut Turn<'_>) {
        let (hash, id) = (compact.hash(), self.config.id);
        if self.compacts.partial.contains_key(&hash) {
            return self.note("compact block we were already syncing from".to_owned());
        }
        let is_asked = turn.downloads.assign_also(id, (hash, height), turn.now);
        let mut rebuilding = match Rebuilding::begin(compact) {
            Ok(rebuilding) => rebuilding,
            Err(CompactError::Collision) => return self.take_whole(hash, turn),
            Err(error) => {
                turn.downloads.spoilt(&hash, id);
                return self.punish(DisconnectReason::InvalidCompact(error));
            }
        };
        turn.view.offer_txs(&mut |tx| rebuilding.offer(tx));
        let missing = rebuilding.missing();
        if missing.is_empty() {
            self.finish(rebuilding, Vec::new(), turn);
        } else if is_asked && self.may_ask_rest(before) {
            self.send(Message::GetBlockTxs(BlockTxsRequest { hash, places: missing }));
            self.compacts.partial.insert(hash, Partial::Open(Box::new(rebuilding)));
        } else {
            // Others are asked already: they may be faster.
            turn.downloads.spoilt(&hash, id);
        }
    }

    /// Whether it is asked for what is missing: the first one is, a second too, and a third where one of the three is whom we chose. So nobody who
    /// connects to us can hold a block up.
    fn may_ask_rest(&self, before: Standing) -> bool {
        let is_last = before.asked.saturating_add(1) >= COMPACT_FLIGHTS_MAX;
        let chosen = !self.config.kind.is_inbound() || before.of_a_chosen;
        before.of_it_first || (self.high_bandwidth_to && (chosen || !is_last))
    }

    pub(super) fn on_block_txs(&mut self, answer: BlockTxs, turn: &mut Turn<'_>) {
        let (hash, id) = (answer.hash, self.config.id);
        let is_owed = turn.downloads.standing(&hash, id).of_it;
        match self.compacts.partial.remove(&hash).filter(|_| is_owed) {
            Some(Partial::Open(rebuilding)) => self.finish(*rebuilding, answer.txs, turn),
            Some(Partial::Failed) => {
                turn.downloads.spoilt(&hash, id);
                self.punish(DisconnectReason::CompactAgain);
            }
            None => {
                let text = format!("Peer {id} sent us block transactions for block we weren't expecting");
                self.effects.push(Effect::Note(text));
            }
        }
    }

    fn finish(&mut self, rebuilding: Rebuilding, rest: Vec<ParsedTx>, turn: &mut Turn<'_>) {
        let hash = rebuilding.hash();
        match rebuilding.complete(rest) {
            Ok(block) => {
                self.judge(block.header(), turn.view);
                self.compacts.made_here.insert(hash);
                self.effects.push(Effect::SubmitBlock(block));
            }
            Err(CompactError::Collision) => self.take_whole(hash, turn),
            Err(error) => {
                turn.downloads.spoilt(&hash, self.config.id);
                self.punish(DisconnectReason::InvalidCompact(error));
            }
        }
    }

    /// What came did not make the block: the first that was asked is asked for the whole of it, of others somebody else is faster.
    pub(super) fn take_whole(&mut self, hash: BlockHash, turn: &mut Turn<'_>) {
        let standing = turn.downloads.standing(&hash, self.config.id);
        if standing.of_it && standing.of_it_first {
            self.compacts.partial.insert(hash, Partial::Failed);
            self.ask_whole(hash);
        } else {
            turn.downloads.spoilt(&hash, self.config.id);
        }
    }

    fn ask_whole(&mut self, hash: BlockHash) {
        self.send(Message::GetData(vec![Inventory::WitnessBlock(hash)]));
    }

    /// Forgets of blocks that have come in another way what was put together of them.
    pub(super) fn drop_stale(&mut self, turn: &Turn<'_>) {
        let id = self.config.id;
        self.compacts.partial.retain(|hash, _| turn.downloads.standing(hash, id).of_it);
    }

    /// Whether our tip is near the network's.
    fn has_near_tip(turn: &Turn<'_>) -> bool {
        turn.now.to_seconds_floor().saturating_sub(turn.view.tip_time_s()) < NEAR_TIP_S
    }

    /// How the blocks that it is asked for are asked for: one alone, on our tip, as a compact one, where its transactions are likely to be here.
    pub(super) fn wanted_as(&self, hashes: Vec<BlockHash>, turn: &Turn<'_>) -> Vec<Inventory> {
        let view = turn.view;
        let on_tip = |hash: &BlockHash| view.header(hash).is_some_and(|h| h.prev_blockhash == view.tip().0);
        let takes = self.compact && !self.config.rules.blocks_only && turn.downloads.asked_for() == 1;
        match hashes.as_slice() {
            [one] if takes && on_tip(one) && Self::has_near_tip(turn) => vec![Inventory::CompactBlock(*one)],
            _ => hashes.into_iter().map(Inventory::WitnessBlock).collect(),
        }
    }

    /// What is served where a compact block is asked for: of an old one the whole block, whose transactions nobody has at hand any more.
    pub(super) fn served_as(&self, item: Inventory, turn: &Turn<'_>) -> Inventory {
        let Inventory::CompactBlock(hash) = item else { return item };
        let (_, tip) = turn.view.tip();
        let is_old = turn.view.height_of(&hash).is_some_and(|h| tip.blocks_above(h) > COMPACT_DEPTH_MAX);
        if is_old || !Self::has_near_tip(turn) { Inventory::WitnessBlock(hash) } else { item }
    }

    /// Serves some of a block's transactions; of an old one the whole block.
    pub(super) fn on_get_block_txs(&mut self, request: BlockTxsRequest, turn: &Turn<'_>) {
        let (hash, view) = (request.hash, turn.view);
        if !view.has_block(&hash) || !view.is_shown(&hash) {
            return self.note("getblocktxn for a block we don't have from".to_owned());
        }
        let (_, tip) = view.tip();
        if view.height_of(&hash).is_some_and(|height| tip.blocks_above(height) > BLOCK_TXS_DEPTH_MAX) {
            return self.on_get_data(vec![Inventory::WitnessBlock(hash)], turn);
        }
        self.effects.push(Effect::ServeBlockTxs(request));
    }

    /// It has asked for transactions that a block does not have.
    pub fn asked_beyond(&mut self) -> Vec<Effect> {
        self.punish(DisconnectReason::BlockTxsBeyond);
        self.take_effects()
    }
}
