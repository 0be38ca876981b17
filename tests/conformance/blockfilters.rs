//! Core's blockfilters.json, which is that of BIP-0158: filters and their headers.

use adit_domain::chain::{basic_filter, filter_header};
use adit_domain::wire::ParsedBlock;
use bitcoin::ScriptBuf;
use bitcoin::bip158::FilterHeader;
use serde_json::Value;

use crate::vectors;

fn text(row: &Value, column: usize) -> &str {
    row[column].as_str().unwrap()
}

#[test]
fn every_row_of_blockfilters() {
    let rows = vectors::core("blockfilters.json");
    let rows: Vec<_> = rows.iter().filter(|row| row.as_array().unwrap().len() > 1).collect();
    for row in &rows {
        let block = ParsedBlock::decode(&vectors::hex(text(row, 2))).unwrap();
        assert_eq!(block.hash().to_string(), text(row, 1), "{row}");
        let spent = row[3].as_array().unwrap().iter();
        let spent: Vec<_> = spent.map(|s| ScriptBuf::from_hex(s.as_str().unwrap()).unwrap()).collect();
        let filter = basic_filter(&block, spent.iter().map(ScriptBuf::as_script));
        assert_eq!(filter, vectors::hex(text(row, 5)), "{row}");
        let previous: FilterHeader = text(row, 4).parse().unwrap();
        assert_eq!(filter_header(&filter, &previous).to_string(), text(row, 6), "{row}");
    }
    println!("blockfilters: {} rows ran", rows.len());
    assert!(rows.len() >= 10, "{} rows", rows.len());
}
