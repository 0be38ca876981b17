use bitcoin::hashes::{Hash, sha256d};
use bitcoin::{Amount, OutPoint, ScriptBuf, TxOut, Txid};

use super::{SetHasher, SetSums, bogo_size};
use crate::chain::muhash::coin_bytes;
use crate::consensus::Coin;
use crate::units::Height;

fn coin(script_len: usize, sat: u64) -> Coin {
    let script_pubkey = ScriptBuf::from_bytes(vec![0x51; script_len]);
    let output = TxOut { value: Amount::from_sat(sat), script_pubkey };
    Coin { output, height: Height::new(7), is_coinbase: true }
}

fn outpoint(txid: u8, vout: u32) -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([txid; 32]), vout }
}

#[test]
fn the_empty_set_is_cores() {
    let (hash, sums) = SetHasher::default().finish();
    assert_eq!(hash, sha256d::Hash::hash(&[]));
    assert_eq!(sums, SetSums::default());
}

#[test]
fn coins_are_hashed_in_their_order_and_counted() {
    let coins = [(outpoint(1, 0), coin(0, 5)), (outpoint(1, 3), coin(25, 6)), (outpoint(2, 0), coin(1, 7))];
    let mut hasher = SetHasher::default();
    let mut bytes = Vec::new();
    for (outpoint, coin) in &coins {
        hasher.push(outpoint, coin);
        bytes.extend(coin_bytes(outpoint, coin));
    }
    let (hash, sums) = hasher.finish();
    assert_eq!(hash, sha256d::Hash::hash(&bytes));
    assert_eq!(sums, SetSums { coins: 3, transactions: 2, amount_sat: 18, bogo_size: 176 });
    assert_eq!(bogo_size(&coin(25, 1)), 75);
}
