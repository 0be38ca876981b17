//! Which block is asked of which peer: one board for all connections.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bitcoin::BlockHash;

use super::NodeView;
use super::limits::{
    BLOCK_MS_MAX, BLOCK_REASSIGN_MS, BLOCK_WINDOW, BLOCKS_IN_FLIGHT_MAX, COMPACT_FLIGHTS_MAX,
    HIGH_BANDWIDTH_MAX, PROTECTED_MAX, STALL_MS_MAX, STALL_MS_MIN,
};
use crate::units::{Height, UnixMillis};

/// A connection's number.
pub type PeerId = u64;

/// Headers of one message whose blocks are its sender's to bring: as many as may be in flight from it.
const CLAIMS_MAX: usize = BLOCKS_IN_FLIGHT_MAX;

/// Bodies asked for in one look at the chain.
const QUEUE_MAX: usize = 1_024;

/// The board: who fetches which block, who exchanges headers first, who holds the others up.
#[derive(Debug)]
pub struct Downloads {
    queue: VecDeque<(BlockHash, Height)>,
    /// Who was asked for a block, the first first: at most [`COMPACT_FLIGHTS_MAX`], where it is sent as a compact one.
    flights: BTreeMap<BlockHash, Vec<Flight>>,
    counts: BTreeMap<PeerId, usize>,
    staller: Option<(PeerId, UnixMillis)>,
    stall_ms: u64,
    headers_turn: Option<PeerId>,
    /// The block whose announcement last had somebody asked for headers before his turn.
    news: Option<BlockHash>,
    window_full: bool,
    /// Our tip has been less than a day old.
    caught_up: bool,
    /// Blocks whose headers are being judged, and who sent these: at most [`CLAIMS_MAX`] a peer.
    claims: BTreeMap<BlockHash, PeerId>,
    /// Who serves blocks.
    servers: BTreeSet<PeerId>,
    /// Whom we connected to.
    chosen: BTreeSet<PeerId>,
    /// Who may send blocks at once, before they are verified, the last to be asked last; and whether we chose them.
    preferred: VecDeque<(PeerId, bool)>,
    /// Who may lag behind.
    protected: BTreeSet<PeerId>,
    /// What others look for in the log, since it was last asked for.
    notes: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    peer: PeerId,
    height: Height,
    asked_at: UnixMillis,
    arrived: bool,
}

/// How a block stands that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How many were asked for it.
    pub asked: usize,
    /// Whether this one was.
    pub of_it: bool,
    /// Whether it was the first, or nobody was.
    pub of_it_first: bool,
    /// Whether one was whom we connected to.
    pub of_a_chosen: bool,
}

impl Default for Downloads {
    fn default() -> Self {
        Downloads {
            queue: VecDeque::new(),
            flights: BTreeMap::new(),
            counts: BTreeMap::new(),
            staller: None,
            stall_ms: STALL_MS_MIN,
            headers_turn: None,
            news: None,
            window_full: false,
            caught_up: false,
            claims: BTreeMap::new(),
            servers: BTreeSet::new(),
            chosen: BTreeSet::new(),
            preferred: VecDeque::new(),
            protected: BTreeSet::new(),
            notes: Vec::new(),
        }
    }
}

impl Downloads {
    /// The blocks that `peer`, whose chain reaches `reach`, is asked for now.
    pub fn assign(
        &mut self,
        peer: PeerId,
        reach: Height,
        view: &dyn NodeView,
        now: UnixMillis,
    ) -> Vec<BlockHash> {
        if !self.has_room(peer) {
            return Vec::new();
        }
        if self.queue.is_empty() {
            self.look(view);
        }
        let mut chosen = Vec::new();
        while self.in_flight(peer) < BLOCKS_IN_FLIGHT_MAX
            && let Some((hash, height)) = self.queue.front().copied()
            && height <= reach
        {
            if self.is_claimed_by_other(&hash, peer) {
                break;
            }
            self.queue.pop_front();
            if !self.flights.contains_key(&hash) && !view.has_block(&hash) {
                self.take_off(hash, height, peer, now);
                chosen.push(hash);
            }
        }
        if chosen.is_empty() && self.queue.is_empty() {
            chosen.extend(self.retake(peer, reach, view, now));
            self.suspect(peer, now);
        }
        chosen
    }

    /// Whether `peer` is to be asked for anything now: in batches of half the slots, for an exchange a block would cost more than the block.
    pub fn has_room(&self, peer: PeerId) -> bool {
        self.in_flight(peer) <= BLOCKS_IN_FLIGHT_MAX / 2
    }

