use std::collections::BTreeMap;

use adit_store::CompactCoin;
use bitcoin::{Amount, ScriptBuf, TxOut};

use super::*;

fn shard() -> Shard {
    Shard::new(IdState::default())
}

fn key(n: u32) -> Key {
    let mut key = [0; OUTPOINT_BYTES];
    key[20..24].copy_from_slice(&n.to_le_bytes());
    key
}

fn change(shard: &mut Shard, n: u32, coin: Option<PackedCoin<'_>>) {
    shard.change(&key(n), shard.hasher.hash_one(key(n)), coin);
}

/// It lies where it is guessed to lie, most probably.
fn get(shard: &Shard, n: u32) -> Option<Option<PackedCoin<'_>>> {
    let hash = shard.hasher.hash_one(key(n));
    let found = shard.get(&key(n), hash);
    assert!(found.is_none() || shard.guess(hash).is_some());
    found
}

fn coin(script: usize, height: u32) -> CompactCoin {
    let output =
        TxOut { value: Amount::from_sat(1), script_pubkey: ScriptBuf::from_bytes(vec![0x51; script]) };
    CompactCoin::new(&output, Height::new(height), false)
}

/// A walk of changes with lengths of all kinds, beside a map.
#[test]
fn it_is_a_map() {
    let (mut shard, mut model) = (shard(), BTreeMap::new());
    let mut seed = 1u32;
    for _ in 0..30_000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let n = (seed >> 8) % 700;
        let coin = (seed >> 20 & 3 != 0).then(|| coin(usize::try_from(seed >> 22).unwrap() % 150, n));
        if coin.is_none() && !model.contains_key(&n) {
            continue;
        }
        change(&mut shard, n, coin.as_ref().map(CompactCoin::as_packed));
        match coin {
            Some(coin) => model.insert(n, coin),
            None => model.remove(&n),
        };
    }
    for n in 0..800 {
        let found = get(&shard, n).flatten().map(PackedCoin::to_compact);
        assert_eq!(found.as_ref(), model.get(&n), "{n}");
    }
    // Nothing was ever on disk: what is written is what is there.
    let changes = shard.changes();
    assert!(changes.is_sorted_by_key(|(key, _)| *key));
    assert_eq!(changes.len(), model.len());
    assert!(changes.iter().all(|(_, coin)| coin.is_some()));
    assert_eq!(shard.heights().count(), model.len());
    // The room that is left over and over is filled again: 700 coins of at most 200 bytes, and as much in gaps.
    assert!(shard.bytes() < 2 * 700 * 200 + 2 * CHUNK_BYTES, "{}", shard.bytes());
    shard.flushed(Height::new(350));
    assert_eq!(shard.changes(), []);
    for n in 0..800 {
        let found = get(&shard, n).flatten().map(PackedCoin::to_compact);
        assert_eq!(found.as_ref(), model.get(&n).filter(|coin| coin.height() >= Height::new(350)), "{n}");
    }
}

#[test]
fn what_is_spent_before_a_flush_leaves_nothing_and_what_is_spent_after_it_a_tombstone() {
    let mut shard = shard();
    change(&mut shard, 1, Some(coin(22, 1).as_packed()));
    change(&mut shard, 1, None);
    assert_eq!((get(&shard, 1), shard.changes().len()), (None, 0));
    change(&mut shard, 2, Some(coin(22, 1).as_packed()));
    shard.flushed(Height::GENESIS);
    assert_eq!(get(&shard, 2), Some(Some(coin(22, 1).as_packed())));
    change(&mut shard, 2, None);
    assert_eq!((get(&shard, 2), shard.changes()), (Some(None), vec![(&key(2), None)]));
    shard.flushed(Height::GENESIS);
    assert_eq!(get(&shard, 2), None);
    assert!(shard.bytes() < CHUNK_BYTES + 200, "{}", shard.bytes());
}

#[test]
fn what_is_newer_goes_over_what_was_flushed() {
    let (mut base, mut newer) = (shard(), shard());
    for n in 0..10 {
        change(&mut base, n, Some(coin(22, n).as_packed()));
    }
    base.flushed(Height::GENESIS);
    change(&mut newer, 1, None);
    change(&mut newer, 2, Some(coin(50, 2).as_packed()));
    change(&mut newer, 11, Some(coin(22, 11).as_packed()));
    base.take(&newer);
    assert_eq!(get(&base, 1), Some(None));
    assert_eq!(get(&base, 2), Some(Some(coin(50, 2).as_packed())));
    assert_eq!(get(&base, 3), Some(Some(coin(22, 3).as_packed())));
    let changed: Vec<&Key> = base.changes().into_iter().map(|(key, _)| key).collect();
    assert_eq!(changed, [&key(1), &key(2), &key(11)]);
    // A coin that is new since the flush leaves nothing; one that was flushed does.
    change(&mut base, 11, None);
    change(&mut base, 3, None);
    assert_eq!((get(&base, 11), get(&base, 3)), (None, Some(None)));
}

/// No coin of a valid chain is longer than 10,020 bytes; it has a chunk where it does not fit.
#[test]
fn a_coin_as_long_as_can_be_has_room() {
    let mut shard = shard();
    let longest = coin(10_000, 5);
    for n in 0..5 {
        change(&mut shard, n, Some(longest.as_packed()));
    }
    change(&mut shard, 3, None);
    for n in [0, 1, 2, 4] {
        assert_eq!(get(&shard, n), Some(Some(longest.as_packed())));
    }
    assert_eq!(get(&shard, 3), None);
}

/// What a cache of a given size holds is what a synchronisation lives on.
#[test]
fn a_coin_takes_at_most_a_hundred_bytes() {
    for count in [5_000u32, 14_000, 20_000] {
        let mut shard = shard();
        for n in 0..count {
            // As P2WPKH.
            change(&mut shard, n, Some(coin(22, 800_000).as_packed()));
        }
        let each = shard.bytes() / usize::try_from(count).unwrap();
        assert!((70..=100).contains(&each), "{count} coins: {each} bytes each");
    }
}
