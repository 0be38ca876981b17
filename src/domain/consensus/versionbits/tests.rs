use bitcoin::block::{Header, Version};

use super::{DeploymentState, Goal, StateCache, Tally, Vote, VoteReport, next_version};
use crate::consensus::deployment::{Deployment, Start};
use crate::consensus::fixtures::{Chain, Made, header};
use crate::consensus::{HeaderView, Params, ViewFault};
use crate::units::Height;

use DeploymentState::{Active, Defined, Failed, LockedIn, Started};

const VOTE: i32 = 0x2000_0002;
const NO_VOTE: i32 = 0x2000_0001;

/// Periods of ten blocks, seven votes. From block 10 on, a block's median time past is 100 s for each block above the fifth.
fn deployment() -> Deployment {
    Deployment {
        name: "one",
        bit: 1,
        start: Start::At(0),
        timeout_s: Deployment::NO_TIMEOUT,
        min_activation_height: Height::GENESIS,
        period: 10,
        threshold: 7,
    }
}

/// A chain with so many votes at the end of each period, none after the last of these.
fn chain(votes: &[u32], tip: u32) -> Chain {
    let version = |height: u32| {
        let votes = votes.get(height as usize / 10).copied().unwrap_or(0);
        Version::from_consensus(if 10 - height % 10 <= votes { VOTE } else { NO_VOTE })
    };
    let made = (0..=tip).map(|h| Header { version: version(h), nonce: h, ..header(h * 100, 0x207f_ffff) });
    Chain(made.collect())
}

fn states(deployment: &Deployment, chain: &dyn HeaderView, cache: &StateCache) -> Vec<DeploymentState> {
    let vote = Vote { deployment, chain, cache };
    let firsts = (0..=chain.tip_height().next().to_u32()).step_by(10);
    firsts.map(|first| vote.state_after(Height::new(first).parent()).unwrap()).collect()
}

/// The states of each period, the first one included, that of the block after the last period at the end.
fn check(deployment: &Deployment, votes: &[u32], expected: &[DeploymentState]) {
    let chain = chain(votes, expected.len() as u32 * 10 - 11);
    assert_eq!(states(deployment, &chain, &StateCache::default()), expected, "{deployment:?} {votes:?}");
    // All blocks of a period have one state.
    let (cache, vote) = (StateCache::default(), |cache| Vote { deployment, chain: &chain, cache });
    for height in 0..=chain.tip_height().to_u32() {
        let state = vote(&cache).state_after(Height::new(height).parent()).unwrap();
        assert_eq!(state, expected[height as usize / 10], "{height}");
    }
    // What is remembered changes nothing.
    let params = Params { deployments: vec![deployment.clone()], ..Params::regtest() };
    let mut cache = StateCache::default();
    for tip in 0..chain.0.len() {
        cache.learn(&params, &Chain(chain.0[..=tip].to_vec())).unwrap();
    }
    assert_eq!(states(deployment, &chain, &cache), expected, "remembered");
}

#[test]
fn a_vote_is_won_with_the_threshold_and_begins_a_period_later() {
    check(&deployment(), &[0, 7], &[Defined, Started, LockedIn, Active, Active]);
    check(&deployment(), &[0, 10], &[Defined, Started, LockedIn, Active, Active]);
    check(&deployment(), &[0, 6, 6, 7], &[Defined, Started, Started, Started, LockedIn, Active]);
    // Votes before it began do not count, and those after it was won are not needed.
    check(&deployment(), &[10, 0], &[Defined, Started, Started]);
    check(&deployment(), &[0, 10, 0, 0, 0], &[Defined, Started, LockedIn, Active, Active, Active]);
}

#[test]
fn a_vote_begins_with_the_median_time_past() {
    // The median at block 9 is 500 s, that at block 19 1,400 s.
    let at = |start: i64| Deployment { start: Start::At(start), ..deployment() };
    check(&at(500), &[], &[Defined, Started]);
    check(&at(501), &[], &[Defined, Defined, Started]);
    check(&at(1_400), &[], &[Defined, Defined, Started]);
    check(&at(1_401), &[0, 10, 10], &[Defined, Defined, Defined, Started, Started]);
    check(&at(-3), &[], &[Defined, Started]);
    check(&at(i64::MAX), &[10; 4], &[Defined; 5]);
}

