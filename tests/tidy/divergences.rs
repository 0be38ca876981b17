//! What other nodes got wrong, row by row: each row keeps its test.

use crate::check_none;
use crate::source::everything;

/// How many rows there are; a test of row 7 is named `d07_` and what it shows.
const ROWS: u32 = 41;

#[test]
fn every_row_has_a_test() {
    let mut names = Vec::new();
    for source in everything() {
        let lines: Vec<&str> = source.text.lines().collect();
        // A row's test is attributed as one in the line above it: a helper of that name does not count.
        for line in lines.windows(2).filter(|pair| pair[0].trim() == "#[test]").map(|pair| pair[1].trim()) {
            names.extend(line.strip_prefix("fn ").map(str::to_owned));
        }
    }
    let missing = (1..=ROWS)
        .map(|row| format!("d{row:02}_"))
        .filter(|row| !names.iter().any(|name| name.starts_with(row.as_str())));
    check_none("a row without a test", missing.collect());
}