    /// Of `wanted`, which are the blocks of a chain of `peer`'s beside the best one, those that it is asked for now.
    pub fn assign_aside(
        &mut self,
        peer: PeerId,
        wanted: Vec<(BlockHash, Height)>,
        now: UnixMillis,
    ) -> Vec<BlockHash> {
        let mut chosen = Vec::new();
        for (hash, height) in wanted {
            if self.in_flight(peer) >= BLOCKS_IN_FLIGHT_MAX {
                break;
            }
            if !self.flights.contains_key(&hash) && !self.is_claimed_by_other(&hash, peer) {
                self.take_off(hash, height, peer, now);
                chosen.push(hash);
            }
        }
        chosen
    }

    /// Has `peer` fetch a block that an operator wants from it, whoever else fetches it.
    pub fn assign_one(&mut self, peer: PeerId, (hash, height): (BlockHash, Height), now: UnixMillis) {
        self.judged(&hash);
        self.take_off(hash, height, peer, now);
    }

    /// Whether somebody has been asked for a block.
    pub fn is_asked(&self, hash: &BlockHash) -> bool {
        self.flights.contains_key(hash)
    }

    /// How a block that `peer` sends as a compact one stands.
    pub fn standing(&self, hash: &BlockHash, peer: PeerId) -> Standing {
        let flights = self.flights.get(hash).map(Vec::as_slice).unwrap_or_default();
        Standing {
            asked: flights.len(),
            of_it: flights.iter().any(|flight| flight.peer == peer),
            of_it_first: flights.first().is_none_or(|first| first.peer == peer),
            of_a_chosen: flights.iter().any(|flight| self.chosen.contains(&flight.peer)),
        }
    }

    /// Has `peer` fetch a block too, beside others who do, as long as these are not too many. Says whether it does.
    pub fn assign_also(
        &mut self,
        peer: PeerId,
        (hash, height): (BlockHash, Height),
        now: UnixMillis,
    ) -> bool {
        let standing = self.standing(&hash, peer);
        let may = standing.asked < COMPACT_FLIGHTS_MAX && self.in_flight(peer) < BLOCKS_IN_FLIGHT_MAX;
        if may && !standing.of_it {
            self.take_off(hash, height, peer, now);
        }
        may || standing.of_it
    }

    /// Blocks that somebody was asked for.
    pub fn asked_for(&self) -> usize {
        self.flights.len()
    }

    /// A block has come from `peer`; where that one was asked for it, its flight lasts until it is judged. Says whether anybody was asked.
    pub fn arrived(&mut self, hash: &BlockHash, from: PeerId, now: UnixMillis) -> bool {
        let Some(flights) = self.flights.get_mut(hash) else { return false };
        let own = flights.iter_mut().find(|flight| flight.peer == from);
        if own.is_some_and(|flight| !std::mem::replace(&mut flight.arrived, true)) {
            self.land(from);
            self.staller = self.staller.filter(|(staller, _)| *staller != from);
            // The others in its queue have waited for this one.
            let queue = self.flights.values_mut().flatten().filter(|f| f.peer == from && !f.arrived);
            queue.for_each(|flight| flight.asked_at = flight.asked_at.max(now));
        }
        true
    }

    /// The chain has judged a block.
    pub fn judged(&mut self, hash: &BlockHash) {
        for flight in self.flights.remove(hash).into_iter().flatten().filter(|flight| !flight.arrived) {
            self.land(flight.peer);
        }
    }

    /// What came from `peer` under a block's hash was not that block: it is asked of another where this one was asked, and whoever else was
    /// asked for it still is.
    pub fn spoilt(&mut self, hash: &BlockHash, peer: PeerId) {
        self.call_off(hash, peer, |_| true);
    }

    /// `peer` does not have a block that it was asked for.
    pub fn refused(&mut self, hash: &BlockHash, peer: PeerId) {
        self.call_off(hash, peer, |flight| !flight.arrived);
    }

    fn call_off(&mut self, hash: &BlockHash, peer: PeerId, if_it: impl Fn(&Flight) -> bool) {
        let Some(flights) = self.flights.get_mut(hash) else { return };
        let Some(at) = flights.iter().position(|f| f.peer == peer && if_it(f)) else { return };
        let flight = flights.remove(at);
        if flights.is_empty() {
            self.flights.remove(hash);
        }
        if !flight.arrived {
            self.land(peer);
        }
        self.queue.clear();
    }