#[test]
fn a_vote_is_lost_at_its_timeout_unless_it_is_won_in_that_period() {
    let until = |timeout_s: i64| Deployment { timeout_s, ..deployment() };
    // The median at block 29 is 2,400 s.
    check(&until(2_400), &[0, 0, 6], &[Defined, Started, Started, Failed, Failed]);
    check(&until(2_401), &[0, 0, 6], &[Defined, Started, Started, Started, Failed]);
    check(&until(2_400), &[0, 0, 7], &[Defined, Started, Started, LockedIn, Active]);
    check(&until(2_400), &[0, 0, 0, 10], &[Defined, Started, Started, Failed, Failed, Failed]);
    // One whose time is over before it begins has a period for its votes all the same.
    check(&until(0), &[], &[Defined, Started, Failed]);
    check(&until(0), &[0, 7], &[Defined, Started, LockedIn, Active]);
}

#[test]
fn a_rule_does_not_begin_below_its_least_height() {
    let from = |height: u32| Deployment { min_activation_height: Height::new(height), ..deployment() };
    check(&from(30), &[0, 7], &[Defined, Started, LockedIn, Active]);
    check(&from(31), &[0, 7], &[Defined, Started, LockedIn, LockedIn, Active]);
    check(&from(40), &[0, 7], &[Defined, Started, LockedIn, LockedIn, Active]);
    check(&from(41), &[0, 7], &[Defined, Started, LockedIn, LockedIn, LockedIn, Active]);
}

#[test]
fn without_a_vote_a_rule_always_applies_or_never() {
    check(&Deployment { start: Start::Always, ..deployment() }, &[], &[Active; 3]);
    check(&Deployment { start: Start::Never, ..deployment() }, &[0, 10, 10], &[Failed; 4]);
}

#[test]
fn a_state_has_a_first_height() {
    let since = |deployment: &Deployment, votes: &[u32], last: Option<u32>, expected: u32| {
        let (chain, cache) = (chain(votes, 99), StateCache::default());
        let vote = Vote { deployment, chain: &chain, cache: &cache };
        assert_eq!(vote.since_after(last.map(Height::new)), Ok(Height::new(expected)), "{last:?}");
    };
    let (usual, votes) = (deployment(), [0, 0, 7]);
    since(&usual, &votes, None, 0);
    since(&usual, &votes, Some(8), 0);
    since(&usual, &votes, Some(9), 10);
    since(&usual, &votes, Some(28), 10);
    since(&usual, &votes, Some(29), 30);
    since(&usual, &votes, Some(38), 30);
    since(&usual, &votes, Some(39), 40);
    since(&usual, &votes, Some(99), 40);
    since(&Deployment { timeout_s: 0, ..deployment() }, &[], Some(99), 20);
    since(&Deployment { start: Start::At(1_401), ..deployment() }, &[], Some(19), 0);
    since(&Deployment { start: Start::At(1_401), ..deployment() }, &[], Some(99), 30);
    since(&Deployment { start: Start::Always, ..deployment() }, &[], Some(99), 0);
    since(&Deployment { start: Start::Never, ..deployment() }, &[], Some(99), 0);
}

fn report(votes: &[u32], tip: u32) -> VoteReport {
    let (deployment, chain, cache) = (deployment(), chain(votes, tip), StateCache::default());
    Vote { deployment: &deployment, chain: &chain, cache: &cache }.report().unwrap()
}

#[test]
fn a_report_has_the_state_of_the_block_and_of_the_next() {
    let check = |tip: u32, states: (DeploymentState, DeploymentState), since: u32, active: Option<u32>| {
        let report = report(&[0, 7], tip);
        assert_eq!((report.state, report.next), states, "{tip}");
        assert_eq!(
            (report.since, report.active_since),
            (Height::new(since), active.map(Height::new)),
            "{tip}"
        );
        assert_eq!(report.deployment, deployment());
    };
    check(0, (Defined, Defined), 0, None);
    check(8, (Defined, Defined), 0, None);
    check(9, (Defined, Started), 0, None);
    check(10, (Started, Started), 10, None);
    check(19, (Started, LockedIn), 10, None);
    check(20, (LockedIn, LockedIn), 20, None);
    check(28, (LockedIn, LockedIn), 20, None);
    check(29, (LockedIn, Active), 20, Some(30));
    check(30, (Active, Active), 30, Some(30));
    check(55, (Active, Active), 30, Some(30));
}

#[test]
fn a_report_counts_the_votes_of_the_period_so_far() {
    let check = |tip: u32, elapsed: u32, count: u32, goal: Option<bool>, text: &str| {
        let goal = goal.map(|possible| Goal { threshold: 7, possible });
        let votes = text.chars().map(|c| c == '#').collect();
        let expected = Tally { period: 10, elapsed, count, goal, votes };
        assert_eq!(report(&[0, 6, 7, 4], tip).tally, Some(expected), "{tip}");
    };
    assert_eq!(report(&[0, 6, 7, 4], 9).tally, None);
    check(10, 1, 0, Some(true), "-");
    check(12, 3, 0, Some(true), "---");
    check(13, 4, 0, Some(false), "----");
    check(19, 10, 6, Some(false), "----######");
    check(22, 3, 0, Some(true), "---");
    check(29, 10, 7, Some(true), "---#######");
    // Won: there is nothing to aim at.
    check(30, 1, 0, None, "-");
    check(39, 10, 4, None, "------####");
    assert_eq!(report(&[0, 6, 7, 4], 40).tally, None);
}

