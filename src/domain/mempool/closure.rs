//! Whether a chunk is best mined as a whole, or some of its members alone pay more.
//!
//! Owns: nothing but numbers. What pays more than the chunk on average has something to give, what pays less takes; members give to those that
//! they are built on. Who cannot give all away is better off without the rest: this is the problem of a closure of greatest weight, solved by
//! a greatest flow from those that give to those that take.

use super::cluster::{Member, Set, bit};
use super::feerate::FeeRate;
use super::limits::CLOSURE_STEPS_MAX;

/// What is known of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// No part of it pays more than the whole.
    Whole,
    /// These pay more, and what they are built on is among them.
    Better(Set),
    /// It took too long to find out.
    Unknown,
}

/// The members of a set, the lowest first.
fn ones(mut set: Set) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = usize::try_from(set.trailing_zeros()).ok().filter(|_| set != 0)?;
        set &= set.wrapping_sub(1);
        Some(place)
    })
}

/// How much goes from whom to whom.
struct Flow<'a> {
    /// Each member and all that it is built on.
    ancestors: &'a [Set],
    /// What each member has still to give, or may still take; never below zero.
    left: Vec<i128>,
    takers: Set,
    /// What a giver has given to a taker, a row a taker, made when it takes the first time.
    given: Vec<Vec<i128>>,
    /// Who has given to a taker.
    givers_of: Vec<Set>,
}

/// How givers and takers were reached.
struct Reach {
    givers: Set,
    /// The taker by which a giver was reached, and the giver by which a taker was.
    by_taker: Vec<Option<usize>>,
    by_giver: Vec<Option<usize>>,
    /// A taker that may take more.
    open: Option<usize>,
}

/// Whether a part of `chunk`, which pays `rate`, pays more than the whole of it.
pub(super) fn part(members: &[Member], ancestors: &[Set], chunk: Set, rate: FeeRate) -> Part {
    if chunk.count_ones() <= 2 {
        return of_two(members, ancestors, chunk, rate);
    }
    let Some(mut flow) = Flow::of(members, ancestors, chunk, rate) else { return Part::Unknown };
    for _ in 0..CLOSURE_STEPS_MAX {
        let reach = flow.reach(chunk);
        match reach.open {
            Some(taker) => flow.push(&reach, taker),
            None if reach.givers == 0 => return Part::Whole,
            None => {
                let of = |giver: usize| ancestors.get(giver).copied().unwrap_or(0);
                return Part::Better(ones(reach.givers).fold(0, |all, giver| all | of(giver)) & chunk);
            }
        }
    }
    Part::Unknown
}

/// Of one or two: whether one that is built on nothing of it pays more.
fn of_two(members: &[Member], ancestors: &[Set], chunk: Set, rate: FeeRate) -> Part {
    let stands = |place: &usize| ancestors.get(*place).is_some_and(|set| set & chunk == bit(*place));
    let pays = |place: &usize| members.get(*place).is_some_and(|member| member.rate.compare(rate).is_gt());
    ones(chunk).filter(stands).find(pays).map_or(Part::Whole, |place| Part::Better(bit(place)))
}

impl<'a> Flow<'a> {
    /// Nobody has given yet. None where numbers are too large, which no fee and no size is.
    fn of(members: &[Member], ancestors: &'a [Set], chunk: Set, rate: FeeRate) -> Option<Flow<'a>> {
        let count = members.len();
        let (mut left, mut takers) = (vec![0; count], 0);
        for place in ones(chunk) {
            let own = members.get(place)?.rate;
            let paid = i128::from(own.fee_sat).checked_mul(i128::from(rate.size))?;
            let share = i128::from(rate.fee_sat).checked_mul(i128::from(own.size))?;
            let gain = paid.checked_sub(share)?;
            if gain < 0 {
                takers |= bit(place);
            }
            *left.get_mut(place)? = gain.checked_abs()?;
        }
        let (given, givers_of) = (vec![Vec::new(); count], vec![0; count]);
        Some(Flow { ancestors, left, takers, given, givers_of })
    }

    fn left(&self, place: usize) -> i128 {
        self.left.get(place).copied().unwrap_or(0)
    }

    fn given(&self, giver: usize, taker: usize) -> i128 {
        self.given.get(taker).and_then(|row| row.get(giver)).copied().unwrap_or(0)
    }

    /// All that can be reached from those that have something left: from a giver those that it is built on and that take, from a taker those
    /// that have given to it. Ends at the first that may take more.
    fn reach(&self, chunk: Set) -> Reach {
        let count = self.left.len();
        let start = ones(chunk & !self.takers).filter(|giver| self.left(*giver) > 0);
        let givers = start.fold(0, |all, giver| all | bit(giver));
        let mut reach =
            Reach { givers, by_taker: vec![None; count], by_giver: vec![None; count], open: None };
        let (mut seen, mut queue) = (0, givers);
        while queue != 0 {
            let mut next = 0;
            for giver in ones(queue) {
                let below = self.ancestors.get(giver).copied().unwrap_or(0);
                for taker in ones(below & self.takers & !seen) {
                    seen |= bit(taker);
                    if let Some(by) = reach.by_giver.get_mut(taker) {
                        *by = Some(giver);
                    }
                    if self.left(taker) > 0 {
                        reach.open = Some(taker);
                        return reach;
                    }
                    let back = self.givers_of.get(taker).copied().unwrap_or(0) & !reach.givers;
                    for other in ones(back) {
                        if let Some(by) = reach.by_taker.get_mut(other) {
                            *by = Some(taker);
                        }
                    }
                    reach.givers |= back;
                    next |= back;
                }
            }
            queue = next;
        }
        reach
    }

    /// Gives on the way to a taker as much as fits: each giver on it gives more to the one and takes back from the other.
    fn push(&mut self, reach: &Reach, taker: usize) {
        let way = reach.way(taker);
        let Some((first, _)) = way.last() else { return };
        let mut amount = self.left(taker).min(self.left(*first));
        for (giver, _) in &way {
            if let Some(from) = reach.by_taker.get(*giver).copied().flatten() {
                amount = amount.min(self.given(*giver, from));
            }
        }
        for place in [taker, *first] {
            if let Some(left) = self.left.get_mut(place) {
                *left = left.saturating_sub(amount);
            }
        }
        for (giver, to) in &way {
            self.give(*giver, *to, amount);
            if let Some(from) = reach.by_taker.get(*giver).copied().flatten() {
                self.give(*giver, from, amount.saturating_neg());
            }
        }
    }

    fn give(&mut self, giver: usize, taker: usize, amount: i128) {
        let count = self.left.len();
        let row = self.given.get_mut(taker).and_then(|row| {
            row.resize(count, 0);
            row.get_mut(giver)
        });
        let (Some(given), Some(givers)) = (row, self.givers_of.get_mut(taker)) else { return };
        *given = given.saturating_add(amount);
        *givers = if *given > 0 { *givers | bit(giver) } else { *givers & !bit(giver) };
    }
}

impl Reach {
    /// The way back from a taker to who has something left: givers, each with the taker that it gives to.
    fn way(&self, taker: usize) -> Vec<(usize, usize)> {
        let mut way = Vec::new();
        let mut at = Some(taker);
        while let Some(taker) = at {
            let Some(giver) = self.by_giver.get(taker).copied().flatten() else { break };
            way.push((giver, taker));
            at = self.by_taker.get(giver).copied().flatten();
        }
        way
    }
}

#[cfg(test)]
#[path = "closure/tests.rs"]
mod tests;
