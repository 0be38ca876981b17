use super::*;

/// Opens and turns branches by letters: `t` begins one that is taken, `f` one that is not, `e` turns, `x` ends.
fn check(moves: &str, taken: bool, empty: bool) {
    let mut branches = Branches::default();
    for letter in moves.chars() {
        match letter {
            't' => branches.begin(true),
            'f' => branches.begin(false),
            'e' => branches.turn().unwrap(),
            _ => branches.end().unwrap(),
        }
    }
    assert_eq!((branches.are_taken(), branches.is_empty()), (taken, empty), "{moves}");
}

#[test]
fn branches() {
    check("", true, true);
    check("t", true, false);
    check("f", false, false);
    check("fe", true, false);
    check("te", false, false);
    check("fee", false, false);
    check("ft", false, false);
    check("fte", false, false);
    check("ftex", false, false);
    check("ftxe", true, false);
    check("ffx", false, false);
    check("fx", true, true);
    check("tfx", true, false);
    check("tfxx", true, true);
    check("tfe", true, false);
}

#[test]
fn a_branch_that_is_not_open_can_not_turn_or_end() {
    assert_eq!(Branches::default().turn(), Err(ScriptError::UnbalancedConditional));
    assert_eq!(Branches::default().end(), Err(ScriptError::UnbalancedConditional));
}

/// Runs a script alone and shows what it leaves, the top last.
fn check_stack(script: &[u8], expected: &[&[u8]]) {
    use bitcoin::{Transaction, absolute::LockTime, transaction::Version};
    let tx = Transaction { version: Version::ONE, lock_time: LockTime::ZERO, input: vec![], output: vec![] };
    let context = TxContext::new(&tx, &[]);
    let mut stack = Stack::default();
    let memo = Memo::default();
    let input =
        Input { context: &context, index: 0, flags: ScriptFlags::NONE, cache: Cached(None), memo: &memo };
    run(input, Rules::Base, script, &mut stack).unwrap();
    let left: Vec<Vec<u8>> =
        (0..stack.len()).rev().map(|depth| stack.peek(depth).unwrap().as_bytes().to_vec()).collect();
    assert_eq!(left, expected, "{script:02x?}");
}

#[test]
fn elements_are_moved() {
    check_stack(&[0x51, 0x52, OP_2DROP, 0x53], &[&[3]]);
    check_stack(&[0x51, 0x52, OP_2DUP], &[&[1], &[2], &[1], &[2]]);
    check_stack(&[0x51, 0x52, 0x53, OP_3DUP], &[&[1], &[2], &[3], &[1], &[2], &[3]]);
    check_stack(&[0x51, 0x52, 0x53, 0x54, OP_2OVER], &[&[1], &[2], &[3], &[4], &[1], &[2]]);
    check_stack(&[0x51, 0x52, 0x53, 0x54, 0x55, 0x56, OP_2ROT], &[&[3], &[4], &[5], &[6], &[1], &[2]]);
    check_stack(&[0x51, 0x52, 0x53, 0x54, OP_2SWAP], &[&[3], &[4], &[1], &[2]]);
    check_stack(&[0x51, OP_IFDUP, 0x00, OP_IFDUP], &[&[1], &[1], &[]]);
    check_stack(&[OP_DEPTH, OP_DEPTH], &[&[], &[1]]);
    check_stack(&[0x51, 0x52, OP_NIP], &[&[2]]);
    check_stack(&[0x51, 0x52, OP_OVER], &[&[1], &[2], &[1]]);
    check_stack(&[0x51, 0x52, 0x51, OP_PICK], &[&[1], &[2], &[1]]);
    check_stack(&[0x51, 0x52, 0x51, OP_ROLL], &[&[2], &[1]]);
    check_stack(&[0x51, 0x52, 0x53, OP_ROT], &[&[2], &[3], &[1]]);
    check_stack(&[0x51, 0x52, OP_SWAP], &[&[2], &[1]]);
    check_stack(&[0x51, 0x52, OP_TUCK], &[&[2], &[1], &[2]]);
    check_stack(&[0x51, OP_TOALTSTACK, 0x52, OP_FROMALTSTACK], &[&[2], &[1]]);
    check_stack(&[0x02, 7, 7, OP_SIZE], &[&[7, 7], &[2]]);
}

#[test]
fn hashes_have_their_length() {
    for (opcode, len) in
        [(OP_RIPEMD160, 20), (OP_SHA1, 20), (OP_SHA256, 32), (OP_HASH160, 20), (OP_HASH256, 32)]
    {
        check_stack(&[0x51, opcode, OP_SIZE, OP_NIP], &[&[len]]);
    }
}

#[test]
fn numbers_are_computed() {
    check_stack(&[0x52, 0x53, OP_ADD, 0x52, 0x53, OP_SUB], &[&[5], &[0x81]]);
    check_stack(&[0x52, OP_NEGATE, OP_ABS, OP_1ADD, OP_1SUB, OP_0NOTEQUAL, OP_NOT], &[&[]]);
    check_stack(&[0x52, 0x53, OP_MIN, 0x52, 0x53, OP_MAX], &[&[2], &[3]]);
    check_stack(
        &[0x52, 0x52, OP_NUMEQUALVERIFY, 0x52, 0x00, OP_BOOLOR, 0x52, 0x00, OP_BOOLAND],
        &[&[1], &[]],
    );
}
