//! Core's script_assets_test: thousands of spends of random outputs, each with a way that succeeds and mostly one that
//! fails, under every legal set of the flags of consensus.

use std::ops::AddAssign;
use std::process::Command;
use std::thread;

use adit_domain::script::ScriptFlags;
use bitcoin::consensus::encode::deserialize;
use bitcoin::{ScriptBuf, Transaction, TxOut, Witness};
use serde_json::Value;

use crate::engines::{FORKS, verify};
use crate::{asm, vectors};

/// The combinations of [`FORKS`] that mean something: no WITNESS without P2SH, no TAPROOT without WITNESS.
fn combinations() -> Vec<ScriptFlags> {
    let combination = |bits: u32| {
        let set = FORKS.iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1);
        set.fold(ScriptFlags::NONE, |all, (_, flag)| all | *flag)
    };
    let is_legal = |flags: &ScriptFlags| {
        let implies = |flag, other| !flags.contains(flag) || flags.contains(other);
        implies(ScriptFlags::WITNESS, ScriptFlags::P2SH)
            && implies(ScriptFlags::TAPROOT, ScriptFlags::WITNESS)
    };
    (0..1 << FORKS.len()).map(combination).filter(is_legal).collect()
}

/// How much ran: ways, and ways under a combination.
#[derive(Default)]
struct Ran {
    successes: u32,
    success_pairs: u32,
    failures: u32,
    failure_pairs: u32,
}

impl AddAssign for Ran {
    fn add_assign(&mut self, other: Ran) {
        self.successes += other.successes;
        self.success_pairs += other.success_pairs;
        self.failures += other.failures;
        self.failure_pairs += other.failure_pairs;
    }
}

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

/// What succeeds under the row's flags does so under fewer, and where the row is final, under any. What fails under
/// them fails under more.
fn check(row: &Value, combinations: &[ScriptFlags]) -> Ran {
    let prevouts = row["prevouts"].as_array().unwrap().iter();
    let prevouts: Vec<TxOut> =
        prevouts.map(|out| deserialize(&vectors::hex(out.as_str().unwrap())).unwrap()).collect();
    let (index, of_row) = (index_of(row), asm::flags(row["flags"].as_str().unwrap()));
    assert!(combinations.contains(&of_row), "{}: {}", row["comment"], row["flags"]);
    let is_final = row["final"].as_bool().unwrap_or(false);
    let mut ran = Ran::default();
    if row["success"].is_object() {
        let tx = with_input(row, &row["success"]);
        ran.successes += 1;
        for flags in combinations.iter().filter(|flags| is_final || of_row.contains(**flags)) {
            assert_eq!(verify(&tx, &prevouts, index, *flags), Ok(()), "{} under {flags:?}", row["comment"]);
            ran.success_pairs += 1;
        }
    }
    if row["failure"].is_object() {
        let tx = with_input(row, &row["failure"]);
        ran.failures += 1;
        for flags in combinations.iter().filter(|flags| flags.contains(of_row)) {
            assert!(verify(&tx, &prevouts, index, *flags).is_err(), "{} under {flags:?}", row["comment"]);
            ran.failure_pairs += 1;
        }
    }
    ran
}

/// All rows, a part of them a thread.
fn check_all(rows: &[Value]) -> Ran {
    let combinations = combinations();
    assert_eq!(combinations.len(), 64);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let check_part = |first| {
        let mut ran = Ran::default();
        rows.iter().skip(first).step_by(threads).for_each(|row| ran += check(row, &combinations));
        ran
    };
    thread::scope(|scope| {
        let check_part = &check_part;
        let parts: Vec<_> = (0..threads).map(|first| scope.spawn(move || check_part(first))).collect();
        let mut ran = Ran::default();
        parts.into_iter().for_each(|part| ran += part.join().unwrap());
        ran
    })
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
    let Ran { successes, success_pairs, failures, failure_pairs } = check_all(&rows);
    println!(
        "taproot assets: {successes} successes under {success_pairs} and {failures} failures under {failure_pairs} \
         combinations of flags ran, {} in all",
        success_pairs + failure_pairs,
    );
    assert!(successes >= 2700 && failures >= 2000, "{successes} and {failures}");
}
