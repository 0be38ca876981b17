//! The order in which transactions that hang together are mined, and which of them pay for each other.
//!
//! Owns: nothing but numbers: members are known by their places, parents before children. Must not know: what a member is.

use super::closure::{Part, part};
use super::feerate::FeeRate;
use super::limits::{BETTER_PARTS_MAX, CLUSTER_TXS_MAX};

/// A member: what it pays, and which members it spends, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub rate: FeeRate,
    pub parents: u64,
}

/// Members that are mined together, since the later ones pay for the earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Their places, parents before children.
    pub members: Vec<usize>,
    /// What they pay together.
    pub rate: FeeRate,
}

/// A set of members, a bit each; there are never more than 64.
pub(super) type Set = u64;

const _: () = assert!(CLUSTER_TXS_MAX == 64);

pub(super) fn bit(place: usize) -> Set {
    u32::try_from(place).ok().and_then(|place| 1u64.checked_shl(place)).unwrap_or(0)
}

fn places(set: Set, count: usize) -> impl Iterator<Item = usize> {
    (0..count).filter(move |place| set & bit(*place) != 0)
}

/// The chunks of a cluster, the best first; each pays no more than the one before it. And whether there is no better order: then no part of any
/// chunk pays more than the whole of it.
pub(super) fn chunks(members: &[Member]) -> (Vec<Chunk>, bool) {
    let ancestors = ancestors(members);
    let mut chunks = in_chunks(members, improved(members, &ancestors, &greedy(members, &ancestors)));
    for _ in 0..BETTER_PARTS_MAX {
        match first_better(members, &ancestors, &chunks) {
            Ok(is_best) => return (chunks, is_best),
            Err((at, better)) => chunks = in_chunks(members, with_part_first(&chunks, at, better)),
        }
    }
    (chunks, false)
}

/// The first chunk of which a part pays more, and that part; where there is none, whether that is known for all.
fn first_better(members: &[Member], ancestors: &[Set], chunks: &[Chunk]) -> Result<bool, (usize, Set)> {
    let mut is_best = true;
    for (at, chunk) in chunks.iter().enumerate() {
        let set = chunk.members.iter().fold(0, |set, place| set | bit(*place));
        match part(members, ancestors, set, chunk.rate) {
            Part::Whole => {}
            Part::Unknown => is_best = false,
            Part::Better(better) => return Err((at, better)),
        }
    }
    Ok(is_best)
}

/// The order in which a part of a chunk stands before its rest.
fn with_part_first(chunks: &[Chunk], at: usize, better: Set) -> Vec<usize> {
    let mut order = Vec::new();
    for (place, chunk) in chunks.iter().enumerate() {
        let is_first = |member: &&usize| place != at || better & bit(**member) != 0;
        order.extend(chunk.members.iter().filter(is_first));
        order.extend(chunk.members.iter().filter(|member| !is_first(member)));
    }
    order
}

/// Members in their order as chunks.
fn in_chunks(members: &[Member], order: Vec<usize>) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for place in order {
        let rate = members.get(place).map(|member| member.rate).unwrap_or_default();
        chunks.push(Chunk { members: vec![place], rate });
        merge_last(&mut chunks);
    }
    chunks
}

/// As long as the last chunk pays more than the one before it, both are one.
fn merge_last(chunks: &mut Vec<Chunk>) {
    while let [.., before, last] = chunks.as_mut_slice()
        && last.rate.compare(before.rate).is_gt()
    {
        before.rate = before.rate.with(last.rate);
        before.members.append(&mut last.members);
        chunks.pop();
    }
}

/// Each member and all that it is built on.
fn ancestors(members: &[Member]) -> Vec<Set> {
    let mut sets: Vec<Set> = Vec::with_capacity(members.len());
    for (place, member) in members.iter().enumerate() {
        let above = sets.iter().enumerate().filter(|(parent, _)| member.parents & bit(*parent) != 0);
        let set = above.fold(bit(place), |all, (_, set)| all | set);
        sets.push(set);
    }
    sets
}

fn rate_of(members: &[Member], set: Set) -> FeeRate {
    let rates = places(set, members.len()).filter_map(|place| members.get(place));
    rates.fold(FeeRate::default(), |sum, member| sum.with(member.rate))
}

/// Takes the member that pays best together with its ancestors that are left, and those before it; then again.
fn greedy(members: &[Member], ancestors: &[Set]) -> Vec<usize> {
    let mut left = places(Set::MAX, members.len()).fold(0, |all, place| all | bit(place));
    let mut rates: Vec<FeeRate> = ancestors.iter().map(|set| rate_of(members, *set)).collect();
    let mut order = Vec::with_capacity(members.len());
    while left != 0 {
        let open = places(left, members.len())
            .filter_map(|place| Some((*ancestors.get(place)?, *rates.get(place)?)));
        // Of equal ones the first.
        let best = open.reduce(|best, next| if next.1.compare(best.1).is_gt() { next } else { best });
        let Some((set, _)) = best else { break };
        let taken = set & left;
        order.extend(places(taken, members.len()));
        left &= !taken;
        for (rate, set) in rates.iter_mut().zip(ancestors) {
            if set & taken != 0 && set & left != 0 {
                *rate = rate_of(members, set & left);
            }
        }
    }
    order
}

/// A group of members on the way to their place.
struct Group {
    set: Set,
    /// They and all that they are built on.
    ancestors: Set,
    members: Vec<usize>,
    rate: FeeRate,
}

/// An order that is no worse: each member moves forward past what pays less, or takes with it what it is built on.
fn improved(members: &[Member], ancestors: &[Set], order: &[usize]) -> Vec<usize> {
    let mut groups: Vec<Group> = Vec::new();
    for place in order {
        let (Some(member), Some(set)) = (members.get(*place), ancestors.get(*place)) else { continue };
        let mut group = Group { set: bit(*place), ancestors: *set, members: vec![*place], rate: member.rate };
        let mut passed = Vec::new();
        while let Some(mut before) = groups.pop_if(|before| group.rate.compare(before.rate).is_gt()) {
            if group.ancestors & before.set == 0 {
                passed.push(before);
                continue;
            }
            before.members.append(&mut group.members);
            group = Group {
                set: group.set | before.set,
                ancestors: group.ancestors | before.ancestors,
                members: before.members,
                rate: group.rate.with(before.rate),
            };
        }
        groups.push(group);
        groups.extend(passed.into_iter().rev());
    }
    groups.into_iter().flat_map(|group| group.members).collect()
}

#[cfg(test)]
#[path = "cluster/tests.rs"]
mod tests;
