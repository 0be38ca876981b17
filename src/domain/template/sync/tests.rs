use super::*;

const TIME: u32 = 1_700_000_000;

fn work(n: u8) -> Work {
    Work::from_be_bytes([n; 32])
}

fn check(change: impl FnOnce(&mut ChainProgress), after_s: u64, expected: Result<(), NotSynced>) {
    let (tip, best_header) = (Height::new(100), Height::new(100));
    let mut chain = ChainProgress { tip, tip_time: TIME, work: work(2), work_min: work(2), best_header };
    change(&mut chain);
    let now = UnixMillis::from_seconds(u64::from(TIME) + after_s);
    assert_eq!(check_synced(&chain, now, 24), expected, "{chain:?}");
}

#[test]
fn nothing_is_mined_on_a_chain_that_is_behind() {
    const DAY_S: u64 = 86_400;
    check(|_| {}, 0, Ok(()));
    check(|_| {}, DAY_S, Ok(()));
    check(|_| {}, DAY_S + 1, Err(NotSynced::TipOld { hours: 24 }));
    // A tip from the future is not old.
    check(|c| c.tip_time = u32::MAX, 0, Ok(()));
    check(|c| c.best_header = Height::new(101), 0, Ok(()));
    check(|c| c.best_header = Height::new(90), 0, Ok(()));
    check(|c| c.best_header = Height::new(102), 0, Err(NotSynced::BlocksMissing { blocks: 2 }));
    check(|c| c.work = work(1), 0, Err(NotSynced::WorkMissing { tip: Height::new(100) }));
}
