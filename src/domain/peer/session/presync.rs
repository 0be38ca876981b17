//! Headers of a chain that has not shown enough work: counted first, and fetched again once it has.

use std::collections::VecDeque;

use super::sync::HeadersFrom;
use super::{BlockHash, DisconnectReason, Header, Height, Session, Turn, UnixMillis};
use crate::peer::NodeView;
use crate::peer::limits::{HEADERS_MAX, PRESYNC_BATCHES_MAX, PRESYNC_MS_MAX};
use bitcoin::Work;

/// How far the two passes over a peer's headers have come.
#[derive(Debug, Default)]
pub(super) enum Presync {
    /// Nothing is counted.
    #[default]
    Off,
    /// The first pass: nothing is kept but the last hash of each message.
    Counting(Count),
    /// The second pass: each message must have the hash that the same one had before.
    Fetching(VecDeque<BlockHash>),
}

/// The first pass.
#[derive(Debug)]
pub(super) struct Count {
    since: UnixMillis,
    /// The known header that the others stand on.
    start: BlockHash,
    last: BlockHash,
    /// The last one's height.
    height: Height,
    work: Work,
    batches: VecDeque<BlockHash>,
}

/// What becomes of headers.
pub(super) enum Sifted {
    /// The chain may keep them.
    Keep(Vec<Header>),
    /// They were counted; more are asked for, from this one on.
    Ask(BlockHash),
    /// The chain that they belong to has too little work.
    /// It would end at this height.
    Drop(Height),
    /// They are not those that were counted: the peer's chain is another one now.
    Changed,
    /// One does not meet its own target.
    NoProof,
}

impl Presync {
    /// The height that has been counted to.
    pub(super) fn height(&self) -> Option<Height> {
        if let Presync::Counting(count) = self { Some(count.height) } else { None }
    }

    pub(super) fn is_off(&self) -> bool {
        matches!(self, Presync::Off)
    }

    /// Whether headers that begin so are what was asked for; others are news that must wait.
    fn awaits(&self, first: &Header, view: &dyn NodeView) -> bool {
        match self {
            Presync::Off => true,
            Presync::Counting(count) => first.prev_blockhash == count.last,
            Presync::Fetching(_) => view.has_header(&first.prev_blockhash),
        }
    }

    /// Judges headers in a row, the first of which stands on a known one or on the last that was counted.
    fn sift(&mut self, headers: Vec<Header>, turn: &Turn<'_>) -> Sifted {
        let (Some(first), Some(last)) = (headers.first(), headers.last().map(Header::block_hash)) else {
            return Sifted::Drop(Height::GENESIS);
        };
        let parent = first.prev_blockhash;
        match std::mem::take(self) {
            Presync::Off => {
                // What the chain has already costs nothing; a parent that it is about to have is ours.
                let below = turn.view.work_at(&parent).filter(|_| !turn.view.has_header(&last));
                let Some(work) = below else { return Sifted::Keep(headers) };
                let batches = VecDeque::new();
                let height = turn.view.height_of(&parent).unwrap_or(Height::GENESIS);
                let count = Count { since: turn.now, start: parent, last: parent, height, work, batches };
                self.count(count, headers, last, turn.view)
            }
            Presync::Counting(count) => self.count(count, headers, last, turn.view),
            Presync::Fetching(mut batches) => {
                let same = batches.pop_front().is_some_and(|b| headers.iter().any(|h| h.block_hash() == b));
                if !same {
                    return Sifted::Changed;
                }
                if !batches.is_empty() {
                    *self = Presync::Fetching(batches);
                }
                Sifted::Keep(headers)
            }
        }
    }

    fn count(
        &mut self,
        mut count: Count,
        headers: Vec<Header>,
        last: BlockHash,
        view: &dyn NodeView,
    ) -> Sifted {
        let proven = headers.iter().try_fold(count.work, |below, header| view.work_with(below, header));
        let Some(work) = proven else { return Sifted::NoProof };
        let more = u32::try_from(headers.len()).unwrap_or(u32::MAX);
        count.height = Height::new(count.height.to_u32().saturating_add(more));
        let enough = work >= view.work_wanted();
        if enough && count.batches.is_empty() {
            return Sifted::Keep(headers);
        }
        let may_go_on = headers.len() >= HEADERS_MAX && count.batches.len() < PRESYNC_BATCHES_MAX;
        count.batches.push_back(last);
        if enough {
            *self = Presync::Fetching(count.batches);
            return Sifted::Ask(count.start);
        }
        if !may_go_on {
            return Sifted::Drop(count.height);
        }
        (count.work, count.last) = (work, last);
        *self = Presync::Counting(count);
        Sifted::Ask(last)
    }
}

impl Session {
    /// Whether headers that begin so are to be looked at now.
    pub(super) fn awaits_headers(&self, first: Option<&Header>, view: &dyn NodeView) -> bool {
        first.is_none_or(|first| self.presync.awaits(first, view))
    }

    /// Has the chain keep headers whose chain has shown enough work, and counts the others.
    pub(super) fn sift_headers(&mut self, headers: Vec<Header>, turn: &mut Turn<'_>) {
        match self.presync.sift(headers, turn) {
            Sifted::Keep(headers) => {
                turn.downloads.claim(headers.iter().map(Header::block_hash), self.config.id);
                self.effects.push(super::Effect::SubmitHeaders(headers));
            }
            Sifted::Ask(from) => self.ask_headers(HeadersFrom::After(from), turn),
            Sifted::Drop(height) => {
                self.note(format!("Ignoring low-work chain (height={height}) from"));
                turn.downloads.end_headers_turn(self.config.id);
            }
            Sifted::Changed => {
                // Begun anew with a later tick.
                self.headers_begun = false;
                turn.downloads.end_headers_turn(self.config.id);
            }
            Sifted::NoProof => self.punish(DisconnectReason::InvalidHeader("high-hash".to_owned())),
        }
    }

    /// Whether the first pass takes longer than is borne.
    pub(super) fn counts_for_too_long(&self, now: UnixMillis) -> bool {
        matches!(&self.presync, Presync::Counting(c) if now.ms_since(c.since) > PRESYNC_MS_MAX)
    }
}
