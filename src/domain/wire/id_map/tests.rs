use std::hash::BuildHasher;

use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, Txid};

use super::{IdMap, IdState};

fn outpoint(number: u32, vout: u32) -> OutPoint {
    // Ids that differ in their last bytes only: the worst that can come.
    let mut bytes = [0; 32];
    bytes[28..].copy_from_slice(&number.to_be_bytes());
    OutPoint { txid: Txid::from_byte_array(bytes), vout }
}

#[test]
fn a_map_finds_what_was_put_in_and_nothing_else() {
    let mut map = IdMap::default();
    for n in 0..1000 {
        for vout in 0..3 {
            assert_eq!(map.insert(outpoint(n, vout), (n, vout)), None);
        }
    }
    for n in 0..1000 {
        assert_eq!(map.get(&outpoint(n, 2)), Some(&(n, 2)));
        assert_eq!(map.get(&outpoint(n, 3)), None);
        assert_eq!(map.remove(&outpoint(n, 1)), Some((n, 1)));
    }
    assert_eq!(map.len(), 2000);
}

#[test]
fn hashes_are_spread_and_follow_a_secret() {
    let (state, other) = (IdState::default(), IdState::default());
    let keys = || (0..4096u32).map(|n| outpoint(n / 4, n % 4));
    let differ = keys().filter(|key| state.hash_one(key) != other.hash_one(key)).count();
    assert!(differ > 4000, "{differ}");
    // Of 4,096 keys in 4,096 places by their lowest bits, and by their highest, a good hash leaves 37% of the places empty.
    for shift in [0, 52] {
        let mut places = [false; 4096];
        keys().for_each(|key| places[(state.hash_one(key) >> shift & 4095) as usize] = true);
        let empty = places.iter().filter(|taken| !**taken).count();
        assert!((1300..1700).contains(&empty), "{shift}: {empty}");
    }
}

#[test]
fn every_byte_of_a_key_counts() {
    let state = IdState::default();
    let whole = [7u8; 45];
    for at in 0..whole.len() {
        let mut changed = whole;
        changed[at] ^= 1;
        assert_ne!(state.hash_one(&whole[..]), state.hash_one(&changed[..]), "{at}");
    }
}
