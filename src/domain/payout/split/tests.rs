use proptest::prelude::*;

use super::*;

fn work(rows: &[(&str, u128)]) -> BTreeMap<Account, u128> {
    rows.iter().map(|(name, w)| (Account::address(name).unwrap(), *w)).collect()
}

fn split(reward: u64, fee: u32, rows: &[(&str, u128)]) -> Vec<(String, u64)> {
    let split = split_reward(Amount::from_sat(reward), fee, &work(rows)).unwrap();
    split.payees().iter().map(|p| (p.account.to_string(), p.amount.to_sat())).collect()
}

#[test]
fn a_reward_is_handed_out_to_the_last_satoshi() {
    let check = |reward: u64, fee: u32, rows: &[(&str, u128)], want: &[(&str, u64)]| {
        let want: Vec<(String, u64)> = want.iter().map(|(n, s)| ((*n).to_owned(), *s)).collect();
        assert_eq!(split(reward, fee, rows), want, "{reward} {fee} {rows:?}");
    };
    check(100, 0, &[("a", 1)], &[("a", 100)]);
    check(100, 0, &[("a", 1), ("b", 1)], &[("a", 50), ("b", 50)]);
    // The satoshi that is left over goes to the largest remainder, by name where they are equal.
    check(100, 0, &[("a", 1), ("b", 1), ("c", 1)], &[("a", 34), ("b", 33), ("c", 33)]);
    check(101, 0, &[("a", 1), ("b", 1), ("c", 1)], &[("a", 34), ("b", 34), ("c", 33)]);
    check(10, 0, &[("a", 14), ("b", 11), ("c", 75)], &[("a", 1), ("b", 1), ("c", 8)]);
    // The fee is rounded down.
    check(100, 199, &[("a", 1)], &[("pool:fee", 1), ("a", 99)]);
    check(5_000_000_000, 150, &[("a", 1)], &[("pool:fee", 75_000_000), ("a", 4_925_000_000)]);
    check(100, 10_000, &[("a", 1)], &[("pool:fee", 100)]);
    // Nobody in the window.
    check(100, 100, &[], &[("pool:fee", 1), ("pool:unclaimed", 99)]);
    check(100, 0, &[("a", 0)], &[("pool:unclaimed", 100)]);
    // Nobody is paid nothing.
    check(1, 0, &[("a", 1), ("b", 2)], &[("b", 1)]);
    check(0, 100, &[("a", 1), ("b", 2)], &[]);
    check(0, 0, &[], &[]);
    check(100, 0, &[("a", WINDOW_WORK_MAX - 1), ("b", 1)], &[("a", 100)]);
}

#[test]
fn every_refusal_has_its_reason() {
    let check = |reward: u64, fee: u32, rows: &[(&str, u128)], want: SplitError| {
        assert_eq!(split_reward(Amount::from_sat(reward), fee, &work(rows)), Err(want));
    };
    check(2_100_000_000_000_001, 0, &[("a", 1)], SplitError::Reward);
    check(1, 10_001, &[("a", 1)], SplitError::Fee);
    check(1, 0, &[("a", WINDOW_WORK_MAX), ("b", 1)], SplitError::Work);
    check(1, 0, &[("a", u128::MAX), ("b", 1)], SplitError::Work);
}

#[test]
fn the_window_follows_the_network_and_has_a_floor() {
    let check = |bits: u32, factor: u32, work_min: u128, want: u128| {
        let window = PplnsWindow { factor, work_min };
        assert_eq!(window.work(CompactTarget::from_consensus(bits)), want, "{bits:08x}");
    };
    check(0x207f_ffff, 2, 0, 4);
    check(0x207f_ffff, 2, 1 << 32, 1 << 32);
    check(0x1d00_ffff, 1, 0, 0x1_0001_0001);
    check(0x1d00_ffff, 3, 0, 3 * 0x1_0001_0001);
    check(0x207f_ffff, 0, 0, 1);
    // A target of one: 2^255 hashes.
    check(0x0300_0001, 1, 0, WINDOW_WORK_MAX);
    check(0x0300_0001, u32::MAX, 0, WINDOW_WORK_MAX);
    assert_eq!(PplnsWindow::default().work(CompactTarget::from_consensus(0x207f_ffff)), 1 << 32);
}

proptest! {
    #[test]
    fn products_are_exact(a: u64, b in 0u128..=1 << 60, more in 1u128..1 << 60) {
        let (b, c) = (b.min(1 << 60), b + more);
        let (quotient, rest) = mul_div(a, b, c);
        let product = u128::from(a).checked_mul(b);
        if let Some(product) = product {
            prop_assert_eq!((u128::from(quotient), rest), (product / c, product % c));
        }
    }

    #[test]
    fn nobody_is_more_than_a_satoshi_from_the_exact_part(
        reward in 0u64..=2_100_000_000_000_000,
        fee in 0u32..=10_000,
        weights in proptest::collection::vec(0u128..1 << 110, 0..40),
    ) {
        let work: BTreeMap<Account, u128> = weights.iter().enumerate()
            .map(|(i, w)| (Account::address(&format!("m{i:03}")).unwrap(), *w)).collect();
        let split = split_reward(Amount::from_sat(reward), fee, &work).unwrap();
        let sum: u64 = split.payees().iter().map(|p| p.amount.to_sat()).sum();
        prop_assert_eq!(sum, reward);
        prop_assert_eq!(split.reward().to_sat(), reward);
        let total: u128 = weights.iter().sum();
        let fee_sat = u64::try_from(u128::from(reward) * u128::from(fee) / 10_000).unwrap();
        for payee in split.payees() {
            let Some(w) = work.get(&payee.account) else { continue };
            let (floor, _) = mul_div(reward - fee_sat, *w, total);
            prop_assert!(payee.amount.to_sat() == floor || payee.amount.to_sat() == floor + 1);
        }
    }
}
