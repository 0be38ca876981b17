use std::sync::Arc;

use adit_domain::chain::NextBlock;
use adit_domain::stratum::codec::{self, Incoming, Request};
use adit_domain::stratum::job::Solution;
use adit_domain::stratum::{Job, JobMaker};
use adit_domain::template::{TemplateRequest, build_template};
use adit_domain::units::{Height, UnixMillis};
use bitcoin::{Amount, BlockHash, CompactTarget, ScriptBuf};

use super::super::protocol::{FromPool, parse, submit};
use super::*;

/// About a share in 256 hashes.
const DIFFICULTY: Difficulty = match Difficulty::from_raw(256) {
    Ok(difficulty) => difficulty,
    Err(_) => Difficulty::ONE,
};

fn job() -> Arc<Job> {
    let next = NextBlock {
        prev: "000000000000000000016f1d5f1e8fee9d1e7b3e0d3ee0e6d2a0f8f495b10b5d"
            .parse::<BlockHash>()
            .unwrap(),
        height: Height::new(500_000),
        version: NextBlock::NO_VOTES,
        bits: CompactTarget::from_consensus(0x1d00_ffff),
        time_min: 1_700_000_000,
        median_time_past: 1_699_999_999,
    };
    let payout_script = ScriptBuf::from_bytes([&[0x00, 0x14][..], &[9; 20]].concat());
    let now = UnixMillis::from_seconds(1_700_000_000);
    let request =
        TemplateRequest { next: &next, subsidy: Amount::ONE_BTC, payout_script: &payout_script, now, id: 1 };
    JobMaker::new(7).make(&Arc::new(build_template(&request, None).unwrap())).unwrap()
}

fn work_of(job: &Job, version_mask: u32) -> Work {
    let Some(FromPool::Notify(notify)) = parse(&job.notify(true)) else { panic!("no notify") };
    let terms = Terms { extranonce1: vec![1, 2, 3, 4], extranonce2_bytes: 8, version_mask };
    Work::new(0, &terms, *notify, DIFFICULTY)
}

/// What the miner finds is what the pool hashes: over the wire both ways.
fn check(version_mask: u32, thread: u32) {
    let job = job();
    let work = work_of(&job, version_mask);
    let mut found = Vec::new();
    let mut scan = Scan::new(&work, 0x0102_0304_0506, thread);
    assert_eq!(scan.run(5_000, |f| found.push(f)), 5_000);
    assert!((5..60).contains(&found.len()), "{} shares of 5,000 hashes", found.len());
    for one in found {
        assert_eq!(one.version_bits.is_some(), version_mask != 0);
        let line = submit(20, "user", &one);
        let Ok(Incoming::Request { request: Ok(Request::Submit(submission)), .. }) =
            codec::decode(line.trim_end().as_bytes())
        else {
            panic!("{line}")
        };
        assert_eq!(submission.job, Some(job.number()));
        let solution = Solution::new(&submission, [1, 2, 3, 4], version_mask).unwrap();
        assert!(DIFFICULTY.to_target().is_met_by(job.header(&solution).block_hash()));
    }
}

#[test]
fn the_pool_finds_the_hash_that_the_miner_found() {
    check(0, 0);
    check(0x1fff_e000, 0);
    check(0x1fff_e000, 0xffff);
    check(0x0000_2000, 3);
}

#[test]
fn a_scan_ends_with_its_last_nonce() {
    let work = work_of(&job(), 0);
    let mut scan = Scan::new(&work, 0, 0);
    scan.nonce = Some(u32::MAX - 1);
    assert_eq!(scan.run(10, |_| {}), 2);
    assert!(scan.is_exhausted());
    assert_eq!(scan.run(10, |_| {}), 0);
}

#[test]
fn no_two_scans_have_the_same_bytes() {
    let lengths = [(8, "0000000000000102"), (4, "00000102"), (1, "02"), (10, "00000000000000000102")];
    for (len, hex) in lengths {
        assert_eq!(bitcoin::hex::DisplayHex::to_lower_hex_string(low_bytes(0x0102, len).as_slice()), hex);
    }
    assert_eq!(deposit(0b101, 0x1fff_e000), 0b101 << 13);
    assert_eq!(deposit(u32::MAX, 0x1fff_e000), 0x1fff_e000);
    assert_eq!(deposit(0b11, 0x8000_0001), 0x8000_0001);
}
