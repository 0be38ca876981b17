//! Scripts in words.

use bitcoin::Script;
use bitcoin::hex::DisplayHex;
use bitcoin::opcodes::{Opcode, all};
use bitcoin::script::Instruction;

/// The longest push that is shown as a number.
const NUMBER_BYTES_MAX: usize = 4;

/// Every push in hex (short ones as numbers), every opcode by its name, with spaces between. In an input's script a push that is a
/// signature shows what it signs, in brackets.
pub(crate) fn asm(script: &Script, with_signatures: bool) -> String {
    let signatures = with_signatures && !is_unspendable(script);
    let mut words = Vec::new();
    for instruction in script.instructions() {
        match instruction {
            Ok(Instruction::PushBytes(bytes)) => words.push(push(bytes.as_bytes(), signatures)),
            Ok(Instruction::Op(opcode)) => words.push(name(opcode)),
            Err(_) => {
                words.push("[error]".to_owned());
                break;
            }
        }
    }
    words.join(" ")
}

fn is_unspendable(script: &Script) -> bool {
    script.is_op_return() || script.len() > 10_000
}

fn push(bytes: &[u8], with_signatures: bool) -> String {
    if bytes.len() <= NUMBER_BYTES_MAX {
        return number(bytes).to_string();
    }
    let signed = if with_signatures { sighash(bytes) } else { None };
    match (signed, bytes.split_last()) {
        (Some(word), Some((_, signature))) => format!("{}[{word}]", signature.as_hex()),
        _ => bytes.to_lower_hex_string(),
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

fn name(opcode: Opcode) -> String {
    let byte = opcode.to_u8();
    match opcode {
        all::OP_PUSHNUM_NEG1 => "-1".to_owned(),
        all::OP_CLTV => "OP_CHECKLOCKTIMEVERIFY".to_owned(),
        all::OP_CSV => "OP_CHECKSEQUENCEVERIFY".to_owned(),
        _ => match byte {
            0x51..=0x60 => byte.saturating_sub(0x50).to_string(),
            0x50 => "OP_RESERVED".to_owned(),
            0x89 => "OP_RESERVED1".to_owned(),
            0x8a => "OP_RESERVED2".to_owned(),
            0xba => "OP_CHECKSIGADD".to_owned(),
            0xff => "OP_INVALIDOPCODE".to_owned(),
            0xbb.. => "OP_UNKNOWN".to_owned(),
            _ => opcode.to_string(),
        },
    }
}
