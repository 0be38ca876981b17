//! What other nodes got wrong about scripts, a test a row; the number is the row's. The rows of parsing, blocks and
//! headers stand beside the code that they are about.

mod legacy;
mod taproot;
mod witness;

use adit_domain::script::{ScriptError, ScriptFlags};
use bitcoin::ScriptBuf;

use crate::asm;
use crate::signing::Case;

/// Runs scripts without a signature, under all rules of consensus.
fn check(script_sig: &str, script: &str, expected: Result<(), ScriptError>) {
    check_under(script_sig, script, ScriptFlags::CONSENSUS, expected);
}

fn check_under(script_sig: &str, script: &str, flags: ScriptFlags, expected: Result<(), ScriptError>) {
    let case = Case::new(asm::script(script)).with_script_sig(asm::script(script_sig).into_bytes());
    assert_eq!(case.verify(flags), expected, "{script_sig} | {script}");
}

/// `words`, `count` times.
fn times(count: usize, words: &str) -> String {
    [words].repeat(count).join(" ")
}

fn bytes(script: &ScriptBuf) -> Vec<u8> {
    script.to_bytes()
}
