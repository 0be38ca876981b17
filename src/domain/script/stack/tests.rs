use super::*;

const INVALID: ScriptError = ScriptError::InvalidStackOperation;

fn stack(n: u8) -> Stack<'static> {
    (0..n).map(|i| Element::short([i; 32], 1)).collect()
}

fn bytes(stack: &Stack<'_>) -> Vec<u8> {
    stack.elements.iter().map(|e| e.as_bytes()[0]).collect()
}

#[test]
fn truth() {
    fn check(bytes: &[u8], expected: bool) {
        assert_eq!(Element::Slice(bytes).is_true(), expected, "{bytes:02x?}");
    }
    check(&[], false);
    check(&[0], false);
    check(&[0, 0], false);
    check(&[0x80], false);
    check(&[0, 0x80], false);
    check(&[0x80, 0], true);
    check(&[0x80, 0x80], true);
    check(&[1], true);
    check(&[0, 1], true);
    check(&[0, 0x81], true);
}

#[test]
fn elements_have_their_bytes() {
    assert_eq!(Element::short([7; 32], 32).as_bytes(), [7; 32]);
    assert_eq!(Element::short([7; 32], 2).as_bytes(), [7; 2]);
    assert_eq!(Element::short([7; 32], 99).as_bytes(), [7; 32]);
    assert_eq!(
        (Element::from_bool(true).as_bytes(), Element::from_bool(false).as_bytes()),
        (&[1][..], &[][..])
    );
}

#[test]
fn what_is_there_is_moved() {
    let mut s = stack(5);
    assert_eq!(s.peek(0).unwrap().as_bytes(), [4]);
    assert_eq!(s.peek(4).unwrap().as_bytes(), [0]);
    let moved = s.remove(4).unwrap();
    s.insert(1, moved).unwrap();
    assert_eq!(bytes(&s), [1, 2, 3, 0, 4]);
    s.drop(2).unwrap();
    assert_eq!(bytes(&s), [1, 2, 3]);
    assert_eq!(s.pop().unwrap().as_bytes(), [3]);
    s.insert(2, Element::TRUE).unwrap();
    assert_eq!(bytes(&s), [1, 1, 2]);
}

#[test]
fn what_is_not_there_is_an_error() {
    let mut s = stack(1);
    assert_eq!(s.peek(1).unwrap_err(), INVALID);
    assert_eq!(s.peek(usize::MAX).unwrap_err(), INVALID);
    assert_eq!(s.remove(1).unwrap_err(), INVALID);
    assert_eq!(s.insert(2, Element::TRUE).unwrap_err(), INVALID);
    assert_eq!(s.drop(2).unwrap_err(), INVALID);
    assert_eq!(s.need(2).unwrap_err(), INVALID);
    assert_eq!(s.need(1), Ok(()));
    s.pop().unwrap();
    assert_eq!(s.pop().unwrap_err(), INVALID);
}
