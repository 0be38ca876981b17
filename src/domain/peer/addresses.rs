//! The addresses of nodes that are known, in tables that nobody can fill alone.
//!
//! As in Core, an address has its place by a keyed hash: one of 64 places in a bucket, and which bucket that is follows from the group of
//! the address and of whoever told of it. One party that has few groups of addresses reaches few of the buckets.

use std::collections::BTreeMap;

use bitcoin::hashes::{Hash, HashEngine, sha256, sha256d};

use super::address::{Host, HostNetwork, KnownNode, NodeAddress};

mod file;

pub use file::{AddressFileError, FILE_BYTES_MAX};

/// Buckets of addresses that nobody has been reached at.
const NEW_BUCKETS: u64 = 1_024;
/// Buckets of addresses that somebody was.
const TRIED_BUCKETS: u64 = 256;
/// Places in a bucket: with the buckets 65,536 + 16,384 addresses of about 200 bytes, 16 MB.
const BUCKET_SIZE: u64 = 64;
/// Buckets of the first kind that one group reaches by what it tells.
const NEW_BUCKETS_A_SOURCE: u64 = 64;
/// Buckets of the second kind that one group has.
const TRIED_BUCKETS_A_GROUP: u64 = 8;
/// Places of the first kind that one address may have.
const PLACES_MAX: u8 = 8;

const MINUTE_S: u64 = 60;
const DAY_S: u64 = 24 * 60 * MINUTE_S;
/// An address of which nobody has heard for so long is as good as gone.
const HORIZON_S: u64 = 30 * DAY_S;
/// Attempts in vain after which one that never was reached is.
const ATTEMPTS_MAX: u32 = 3;
/// Attempts in vain after which any is, in a week.
const FAILURES_MAX: u32 = 10;
const FAILURES_S: u64 = 7 * DAY_S;

/// An address with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    node: KnownNode,
    /// Who told of it first.
    source: Host,
    last_try_s: u64,
    last_success_s: u64,
    attempts: u32,
    /// Its places among the new ones.
    places: u8,
    tried: bool,
    /// Where it stands in the list that is drawn from.
    drawn_at: usize,
}

impl Entry {
    fn is_terrible(&self, now_s: u64) -> bool {
        let time_s = u64::from(self.node.time_s);
        if now_s.saturating_sub(self.last_try_s) <= MINUTE_S {
            return false;
        }
        time_s > now_s.saturating_add(10 * MINUTE_S)
            || now_s.saturating_sub(time_s) > HORIZON_S
            || (self.last_success_s == 0 && self.attempts >= ATTEMPTS_MAX)
            || (now_s.saturating_sub(self.last_success_s) > FAILURES_S && self.attempts >= FAILURES_MAX)
    }
}

/// Which of the two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    New,
    Tried,
}

/// A place: its bucket, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The bucket.
    pub bucket: u64,
    /// Where in it.
    pub position: u64,
}

/// An address at one of its places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Whether somebody was reached there.
    pub tried: bool,
    /// The place.
    pub place: Place,
    /// The address.
    pub node: KnownNode,
    /// Who told of it.
    pub source: Host,
}

/// The tables.
#[derive(Debug)]
pub struct AddressBook {
    key: [u8; 32],
    entries: BTreeMap<u32, Entry>,
    ids: BTreeMap<NodeAddress, u32>,
    next_id: u32,
    new: BTreeMap<Place, u32>,
    tried: BTreeMap<Place, u32>,
    /// All of them, to draw from.
    all: Vec<u32>,
}

/// Numbers that follow from one by chance: SplitMix64.
#[derive(Debug)]
pub(super) struct Draws(pub(super) u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, each about as likely.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from(self.next().checked_rem(bound).unwrap_or(0)).unwrap_or(0)
    }

    /// Brings them into any order.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for left in (1..items.len()).rev() {
            items.swap(left, self.below(left.saturating_add(1)));
        }
    }
}

/// A hash under the book's key; its first eight bytes, little-endian.
struct Keyed(sha256::HashEngine);

impl Keyed {
    fn new(key: &[u8; 32]) -> Keyed {
        let mut engine = sha256d::Hash::engine();
        engine.input(key);
        Keyed(engine)
    }

    fn fixed(mut self, bytes: &[u8]) -> Keyed {
        self.0.input(bytes);
        self
    }

    /// Bytes behind their number, which is below 253 for all that is hashed here.
    fn list(self, bytes: &[u8]) -> Keyed {
        let count = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
        self.fixed(&[count]).fixed(bytes)
    }

