//! Core's script_assets_test: thousands of spends of random outputs, each with a way that succeeds and mostly one that
//! fails.

use std::process::Command;

use bitcoin::consensus::encode::deserialize;
use bitcoin::{ScriptBuf, Transaction, TxOut, Witness};
use serde_json::Value;

use crate::engines::verify;
use crate::{asm, vectors};

fn with_input(row: &Value, way: &Value) -> Transaction {
    let mut tx: Transaction = deserialize(&vectors::hex(row["tx"].as_str().unwrap())).unwrap();
    let input = &mut tx.input[index_of(row)];
    input.script_sig = ScriptBuf::from_hex(way["scriptSig"].as_str().unwrap()).unwrap();
    let elements = way["witness"].as_array().unwrap().iter();
    input.witness =
        Witness::from_slice(&elements.map(|e| vectors::hex(e.as_str().unwrap())).collect::<Vec<_>>());
    tx
}

fn index_of(row: &Value) -> usize {
    usize::try_from(row["index"].as_u64().unwrap()).unwrap()
}

fn check(row: &Value) -> (u32, u32) {
    let prevouts = row["prevouts"].as_array().unwrap().iter();
    let prevouts: Vec<TxOut> =
        prevouts.map(|out| deserialize(&vectors::hex(out.as_str().unwrap())).unwrap()).collect();
    let flags = asm::flags(row["flags"].as_str().unwrap());
    let verdict = |way: &Value, flags| verify(&with_input(row, way), &prevouts, index_of(row), flags);
    let (success, failure) = (&row["success"], &row["failure"]);
    if success.is_object() {
        assert_eq!(verdict(success, flags), Ok(()), "{}", row["comment"]);
        for (_, flag) in asm::FLAGS {
            assert_eq!(verdict(success, asm::trimmed(flags.without(flag))), Ok(()), "{}", row["comment"]);
        }
    }
    if failure.is_object() {
        assert!(verdict(failure, flags).is_err(), "{}", row["comment"]);
    }
    (u32::from(success.is_object()), u32::from(failure.is_object()))
}

#[test]
fn every_taproot_asset() {
    let Some(path) = vectors::data("vectors/taproot-script-assets.tar.xz") else { return };
    let output = match Command::new("tar").arg("-xJOf").arg(&path).output() {
        Ok(output) if output.status.success() => output.stdout,
        _ => return println!("taproot assets: 0 cases ran, no tar with xz here"),
    };
    // One file a case: an object, a comma and a newline.
    let text = String::from_utf8(output).unwrap();
    let rows: Vec<Value> =
        text.lines().map(|l| serde_json::from_str(l.trim_end_matches(',')).unwrap()).collect();
    let ran: Vec<_> = rows.iter().map(check).collect();
    let (successes, failures) = ran.iter().fold((0, 0), |(s, f), (s2, f2)| (s + s2, f + f2));
    println!("taproot assets: {successes} successes and {failures} failures ran");
    assert!(successes >= 2700 && failures >= 2000, "{successes} and {failures}");
}
