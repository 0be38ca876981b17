use adit_domain::consensus::Params;

use super::{double, guess};

const NOW_S: i64 = 1_800_000_000;

fn check(params: &Params, txs: u64, age_s: i64, blocks_missing: u32, want: f64) {
    let found = guess(params, (txs, NOW_S - age_s), blocks_missing, NOW_S);
    assert!((found - want).abs() < 1e-12, "{found} and not {want}");
}

#[test]
fn what_is_verified_is_guessed_as_core_does() {
    let regtest = Params::regtest();
    check(&regtest, 100, 0, 0, 1.0);
    check(&regtest, 100, 7_200, 0, 1.0);
    check(&regtest, 100, 7_201, 0, 100.0 / 107.201);
    check(&regtest, 100, 60, 1, 100.0 / 100.6);
    // A tip of tomorrow.
    check(&regtest, 100, -100_000, 0, 1.0);
    let main = Params::mainnet();
    let all = 1_315_805_869.0 + (1_800_000_000.0 - 1_772_055_173.0) * 5.40111006496122;
    check(&main, 1_000, 400_000_000, 0, 1_000.0 / all);
    check(&main, 1_400_000_000, 7_201, 3, 1_400_000_000.0 / (1_400_000_000.0 + 7_201.0 * 5.40111006496122));
}

#[test]
fn whole_numbers_become_doubles() {
    for number in [0, 1, u64::from(u32::MAX), 1 << 32, (1 << 53) - 1] {
        assert_eq!(double(number).to_string(), number.to_string());
    }
}
