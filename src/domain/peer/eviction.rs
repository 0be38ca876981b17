//! Which of those that connected to us makes room for another one.
//!
//! As in Core: some are kept for each of several merits that an attacker can hardly have all of, and of the rest the youngest goes of the group
//! of addresses with the most connections.

use std::collections::BTreeMap;

use super::address::{Host, HostNetwork};
use super::downloads::PeerId;
use super::{Permissions, types::PeerInfo};
use crate::units::UnixMillis;

/// Kept for where they come from: nobody knows which groups these are.
const BY_GROUP: usize = 4;
/// Kept for answering fast: nobody is nearer than he is.
const BY_PING: usize = 8;
/// Kept for the last new transactions.
const BY_TX: usize = 4;
/// Kept for the last new blocks: of those that relay blocks alone, and of all.
const BY_BLOCK_ALONE: usize = 8;
const BY_BLOCK: usize = 4;

/// One that may have to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its number.
    pub id: PeerId,
    /// The group of its address, under a key that nobody else knows.
    pub group: u64,
    /// Whether it comes from this machine, or over a network where all seem far: it is slow by no fault of its own.
    pub is_disadvantaged: bool,
    /// Its shortest ping.
    pub ping_min_ms: Option<u64>,
    /// When it last sent a transaction that was new.
    pub last_tx_at: UnixMillis,
    /// When it last sent a block that was new.
    pub last_block_at: UnixMillis,
    /// Whether it relays transactions.
    pub relays_txs: bool,
    /// Since when it has been here.
    pub connected_at: UnixMillis,
}

impl Candidate {
    /// A connection as a candidate; none where it may not be thrown out.
    pub fn of(info: &PeerInfo, host: Option<Host>, keyed: impl Fn(&[u8]) -> u64) -> Option<Candidate> {
        if !info.inbound || info.permissions.has(Permissions::NO_BAN) {
            return None;
        }
        let network = host.and_then(|host| host.network());
        Some(Candidate {
            id: info.id,
            group: keyed(&host.map(|host| host.group()).unwrap_or_default()),
            is_disadvantaged: !matches!(network, Some(HostNetwork::Ipv4 | HostNetwork::Ipv6)),
            ping_min_ms: info.ping_min_ms,
            last_tx_at: info.last_tx_at,
            last_block_at: info.last_block_at,
            relays_txs: info.relays_txs,
            connected_at: info.connected_at,
        })
    }
}

/// Takes those off that come first, `most` at most of those that `may` be kept.
fn keep<K: Ord>(
    candidates: &mut Vec<Candidate>,
    most: usize,
    may: impl Fn(&Candidate) -> bool,
    key: impl Fn(&Candidate) -> K,
) {
    candidates.sort_by_key(key);
    let mut left = most;
    candidates.retain(|candidate| {
        let kept = left > 0 && may(candidate);
        left = left.saturating_sub(usize::from(kept));
        !kept
    });
}

/// The one that goes; none where all have merits.
pub fn choose_evicted(mut candidates: Vec<Candidate>) -> Option<PeerId> {
    let all = &mut candidates;
    let latest = |at: UnixMillis| std::cmp::Reverse(at);
    keep(all, BY_GROUP, |_| true, |c| std::cmp::Reverse(c.group));
    keep(all, BY_PING, |_| true, |c| (c.ping_min_ms.unwrap_or(u64::MAX), c.connected_at));
    keep(all, BY_TX, |_| true, |c| (latest(c.last_tx_at), !c.relays_txs, c.connected_at));
    keep(all, BY_BLOCK_ALONE, |c| !c.relays_txs, |c| (latest(c.last_block_at), c.connected_at));
    keep(all, BY_BLOCK, |_| true, |c| (latest(c.last_block_at), c.connected_at));
    // Half of the rest for having been here for long; of these again half may be ones that other merits hardly reach.
    let half = all.len() / 2;
    let before = all.len();
    keep(all, half / 2, |c| c.is_disadvantaged, |c| c.connected_at);
    let kept = before.saturating_sub(all.len());
    keep(all, half.saturating_sub(kept), |_| true, |c| c.connected_at);
    let mut groups: BTreeMap<u64, Vec<Candidate>> = BTreeMap::new();
    all.iter().for_each(|c| groups.entry(c.group).or_default().push(*c));
    let youngest = |group: &Vec<Candidate>| group.iter().map(|c| (c.connected_at, c.id)).max();
    let largest = groups.values().max_by_key(|group| (group.len(), youngest(group)))?;
    youngest(largest).map(|(_, id)| id)
}

#[cfg(test)]
#[path = "eviction/tests.rs"]
mod tests;
