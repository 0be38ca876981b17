use std::collections::HashSet;

use super::*;

struct Broken;
impl NumberLease for Broken {
    fn lease(&self, _count: u64) -> Result<u64, LeaseFault> {
        Err(LeaseFault("disk gone".to_owned()))
    }
}

#[test]
fn no_number_comes_twice_over_restarts() {
    let lease = MemoryLease::default();
    let mut given = HashSet::new();
    for _process in 0..20 {
        let mut allocator = ExtranonceAllocator::new(3);
        for _ in 0..5_000 {
            let extranonce1 = allocator.allocate(&lease, |_| false).unwrap();
            assert_eq!(extranonce1[0], 3);
            assert!(given.insert(extranonce1));
        }
    }
}

#[test]
fn one_that_a_session_has_is_left_out() {
    let lease = MemoryLease::default();
    let mut allocator = ExtranonceAllocator::new(0);
    let taken = [[0, 0, 0, 0], [0, 0, 0, 1]];
    assert_eq!(allocator.allocate(&lease, |e| taken.contains(&e)).unwrap(), [0, 0, 0, 2]);
}

#[test]
fn the_count_begins_anew_after_three_bytes() {
    let lease = MemoryLease(Mutex::new((1 << 24) - 1));
    let mut allocator = ExtranonceAllocator::new(9);
    assert_eq!(allocator.allocate(&lease, |_| false).unwrap(), [9, 255, 255, 255]);
    assert_eq!(allocator.allocate(&lease, |_| false).unwrap(), [9, 0, 0, 0]);
}

#[test]
fn two_servers_never_share_one() {
    let (a, b) = (MemoryLease::default(), MemoryLease::default());
    let one = ExtranonceAllocator::new(1).allocate(&a, |_| false).unwrap();
    let other = ExtranonceAllocator::new(2).allocate(&b, |_| false).unwrap();
    assert_ne!(one, other);
}

#[test]
fn without_a_lease_no_number_is_given_out() {
    let fault = ExtranonceAllocator::new(0).allocate(&Broken, |_| false).unwrap_err();
    assert_eq!(fault.to_string(), "extranonce lease: disk gone");
    let fault = ExtranonceAllocator::new(0).allocate(&MemoryLease::default(), |_| true).unwrap_err();
    assert_eq!(fault.to_string(), "extranonce lease: every number is in use");
}