    /// `peer` is gone: what it was asked for is asked of others.
    pub fn forget(&mut self, peer: PeerId) {
        self.flights.values_mut().for_each(|flights| flights.retain(|f| f.peer != peer));
        self.flights.retain(|_, flights| !flights.is_empty());
        self.counts.remove(&peer);
        self.queue.clear();
        self.staller = self.staller.filter(|(staller, _)| *staller != peer);
        self.headers_turn = self.headers_turn.filter(|holder| *holder != peer);
        self.servers.remove(&peer);
        self.chosen.remove(&peer);
        self.end_claims(peer);
        self.protected.remove(&peer);
        self.preferred.retain(|(preferred, _)| *preferred != peer);
    }

    /// `peer` tells of blocks by their headers, which are about to be judged: it is the first to be asked for them, not whoever names them
    /// meanwhile.
    pub fn claim(&mut self, hashes: impl Iterator<Item = BlockHash>, peer: PeerId) {
        for hash in hashes.take(CLAIMS_MAX) {
            self.claims.entry(hash).or_insert(peer);
        }
    }

    /// What `peer` told of has been judged.
    pub fn end_claims(&mut self, peer: PeerId) {
        self.claims.retain(|_, claimant| *claimant != peer);
    }

    fn is_claimed_by_other(&self, hash: &BlockHash, peer: PeerId) -> bool {
        self.claims.get(hash).is_some_and(|claimant| *claimant != peer)
    }

    /// Our tip has been less than a day old: from now on those who keep the last blocks alone are asked for these, whatever we lack below.
    pub fn catch_up(&mut self) {
        self.caught_up = true;
    }

    /// Whether our tip has ever been less than a day old.
    pub fn has_caught_up(&self) -> bool {
        self.caught_up
    }

    /// We connected to `peer`.
    pub fn chose(&mut self, peer: PeerId) {
        self.chosen.insert(peer);
    }

    /// `peer` may lag behind from now on, if there are not enough of these already.
    pub fn protect(&mut self, peer: PeerId) {
        if self.protected.len() < PROTECTED_MAX {
            self.protected.insert(peer);
        }
    }

    /// Whether `peer` may lag behind.
    pub fn is_protected(&self, peer: PeerId) -> bool {
        self.protected.contains(&peer)
    }

    /// `peer` serves blocks.
    pub fn serves(&mut self, peer: PeerId) {
        self.servers.insert(peer);
    }

    /// Whether somebody else than `peer` serves blocks.
    pub fn has_others(&self, peer: PeerId) -> bool {
        self.servers.iter().any(|server| *server != peer)
    }

    /// `peer` was the first with a block: it may send the next at once. At most three may; one that we chose ourselves stays among them, so
    /// that who connects to us cannot have them all.
    pub fn prefer(&mut self, peer: PeerId, chosen: bool) {
        if let Some(at) = self.preferred.iter().position(|(preferred, _)| *preferred == peer) {
            let again = self.preferred.remove(at);
            return self.preferred.extend(again);
        }
        if self.preferred.len() >= HIGH_BANDWIDTH_MAX {
            let only = self.preferred.iter().filter(|(_, chosen)| *chosen).count() == 1;
            let first_is_it = self.preferred.front().is_some_and(|(_, chosen)| *chosen);
            self.preferred.remove(usize::from(!chosen && only && first_is_it));
        }
        self.preferred.push_back((peer, chosen));
    }

    /// Whether `peer` may send blocks at once.
    pub fn is_preferred(&self, peer: PeerId) -> bool {
        self.preferred.iter().any(|(preferred, _)| *preferred == peer)
    }

    /// Heights of the blocks that `peer` was asked for and that have not come.
    pub fn heights_in_flight(&self, peer: PeerId) -> Vec<Height> {
        let own = self.flights.values().flatten().filter(|f| f.peer == peer && !f.arrived);
        own.map(|f| f.height).collect()
    }

    /// Blocks that `peer` was asked for and that have not come.
    pub fn in_flight(&self, peer: PeerId) -> usize {
        self.counts.get(&peer).copied().unwrap_or(0)
    }

    /// Whether `peer` holds the others up for longer than is borne. Each time this is so, the next is borne for longer.
    pub fn stalls(&mut self, peer: PeerId, now: UnixMillis) -> bool {
        let stalls = self.staller.is_some_and(|(p, since)| p == peer && now.ms_since(since) > self.stall_ms);
        if stalls {
            self.stall_ms = self.stall_ms.saturating_mul(2).min(STALL_MS_MAX);
            let text = format!("Increased stalling timeout temporarily to {} seconds", self.stall_ms / 1_000);
            self.notes.push(text);
        }
        stalls
    }

