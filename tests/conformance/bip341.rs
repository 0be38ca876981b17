//! The wallet vectors of BIP-0341: digests, and the witnesses that they lead to.

use adit_domain::script::{ScriptFlags, TaprootExtra, TxContext};
use bitcoin::consensus::encode::deserialize;
use bitcoin::{Amount, ScriptBuf, Transaction, TxOut, Witness};
use serde_json::Value;

use crate::engines::verify;
use crate::vectors;

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("{name}"))
}

fn prevouts_of(given: &Value) -> Vec<TxOut> {
    let spent = given["utxosSpent"].as_array().unwrap().iter();
    spent
        .map(|utxo| TxOut {
            value: Amount::from_sat(utxo["amountSats"].as_u64().unwrap()),
            script_pubkey: ScriptBuf::from_hex(text(utxo, "scriptPubKey")).unwrap(),
        })
        .collect()
}

#[test]
fn every_key_path_spend_of_bip341() {
    let vectors = vectors::core_object("bip341_wallet_vectors.json");
    let mut ran = 0;
    for case in vectors["keyPathSpending"].as_array().unwrap() {
        let raw = vectors::hex(text(&case["given"], "rawUnsignedTx"));
        let mut tx: Transaction = deserialize(&raw).unwrap();
        let prevouts = prevouts_of(&case["given"]);
        for spend in case["inputSpending"].as_array().unwrap() {
            let input = usize::try_from(spend["given"]["txinIndex"].as_u64().unwrap()).unwrap();
            let hash_type = u8::try_from(spend["given"]["hashType"].as_u64().unwrap()).unwrap();
            let context = TxContext::new(&tx, &prevouts);
            let digest = context.taproot_sighash(input, hash_type, &TaprootExtra::default()).unwrap();
            assert_eq!(digest.as_slice(), vectors::hex(text(&spend["intermediary"], "sigHash")));

            let witness = spend["expected"]["witness"].as_array().unwrap();
            let witness: Vec<_> = witness.iter().map(|e| vectors::hex(e.as_str().unwrap())).collect();
            tx.input[input].witness = Witness::from_slice(&witness);
            assert_eq!(verify(&tx, &prevouts, input, ScriptFlags::CONSENSUS), Ok(()), "input {input}");
            ran += 1;
        }
    }
    println!("bip341: {ran} spends ran");
    assert_eq!(ran, 7);
}

/// Every leaf of every tree: its control block has to be taken for the output. None of the leaves can be satisfied, so
/// that a good control block shows by the failure that comes after it.
#[test]
fn every_control_block_of_bip341() {
    let vectors = vectors::core_object("bip341_wallet_vectors.json");
    let mut ran = 0;
    for case in vectors["scriptPubKey"].as_array().unwrap() {
        let mut leaves = Vec::new();
        collect_leaves(&case["given"]["scriptTree"], &mut leaves);
        leaves.sort();
        let blocks = case["expected"]["scriptPathControlBlocks"].as_array();
        for ((_, script), block) in leaves.iter().zip(blocks.into_iter().flatten()) {
            let block = vectors::hex(block.as_str().unwrap());
            let output = ScriptBuf::from_hex(text(&case["expected"], "scriptPubKey")).unwrap();
            assert!(is_committed(script, &block, &output), "{script}");
            let mut other = block.clone();
            *other.last_mut().unwrap() ^= 1;
            assert!(!is_committed(script, &other, &output), "{script}");
            ran += 1;
        }
    }
    println!("bip341: {ran} control blocks ran");
    assert!(ran >= 10, "{ran}");
}

fn collect_leaves<'v>(root: &'v Value, leaves: &mut Vec<(u64, &'v str)>) {
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        if let Some(children) = node.as_array() {
            open.extend(children);
        } else if node.is_object() {
            leaves.push((node["id"].as_u64().unwrap(), text(node, "script")));
        }
    }
}

fn is_committed(script: &str, control: &[u8], output: &ScriptBuf) -> bool {
    use adit_domain::script::ScriptError;
    let witness = vec![vectors::hex(script), control.to_vec()];
    let (tx, prevout) =
        crate::engines::credit_and_spend(output.clone(), ScriptBuf::new(), witness, Amount::ONE_BTC);
    let verdict = verify(&tx, &[prevout], 0, ScriptFlags::CONSENSUS);
    verdict != Err(ScriptError::WitnessProgramMismatch)
}
