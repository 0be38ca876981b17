use super::*;

#[test]
fn the_texts_are_those_of_core() {
    fn check(error: ScriptError, text: &str) {
        assert_eq!(error.to_string(), text);
    }
    check(ScriptError::UnsatisfiedLocktime, "Locktime requirement not satisfied");
    check(ScriptError::SigNullFail, "Signature must be zero for failed CHECK(MULTI)SIG operation");
    check(ScriptError::WitnessProgramMismatch, "Witness program hash mismatch");
    check(ScriptError::Unknown, "unknown error");
}
