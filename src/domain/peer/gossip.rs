//! What all connections share of nodes' addresses: the book, who is told of them, and what was answered lately.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::hashes::{Hash, HashEngine, siphash24};

use super::address::{HostNetwork, KnownNode, NodeAddress};
use super::addresses::{AddressBook, Draws};
use super::downloads::PeerId;
use super::limits::{ADDRESSES_MAX, ANSWERS_KEPT_MAX};
use crate::units::UnixMillis;

const DAY_S: u64 = 24 * 60 * 60;
/// Of all addresses so many are told to one who asks, in percent: who asks once does not learn all of them.
const TOLD_PERCENT: usize = 23;
/// An answer is given again for so long, and by chance for up to six hours more: who asks often learns no more than who asks once.
const ANSWER_MS: u64 = 21 * 60 * 60 * 1_000;
const ANSWER_MORE_MS: usize = 6 * 60 * 60 * 1_000;
/// Those that a fresh address is passed on to.
const RELAYS: usize = 2;

/// The board.
#[derive(Debug)]
pub struct AddressBoard {
    /// The addresses that are known.
    pub book: AddressBook,
    /// Those that are told of addresses, and whether they understand all of them (BIP155).
    relays: BTreeMap<PeerId, bool>,
    answers: BTreeMap<String, (UnixMillis, Vec<KnownNode>)>,
    reachable: BTreeSet<HostNetwork>,
    /// Drawn once: it says who is told of which address.
    seed: u64,
}

impl AddressBoard {
    /// A board for a node that reaches these networks.
    pub fn new(
        book: AddressBook,
        reachable: impl IntoIterator<Item = HostNetwork>,
        seed: u64,
    ) -> AddressBoard {
        AddressBoard {
            book,
            relays: BTreeMap::new(),
            answers: BTreeMap::new(),
            reachable: reachable.into_iter().collect(),
            seed,
        }
    }

    /// Whether the network of an address is one that this node reaches.
    pub fn reaches(&self, address: &NodeAddress) -> bool {
        address.host.network().is_some_and(|network| self.reachable.contains(&network))
    }

    /// An address as this node reaches it.
    pub fn seen_from_here(&self, node: KnownNode) -> KnownNode {
        let host = node.address.host;
        let host = if self.reachable.contains(&HostNetwork::Cjdns) { host.in_cjdns() } else { host };
        KnownNode { address: NodeAddress { host, ..node.address }, ..node }
    }

    /// `peer` is told of addresses from now on; `understands` all kinds of them, or IP alone.
    pub(super) fn include(&mut self, peer: PeerId, understands: bool) {
        self.relays.insert(peer, understands);
    }

    #[cfg(test)]
    pub(super) fn include_for_tests(&mut self, peer: PeerId) {
        self.include(peer, true);
    }

    /// `peer` is gone.
    pub fn forget(&mut self, peer: PeerId) {
        self.relays.remove(&peer);
    }

    /// Who is told of a fresh address that `from` told of: two, or, where we cannot reach it, one or two. For a day they are the same, so
    /// that who tells of it often does not have it spread further.
    pub(super) fn listeners(&self, from: PeerId, address: &NodeAddress, now_s: u64) -> Vec<PeerId> {
        let about = self.hash(&[&address.key()]);
        // Each address has its own hour at which the day begins.
        let day = now_s.saturating_add(about % DAY_S) / DAY_S;
        let (about, day) = (about.to_le_bytes(), day.to_le_bytes());
        let count = if self.reaches(address) || self.hash(&[&about, &day]) & 1 == 1 { RELAYS } else { 1 };
        let fits = |understands: bool| understands || address.host.to_v6_bytes().is_some();
        let listening = self.relays.iter().filter(|(id, understands)| **id != from && fits(**understands));
        let ranked = listening.map(|(id, _)| (self.hash(&[&about, &day, &id.to_le_bytes()]), *id));
        let mut ranked: Vec<(u64, PeerId)> = ranked.collect();
        ranked.sort_unstable();
        ranked.into_iter().rev().take(count).map(|(_, id)| id).collect()
    }

    /// A group of addresses under a key that nobody else knows.
    pub fn group_key(&self, group: &[u8]) -> u64 {
        self.hash(&[group])
    }

    fn hash(&self, parts: &[&[u8]]) -> u64 {
        let mut engine = siphash24::HashEngine::with_keys(self.seed, !self.seed);
        parts.iter().for_each(|part| engine.input(part));
        siphash24::Hash::from_engine(engine).as_u64()
    }

    /// What those are told who ask at `entrance`: the same for about a day. With `fresh`, what comes by chance now.
    pub(super) fn answer(
        &mut self,
        entrance: &str,
        fresh: bool,
        (now, chance): (UnixMillis, u64),
    ) -> Vec<KnownNode> {
        if let Some((_, kept)) = self.answers.get(entrance).filter(|(until, _)| !fresh && now < *until) {
            return kept.clone();
        }
        let times = (now.to_seconds_floor(), chance);
        let drawn = self.book.draw((ADDRESSES_MAX, TOLD_PERCENT), None, true, times);
        if !fresh {
            let more = Draws(chance).below(ANSWER_MORE_MS);
            let until = now.plus_ms(ANSWER_MS).plus_ms(u64::try_from(more).unwrap_or(0));
            self.answers.retain(|_, (until, _)| now < *until);
            if self.answers.len() < ANSWERS_KEPT_MAX {
                self.answers.insert(entrance.to_owned(), (until, drawn.clone()));
            }
        }
        drawn
    }
}

#[cfg(test)]
#[path = "gossip/tests.rs"]
mod tests;
