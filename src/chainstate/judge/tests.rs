use adit_domain::units::Height;
use bitcoin::hashes::Hash;
use bitcoin::{Amount, ScriptBuf, TxOut, Txid};

use super::*;

fn outpoint(n: u8) -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([n; 32]), vout: 0 }
}

fn coin(sat: u64) -> CompactCoin {
    let output = TxOut { value: Amount::from_sat(sat), script_pubkey: ScriptBuf::new() };
    CompactCoin::new(&output, Height::new(1), false)
}

#[test]
fn coins_are_given_in_their_order_and_none_other() {
    let resolved = Resolved::new(vec![(outpoint(2), coin(20)), (outpoint(1), coin(10))]);
    assert!(!resolved.has_coin(&outpoint(2)).unwrap());
    assert_eq!(resolved.coin(&outpoint(2)).unwrap(), Some(coin(20).to_coin()));
    // Not the next one: nothing is said of the block.
    let fault = resolved.coin(&outpoint(2)).unwrap_err();
    assert!(fault.source_text.ends_with("was not looked for"), "{fault}");
    assert_eq!(resolved.coin(&outpoint(1)).unwrap(), Some(coin(10).to_coin()));
    assert!(resolved.coin(&outpoint(3)).is_err());
}
