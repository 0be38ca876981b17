use super::*;

#[test]
fn d21_find_and_delete() {
    fn check(script: &[u8], needle: &[u8], expected: Option<&[u8]>) {
        assert_eq!(find_and_delete(script, needle).as_deref(), expected, "{script:02x?} {needle:02x?}");
    }
    check(&[], &[1, 7], None);
    check(&[0x51, 0x52], &[1, 7], None);
    check(&[1, 7], &[1, 7], Some(&[]));
    check(&[0x51, 1, 7, 0x52, 1, 7, 1, 7], &[1, 7], Some(&[0x51, 0x52]));
    // Only where an instruction begins, also behind one that was deleted.
    check(&[2, 1, 7, 1, 7], &[1, 7], Some(&[2, 1, 7]));
    check(&[0x4c, 1, 7], &[1, 7], None);
    check(&[0, 0, 0x51, 0], &[0], Some(&[0x51]));
    // A truncated push is kept, and nothing is looked for behind it.
    check(&[1, 7, 5, 1, 7], &[1, 7], Some(&[5, 1, 7]));
}

#[test]
fn pushes_of_signatures() {
    fn check(len: usize, prefix: &[u8]) {
        let signature = vec![7; len];
        assert_eq!(push_of(&signature), [prefix, &signature].concat(), "{len}");
    }
    check(0, &[0]);
    check(1, &[1]);
    check(75, &[75]);
    check(76, &[0x4c, 76]);
    check(255, &[0x4c, 255]);
    check(256, &[0x4d, 0, 1]);
    check(520, &[0x4d, 8, 2]);
}
