use bitcoin::Network;
use proptest::prelude::*;

use super::*;
use crate::stratum::fixtures::{ADDRESS, EASY, HARD, NOW, SHARE, job, raw};
use crate::stratum::job::JobMaker;

/// Everything that a share is judged by; a test changes one thing.
#[derive(Clone)]
struct Case {
    subscribed: bool,
    worker: Option<Worker>,
    issued: Option<IssuedJob>,
    current_prev: Option<BlockHash>,
    version_mask: u32,
    seen: SeenShares,
    now: UnixMillis,
    submission: Submission,
}

fn case(bits: u32) -> Case {
    let worker = Worker::parse(&format!("{ADDRESS}.rig"), Network::Regtest).unwrap();
    let job = job(&JobMaker::new(1), 1, bits);
    let submission = Submission {
        user: worker.user.clone(),
        job: Some(1),
        extranonce2: vec![0; 8],
        ntime: 1_700_000_000,
        nonce: 0,
        version_bits: None,
    };
    Case {
        subscribed: true,
        worker: Some(worker),
        current_prev: Some(job.prev()),
        issued: Some(IssuedJob { job, difficulty: SHARE }),
        version_mask: 0x1fff_e000,
        seen: SeenShares::default(),
        now: NOW,
        submission,
    }
}

impl Case {
    fn verdict(&self) -> Verdict {
        let context = ShareContext {
            subscribed: self.subscribed,
            worker: self.worker.as_ref(),
            issued: self.issued.as_ref(),
            current_prev: self.current_prev,
            extranonce1: [1, 2, 3, 4],
            version_mask: self.version_mask,
            seen: &self.seen,
            now: self.now,
        };
        check_share(&self.submission, &context)
    }

    /// With the first nonce that makes the share a block, or not one.
    fn solved(mut self, is_block: bool) -> Case {
        while self.verdict().block.is_some() != is_block {
            self.submission.nonce += 1;
        }
        self
    }
}

fn check(change: impl FnOnce(&mut Case), expected: ShareError) {
    let mut case = case(HARD);
    assert!(case.verdict().share.is_ok());
    change(&mut case);
    assert_eq!(case.verdict().share.unwrap_err(), expected);
}

#[test]
fn each_rule_refuses_what_breaks_it() {
    check(|c| c.subscribed = false, ShareError::NotSubscribed);
    check(|c| c.worker = None, ShareError::UnauthorizedWorker);
    check(|c| c.issued = None, ShareError::JobNotFound);
    check(|c| c.submission.extranonce2 = vec![0; 7], ShareError::Extranonce2Length);
    check(|c| c.submission.extranonce2 = vec![0; 9], ShareError::Extranonce2Length);
    check(|c| c.current_prev = None, ShareError::Stale);
    check(|c| c.submission.ntime = 1_699_998_999, ShareError::TimeTooOld);
    check(|c| c.submission.ntime = 1_700_007_201, ShareError::TimeTooNew);
    check(|c| c.now = UnixMillis::from_seconds(1_699_992_799), ShareError::TimeTooNew);
    check(|c| c.submission.version_bits = Some(1), ShareError::VersionBits);
    check(|c| (c.version_mask, c.submission.version_bits) = (0, Some(0x2000)), ShareError::VersionBits);
    check(|c| c.issued.as_mut().unwrap().difficulty = Difficulty::MAX, ShareError::LowDifficulty);
    check(
        |c| {
            let accepted = c.verdict().share.unwrap();
            c.seen.insert(accepted.prev, accepted.hash).unwrap();
        },
        ShareError::Duplicate,
    );
}

#[test]
fn the_edges_of_the_times_are_within() {
    for ntime in [1_699_999_000, 1_700_007_200] {
        let mut case = case(HARD);
        case.submission.ntime = ntime;
        assert!(case.verdict().share.is_ok(), "{ntime}");
    }
}

#[test]
fn the_first_broken_rule_names_the_refusal() {
    // Each step mends the first rule that is still broken.
    let whole = case(HARD);
    let mut broken = Case {
        subscribed: false,
        worker: None,
        issued: None,
        current_prev: None,
        submission: Submission {
            extranonce2: vec![],
            ntime: 0,
            version_bits: Some(1),
            ..whole.submission.clone()
        },
        ..whole.clone()
    };
    let mut refusals = vec![broken.verdict().share.unwrap_err()];
    let mends: [fn(&mut Case, &Case); 6] = [
        |b, _| b.subscribed = true,
        |b, w| b.worker = w.worker.clone(),
        |b, w| b.issued = w.issued.clone(),
        |b, w| b.submission.extranonce2 = w.submission.extranonce2.clone(),
        |b, w| b.current_prev = w.current_prev,
        |b, w| b.submission.ntime = w.submission.ntime,
    ];
    for mend in mends {
        mend(&mut broken, &whole);
        refusals.push(broken.verdict().share.unwrap_err());
    }
    use ShareError::*;
    let order =
        [NotSubscribed, UnauthorizedWorker, JobNotFound, Extranonce2Length, Stale, TimeTooOld, VersionBits];
    assert_eq!(refusals, order);
}

