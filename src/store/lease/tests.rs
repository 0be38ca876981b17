use std::fs;

use super::*;
use crate::disk::MachineDisk;

fn open(path: &Path) -> FileLease {
    FileLease::open(&MachineDisk, path).unwrap()
}

#[test]
fn a_number_is_given_out_once_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("extranonce");
    let mut expected = 0;
    for _ in 0..5 {
        let lease = open(&path);
        for count in [1, 4096, 7] {
            assert_eq!(lease.lease(count).unwrap(), expected);
            expected += count;
        }
    }
}

#[test]
fn a_torn_write_leaves_the_lease_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("extranonce");
    let lease = open(&path);
    lease.lease(10).unwrap();
    lease.lease(10).unwrap();
    drop(lease);
    // The second write went to the second slot; the one that tears would go to the first.
    let mut bytes = fs::read(&path).unwrap();
    assert_eq!(bytes.len(), 24);
    bytes[3] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(open(&path).lease(5).unwrap(), 20);
    assert_eq!(fs::read(&path).unwrap()[..8], 25u64.to_le_bytes());
}

#[test]
fn two_damaged_slots_are_our_fault() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("extranonce");
    fs::write(&path, [7u8; 24]).unwrap();
    let fault = FileLease::open(&MachineDisk, &path).err().unwrap();
    assert!(matches!(fault, StoreFault::Missing { .. }));
    // A first write that tore never returned: none of its numbers was used.
    fs::write(&path, [7u8; 9]).unwrap();
    assert_eq!(open(&path).lease(5).unwrap(), 0);
}

#[test]
fn a_file_that_cannot_be_opened_is_our_fault() {
    let dir = tempfile::tempdir().unwrap();
    let fault = FileLease::open(&MachineDisk, &dir.path().join("no/such/folder")).err().unwrap();
    assert!(matches!(fault, StoreFault::Io { .. }));
}
