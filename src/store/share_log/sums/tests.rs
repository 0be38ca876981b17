use adit_domain::units::Difficulty;
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;

use super::*;

fn share(n: u64) -> ShareCredit {
    ShareCredit {
        share_hash: BlockHash::all_zeros(),
        prev: BlockHash::all_zeros(),
        submission: u128::from(n),
        address: format!("address{n}"),
        worker: "rig".to_owned(),
        difficulty: Difficulty::from_raw(n).unwrap(),
        at: UnixMillis::new(n),
        block_height: None,
    }
}

fn shares(sums: &Sums) -> u64 {
    sums.rows.values().map(|row| row.shares).sum()
}

#[test]
fn totals_do_not_grow_with_the_number_of_addresses() {
    let mut sums = Sums::default();
    for n in 1..=1_000 {
        sums.add(&share(n));
        sums.bound(100);
        assert!(sums.rows.len() < 100);
        // Whoever came last is known, and nothing is lost in all.
        assert!(sums.rows.contains_key(&(format!("address{n}"), "rig".to_owned())));
        assert_eq!((shares(&sums), sums.work_raw), (n, u128::from(n * (n + 1) / 2)));
        assert_eq!(sums.rows.values().map(|r| r.work_raw).sum::<u128>(), sums.work_raw);
    }
    assert!(sums.rows[&(OTHERS.to_owned(), String::new())].shares > 900);
}

#[test]
fn shares_of_one_moment_make_room_too() {
    let mut sums = Sums::default();
    for n in 1..=1_000 {
        sums.add(&ShareCredit { at: UnixMillis::new(5), ..share(n) });
        sums.bound(10);
        assert!(sums.rows.len() < 10);
    }
    assert_eq!(shares(&sums), 1_000);
}