#[test]
fn codes_are_those_that_miners_know() {
    use ShareError::*;
    let codes = [
        (NotSubscribed, 25),
        (UnauthorizedWorker, 24),
        (JobNotFound, 21),
        (Extranonce2Length, 20),
        (Stale, 21),
        (TimeTooOld, 20),
        (TimeTooNew, 20),
        (VersionBits, 20),
        (LowDifficulty, 23),
        (Duplicate, 22),
    ];
    for (error, code) in codes {
        assert_eq!(error.code(), code, "{error}");
    }
}

#[test]
fn a_block_is_reported_whatever_the_share_is_worth() {
    let solved = case(EASY).solved(true);
    let refused = |change: fn(&mut Case), error: ShareError| {
        let mut case = solved.clone();
        change(&mut case);
        // Another header may be no block: then another nonce is.
        let verdict = case.solved(true).verdict();
        assert_eq!(verdict.share.unwrap_err(), error);
        assert!(verdict.block.is_some());
    };
    assert!(solved.verdict().share.is_ok());
    refused(|c| c.worker = None, ShareError::UnauthorizedWorker);
    refused(|c| c.current_prev = None, ShareError::Stale);
    refused(|c| c.submission.ntime = 0, ShareError::TimeTooOld);
    refused(|c| c.submission.version_bits = Some(1), ShareError::VersionBits);
    refused(|c| c.issued.as_mut().unwrap().difficulty = Difficulty::MAX, ShareError::LowDifficulty);
    refused(
        |c| {
            let share = c.verdict().share.unwrap();
            c.seen.insert(share.prev, share.hash).unwrap();
        },
        ShareError::Duplicate,
    );
    assert!(case(EASY).solved(false).verdict().share.is_ok());
}

#[test]
fn a_block_candidate_is_the_block_that_was_hashed() {
    let verdict = case(EASY).solved(true).verdict();
    let candidate = verdict.block.unwrap();
    let block = candidate.job.block(&candidate.solution).unwrap();
    assert_eq!(block.hash(), candidate.hash);
    assert!(candidate.job.template().target.is_met_by(block.hash()));
}

#[test]
fn what_the_job_asked_for_is_credited_and_not_what_was_hit() {
    let mut case = case(HARD);
    case.issued.as_mut().unwrap().difficulty = raw(2);
    while case.verdict().share.is_err() {
        case.submission.nonce += 1;
    }
    assert_eq!(case.verdict().share.unwrap().difficulty, raw(2));
}

#[test]
fn a_refused_share_can_still_be_accepted_later() {
    // Nothing is remembered before every check has passed.
    let mut case = case(HARD);
    case.issued.as_mut().unwrap().difficulty = Difficulty::MAX;
    assert_eq!(case.verdict().share.unwrap_err(), ShareError::LowDifficulty);
    case.issued.as_mut().unwrap().difficulty = SHARE;
    assert!(case.verdict().share.is_ok());
}

#[test]
fn seen_shares_are_bounded_and_never_forgotten_while_they_can_come() {
    use bitcoin::hashes::Hash;
    let hash = |n: u64| {
        let mut bytes = [0u8; 32];
        bytes[..8].copy_from_slice(&n.to_le_bytes());
        BlockHash::from_byte_array(bytes)
    };
    let mut seen = SeenShares::default();
    assert!(seen.is_empty());
    for n in 0..SEEN_MAX as u64 {
        seen.insert(hash(n % 2), hash(n)).unwrap();
    }
    assert_eq!(seen.insert(hash(0), hash(u64::MAX)).unwrap_err(), SeenFull);
    assert!(seen.contains(&hash(0), &hash(0)) && !seen.contains(&hash(1), &hash(0)));
    seen.keep_parents(|prev| *prev == hash(1));
    assert_eq!(seen.len(), SEEN_MAX / 2);
    assert!(!seen.contains(&hash(0), &hash(0)) && seen.contains(&hash(1), &hash(1)));
}

proptest! {
    /// A share below its job's difficulty is never credited, and one that is, is credited exactly that.
    #[test]
    fn credit_follows_the_jobs_target(steps in 1u64..64, nonce in any::<u32>()) {
        let mut case = case(HARD);
        case.issued.as_mut().unwrap().difficulty = raw(steps);
        case.submission.nonce = nonce;
        let hash = {
            let mut free = case.clone();
            free.issued.as_mut().unwrap().difficulty = SHARE;
            free.verdict().share.map(|a| a.hash)
        };
        match (case.verdict().share, hash) {
            (Ok(accepted), _) => {
                prop_assert_eq!(accepted.difficulty, raw(steps));
                prop_assert!(raw(steps).to_target().is_met_by(accepted.hash));
            }
            (Err(error), Ok(hash)) => {
                prop_assert_eq!(error, ShareError::LowDifficulty);
                prop_assert!(!raw(steps).to_target().is_met_by(hash));
            }
            (Err(error), Err(_)) => prop_assert_eq!(error, ShareError::LowDifficulty),
        }
    }
}
