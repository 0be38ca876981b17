//! The notation of Core's vectors: numbers, `0x` and raw bytes, `'text'`, names of opcodes with or without `OP_`.

use adit_domain::script::ScriptFlags;
use bitcoin::ScriptBuf;
use bitcoin::script::PushBytesBuf;

use crate::vectors::hex;

const NAMES_FROM_NOP: &str = "NOP VER IF NOTIF VERIF VERNOTIF ELSE ENDIF VERIFY RETURN TOALTSTACK FROMALTSTACK 2DROP 2DUP \
    3DUP 2OVER 2ROT 2SWAP IFDUP DEPTH DROP DUP NIP OVER PICK ROLL ROT SWAP TUCK CAT SUBSTR LEFT RIGHT SIZE INVERT AND OR \
    XOR EQUAL EQUALVERIFY RESERVED1 RESERVED2 1ADD 1SUB 2MUL 2DIV NEGATE ABS NOT 0NOTEQUAL ADD SUB MUL DIV MOD LSHIFT \
    RSHIFT BOOLAND BOOLOR NUMEQUAL NUMEQUALVERIFY NUMNOTEQUAL LESSTHAN GREATERTHAN LESSTHANOREQUAL GREATERTHANOREQUAL \
    MIN MAX WITHIN RIPEMD160 SHA1 SHA256 HASH160 HASH256 CODESEPARATOR CHECKSIG CHECKSIGVERIFY CHECKMULTISIG \
    CHECKMULTISIGVERIFY NOP1 CHECKLOCKTIMEVERIFY CHECKSEQUENCEVERIFY NOP4 NOP5 NOP6 NOP7 NOP8 NOP9 NOP10 CHECKSIGADD";

pub(crate) fn script(text: &str) -> ScriptBuf {
    let mut bytes = Vec::new();
    for word in text.split_whitespace() {
        if let Ok(number) = word.parse::<i64>() {
            bytes.extend(bitcoin::script::Builder::new().push_int(number).into_bytes());
        } else if let Some(raw) = word.strip_prefix("0x") {
            bytes.extend(hex(raw));
        } else if let Some(text) = word.strip_prefix('\'') {
            bytes.extend(push(text.strip_suffix('\'').expect("a closed quote").as_bytes()));
        } else {
            bytes.push(opcode(word));
        }
    }
    ScriptBuf::from_bytes(bytes)
}

/// A push of bytes with its length; never a small number.
pub(crate) fn push(data: &[u8]) -> Vec<u8> {
    let data = PushBytesBuf::try_from(data.to_vec()).expect("it fits");
    bitcoin::script::Builder::new().push_slice(data).into_bytes()
}

fn opcode(word: &str) -> u8 {
    let name = word.strip_prefix("OP_").unwrap_or(word);
    match name {
        "RESERVED" => return 0x50,
        "NOP2" => return 0xb1,
        "NOP3" => return 0xb2,
        "INVALIDOPCODE" => return 0xff,
        _ => {}
    }
    let index = NAMES_FROM_NOP.split_whitespace().position(|n| n == name);
    0x61 + u8::try_from(index.unwrap_or_else(|| panic!("no opcode {word}"))).unwrap()
}

/// All flags by Core's names.
pub(crate) const FLAGS: [(&str, ScriptFlags); 21] = [
    ("P2SH", ScriptFlags::P2SH),
    ("STRICTENC", ScriptFlags::STRICTENC),
    ("DERSIG", ScriptFlags::DERSIG),
    ("LOW_S", ScriptFlags::LOW_S),
    ("NULLDUMMY", ScriptFlags::NULLDUMMY),
    ("SIGPUSHONLY", ScriptFlags::SIGPUSHONLY),
    ("MINIMALDATA", ScriptFlags::MINIMALDATA),
    ("DISCOURAGE_UPGRADABLE_NOPS", ScriptFlags::DISCOURAGE_UPGRADABLE_NOPS),
    ("CLEANSTACK", ScriptFlags::CLEANSTACK),
    ("CHECKLOCKTIMEVERIFY", ScriptFlags::CHECKLOCKTIMEVERIFY),
    ("CHECKSEQUENCEVERIFY", ScriptFlags::CHECKSEQUENCEVERIFY),
    ("WITNESS", ScriptFlags::WITNESS),
    ("DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM", ScriptFlags::DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM),
    ("MINIMALIF", ScriptFlags::MINIMALIF),
    ("NULLFAIL", ScriptFlags::NULLFAIL),
    ("WITNESS_PUBKEYTYPE", ScriptFlags::WITNESS_PUBKEYTYPE),
    ("CONST_SCRIPTCODE", ScriptFlags::CONST_SCRIPTCODE),
    ("TAPROOT", ScriptFlags::TAPROOT),
    ("DISCOURAGE_UPGRADABLE_TAPROOT_VERSION", ScriptFlags::DISCOURAGE_UPGRADABLE_TAPROOT_VERSION),
    ("DISCOURAGE_OP_SUCCESS", ScriptFlags::DISCOURAGE_OP_SUCCESS),
    ("DISCOURAGE_UPGRADABLE_PUBKEYTYPE", ScriptFlags::DISCOURAGE_UPGRADABLE_PUBKEYTYPE),
];

pub(crate) fn flags(text: &str) -> ScriptFlags {
    let mut flags = ScriptFlags::NONE;
    for name in text.split(',').filter(|name| !name.is_empty() && *name != "NONE") {
        let (_, flag) = FLAGS.iter().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("no flag {name}"));
        flags |= *flag;
    }
    flags
}

/// Every flag but these.
pub(crate) fn all_but(excluded: ScriptFlags) -> ScriptFlags {
    FLAGS.iter().fold(ScriptFlags::NONE, |all, (_, flag)| all | *flag).without(excluded)
}

/// Without the flags that mean nothing without one that is missing.
pub(crate) fn trimmed(flags: ScriptFlags) -> ScriptFlags {
    let mut flags = flags;
    if !flags.contains(ScriptFlags::P2SH) {
        flags = flags.without(ScriptFlags::WITNESS);
    }
    if !flags.contains(ScriptFlags::WITNESS) {
        flags = flags.without(ScriptFlags::CLEANSTACK);
    }
    flags
}
