//! Core's tx_valid.json and tx_invalid.json.

use std::collections::HashMap;

use adit_domain::consensus::check_transaction;
use adit_domain::script::ScriptFlags;
use adit_domain::wire::ParsedTx;
use bitcoin::{Amount, OutPoint, TxOut, Txid};
use serde_json::Value;

use crate::engines::verify_all;
use crate::{asm, vectors};

fn prevouts_of(row: &Value) -> HashMap<OutPoint, TxOut> {
    let prevout = |input: &Value| {
        let txid: Txid = input[0].as_str().unwrap().parse().unwrap();
        // An index of -1 stands for 0xffffffff.
        let vout = input[1].as_i64().unwrap() as u32;
        let value = Amount::from_sat(input.get(3).map_or(0, |value| value.as_u64().unwrap()));
        let script_pubkey = asm::script(input[2].as_str().unwrap());
        (OutPoint { txid, vout }, TxOut { value, script_pubkey })
    };
    row.as_array().unwrap().iter().map(prevout).collect()
}

struct Row {
    tx: Option<ParsedTx>,
    prevouts: Vec<TxOut>,
    flags: String,
    text: String,
}

fn rows(file: &str) -> Vec<Row> {
    let rows = vectors::core(file);
    let rows = rows.iter().filter(|row| row[0].is_array());
    rows.map(|row| {
        let known = prevouts_of(&row[0]);
        let raw = vectors::hex(row[1].as_str().unwrap());
        let tx = ParsedTx::decode(&raw).ok();
        let inputs = tx.iter().flat_map(|tx| &tx.tx().input);
        let prevouts = inputs.filter_map(|input| known.get(&input.previous_output).cloned()).collect();
        Row { tx, prevouts, flags: row[2].as_str().unwrap().to_owned(), text: row.to_string() }
    })
    .collect()
}

/// The single flags that a set is made of.
fn members(flags: ScriptFlags) -> impl Iterator<Item = ScriptFlags> {
    asm::FLAGS.into_iter().map(|(_, flag)| flag).filter(move |flag| flags.contains(*flag))
}

/// The set with one flag less, for each flag, where the rest still makes sense.
fn excluding_one(flags: ScriptFlags) -> impl Iterator<Item = ScriptFlags> {
    members(flags).map(move |flag| asm::trimmed(flags.without(flag)))
}

fn is_valid(row: &Row, flags: ScriptFlags) -> bool {
    verify_all(row.tx.as_ref().expect("it decodes").tx(), &row.prevouts, flags).is_ok()
}

/// Whether the transaction decodes and passes the checks that need no state.
fn is_well_formed(row: &Row) -> bool {
    row.tx.as_ref().is_some_and(|tx| check_transaction(tx).is_ok())
}

#[test]
fn every_row_of_tx_valid() {
    let rows = rows("tx_valid.json");
    for row in &rows {
        let excluded = asm::flags(&row.flags);
        let flags = asm::all_but(excluded);
        assert_eq!(flags, asm::trimmed(flags), "{}", row.text);
        assert!(is_well_formed(row), "{}", row.text);
        assert!(is_valid(row, flags), "{}", row.text);
        for flag in members(flags) {
            assert!(is_valid(row, asm::trimmed(flags.without(flag))), "{}", row.text);
        }
        // No flag is left out without need.
        for fewer in excluding_one(excluded) {
            assert!(!is_valid(row, asm::all_but(fewer)), "{fewer:?} {}", row.text);
        }
    }
    println!("tx_valid: {} rows ran", rows.len());
    assert!(rows.len() > 100, "{} rows", rows.len());
}

#[test]
fn every_row_of_tx_invalid() {
    let rows = rows("tx_invalid.json");
    for row in &rows {
        if row.flags == "BADTX" {
            assert!(!is_well_formed(row), "{}", row.text);
            continue;
        }
        assert!(is_well_formed(row), "{}", row.text);
        let flags = asm::flags(&row.flags);
        assert_eq!(flags, flags.with_implied(), "{}", row.text);
        assert!(!is_valid(row, flags), "{}", row.text);
        for (_, flag) in asm::FLAGS {
            assert!(!is_valid(row, (flags | flag).with_implied()), "{}", row.text);
        }
        // No flag is asked for without need.
        for fewer in excluding_one(flags) {
            assert!(is_valid(row, fewer), "{fewer:?} {}", row.text);
        }
    }
    println!("tx_invalid: {} rows ran", rows.len());
    assert!(rows.len() > 80, "{} rows", rows.len());
}
