//! Every coin of every tier, and the coins as a whole.

use std::sync::Arc;
use std::thread;

use adit_domain::chain::{MuHash, Tip};
use adit_store::{ChainDb, StoreFault, TierCheck, TierInfo};

use super::{CheckProgress, Checked, Problem, Progress};
use crate::stats::StatsJob;
use crate::types::ChainFault;

/// First bytes of txids that are walked over at once.
const STEP: usize = 16;

/// Walks over the records of all tiers.
pub(super) fn check(
    db: &ChainDb,
    threads: usize,
    checked: &mut Checked,
    progress: &mut Progress<'_>,
) -> Result<(), ChainFault> {
    let tiers = db.tier_infos();
    let records_total = tiers.iter().map(|tier| tier.records).fold(0, u64::saturating_add);
    let mut records = 0u64;
    for tier in tiers {
        let mut sum = TierCheck::default();
        for first in (0..256usize).step_by(STEP.saturating_mul(threads.max(1))) {
            match part(db, &tier, first, threads.max(1))? {
                Ok(found) => add(&mut sum, &found),
                Err(fault) => {
                    checked.found(Problem::TierUnread { table: tier.table, fault });
                    return Ok(());
                }
            }
            if !progress(CheckProgress::Coins { records: records.saturating_add(sum.rows), records_total }) {
                checked.stopped = true;
                return Ok(());
            }
        }
        records = records.saturating_add(sum.rows);
        judge(&tier, &sum, checked);
    }
    Ok(())
}

/// As many steps as there are threads, from the byte `first` on.
fn part(
    db: &ChainDb,
    tier: &TierInfo,
    first: usize,
    threads: usize,
) -> Result<Result<TierCheck, StoreFault>, ChainFault> {
    // Both are bytes: the steps end at 255.
    let byte = |n: usize| u8::try_from(n).unwrap_or(u8::MAX);
    thread::scope(|scope| {
        let steps = (0..threads).map(|n| first.saturating_add(n.saturating_mul(STEP)));
        let walk = |from: usize| {
            let to = from.saturating_add(STEP).saturating_sub(1);
            scope.spawn(move || db.check_tier(tier, byte(from), byte(to)))
        };
        let running: Vec<_> = steps.filter(|from| *from < 256).map(walk).collect();
        let mut sum = TierCheck::default();
        for thread in running {
            let panicked = |_| ChainFault::State("walking over coins panicked".to_owned());
            match thread.join().map_err(panicked)? {
                Ok(found) => add(&mut sum, &found),
                Err(fault) => return Ok(Err(fault)),
            }
        }
        Ok(Ok(sum))
    })
}

fn add(sum: &mut TierCheck, more: &TierCheck) {
    sum.rows = sum.rows.saturating_add(more.rows);
    sum.spent = sum.spent.saturating_add(more.spent);
    sum.damaged = sum.damaged.saturating_add(more.damaged);
    sum.hidden = sum.hidden.saturating_add(more.hidden);
}

fn judge(tier: &TierInfo, found: &TierCheck, checked: &mut Checked) {
    let (table, records) = (tier.table, tier.records);
    let TierCheck { rows, damaged, hidden, .. } = *found;
    if damaged > 0 {
        checked.found(Problem::CoinsDamaged { table, damaged });
    }
    if hidden > 0 {
        checked.found(Problem::Hidden { table, hidden });
    }
    if rows != records {
        checked.found(Problem::Records { table, rows, records });
    }
}

/// Compares the coins as they are served with what the blocks leave.
pub(super) fn compare(
    db: &ChainDb,
    tip: &Tip,
    wanted: &MuHash,
    threads: usize,
    checked: &mut Checked,
) -> Result<(), ChainFault> {
    let job = StatsJob::new(db.snapshot()?, Arc::new(*tip), threads);
    match job.run() {
        Ok(stats) => {
            let wanted = wanted.digest().to_string();
            checked.coins = stats.coins;
            if wanted != stats.muhash {
                let found = stats.muhash.clone();
                checked.found(Problem::OtherCoins { found, wanted });
            }
            checked.muhash = Some(stats.muhash);
        }
        Err(fault) => checked.found(Problem::CoinsUnread(fault.to_string())),
    }
    Ok(())
}

#[cfg(test)]
#[path = "coins/tests.rs"]
mod tests;
