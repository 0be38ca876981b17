use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, Txid};

use super::*;
use crate::codec::outpoint_key;

fn coin(script: Vec<u8>, sat: u64, height: u32, is_coinbase: bool) -> Coin {
    let output = TxOut { value: Amount::from_sat(sat), script_pubkey: ScriptBuf::from_bytes(script) };
    Coin { output, height: Height::new(height), is_coinbase }
}

fn key(n: u8) -> [u8; OUTPOINT_BYTES] {
    outpoint_key(&OutPoint { txid: Txid::from_byte_array([n; 32]), vout: u32::from(n) })
}

fn p2pkh() -> Vec<u8> {
    [&[0x76, 0xa9, 20], &[7; 20][..], &[0x88, 0xac]].concat()
}

#[test]
fn coins_survive_the_way_to_disk() {
    let uncompressed = [&[65, 4], &[9; 64][..], &[0xac]].concat();
    // Scripts, and what they take packed.
    let scripts = [
        (vec![], 1),
        (vec![0x51], 2),
        (p2pkh(), 21),
        ([&[0xa9, 20], &[7; 20][..], &[0x87]].concat(), 21),
        ([&[33, 3], &[7; 32][..], &[0xac]].concat(), 33),
        (uncompressed, 68),
        ([&[0, 20], &[7; 20][..]].concat(), 23),
        ([&[0x51, 32], &[7; 32][..]].concat(), 35),
        (vec![0xab; 10_000], 10_002),
    ];
    for (script, bytes) in scripts {
        for (height, is_coinbase, height_bytes) in [(0, false, 1), (1, true, 1), (0x7fff_ffff, true, 5)] {
            for (sat, amount_bytes) in
                [(0, 1), (50_0000_0000, 1), (123_456_789, 5), (2_100_000_000_000_000, 4)]
            {
                let coin = coin(script.clone(), sat, height, is_coinbase);
                let compact = CompactCoin::from(&coin);
                assert_eq!(compact.to_coin(), coin);
                assert_eq!((compact.height(), compact.is_coinbase()), (coin.height, is_coinbase));
                assert_eq!(compact.amount_sat(), sat);
                let packed = compact.as_packed();
                assert_eq!(packed.bytes().len(), height_bytes + amount_bytes + bytes, "{coin:?}");
                let inline = packed.bytes().len() <= INLINE_BYTES;
                assert_eq!(compact.heap_bytes(), if inline { 0 } else { packed.bytes().len() });
                assert_eq!(PackedCoin::kept(packed.bytes()).to_compact(), compact);
                let mut value = Vec::new();
                packed.encode(&key(7), &mut value);
                assert_eq!(PackedCoin::decode(&key(7), &value), Ok(packed));
            }
        }
    }
}

#[test]
fn a_coin_is_48_bytes_in_memory() {
    assert_eq!(size_of::<CompactCoin>(), 48);
}

#[test]
fn a_script_that_nobody_can_spend_takes_one_byte() {
    let compact = CompactCoin::from(&coin(vec![0x51; 10_001], 5, 9, false));
    assert_eq!(compact.to_coin(), coin(vec![0x6a], 5, 9, false));
}

#[test]
fn a_changed_bit_or_another_key_is_noticed() {
    let mut value = Vec::new();
    CompactCoin::from(&coin(p2pkh(), 77, 5, false)).as_packed().encode(&key(7), &mut value);
    for byte in 0..value.len() {
        let mut bad = value.clone();
        bad[byte] ^= 1;
        assert_eq!(PackedCoin::decode(&key(7), &bad), Err(CodecError::Checksum));
    }
    assert_eq!(PackedCoin::decode(&key(8), &value), Err(CodecError::Checksum));
    assert_eq!(PackedCoin::decode(&key(7), &value[..3]), Err(CodecError::Short));
}

/// Under a right checksum: what we never write.
#[test]
fn what_is_no_packed_coin_is_refused() {
    let check = |bytes: &[u8], error| {
        let mut value = Vec::new();
        PackedCoin::kept(bytes).encode(&key(1), &mut value);
        assert_eq!(PackedCoin::decode(&key(1), &value), Err(error), "{bytes:?}");
    };
    check(&[], CodecError::Short);
    check(&[2, 9], CodecError::Short);
    check(&[2, 9, 7], CodecError::Short);
    check(&[2, 9, 7, 0x51, 0x51], CodecError::Trailing);
    check(&[&[2, 9, 0], &[1; 19][..]].concat(), CodecError::Short);
    check(&[&[2, 9, 3], &[1; 33][..]].concat(), CodecError::Trailing);
    check(&[&[2, 9, 4], &[1; 32][..]].concat(), CodecError::Range);
    check(&[&[0xff; 11][..], &[9, 7, 0x51]].concat(), CodecError::Range);
    check(&[&[2, 9, 0xcd, 0x17], &[1; 10_001][..]].concat(), CodecError::Range);
    // In memory it is never met; it would be a coin that nobody can spend.
    assert_eq!(PackedCoin::kept(&[]).to_coin(), coin(vec![0x6a], 0, 0, false));
}
