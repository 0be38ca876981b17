use super::*;

fn check_read(script: &[u8], expected: &[Result<(u8, &[u8]), Truncated>]) {
    let mut reader = Reader::new(script);
    let read: Vec<_> = std::iter::from_fn(|| reader.read()).take(expected.len() + 1).collect();
    let read: Vec<_> = read.into_iter().map(|r| r.map(|i| (i.opcode, i.data))).collect();
    assert_eq!(read.as_slice(), expected, "{script:02x?}");
}

#[test]
fn instructions_are_read() {
    check_read(&[], &[]);
    check_read(&[0], &[Ok((0, &[]))]);
    check_read(&[2, 7, 8, 0xac], &[Ok((2, &[7, 8])), Ok((0xac, &[]))]);
    check_read(&[0x4c, 1, 9], &[Ok((0x4c, &[9]))]);
    check_read(&[0x4d, 1, 0, 9], &[Ok((0x4d, &[9]))]);
    check_read(&[0x4e, 1, 0, 0, 0, 9], &[Ok((0x4e, &[9]))]);
    check_read(&[0x4f], &[Ok((0x4f, &[]))]);
}

#[test]
fn a_push_past_the_end_is_truncated() {
    for script in [
        &[1][..],
        &[0x4c],
        &[0x4c, 1],
        &[0x4d, 1],
        &[0x4d, 1, 0],
        &[0x4e, 0, 0, 0],
        &[0x4e, 255, 255, 255, 255],
    ] {
        assert_eq!(Reader::new(script).read(), Some(Err(Truncated)), "{script:02x?}");
    }
}

#[test]
fn d25_pushdata4_length_keeps_all_32_bits() {
    let mut script = vec![OP_PUSHDATA4];
    script.extend(0x0001_0001_u32.to_le_bytes());
    script.extend(vec![7; 0x0001_0001]);
    let read = Reader::new(&script).read().unwrap().unwrap();
    assert_eq!(read.data.len(), 0x0001_0001);
    assert_eq!(Reader::new(&[OP_PUSHDATA4, 0, 0, 1, 0, 7]).read(), Some(Err(Truncated)));
    assert_eq!(Reader::new(&[OP_PUSHDATA4, 0, 0, 0, 0x80, 7]).read(), Some(Err(Truncated)));
}

#[test]
fn minimal_pushes() {
    fn check(opcode: u8, data: &[u8], minimal: bool) {
        assert_eq!(Instruction { opcode, data }.is_minimal_push(), minimal, "{opcode:02x} {}", data.len());
    }
    check(OP_0, &[], true);
    check(OP_PUSHDATA1, &[], false);
    check(1, &[16], false);
    check(1, &[17], true);
    check(1, &[0], true);
    check(1, &[0x81], false);
    check(75, &[0; 75], true);
    check(OP_PUSHDATA1, &[0; 75], false);
    check(OP_PUSHDATA1, &[0; 76], true);
    check(OP_PUSHDATA2, &[0; 255], false);
    check(OP_PUSHDATA2, &[0; 256], true);
    check(OP_PUSHDATA4, &[0; 65_535], false);
    check(OP_PUSHDATA4, &[0; 65_536], true);
}

#[test]
fn small_numbers_and_groups() {
    assert_eq!(
        (small_int(0x50), small_int(0x51), small_int(0x60), small_int(0x61)),
        (None, Some(1), Some(16), None)
    );
    assert!(is_push_only(&[0x50, 0x60, 1, 1]));
    assert!(!is_push_only(&[OP_NOP]) && !is_push_only(&[1]));
    let disabled = (0..=255).filter(|o| is_disabled(*o)).count();
    assert_eq!(disabled, 15);
    let success = (0..=255).filter(|o| is_op_success(*o)).count();
    assert_eq!(success, 87);
}
