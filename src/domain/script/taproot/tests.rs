use super::*;

#[test]
fn control_blocks_have_a_size() {
    fn check(len: usize, fits: bool) {
        assert_eq!(ControlBlock::parse(&vec![0xc1; len]).is_some(), fits, "{len}");
    }
    check(0, false);
    check(32, false);
    check(33, true);
    check(34, false);
    check(65, true);
    check(33 + 32 * 128, true);
    check(33 + 32 * 129, false);
}

#[test]
fn the_first_byte_holds_version_and_parity() {
    let bytes = [0xc1; 33];
    let control = ControlBlock::parse(&bytes).unwrap();
    assert_eq!((control.leaf_version(), control.first & 1), (0xc0, 1));
}

#[test]
fn a_branch_does_not_know_left_from_right() {
    assert_eq!(branch_hash([1; 32], &[2; 32]), branch_hash([2; 32], &[1; 32]));
    assert_ne!(branch_hash([1; 32], &[2; 32]), branch_hash([1; 32], &[3; 32]));
}
