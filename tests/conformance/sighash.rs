//! Core's sighash.json.

use adit_domain::script::TxContext;
use bitcoin::Transaction;
use bitcoin::consensus::encode::deserialize;

use crate::vectors;

#[test]
fn every_row_of_sighash() {
    let rows = vectors::core("sighash.json");
    let rows: Vec<_> = rows.iter().filter(|row| row.as_array().unwrap().len() == 5).collect();
    for row in &rows {
        let tx: Transaction = deserialize(&vectors::hex(row[0].as_str().unwrap())).unwrap();
        let script = vectors::hex(row[1].as_str().unwrap());
        let input = usize::try_from(row[2].as_u64().unwrap()).unwrap();
        let hash_type = row[3].as_i64().unwrap() as u32;
        let mut expected = vectors::hex(row[4].as_str().unwrap());
        expected.reverse();
        let digest = TxContext::new(&tx, &[]).legacy_sighash(input, &script, hash_type);
        assert_eq!(digest.unwrap().as_slice(), expected, "{row}");
    }
    println!("sighash: {} rows ran", rows.len());
    assert!(rows.len() >= 500, "{} rows", rows.len());
}