#[test]
fn the_next_version_shows_what_is_voted_on() {
    let two = Deployment { name: "two", bit: 28, start: Start::At(1_400), ..deployment() };
    let never = Deployment { name: "never", bit: 3, start: Start::Never, ..deployment() };
    let params = Params { deployments: vec![deployment(), two, never], ..Params::regtest() };
    let check = |tip: u32, expected: i32| {
        let version = next_version(&params, &chain(&[0, 7], tip), &StateCache::default()).unwrap();
        assert_eq!(version.to_consensus(), expected, "{tip}");
    };
    check(0, 0x2000_0000);
    check(8, 0x2000_0000);
    check(9, 0x2000_0002);
    check(18, 0x2000_0002);
    check(19, 0x3000_0002);
    check(28, 0x3000_0002);
    check(29, 0x3000_0000);
}

#[test]
fn only_votes_that_have_begun_are_remembered_at_the_end_of_a_period() {
    let never = Deployment { name: "never", start: Start::Never, ..deployment() };
    let always = Deployment { name: "always", start: Start::Always, ..deployment() };
    let late = Deployment { name: "late", start: Start::At(1_400), ..deployment() };
    let params = Params { deployments: vec![deployment(), never, always, late], ..Params::regtest() };
    let (whole, mut cache) = (chain(&[0, 7], 39), StateCache::default());
    for (tip, known) in [(0, 0), (8, 0), (9, 1), (10, 1), (18, 1), (19, 3), (28, 3), (29, 5), (39, 7)] {
        cache.learn(&params, &Chain(whole.0[..=tip].to_vec())).unwrap();
        assert_eq!(cache.0.len(), known, "{tip}");
    }
    // Of another branch nothing is taken over.
    let mut other = chain(&[0, 0], 39);
    other.0[15].nonce = 1_000;
    other.0.iter_mut().skip(16).for_each(|header| header.nonce += 1_000);
    assert_eq!(states(&deployment(), &other, &cache), [Defined, Started, Started, Started, Started]);
}

#[test]
fn what_is_remembered_is_not_looked_for_again() {
    let deployment = deployment();
    let params = Params { deployments: vec![deployment.clone()], ..Params::regtest() };
    let (whole, mut cache) = (chain(&[0, 7], 29), StateCache::default());
    for tip in [9, 19, 29] {
        cache.learn(&params, &Chain(whole.0[..=tip].to_vec())).unwrap();
    }
    let only_the_last = Made(29, |h| (h == 29).then(|| whole.0[29]));
    let state = |cache: &StateCache| {
        let vote = Vote { deployment: &deployment, chain: &only_the_last, cache };
        vote.state_after(Some(Height::new(29)))
    };
    assert_eq!(state(&cache), Ok(Active));
    assert!(state(&StateCache::default()).is_err());
}

#[test]
fn a_header_that_is_missing_is_our_fault() {
    let missing_from = |height: u32| {
        Made(40, move |h| (h >= height).then(|| Header { nonce: h, ..header(h * 100, 0x207f_ffff) }))
    };
    let fault = |height: u32| ViewFault::header_missing(Height::new(height));
    let (deployment, cache) = (deployment(), StateCache::default());
    let (few, none) = (missing_from(25), Made(40, |_| None));
    let vote = Vote { deployment: &deployment, chain: &few, cache: &cache };
    assert_eq!(vote.state_after(Some(Height::new(40))), Err(fault(29)));
    assert_eq!(vote.votes_at(Height::new(29)), Err(fault(20)));
    assert!(vote.report().is_err() && vote.since_after(Some(Height::new(40))).is_err());
    let params = Params { deployments: vec![deployment.clone()], ..Params::regtest() };
    assert!(next_version(&params, &none, &cache).is_err());
    let whole_period = Made(39, |_| None);
    assert_eq!(StateCache::default().learn(&params, &whole_period), Err(fault(39)));
}

#[test]
fn states_have_cores_names() {
    let names = [Defined, Started, LockedIn, Active, Failed].map(DeploymentState::as_str);
    assert_eq!(names, ["defined", "started", "locked_in", "active", "failed"]);
}
