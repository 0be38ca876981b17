use std::sync::Arc;

use bitcoin::BlockHash;
use bitcoin::hashes::Hash;

use super::{Inside, KEPT_BYTES_MAX, KEPT_MAX, KeptBlocks, TxDetail};

fn block(number: usize) -> BlockHash {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    BlockHash::from_byte_array(bytes)
}

fn put(kept: &KeptBlocks, number: usize, bytes: usize) {
    kept.put(block(number), TxDetail::Id, &Arc::new(Inside::of_bytes(vec![b' '; bytes])));
}

fn has(kept: &KeptBlocks, number: usize) -> bool {
    kept.get(&block(number), TxDetail::Id).is_some()
}

#[test]
fn what_nobody_has_asked_for_the_longest_goes_first() {
    let kept = KeptBlocks::default();
    let third = KEPT_BYTES_MAX / 3;
    (0..3).for_each(|number| put(&kept, number, third));
    assert!(has(&kept, 0));
    put(&kept, 3, third);
    assert_eq!([0, 1, 2, 3].map(|number| has(&kept, number)), [true, false, true, true]);
    assert!(kept.get(&block(0), TxDetail::Full).is_none());
    // The same again takes no more room.
    (0..10).for_each(|_| put(&kept, 3, third));
    assert!(has(&kept, 0) && has(&kept, 2));
    // What is too large is not kept, and nothing goes for it.
    put(&kept, 4, KEPT_BYTES_MAX / 2 + 1);
    assert!(has(&kept, 0) && !has(&kept, 4));
    assert!(kept.0.lock().unwrap().bytes <= KEPT_BYTES_MAX);
}

#[test]
fn there_are_not_more_than_so_many() {
    let kept = KeptBlocks::default();
    (0..KEPT_MAX + 10).for_each(|number| put(&kept, number, 1));
    assert_eq!(kept.0.lock().unwrap().rows.len(), KEPT_MAX);
    assert!(!has(&kept, 9) && has(&kept, 10));
}
