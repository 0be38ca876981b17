use super::*;

fn outpoint(n: u8) -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([n; 32]), vout: u32::from(n) }
}

#[test]
fn keys_sort_by_txid_then_number() {
    let key = |vout| outpoint_key(&OutPoint { vout, ..outpoint(1) });
    assert!(key(1) < key(256) && key(255) < key(256));
    assert_eq!(outpoint_of(&key(77)), OutPoint { vout: 77, ..outpoint(1) });
}
