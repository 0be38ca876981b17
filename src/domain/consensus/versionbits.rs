//! What becomes of a vote (BIP-0009): its state by period, its figures, the version of the next block.
//!
//! A block's state follows from the blocks below it, and all blocks of a period share one. So what is remembered is the
//! state after a period, under the hash of the period's last block: it holds on every branch.

use std::collections::HashMap;

use bitcoin::BlockHash;
use bitcoin::block::Version;

use super::deployment::{Deployment, Start, version_with};
use super::{HeaderView, Params, ViewFault};
use crate::units::Height;

/// How far a vote is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeploymentState {
    /// It has not begun.
    Defined,
    /// Votes count.
    Started,
    /// The vote is won; the rule begins after a period, and not below its least height.
    LockedIn,
    /// The rule applies, for ever.
    Active,
    /// The vote is lost, for ever.
    Failed,
}

impl DeploymentState {
    /// As Core names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            DeploymentState::Defined => "defined",
            DeploymentState::Started => "started",
            DeploymentState::LockedIn => "locked_in",
            DeploymentState::Active => "active",
            DeploymentState::Failed => "failed",
        }
    }

    /// Whether blocks show the bit: while votes count, and while the rule is about to begin.
    const fn is_signalling(self) -> bool {
        matches!(self, DeploymentState::Started | DeploymentState::LockedIn)
    }
}

/// States that were found before, by deployment and by the last block of a period. It saves work and decides nothing.
#[derive(Clone, Debug, Default)]
pub struct StateCache(HashMap<(&'static str, BlockHash), DeploymentState>);

impl StateCache {
    /// Remembers what the states are after the view's tip, where a period ends there. One entry for each vote that has begun
    /// and each period of a branch.
    pub fn learn(&mut self, params: &Params, chain: &dyn HeaderView) -> Result<(), ViewFault> {
        let tip = chain.tip_height();
        for deployment in &params.deployments {
            let vote = Vote { deployment, chain, cache: self };
            let is_vote = matches!(deployment.start, Start::At(_));
            if !is_vote || vote.period_end(Some(tip)) != Some(tip) {
                continue;
            }
            let state = vote.state_after(Some(tip))?;
            if state != DeploymentState::Defined {
                self.0.insert((deployment.name, vote_hash(chain, tip)?), state);
            }
        }
        Ok(())
    }

    fn get(&self, deployment: &Deployment, period_end: BlockHash) -> Option<DeploymentState> {
        self.0.get(&(deployment.name, period_end)).copied()
    }
}

/// A vote on one chain.
#[derive(Clone, Copy)]
pub struct Vote<'a> {
    /// What is voted on.
    pub deployment: &'a Deployment,
    /// The chain.
    pub chain: &'a dyn HeaderView,
    /// What is known already.
    pub cache: &'a StateCache,
}

impl Vote<'_> {
    /// The state of the block that comes after `last` (none: of the first block), which is on the chain.
    pub fn state_after(&self, last: Option<Height>) -> Result<DeploymentState, ViewFault> {
        match self.deployment.start {
            Start::Always => Ok(DeploymentState::Active),
            Start::Never => Ok(DeploymentState::Failed),
            Start::At(start_s) => self.voted_after(last, start_s),
        }
    }

    /// Back, period by period, to one of which the state is known, and forward again.
    fn voted_after(&self, last: Option<Height>, start_s: i64) -> Result<DeploymentState, ViewFault> {
        let (mut state, mut unknown) = (DeploymentState::Defined, Vec::new());
        let mut at = self.period_end(last);
        while let Some(end) = at {
            if let Some(known) = self.cache.get(self.deployment, vote_hash(self.chain, end)?) {
                state = known;
                break;
            }
            // Median times past never fall: in all periods below it is defined too.
            if self.median_s(end)? < start_s {
                break;
            }
            unknown.push(end);
            at = end.checked_sub(self.deployment.period);
        }
        while let Some(end) = unknown.pop() {
            state = self.step(state, end)?;
        }
        Ok(state)
    }

    /// The state of the period after the one that ends at `end`, of which the state is `state`, where the vote has begun by
    /// then.
    fn step(&self, state: DeploymentState, end: Height) -> Result<DeploymentState, ViewFault> {
        let deployment = self.deployment;
        Ok(match state {
            DeploymentState::Defined => DeploymentState::Started,
            DeploymentState::Started if self.votes_up_to(end)? >= deployment.threshold => {
                DeploymentState::LockedIn
            }
            DeploymentState::Started if self.median_s(end)? >= deployment.timeout_s => {
                DeploymentState::Failed
            }
            DeploymentState::LockedIn if end.next() >= deployment.min_activation_height => {
                DeploymentState::Active
            }
            same => same,
        })
    }

    /// The height from which the state of the block after `last` has been that state without a break; the first block where
    /// it is defined, or nothing was voted on.
    pub fn since_after(&self, last: Option<Height>) -> Result<Height, ViewFault> {
        let state = self.state_after(last)?;
        let is_vote = matches!(self.deployment.start, Start::At(_));
        let Some(mut end) = self.period_end(last).filter(|_| is_vote) else { return Ok(Height::GENESIS) };
        if state == DeploymentState::Defined {
            return Ok(Height::GENESIS);
        }
        while let Some(before) = end.checked_sub(self.deployment.period) {
            if self.state_after(Some(before))? != state {
                break;
            }
            end = before;
        }
        Ok(end.next())
    }

    /// Which blocks voted, from the period's first up to `at`.
    pub fn votes_at(&self, at: Height) -> Result<Vec<bool>, ViewFault> {
        let into = at.to_u32().checked_rem(self.deployment.period).unwrap_or(0);
        (at.to_u32().saturating_sub(into)..=at.to_u32()).map(|height| self.is_vote(height)).collect()
    }

    fn votes_up_to(&self, end: Height) -> Result<u32, ViewFault> {
        Ok(count(&self.votes_at(end)?))
    }

    fn is_vote(&self, height: u32) -> Result<bool, ViewFault> {
        let height = Height::new(height);
        let header = self.chain.header_at(height).ok_or_else(|| ViewFault::header_missing(height))?;
        Ok(self.deployment.is_signalled_by(header.version))
    }

    /// The last block of the last period that is whole at `last`: what the state of the next block follows from.
    fn period_end(&self, last: Option<Height>) -> Option<Height> {
        let last = last?;
        last.checked_sub(last.next().to_u32().checked_rem(self.deployment.period)?)
    }

    fn median_s(&self, height: Height) -> Result<i64, ViewFault> {
        let median = self.chain.median_time_past_at(height);
        median.map(i64::from).ok_or_else(|| ViewFault::header_missing(height))
    }

    /// All that is to say of the vote at the chain's tip.
    pub fn report(&self) -> Result<VoteReport, ViewFault> {
        let tip = self.chain.tip_height();
        let (state, next) = (self.state_after(tip.parent())?, self.state_after(Some(tip))?);
        let since = self.since_after(tip.parent())?;
        let tally = if state.is_signalling() { Some(self.tally(state, tip)?) } else { None };
        let active_since = match (state, next) {
            (DeploymentState::Active, _) => Some(since),
            (_, DeploymentState::Active) => Some(tip.next()),
            _ => None,
        };
        Ok(VoteReport { deployment: self.deployment.clone(), state, next, since, tally, active_since })
    }

    fn tally(&self, state: DeploymentState, tip: Height) -> Result<Tally, ViewFault> {
        let votes = self.votes_at(tip)?;
        let (period, threshold) = (self.deployment.period, self.deployment.threshold);
        let (elapsed, count) = (u32::try_from(votes.len()).unwrap_or(u32::MAX), count(&votes));
        let possible = elapsed.saturating_sub(count) <= period.saturating_sub(threshold);
        let goal = (state == DeploymentState::Started).then_some(Goal { threshold, possible });
        Ok(Tally { period, elapsed, count, goal, votes })
    }
}

