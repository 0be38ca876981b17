//! The checks of a share, in their order.
//!
//! Owns: when a share counts, the rule that a refused one broke, and whether it is a block. Must not know: what is owed
//! for it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bitcoin::BlockHash;
use thiserror::Error;

use super::codec::Submission;
use super::job::{EXTRANONCE1_BYTES, Job, Solution};
use super::worker::Worker;
use crate::units::{Difficulty, UnixMillis};

/// A share's time may be this far beyond its job's: two hours, as SRI and DATUM have it; no firmware rolls further.
pub const NTIME_BEYOND_JOB_S_MAX: u32 = 7200;
/// A share's time may be this far beyond ours: what the nodes bear of a block.
pub const NTIME_BEYOND_NOW_S_MAX: u64 = 7200;
/// Shares that a session remembers over all parents: 32 bytes each, so 4 MiB. At the default rate of 20 a minute that is four
/// days without a block. Nothing is forgotten to make room (a forgotten share could be sold twice): the session ends.
pub const SEEN_MAX: usize = 131_072;

/// A job as one session was given it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedJob {
    /// The work.
    pub job: Arc<Job>,
    /// What its shares are judged by, and credited with: the difficulty it was sent with, or a lower one that was sent
    /// since, as many miners apply that at once.
    pub difficulty: Difficulty,
}

/// What a share is judged against.
#[derive(Clone, Copy, Debug)]
pub struct ShareContext<'a> {
    /// Whether the session subscribed.
    pub subscribed: bool,
    /// The worker of that name, if it was authorised.
    pub worker: Option<&'a Worker>,
    /// The job of that number, if the session still knows it.
    pub issued: Option<&'a IssuedJob>,
    /// The parent of the newest job.
    pub current_prev: Option<BlockHash>,
    /// The session's.
    pub extranonce1: [u8; EXTRANONCE1_BYTES],
    /// The version bits that may be rolled.
    pub version_mask: u32,
    /// The shares that were accepted.
    pub seen: &'a SeenShares,
    /// When it came.
    pub now: UnixMillis,
}

/// A share that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its header's hash.
    pub hash: BlockHash,
    /// Its parent.
    pub prev: BlockHash,
    /// Whose it is.
    pub worker: Worker,
    /// What is credited.
    pub difficulty: Difficulty,
}

/// A share that is a block. It goes out whatever the share's verdict is: the rules of blocks are the chain's to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The work that it solves.
    pub job: Arc<Job>,
    /// How.
    pub solution: Solution,
    /// Its hash.
    pub hash: BlockHash,
}

/// What came of a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it counts.
    pub share: Result<Accepted, ShareError>,
    /// Whether it is a block.
    pub block: Option<Candidate>,
}

/// Why a share is refused, in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ShareError {
    /// Nothing was subscribed to yet.
    #[error("not subscribed")]
    NotSubscribed,
    /// The worker was not authorised on this connection.
    #[error("unauthorized worker")]
    UnauthorizedWorker,
    /// No such job was given, or so long ago that it is forgotten.
    #[error("job not found")]
    JobNotFound,
    /// Its extranonce2 does not have the 8 bytes that the subscription said.
    #[error("extranonce2 must have 8 bytes")]
    Extranonce2Length,
    /// The job's parent is no longer the tip.
    #[error("stale")]
    Stale,
    /// Its time is before the earliest that the block may carry.
    #[error("ntime too old")]
    TimeTooOld,
    /// Its time is too far beyond its job's, or beyond now.
    #[error("ntime too new")]
    TimeTooNew,
    /// It rolled version bits outside the mask.
    #[error("version bits outside the mask")]
    VersionBits,
    /// Its hash is above the target.
    #[error("low difficulty")]
    LowDifficulty,
    /// It was accepted before.
    #[error("duplicate share")]
    Duplicate,
}

impl ShareError {
    /// The code on the wire.
    pub const fn code(self) -> u8 {
        match self {
            ShareError::NotSubscribed => 25,
            ShareError::UnauthorizedWorker => 24,
            ShareError::JobNotFound | ShareError::Stale => 21,
            ShareError::LowDifficulty => 23,
            ShareError::Duplicate => 22,
            ShareError::Extranonce2Length
            | ShareError::TimeTooOld
            | ShareError::TimeTooNew
            | ShareError::VersionBits => 20,
        }
    }
}

