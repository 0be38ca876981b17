use super::*;

#[test]
fn flags_bring_what_they_rest_on() {
    fn check(flags: ScriptFlags, expected: ScriptFlags) {
        assert_eq!(flags.with_implied(), expected);
    }
    check(ScriptFlags::NONE, ScriptFlags::NONE);
    check(ScriptFlags::P2SH, ScriptFlags::P2SH);
    check(ScriptFlags::WITNESS, ScriptFlags::WITNESS | ScriptFlags::P2SH);
    check(ScriptFlags::TAPROOT, ScriptFlags::TAPROOT);
    check(ScriptFlags::CLEANSTACK, ScriptFlags::CLEANSTACK | ScriptFlags::WITNESS | ScriptFlags::P2SH);
    check(ScriptFlags::CONSENSUS, ScriptFlags::CONSENSUS);
}

#[test]
fn sets_of_flags() {
    assert!(ScriptFlags::STANDARD.contains(ScriptFlags::CONSENSUS));
    assert!(!ScriptFlags::CONSENSUS.contains(ScriptFlags::STANDARD));
    assert!(ScriptFlags::CONSENSUS.intersects(ScriptFlags::STANDARD));
    assert!(!ScriptFlags::NONE.intersects(ScriptFlags::STANDARD));
    assert_eq!(ScriptFlags::CONSENSUS.without(ScriptFlags::CONSENSUS), ScriptFlags::NONE);
    assert_eq!(ScriptFlags::STANDARD.only(ScriptFlags::CONSENSUS), ScriptFlags::CONSENSUS);
    assert_eq!(ScriptFlags::from_bits(1 << 17), ScriptFlags::TAPROOT);
    assert_eq!(ScriptFlags::TAPROOT.bits(), 1 << 17);
}
