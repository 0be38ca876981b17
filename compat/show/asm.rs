//! Scripts in words.

use std::borrow::Cow;
use std::fmt::Write;

use bitcoin::Script;
use bitcoin::opcodes::{Opcode, all};
use bitcoin::script::Instruction;

use crate::json::hex_text;

/// The longest push that is shown as a number.
const NUMBER_BYTES_MAX: usize = 4;

/// Every push in hex (short ones as numbers), every opcode by its name, with spaces between. In an input's script a push that is a
/// signature shows what it signs, in brackets.
pub(crate) fn asm(script: &Script, with_signatures: bool) -> String {
    let signatures = with_signatures && !is_unspendable(script);
    // Two digits a byte, and a space or a word for some.
    let mut words = String::with_capacity(script.len().saturating_mul(2).saturating_add(32));
    for instruction in script.instructions() {
        if !words.is_empty() {
            words.push(' ');
        }
        match instruction {
            Ok(Instruction::PushBytes(bytes)) => push(bytes.as_bytes(), signatures, &mut words),
            Ok(Instruction::Op(opcode)) => words.push_str(&name(opcode)),
            Err(_) => {
                words.push_str("[error]");
                break;
            }
        }
    }
    words
}

fn is_unspendable(script: &Script) -> bool {
    script.is_op_return() || script.len() > 10_000
}

fn push(bytes: &[u8], with_signatures: bool, words: &mut String) {
    if bytes.len() <= NUMBER_BYTES_MAX {
        // Writing to memory does not fail.
        let _ = write!(words, "{}", number(bytes));
        return;
    }
    let signed = if with_signatures { sighash(bytes) } else { None };
    match (signed, bytes.split_last()) {
        (Some(word), Some((_, signature))) => {
            words.push_str(&hex_text(signature));
            let _ = write!(words, "[{word}]");
        }
        _ => words.push_str(&hex_text(bytes)),
    }
}

/// Little-endian, the last byte's highest bit is the sign.
fn number(bytes: &[u8]) -> i64 {
    let Some((last, rest)) = bytes.split_last() else { return 0 };
    let low = rest.iter().rev().fold(i64::from(last & 0x7f), |sum, byte| (sum << 8) | i64::from(*byte));
    if last & 0x80 == 0 { low } else { low.saturating_neg() }
}

/// What a signature signs; none where it is none by BIP66's form with a type that is defined.
fn sighash(bytes: &[u8]) -> Option<&'static str> {
    if !adit_domain::script::is_strict_signature(bytes) {
        return None;
    }
    match bytes.last()? {
        0x01 => Some("ALL"),
        0x02 => Some("NONE"),
        0x03 => Some("SINGLE"),
        0x81 => Some("ALL|ANYONECANPAY"),
        0x82 => Some("NONE|ANYONECANPAY"),
        0x83 => Some("SINGLE|ANYONECANPAY"),
        _ => None,
    }
}

fn name(opcode: Opcode) -> Cow<'static, str> {
    let byte = opcode.to_u8();
    match opcode {
        all::OP_PUSHNUM_NEG1 => "-1".into(),
        all::OP_CLTV => "OP_CHECKLOCKTIMEVERIFY".into(),
        all::OP_CSV => "OP_CHECKSEQUENCEVERIFY".into(),
        // What most scripts are made of.
        all::OP_DUP => "OP_DUP".into(),
        all::OP_HASH160 => "OP_HASH160".into(),
        all::OP_EQUAL => "OP_EQUAL".into(),
        all::OP_EQUALVERIFY => "OP_EQUALVERIFY".into(),
        all::OP_CHECKSIG => "OP_CHECKSIG".into(),
        _ => match byte {
            0x51..=0x60 => byte.saturating_sub(0x50).to_string().into(),
            0x50 => "OP_RESERVED".into(),
            0x89 => "OP_RESERVED1".into(),
            0x8a => "OP_RESERVED2".into(),
            0xba => "OP_CHECKSIGADD".into(),
            0xff => "OP_INVALIDOPCODE".into(),
            0xbb.. => "OP_UNKNOWN".into(),
            _ => opcode.to_string().into(),
        },
    }
}
