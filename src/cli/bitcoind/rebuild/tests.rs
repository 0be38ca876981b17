use std::collections::BTreeSet;

use super::{has_block_files, is_block_file, now, remove};
use crate::cli::bitcoind::layers::Layers;
use crate::cli::bitcoind::value::Value;

#[test]
fn only_block_files_go_with_a_pruned_chain() {
    let dir = tempfile::tempdir().unwrap();
    let names = |kept: &[&str]| kept.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
    assert!(!has_block_files(dir.path()).unwrap());
    for name in ["blk00007.dat", "rev00007.dat", "xor.dat", ".lock", "blk.txt"] {
        std::fs::write(dir.path().join(name), "").unwrap();
    }
    std::fs::create_dir(dir.path().join("blk00009.dat")).unwrap();
    assert!(has_block_files(dir.path()).unwrap());
    remove(dir.path(), is_block_file).unwrap();
    let left = std::fs::read_dir(dir.path()).unwrap();
    let left: BTreeSet<String> =
        left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(left, names(&["xor.dat", ".lock", "blk.txt", "blk00009.dat"]));
    remove(&dir.path().join("none"), |_| true).unwrap();
    assert!(has_block_files(&dir.path().join("none")).is_err());
}

#[test]
fn a_clock_that_stands_counts() {
    let mut layers = Layers::default();
    layers.line.insert("mocktime".to_owned(), vec![Value::Text("12".to_owned())]);
    assert_eq!(now(&layers).to_seconds_floor(), 12);
    layers.line.insert("mocktime".to_owned(), vec![Value::Text("0".to_owned())]);
    assert!(now(&layers).to_seconds_floor() > 1_700_000_000);
}