    /// So many blocks have connected: nobody stalls, and the patience shrinks again by 15 % a block.
    pub fn connected(&mut self, blocks: usize) {
        let before = self.stall_ms;
        for _ in 0..blocks {
            if self.stall_ms == STALL_MS_MIN {
                break;
            }
            self.stall_ms = (self.stall_ms / 100).saturating_mul(85).max(STALL_MS_MIN);
        }
        if before != self.stall_ms {
            self.notes.push(format!("Decreased stalling timeout to {} seconds", self.stall_ms / 1_000));
        }
    }

    /// What others look for in the log.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Whether a block is overdue from `peer`.
    pub fn overdue(&self, peer: PeerId, now: UnixMillis) -> bool {
        let others = u64::try_from(self.counts.len().saturating_sub(1)).unwrap_or(u64::MAX);
        let most = BLOCK_MS_MAX.saturating_add((BLOCK_MS_MAX / 2).saturating_mul(others));
        let mut own = self.flights.values().flatten().filter(|f| f.peer == peer && !f.arrived);
        own.any(|flight| now.ms_since(flight.asked_at) > most)
    }

    /// The best chain of headers may be another: what to ask for is looked up anew.
    pub fn reconsider(&mut self) {
        self.queue.clear();
    }

    /// Takes the one turn at the first exchange of headers, if it is free or `peer`'s already.
    pub fn take_headers_turn(&mut self, peer: PeerId) -> bool {
        *self.headers_turn.get_or_insert(peer) == peer
    }

    /// Whether a block is announced of which nobody was asked for headers yet by such an announcement.
    pub fn is_news(&mut self, hash: BlockHash) -> bool {
        self.news.replace(hash) != Some(hash)
    }

    /// Gives the turn back.
    pub fn end_headers_turn(&mut self, peer: PeerId) {
        self.headers_turn = self.headers_turn.filter(|holder| *holder != peer);
    }

    /// The next missing bodies, within the window above the lowest.
    fn look(&mut self, view: &dyn NodeView) {
        let wanted = view.blocks_wanted(QUEUE_MAX);
        let Some((_, lowest)) = wanted.first().copied() else { return };
        let within = |height: Height| height.blocks_above(lowest) < BLOCK_WINDOW;
        let beyond = wanted.iter().any(|(_, height)| !within(*height));
        let new = wanted.into_iter().filter(|(hash, h)| within(*h) && !self.flights.contains_key(hash));
        self.queue = new.collect();
        self.window_full = beyond && self.queue.is_empty();
    }

    fn take_off(&mut self, hash: BlockHash, height: Height, peer: PeerId, now: UnixMillis) {
        let flight = Flight { peer, height, asked_at: now, arrived: false };
        self.flights.entry(hash).or_default().push(flight);
        let count = self.counts.entry(peer).or_default();
        *count = count.saturating_add(1);
    }

    fn land(&mut self, peer: PeerId) {
        if let Some(count) = self.counts.get_mut(&peer) {
            *count = count.saturating_sub(1);
        }
        self.counts.retain(|_, count| *count > 0);
    }

    /// The lowest block that another peer owes for too long.
    fn retake(
        &mut self,
        peer: PeerId,
        reach: Height,
        view: &dyn NodeView,
        now: UnixMillis,
    ) -> Option<BlockHash> {
        let is_late =
            |f: &Flight| !f.arrived && now.ms_since(f.asked_at) > BLOCK_REASSIGN_MS && f.peer != peer;
        let late = |(hash, flights): (&BlockHash, &Vec<Flight>)| {
            let height = flights.first().filter(|_| flights.iter().all(is_late))?.height;
            // What `peer` is known to have is on the best chain of headers.
            let has = height <= reach && view.height_on_best(hash) == Some(height);
            has.then_some((height, *hash))
        };
        let (height, hash) = self.flights.iter().filter_map(late).min()?;
        self.judged(&hash);
        self.take_off(hash, height, peer, now);
        Some(hash)
    }

    /// `peer` has nothing to fetch: if that is since another one owes the lowest missing block, that one is the staller.
    fn suspect(&mut self, peer: PeerId, now: UnixMillis) {
        let owed = self.flights.values().flatten().filter(|f| !f.arrived);
        let Some(lowest) = owed.min_by_key(|f| f.height) else { return };
        let news = self.staller.is_none_or(|(staller, _)| staller != lowest.peer);
        if self.window_full && lowest.peer != peer && news {
            let staller = lowest.peer;
            self.staller = Some((staller, now));
            self.notes.push(format!("Stall started peer={staller}"));
        }
    }
}

#[cfg(test)]
#[path = "downloads/tests.rs"]
mod tests;
