use bitcoin::absolute::LockTime;
use bitcoin::psbt::Psbt;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, PublicKey, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};

use super::analysis;
use crate::descriptor::{SECP, multisig_script};

fn key(byte: u8) -> PublicKey {
    let secret = bitcoin::secp256k1::SecretKey::from_slice(&[byte; 32]).unwrap();
    PublicKey::new(secret.public_key(&SECP))
}

/// One input that spends an output of 1 BTC with this script, one output of so many satoshis.
fn spends(script: Option<ScriptBuf>, out_sat: u64) -> Psbt {
    let input = TxIn {
        previous_output: OutPoint::default(),
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let output = TxOut { value: Amount::from_sat(out_sat), script_pubkey: ScriptBuf::new() };
    let tx = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![input],
        output: vec![output],
    };
    let mut psbt = Psbt::from_unsigned_tx(tx).unwrap();
    psbt.inputs[0].witness_utxo = script.map(|script_pubkey| TxOut { value: Amount::ONE_BTC, script_pubkey });
    psbt
}

fn check(psbt: &Psbt, want: &str) {
    assert_eq!(analysis(psbt).to_string(), want);
}

#[test]
fn whose_turn_it_is_follows_from_what_lacks() {
    check(
        &spends(None, 1),
        r#"{"inputs":[{"has_utxo":false,"is_final":false,"next":"updater"}],"next":"updater"}"#,
    );
    let mut psbt = spends(Some(ScriptBuf::new_p2wpkh(&key(1).wpubkey_hash().unwrap())), 99_999_000);
    let hash = key(1).pubkey_hash();
    check(
        &psbt,
        &format!(
            r#"{{"inputs":[{{"has_utxo":true,"is_final":false,"next":"updater","missing":{{"pubkeys":["{hash}"]}}}}],"fee":0.00001000,"next":"updater"}}"#
        ),
    );
    psbt.inputs[0].bip32_derivation.insert(key(1).inner, Default::default());
    check(
        &psbt,
        &format!(
            r#"{{"inputs":[{{"has_utxo":true,"is_final":false,"next":"signer","missing":{{"signatures":["{hash}"]}}}}],"estimated_vsize":88,"estimated_feerate":0.00011363,"fee":0.00001000,"next":"signer"}}"#
        ),
    );
}

#[test]
fn scripts_that_lack_are_named() {
    let inside = multisig_script(1, &[key(1)]);
    // Without its script it can't be told that a witness signs, and so the coin is not believed.
    let mut psbt = spends(Some(inside.to_p2wsh()), 1);
    check(
        &psbt,
        r#"{"inputs":[{"has_utxo":true,"is_final":false,"next":"updater"}],"fee":0.99999999,"next":"updater"}"#,
    );
    let before = Transaction {
        output: psbt.inputs[0].witness_utxo.clone().into_iter().collect(),
        ..spends(None, 1).unsigned_tx
    };
    psbt.unsigned_tx.input[0].previous_output.txid = before.compute_txid();
    psbt.unsigned_tx.input[0].previous_output.vout = 0;
    psbt.inputs[0].witness_utxo = None;
    psbt.inputs[0].non_witness_utxo = Some(before);
    let found = analysis(&psbt).to_string();
    assert!(
        found.contains(r#""missing":{"witnessscript":""#) && found.contains(r#""next":"updater""#),
        "{found}"
    );
    psbt.inputs[0].witness_script = Some(inside);
    assert!(analysis(&psbt).to_string().contains(r#""next":"signer""#));
}

#[test]
fn what_will_never_be_valid_is_told() {
    let returns = ScriptBuf::from_bytes(vec![0x6a]);
    check(
        &spends(Some(returns), 1),
        r#"{"next":"creator","error":"PSBT is not valid. Input 0 spends unspendable output"}"#,
    );
    let anyone = ScriptBuf::from_bytes(vec![0x51]);
    check(
        &spends(Some(anyone.clone()), 2_100_000_000_000_001),
        r#"{"next":"creator","error":"PSBT is not valid. Output amount invalid"}"#,
    );
    let mut psbt = spends(Some(anyone), 1);
    psbt.inputs[0].witness_utxo.as_mut().unwrap().value = Amount::from_sat(2_100_000_000_000_001);
    check(&psbt, r#"{"next":"creator","error":"PSBT is not valid. Input 0 has invalid value"}"#);
}