/// Judges one share. The caller remembers an accepted one.
pub fn check_share(submission: &Submission, context: &ShareContext<'_>) -> Verdict {
    let refused = |error| Verdict { share: Err(error), block: None };
    if !context.subscribed {
        return refused(ShareError::NotSubscribed);
    }
    // Hashed before the rest of the ladder: a block is a block, even where its share is refused, as a name that nobody
    // authorised is.
    let solved = solve(submission, context);
    let block = solved.as_ref().ok().and_then(Solved::block);
    let share = match (context.worker, solved) {
        (None, _) => Err(ShareError::UnauthorizedWorker),
        (_, Err(error)) => Err(error),
        (Some(worker), Ok(s)) => rules(&s.solution, s.hash, s.issued, context).map(|()| Accepted {
            hash: s.hash,
            prev: s.issued.job.prev(),
            worker: worker.clone(),
            difficulty: s.issued.difficulty,
        }),
    };
    Verdict { share, block }
}

/// What a submission says of a job that the session knows.
struct Solved<'a> {
    issued: &'a IssuedJob,
    solution: Solution,
    hash: BlockHash,
}

impl Solved<'_> {
    fn block(&self) -> Option<Candidate> {
        let job = &self.issued.job;
        let is_block = job.template().target.is_met_by(self.hash);
        is_block.then(|| Candidate { job: Arc::clone(job), solution: self.solution, hash: self.hash })
    }
}

fn solve<'a>(submission: &Submission, context: &ShareContext<'a>) -> Result<Solved<'a>, ShareError> {
    let issued = context.issued.ok_or(ShareError::JobNotFound)?;
    let solution = Solution::new(submission, context.extranonce1, context.version_mask)
        .ok_or(ShareError::Extranonce2Length)?;
    Ok(Solved { issued, solution, hash: issued.job.header(&solution).block_hash() })
}

/// The rules that need the job.
fn rules(s: &Solution, hash: BlockHash, issued: &IssuedJob, c: &ShareContext<'_>) -> Result<(), ShareError> {
    let template = issued.job.template();
    if c.current_prev != Some(template.prev) {
        return Err(ShareError::Stale);
    }
    if s.ntime < template.time_min {
        return Err(ShareError::TimeTooOld);
    }
    if s.ntime > template.time.saturating_add(NTIME_BEYOND_JOB_S_MAX)
        || u64::from(s.ntime) > c.now.to_seconds_floor().saturating_add(NTIME_BEYOND_NOW_S_MAX)
    {
        return Err(ShareError::TimeTooNew);
    }
    if s.version_bits.is_some_and(|bits| bits & !c.version_mask != 0) {
        return Err(ShareError::VersionBits);
    }
    if !issued.difficulty.to_target().is_met_by(hash) {
        return Err(ShareError::LowDifficulty);
    }
    if c.seen.contains(&template.prev, &hash) {
        return Err(ShareError::Duplicate);
    }
    Ok(())
}

/// The accepted shares, by their headers' hashes: whatever spelling a field came in, it is the same share.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SeenShares {
    parents: HashMap<BlockHash, HashSet<BlockHash>>,
}

/// There is no room for another share; the session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("more than {SEEN_MAX} shares without a new block")]
pub struct SeenFull;

impl SeenShares {
    /// Whether the share was accepted before.
    pub fn contains(&self, prev: &BlockHash, hash: &BlockHash) -> bool {
        self.parents.get(prev).is_some_and(|hashes| hashes.contains(hash))
    }

    /// Remembers an accepted share.
    pub fn insert(&mut self, prev: BlockHash, hash: BlockHash) -> Result<(), SeenFull> {
        if self.len() >= SEEN_MAX {
            return Err(SeenFull);
        }
        self.parents.entry(prev).or_default().insert(hash);
        Ok(())
    }

    /// Forgets the shares of parents that no job is known of: none of them can come again.
    pub fn keep_parents(&mut self, known: impl Fn(&BlockHash) -> bool) {
        self.parents.retain(|prev, _| known(prev));
    }

    /// Shares that are remembered.
    pub fn len(&self) -> usize {
        self.parents.values().map(HashSet::len).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
#[path = "share/tests.rs"]
mod tests;
