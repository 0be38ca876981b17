use super::{BuriedReport, deployment_report};
use crate::consensus::fixtures::{Chain, Made};
use crate::consensus::{BuriedFork, Params, StateCache};
use crate::script::ScriptFlags;
use crate::units::Height;

#[test]
fn a_buried_fork_is_active_one_block_before_its_height() {
    let mut params = Params::regtest();
    params.forks.set(BuriedFork::Csv, Height::new(12));
    let check = |tip: u32, expected: bool| {
        let report = deployment_report(&params, &Chain::of(&params, tip), &StateCache::default()).unwrap();
        let csv = BuriedReport { fork: BuriedFork::Csv, height: Height::new(12), active: expected };
        assert_eq!(report.buried[3], csv, "{tip}");
        assert_eq!((report.height, report.buried.len()), (Height::new(tip), 5));
    };
    check(10, false);
    check(11, true);
    check(12, true);
}

#[test]
fn a_report_has_the_flags_of_its_block() {
    let params = Params::regtest();
    let chain = Chain::of(&params, 1);
    let report = deployment_report(&params, &chain, &StateCache::default()).unwrap();
    assert_eq!(report.hash, chain.last().block_hash());
    let all =
        ["CHECKLOCKTIMEVERIFY", "CHECKSEQUENCEVERIFY", "DERSIG", "NULLDUMMY", "P2SH", "TAPROOT", "WITNESS"];
    assert!(report.script_flag_names().eq(all));
    let first = deployment_report(&params, &Chain::of(&params, 0), &StateCache::default()).unwrap();
    assert!(first.script_flag_names().eq(["NULLDUMMY", "P2SH", "TAPROOT", "WITNESS"]));
    let none = super::DeploymentReport { script_flags: ScriptFlags::NONE, ..first };
    assert_eq!(none.script_flag_names().count(), 0);
}

#[test]
fn a_vote_that_never_is_is_not_told() {
    let params = Params::mainnet();
    let report = deployment_report(&params, &Chain::of(&params, 0), &StateCache::default()).unwrap();
    assert!(report.votes.is_empty());
    let params = Params::regtest();
    let report = deployment_report(&params, &Chain::of(&params, 0), &StateCache::default()).unwrap();
    assert_eq!(report.votes.len(), 1);
    let mut vote = report.votes[0].clone();
    assert!(!vote.is_active(Height::new(99)));
    vote.active_since = Some(Height::new(50));
    assert_eq!([48, 49, 50].map(|tip| vote.is_active(Height::new(tip))), [false, true, true]);
}

#[test]
fn a_chain_that_cannot_be_read_is_our_fault() {
    let nothing = Made(3, |_| None);
    assert!(deployment_report(&Params::regtest(), &nothing, &StateCache::default()).is_err());
}
