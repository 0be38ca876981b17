use std::cmp::Reverse;
use std::collections::BTreeMap;

use bitcoin::{Amount, CompactTarget, Target};
use thiserror::Error;

use super::Account;

/// Parts of a whole in which fees are given.
pub const BASIS_POINTS: u32 = 10_000;
/// The most work that a window holds: 2^120 hashes, a million years of the whole network, so that products of it and twice
/// of it stay far inside 128 bits.
pub const WINDOW_WORK_MAX: u128 = 1 << 120;

/// How far back the shares reach that a reward is split over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PplnsWindow {
    /// In units of the network's own work for one block.
    pub factor: u32,
    /// But at least this much, in hashes: where blocks are easy, one share would be worth many of them.
    pub work_min: u128,
}

impl Default for PplnsWindow {
    /// Twice the network's work, and difficulty 1 at least.
    fn default() -> Self {
        PplnsWindow { factor: 2, work_min: 1 << 32 }
    }
}

impl PplnsWindow {
    /// The window for a block of this target, in hashes (the unit of `Difficulty::to_raw`). Never zero.
    pub fn work(&self, bits: CompactTarget) -> u128 {
        let network = network_work(bits).saturating_mul(u128::from(self.factor));
        network.max(self.work_min).clamp(1, WINDOW_WORK_MAX)
    }
}

/// The hashes that a block of this target takes on average; at most [`WINDOW_WORK_MAX`].
pub fn network_work(bits: CompactTarget) -> u128 {
    let work = Target::from_compact(bits).to_work().to_be_bytes();
    let (high, low) = work.split_at(16);
    let low = <[u8; 16]>::try_from(low).map_or(u128::MAX, u128::from_be_bytes);
    if high.iter().any(|b| *b != 0) { WINDOW_WORK_MAX } else { low.min(WINDOW_WORK_MAX) }
}

/// Who is owed how much of a reward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payee {
    /// Who.
    pub account: Account,
    /// How much; never zero.
    pub amount: Amount,
}

/// A reward, handed out to the last satoshi.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    reward: Amount,
    payees: Vec<Payee>,
}

/// Why a reward is not split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SplitError {
    /// More than there can be.
    #[error("a reward is no more than all coins")]
    Reward,
    /// More than the whole.
    #[error("a fee has at most {BASIS_POINTS} basis points")]
    Fee,
    /// Beyond [`WINDOW_WORK_MAX`].
    #[error("the window's work leaves its range")]
    Work,
}

impl Split {
    /// What was split.
    pub fn reward(&self) -> Amount {
        self.reward
    }

    /// Rows that sum to the reward: the fee first, then by account.
    pub fn payees(&self) -> &[Payee] {
        &self.payees
    }
}

/// Splits a reward: the fee, rounded down, to the pool; the rest in proportion to work.
///
/// Each part is rounded down; the satoshis left over go one each to the largest remainders, by name where those are equal.
/// Where nobody has work in the window the rest goes to the pool's unclaimed account. A reward of zero has no payees.
pub fn split_reward(
    reward: Amount,
    fee_basis_points: u32,
    work: &BTreeMap<Account, u128>,
) -> Result<Split, SplitError> {
    if reward > Amount::MAX_MONEY {
        return Err(SplitError::Reward);
    }
    if fee_basis_points > BASIS_POINTS {
        return Err(SplitError::Fee);
    }
    let total = work.values().try_fold(0u128, |sum, w| sum.checked_add(*w)).ok_or(SplitError::Work)?;
    if total > WINDOW_WORK_MAX {
        return Err(SplitError::Work);
    }
    let (fee_sat, _) = mul_div(reward.to_sat(), u128::from(fee_basis_points), u128::from(BASIS_POINTS));
    let rest_sat = reward.to_sat().saturating_sub(fee_sat);
    let mut rows = vec![(Account::pool_fee(), fee_sat)];
    if total == 0 {
        rows.push((Account::pool_unclaimed(), rest_sat));
    } else {
        rows.extend(proportional(rest_sat, work, total));
    }
    let paid = rows.into_iter().filter(|(_, sat)| *sat > 0);
    let payees = paid.map(|(account, sat)| Payee { account, amount: Amount::from_sat(sat) }).collect();
    Ok(Split { reward, payees })
}

/// Parts of `sum_sat` in proportion to work, by account; they sum to it. `total` is the work in all and above zero.
fn proportional(sum_sat: u64, work: &BTreeMap<Account, u128>, total: u128) -> Vec<(Account, u64)> {
    let exact = work.iter().map(|(account, w)| (account, mul_div(sum_sat, *w, total)));
    let mut parts: Vec<(&Account, u64, u128)> = exact.map(|(a, (floor, rest))| (a, floor, rest)).collect();
    let floors = parts.iter().fold(0u64, |sum, (_, floor, _)| sum.saturating_add(*floor));
    // Fewer satoshis are left over than there are parts with a remainder, since each part lost less than one.
    let left_over = usize::try_from(sum_sat.saturating_sub(floors)).unwrap_or(usize::MAX);
    parts.sort_by_key(|(account, _, rest)| (Reverse(*rest), *account));
    for (_, sat, _) in parts.iter_mut().take(left_over) {
        *sat = sat.saturating_add(1);
    }
    parts.sort_by_key(|(account, _, _)| *account);
    parts.into_iter().map(|(account, sat, _)| (account.clone(), sat)).collect()
}

/// `a * b / c`, rounded down, and the remainder; `b <= c`, `0 < c <= 2^120`. Exact, though the product has 184 bits.
fn mul_div(a: u64, b: u128, c: u128) -> (u64, u128) {
    let (mut quotient, mut rest) = (0u64, 0u128);
    for bit in (0..u64::BITS).rev() {
        let digit = if a.checked_shr(bit).unwrap_or(0) & 1 == 1 { b } else { 0 };
        // rest < c and digit <= c: below 3 * 2^120.
        let dividend = rest.saturating_mul(2).saturating_add(digit);
        let step = dividend.checked_div(c).unwrap_or(0);
        rest = dividend.checked_rem(c).unwrap_or(0);
        // step is at most 2 while the high bits are still zero, and the whole quotient is at most a.
        quotient = quotient.saturating_mul(2).saturating_add(u64::try_from(step).unwrap_or(u64::MAX));
    }
    (quotient, rest)
}

#[cfg(test)]
#[path = "split/tests.rs"]
mod tests;
