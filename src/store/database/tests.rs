use std::fs;

use super::open as open_on;
use crate::disk::MachineDisk;
use crate::fault::StoreFault;

fn open(path: &std::path::Path, cache_bytes: usize) -> Result<redb::Database, StoreFault> {
    open_on(&MachineDisk, path, cache_bytes)
}

#[test]
fn what_a_kill_left_of_a_database_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.redb");
    fs::write(dir.path().join("a.new"), vec![0; 4096]).unwrap();
    drop(open(&path, 1 << 20).unwrap());
    assert!(path.exists() && !dir.path().join("a.new").exists());
    drop(open(&path, 1 << 20).unwrap());
}

#[test]
fn a_file_that_is_no_database_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.redb");
    fs::write(&path, vec![1; 4096]).unwrap();
    assert!(matches!(open(&path, 1 << 20), Err(StoreFault::Io { .. })));
    assert_eq!(fs::read(&path).unwrap(), vec![1; 4096]);
}

#[test]
fn a_folder_that_is_not_there_is_a_fault() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nothing").join("a.redb");
    assert!(open(&path, 1 << 20).is_err());
}