/// What is to say of a vote at a block, as Core's `getdeploymentinfo` says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoteReport {
    /// What is voted on.
    pub deployment: Deployment,
    /// The block's own state.
    pub state: DeploymentState,
    /// That of the block after it.
    pub next: DeploymentState,
    /// The height at which the block's state began.
    pub since: Height,
    /// The votes of its period so far; none where no blocks show the bit.
    pub tally: Option<Tally>,
    /// From when the rule applies, where that is known; it may be the next height.
    pub active_since: Option<Height>,
}

/// The votes of a period up to a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The period's blocks.
    pub period: u32,
    /// Those that there are.
    pub elapsed: u32,
    /// Those of them that vote.
    pub count: u32,
    /// What is aimed at; none where the vote is won.
    pub goal: Option<Goal>,
    /// Which ones vote, the period's first block first.
    pub votes: Vec<bool>,
}

/// What wins a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goal {
    /// Votes that are needed.
    pub threshold: u32,
    /// Whether they can still be reached in this period.
    pub possible: bool,
}

/// The version of the block after the chain's tip: bits are shown while their votes count, and while their rule is about to
/// begin (BIP-0009).
pub fn next_version(
    params: &Params,
    chain: &dyn HeaderView,
    cache: &StateCache,
) -> Result<Version, ViewFault> {
    let mut shown = Vec::new();
    for deployment in &params.deployments {
        let state = Vote { deployment, chain, cache }.state_after(Some(chain.tip_height()))?;
        shown.extend(state.is_signalling().then_some(deployment));
    }
    Ok(version_with(shown.into_iter()))
}

fn count(votes: &[bool]) -> u32 {
    u32::try_from(votes.iter().filter(|vote| **vote).count()).unwrap_or(u32::MAX)
}

fn vote_hash(chain: &dyn HeaderView, height: Height) -> Result<BlockHash, ViewFault> {
    chain.hash_at(height).ok_or_else(|| ViewFault::header_missing(height))
}

#[cfg(test)]
#[path = "versionbits/tests.rs"]
mod tests;
