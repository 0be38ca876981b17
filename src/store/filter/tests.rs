use bitcoin::hashes::{Hash, sha256};
use bitcoin::{OutPoint, Txid};

use super::*;
use crate::codec::outpoint_key;

fn key(n: u32) -> [u8; OUTPOINT_BYTES] {
    let txid = Txid::from_byte_array(sha256::Hash::hash(&(n / 3).to_le_bytes()).to_byte_array());
    outpoint_key(&OutPoint { txid, vout: n % 3 })
}

#[test]
fn what_is_in_is_found_and_most_of_what_is_not_is_not() {
    let mut filter = Filter::for_keys(30_000);
    (0..30_000).for_each(|n| filter.insert((&key(n)).into()));
    assert!((0..30_000).all(|n| filter.may_contain((&key(n)).into())));
    let wrong = (30_000..60_000).filter(|n| filter.may_contain((&key(*n)).into())).count();
    assert!(wrong < 600, "{wrong} of 30000");
    assert_eq!(Filter::from_bytes(&filter.to_bytes()), Some(filter));
}

#[test]
fn a_filter_for_nothing_contains_nothing() {
    assert!(!Filter::for_keys(0).may_contain((&key(1)).into()));
}

#[test]
fn odd_bytes_are_no_filter() {
    assert_eq!(Filter::from_bytes(&[]), None);
    assert_eq!(Filter::from_bytes(&[0; 63]), None);
    assert_eq!(Filter::from_bytes(&[0; 72]), None);
}
