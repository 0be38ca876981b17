use super::*;

#[test]
fn numbers_are_read() {
    fn check(bytes: &[u8], loose: Result<i64, ScriptError>, minimal: bool) {
        assert_eq!(decode(bytes, false, 4), loose, "{bytes:02x?}");
        let expected = if minimal { loose } else { Err(ScriptError::ScriptNum) };
        assert_eq!(decode(bytes, true, 4), expected, "{bytes:02x?}");
    }
    check(&[], Ok(0), true);
    check(&[0], Ok(0), false);
    check(&[0x80], Ok(0), false);
    check(&[1], Ok(1), true);
    check(&[0x81], Ok(-1), true);
    check(&[1, 0], Ok(1), false);
    check(&[0xff, 0], Ok(255), true);
    check(&[0xff, 0x80], Ok(-255), true);
    check(&[0x7f, 0x80], Ok(-127), false);
    check(&[0xff, 0xff, 0xff, 0x7f], Ok(i64::from(i32::MAX)), true);
    check(&[0xff, 0xff, 0xff, 0xff], Ok(-i64::from(i32::MAX)), true);
    check(&[1, 0, 0, 0, 0], Err(ScriptError::ScriptNum), false);
}

#[test]
fn d27_a_lock_operand_has_five_bytes() {
    assert_eq!(decode(&[0xff; 5], true, LOCK_BYTES_MAX), Ok(-0x7f_ffff_ffff));
    assert_eq!(decode(&[0, 0, 0, 0, 1], true, LOCK_BYTES_MAX), Ok(1 << 32));
    assert_eq!(decode(&[0, 0, 0, 0, 0, 1], true, LOCK_BYTES_MAX), Err(ScriptError::ScriptNum));
}

#[test]
fn numbers_are_written_in_their_shortest_form() {
    fn check(number: i64, bytes: &[u8]) {
        assert_eq!(encode(number).as_bytes(), bytes, "{number}");
        assert_eq!(decode(bytes, true, 8), Ok(number));
    }
    check(0, &[]);
    check(1, &[1]);
    check(-1, &[0x81]);
    check(16, &[16]);
    check(127, &[0x7f]);
    check(128, &[0x80, 0]);
    check(-128, &[0x80, 0x80]);
    check(255, &[0xff, 0]);
    check(256, &[0, 1]);
    check(-256, &[0, 0x81]);
    check(i64::from(i32::MAX) * 2, &[0xfe, 0xff, 0xff, 0xff, 0]);
    check(-i64::from(i32::MAX) * 2, &[0xfe, 0xff, 0xff, 0xff, 0x80]);
    assert_eq!(encode(i64::MIN).as_bytes(), [0, 0, 0, 0, 0, 0, 0, 0x80, 0x80]);
}
