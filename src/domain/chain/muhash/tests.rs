use bitcoin::{Amount, OutPoint, ScriptBuf, TxOut};

use super::{MuHash, coin_bytes};
use crate::consensus::Coin;
use crate::units::Height;

fn element(first: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = first;
    bytes
}

#[test]
fn the_result_is_cores() {
    let mut set = MuHash::EMPTY;
    set.insert(&element(0));
    set.insert(&element(1));
    set.remove(&element(2));
    assert_eq!(set.digest().to_string(), "10d312b100cbd32ada024a6646e40d3482fcff103668d2625f10002a607d5863");
    let mut reversed = set.digest().to_byte_array();
    reversed.reverse();
    assert_eq!(reversed[..2], [0x10, 0xd3]);
}

#[test]
fn the_stored_form_is_cores() {
    let mut set = MuHash::EMPTY;
    set.insert(&element(1));
    set.insert(&element(2));
    let bytes = set.to_bytes();
    assert_eq!(bytes.len(), MuHash::BYTES);
    assert_eq!(bytes[..8], [0x1f, 0xa0, 0x93, 0x29, 0x5e, 0xa3, 0x0a, 0x6a]);
    // The numerator's last byte, and the denominator, which is 1.
    assert_eq!(bytes[383..387], [0x5c, 1, 0, 0]);
    assert_eq!(MuHash::from_bytes(&bytes), Some(set));
    assert_eq!(MuHash::from_bytes(&bytes[1..]), None);
    assert_eq!(MuHash::from_bytes(&[]), None);
}

#[test]
fn order_and_parts_do_not_matter() {
    let (mut whole, mut left, mut right) = (MuHash::EMPTY, MuHash::default(), MuHash::EMPTY);
    for first in 0..8 {
        whole.insert(&element(first));
        if first % 2 == 0 { &mut left } else { &mut right }.insert(&element(first));
    }
    right.remove(&element(99));
    left.insert(&element(99));
    right.combine(&left);
    assert_eq!(right.digest(), whole.digest());
}

#[test]
fn what_is_taken_out_was_never_there() {
    let coin = Coin {
        output: TxOut { value: Amount::from_sat(5), script_pubkey: ScriptBuf::from_bytes(vec![0x51, 0x52]) },
        height: Height::new(3),
        is_coinbase: true,
    };
    let outpoint = OutPoint { vout: 1, ..OutPoint::null() };
    let mut set = MuHash::EMPTY;
    set.insert_coin(&outpoint, &coin);
    assert_ne!(set.digest(), MuHash::EMPTY.digest());
    set.remove_coin(&outpoint, &coin);
    assert_eq!(set.digest(), MuHash::EMPTY.digest());
    let tail = [1, 0, 0, 0, 7, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 2, 0x51, 0x52];
    assert_eq!(coin_bytes(&outpoint, &coin)[32..], tail);
}

#[test]
fn many_divisions_at_once_are_each_of_them() {
    let mut sets: Vec<MuHash> = Vec::new();
    let mut set = MuHash::EMPTY;
    for n in 0..5 {
        set.insert(&element(n));
        sets.push(set.clone());
        set.remove(&element(100 + n));
        sets.push(set.clone());
    }
    let digests: Vec<_> = sets.iter().map(MuHash::digest).collect();
    MuHash::divide_out(&mut sets);
    for (set, digest) in sets.iter().zip(&digests) {
        assert_eq!(set.digest(), *digest);
        let kept = MuHash::from_quotient_bytes(&set.to_quotient_bytes());
        assert_eq!((&kept, kept.digest()), (set, *digest));
    }
    MuHash::divide_out(&mut []);
    // The modulus less nothing: a denominator that no number inverts.
    let zero = MuHash::from_bytes(&[0; MuHash::BYTES]).unwrap();
    let mut sets = [zero, set.clone()];
    MuHash::divide_out(&mut sets);
    assert_eq!(sets[1].digest(), set.digest());
}
