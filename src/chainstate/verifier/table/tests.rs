use std::sync::atomic::AtomicUsize;

use super::*;

/// A hash by its four words.
fn entry(words: [u64; 4]) -> Entry {
    let mut hash = [0; 32];
    for (bytes, word) in hash.chunks_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    Entry::of_hash(hash)
}

/// Entries that differ in every word.
fn nth(n: u64) -> Entry {
    let word = |k: u64| (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(13).wrapping_mul(2 * k + 3);
    entry([word(0), word(1), word(2), word(3)])
}

#[test]
fn what_was_put_in_is_found_and_nothing_else() {
    let table = Table::new(1 << 16);
    assert!(table.is_unused());
    assert!(!table.contains(&nth(0)) && !table.spend(&nth(0)));
    (0..500).for_each(|n| table.insert(&nth(n)));
    assert!(!table.is_unused());
    assert!((0..500).all(|n| table.contains(&nth(n))));
    assert!((500..5_000).all(|n| !table.contains(&nth(n))));
}

#[test]
fn every_bit_but_one_counts() {
    let table = Table::new(0);
    let words = [8, 3, 5, 7];
    table.insert(&entry(words));
    for bit in 0..256 {
        let mut other = words;
        other[bit / 64] ^= 1 << (bit % 64);
        assert_eq!(table.contains(&entry(other)), bit == 0, "bit {bit}");
    }
}

#[test]
fn it_never_grows_and_a_full_bucket_loses_one_entry_for_each_that_comes() {
    let table = Table::new(3 * BUCKET_BYTES + 1);
    assert_eq!(table.buckets.len(), 3);
    (0..10_000).for_each(|n| table.insert(&nth(n)));
    assert!(table.contains(&nth(9_999)));
    let held = (0..10_000).filter(|n| table.contains(&nth(*n))).count();
    assert_eq!(held, 3 * WAYS);
}

#[test]
fn what_is_used_up_goes_first_and_may_come_back() {
    let table = Table::new(0);
    (0..8).for_each(|n| table.insert(&nth(n)));
    assert!(table.spend(&nth(5)) && table.spend(&nth(6)));
    // It is known as long as nothing needs its place.
    assert!(table.contains(&nth(5)) && table.spend(&nth(5)));
    table.insert(&nth(6));
    table.insert(&nth(8));
    let gone: Vec<u64> = (0..9).filter(|n| !table.contains(&nth(*n))).collect();
    assert_eq!(gone, [5]);
}

#[test]
fn the_same_entry_again_takes_no_second_place() {
    let table = Table::new(0);
    (0..7).chain([3; 50]).for_each(|n| table.insert(&nth(n)));
    assert!((0..7).all(|n| table.contains(&nth(n))));
}

/// Threads that put in, look up and use up at once: whatever they lose, they find nothing that nobody put in.
#[test]
fn many_threads_at_once_find_nothing_that_was_not_put_in() {
    let table = Table::new(64 * BUCKET_BYTES);
    let false_finds = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let (table, false_finds) = (&table, &false_finds);
            scope.spawn(move || {
                for n in 0..20_000 {
                    let own = nth(n * 8 + thread);
                    table.insert(&own);
                    if n % 3 == 0 {
                        table.spend(&own);
                    }
                    if table.contains(&nth(n * 8 + 4 + thread)) {
                        false_finds.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(false_finds.load(Ordering::Relaxed), 0);
    table.insert(&nth(0));
    assert!(table.contains(&nth(0)));
}