    fn end(self) -> u64 {
        let hash = sha256d::Hash::from_engine(self.0).to_byte_array();
        hash.first_chunk::<8>().map_or(0, |first| u64::from_le_bytes(*first))
    }
}

impl AddressBook {
    /// An empty one. Nobody else may know the key: it says where an address has its place.
    pub fn new(key: [u8; 32]) -> AddressBook {
        AddressBook {
            key,
            entries: BTreeMap::new(),
            ids: BTreeMap::new(),
            next_id: 0,
            new: BTreeMap::new(),
            tried: BTreeMap::new(),
            all: Vec::new(),
        }
    }

    /// How many addresses there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn new_place(&self, address: &NodeAddress, source: &Host) -> Place {
        let (group, from) = (address.host.group(), source.group());
        let first = Keyed::new(&self.key).list(&group).list(&from).end() % NEW_BUCKETS_A_SOURCE;
        let bucket = Keyed::new(&self.key).list(&from).fixed(&first.to_le_bytes()).end() % NEW_BUCKETS;
        self.place(Table::New, bucket, address)
    }

    fn tried_place(&self, address: &NodeAddress) -> Place {
        let first = Keyed::new(&self.key).list(&address.key()).end() % TRIED_BUCKETS_A_GROUP;
        let group = address.host.group();
        let bucket = Keyed::new(&self.key).list(&group).fixed(&first.to_le_bytes()).end() % TRIED_BUCKETS;
        self.place(Table::Tried, bucket, address)
    }

    fn place(&self, table: Table, bucket: u64, address: &NodeAddress) -> Place {
        let letter = if table == Table::New { b'N' } else { b'K' };
        let short = u32::try_from(bucket).unwrap_or(u32::MAX).to_le_bytes();
        let keyed = Keyed::new(&self.key).fixed(&[letter]).fixed(&short).list(&address.key());
        Place { bucket, position: keyed.end() % BUCKET_SIZE }
    }

    /// Takes what `source` tells of, as if heard of `penalty_s` earlier; says how many of it found a place.
    pub fn add(
        &mut self,
        told: &[KnownNode],
        source: &Host,
        (penalty_s, now_s): (u64, u64),
        chance: u64,
    ) -> usize {
        let mut draws = Draws(chance);
        told.iter().filter(|node| self.add_one(node, source, (penalty_s, now_s), &mut draws)).count()
    }

    fn add_one(
        &mut self,
        told: &KnownNode,
        source: &Host,
        (penalty_s, now_s): (u64, u64),
        draws: &mut Draws,
    ) -> bool {
        if !told.address.host.is_routable() {
            return false;
        }
        // Nobody is later for telling of himself.
        let penalty_s = if told.address.host == *source { 0 } else { penalty_s };
        let penalty = u32::try_from(penalty_s).unwrap_or(u32::MAX);
        let id = match self.ids.get(&told.address).copied() {
            Some(id) if self.is_news(id, told, (penalty, now_s), draws) => id,
            Some(_) => return false,
            None => self.create(KnownNode { time_s: told.time_s.saturating_sub(penalty), ..*told }, *source),
        };
        let place = self.new_place(&told.address, source);
        self.take_place(place, id, now_s)
    }

    /// Whether what is told of a known address earns it another place.
    fn is_news(
        &mut self,
        id: u32,
        told: &KnownNode,
        (penalty, now_s): (u32, u64),
        draws: &mut Draws,
    ) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        let is_there = now_s.saturating_sub(u64::from(told.time_s)) < DAY_S;
        let every: u32 = if is_there { 60 * 60 } else { 24 * 60 * 60 };
        let due = entry.node.time_s.saturating_add(every).saturating_add(penalty);
        if due < told.time_s {
            entry.node.time_s = told.time_s.saturating_sub(penalty);
        }
        entry.node.services |= told.services;
        let worth = told.time_s > entry.node.time_s && !entry.tried && entry.places < PLACES_MAX;
        // Each further place is half as likely.
        worth && draws.below(1usize.checked_shl(u32::from(entry.places)).unwrap_or(usize::MAX)) == 0
    }

    fn create(&mut self, node: KnownNode, source: Host) -> u32 {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let drawn_at = self.all.len();
        self.all.push(id);
        self.ids.insert(node.address, id);
        let entry = Entry {
            node,
            source,
            last_try_s: 0,
            last_success_s: 0,
            attempts: 0,
            places: 0,
            tried: false,
            drawn_at,
        };
        self.entries.insert(id, entry);
        id
    }

    /// Gives an address a place, if that is free or what has it is worth less.
    fn take_place(&mut self, place: Place, id: u32, now_s: u64) -> bool {
        let held = self.new.get(&place).copied();
        if held == Some(id) {
            return false;
        }
        let is_first = self.entries.get(&id).is_some_and(|entry| entry.places == 0);
        let yields = held
            .and_then(|held| self.entries.get(&held))
            .is_none_or(|held| held.is_terrible(now_s) || (held.places > 1 && is_first));
        if yields {
            self.clear_new(place);
            self.new.insert(place, id);
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.places = entry.places.saturating_add(1);
            }
        } else if is_first {
            self.delete(id);
        }
        yields
    }

    fn clear_new(&mut self, place: Place) {
        let Some(id) = self.new.remove(&place) else { return };
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.places = entry.places.saturating_sub(1);
        if entry.places == 0 && !entry.tried {
            self.delete(id);
        }
    }

    fn delete(&mut self, id: u32) {
        let Some(entry) = self.entries.remove(&id) else { return };
        self.ids.remove(&entry.node.address);
        if self.all.get(entry.drawn_at) == Some(&id) {
            self.all.swap_remove(entry.drawn_at);
            self.stand(entry.drawn_at);
        }
    }

    /// Says of the one that stands there where it stands.
    fn stand(&mut self, at: usize) {
        if let Some(entry) = self.all.get(at).and_then(|id| self.entries.get_mut(id)) {
            entry.drawn_at = at;
        }
    }

    /// Somebody was reached there. Says whether it moved among the tried ones: where its place is taken it does not.
    pub fn good(&mut self, address: &NodeAddress, now_s: u64) -> bool {
        let Some(id) = self.ids.get(address).copied() else { return false };
        let place = self.tried_place(address);
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        (entry.last_success_s, entry.last_try_s, entry.attempts) = (now_s, now_s, 0);
        if entry.tried || self.tried.contains_key(&place) {
            return false;
        }
        (entry.tried, entry.places) = (true, 0);
        self.new.retain(|_, held| *held != id);
        self.tried.insert(place, id);
        true
    }

    /// At most `most` addresses (0: any number) and `percent` of all (0: all), drawn by chance; of one network where one is named; those alone that are
    /// worth a try where `filtered`.
    pub fn draw(
        &mut self,
        (most, percent): (usize, usize),
        network: Option<HostNetwork>,
        filtered: bool,
        (now_s, chance): (u64, u64),
    ) -> Vec<KnownNode> {
        let share = if percent == 0 { self.all.len() } else { self.all.len().saturating_mul(percent) / 100 };
        let wanted = if most == 0 { share } else { share.min(most) };
        let mut draws = Draws(chance);
        let mut drawn = Vec::new();
        for at in 0..self.all.len() {
            if drawn.len() >= wanted {
                break;
            }
            let other = at.saturating_add(draws.below(self.all.len().saturating_sub(at)));
            self.all.swap(at, other);
            self.stand(at);
            self.stand(other);
            let Some(entry) = self.all.get(at).and_then(|id| self.entries.get(id)) else { continue };
            let is_it = network.is_none_or(|network| entry.node.address.host.network() == Some(network));
            if is_it && !(filtered && entry.is_terrible(now_s)) {
                drawn.push(entry.node);
            }
        }
        drawn
    }

    /// Every place that is taken, the new ones first, in order.
    pub fn places(&self) -> Vec<Listed> {
        let listed = |tried: bool| {
            move |(place, id): (&Place, &u32)| {
                let entry = self.entries.get(id)?;
                Some(Listed { tried, place: *place, node: entry.node, source: entry.source })
            }
        };
        let new = self.new.iter().filter_map(listed(false));
        new.chain(self.tried.iter().filter_map(listed(true))).collect()
    }

    /// Addresses of a network: those that nobody was reached at, and those that somebody was.
    pub fn counts(&self) -> BTreeMap<HostNetwork, (usize, usize)> {
        let mut counts: BTreeMap<HostNetwork, (usize, usize)> = BTreeMap::new();
        for entry in self.entries.values() {
            let Some(network) = entry.node.address.host.network() else { continue };
            let (new, tried) = counts.entry(network).or_default();
            let count = if entry.tried { tried } else { new };
            *count = count.saturating_add(1);
        }
        counts
    }
}

#[cfg(test)]
mod tests;
