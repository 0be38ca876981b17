use super::*;

fn coin(script_len: usize, height: u32, is_coinbase: bool) -> Coin {
    let script_pubkey = ScriptBuf::from_bytes(vec![0xAB; script_len]);
    Coin {
        output: TxOut { value: Amount::from_sat(2_100_000_000_000_000), script_pubkey },
        height: Height::new(height),
        is_coinbase,
    }
}

fn outpoint(n: u8) -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([n; 32]), vout: u32::from(n) }
}

#[test]
fn coins_survive_the_way_to_disk() {
    for script_len in [0, 1, 22, 34, 35, 10_000] {
        for (height, is_coinbase) in [(0, false), (1, true), (0x7fff_ffff, true)] {
            let coin = coin(script_len, height, is_coinbase);
            let compact = CompactCoin::from(&coin);
            assert_eq!(compact.to_coin(), coin);
            assert_eq!(compact.heap_bytes(), if script_len > 34 { script_len } else { 0 });
            let (key, mut value) = (outpoint_key(&outpoint(7)), Vec::new());
            compact.encode(&key, &mut value);
            assert_eq!(CompactCoin::decode(&key, &value), Ok(compact));
        }
    }
}

#[test]
fn a_changed_bit_or_another_key_is_noticed() {
    let (key, mut value) = (outpoint_key(&outpoint(7)), Vec::new());
    CompactCoin::from(&coin(22, 5, false)).encode(&key, &mut value);
    for byte in 0..value.len() {
        let mut bad = value.clone();
        bad[byte] ^= 1;
        assert_eq!(CompactCoin::decode(&key, &bad), Err(CodecError::Checksum));
    }
    assert_eq!(CompactCoin::decode(&outpoint_key(&outpoint(8)), &value), Err(CodecError::Checksum));
    assert_eq!(CompactCoin::decode(&key, &value[..3]), Err(CodecError::Short));
}

#[test]
fn varints_are_exact() {
    for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, value);
        assert_eq!(take_varint(&mut bytes.as_slice()), Ok(value));
    }
    assert_eq!(take_varint(&mut [0x80u8; 11].as_slice()), Err(CodecError::Range));
    let too_large = [0xffu8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    assert_eq!(take_varint(&mut too_large.as_slice()), Err(CodecError::Range));
}

#[test]
fn keys_sort_by_txid_then_number() {
    let key = |vout| outpoint_key(&OutPoint { vout, ..outpoint(1) });
    assert!(key(1) < key(256) && key(255) < key(256));
    assert_eq!(outpoint_of(&key(77)), OutPoint { vout: 77, ..outpoint(1) });
}
