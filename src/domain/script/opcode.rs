//! The bytes of a script as instructions.

/// Bytes that a script may have and still be run before tapscript; one longer can never be spent.
pub const SCRIPT_BYTES_MAX: usize = 10_000;
/// Bytes that one element of the stack may have.
pub const ELEMENT_BYTES_MAX: usize = 520;
/// Keys that one CHECKMULTISIG may name; also what an unknown number of keys counts in signature operations.
pub const MULTISIG_KEYS_MAX: u8 = 20;

macro_rules! opcodes {
    ($($name:ident = $value:literal,)*) => { $(pub(super) const $name: u8 = $value;)* };
}

opcodes! {
    OP_0 = 0x00, OP_PUSHDATA1 = 0x4c, OP_PUSHDATA2 = 0x4d, OP_PUSHDATA4 = 0x4e, OP_1NEGATE = 0x4f,
    OP_1 = 0x51, OP_16 = 0x60,
    OP_NOP = 0x61, OP_IF = 0x63, OP_NOTIF = 0x64, OP_ELSE = 0x67, OP_ENDIF = 0x68,
    OP_VERIFY = 0x69, OP_RETURN = 0x6a,
    OP_TOALTSTACK = 0x6b, OP_FROMALTSTACK = 0x6c, OP_2DROP = 0x6d, OP_2DUP = 0x6e, OP_3DUP = 0x6f,
    OP_2OVER = 0x70, OP_2ROT = 0x71, OP_2SWAP = 0x72, OP_IFDUP = 0x73, OP_DEPTH = 0x74, OP_DROP = 0x75,
    OP_DUP = 0x76, OP_NIP = 0x77, OP_OVER = 0x78, OP_PICK = 0x79, OP_ROLL = 0x7a, OP_ROT = 0x7b,
    OP_SWAP = 0x7c, OP_TUCK = 0x7d,
    OP_CAT = 0x7e, OP_RIGHT = 0x81, OP_SIZE = 0x82, OP_INVERT = 0x83, OP_XOR = 0x86,
    OP_EQUAL = 0x87, OP_EQUALVERIFY = 0x88,
    OP_1ADD = 0x8b, OP_1SUB = 0x8c, OP_2MUL = 0x8d, OP_2DIV = 0x8e, OP_NEGATE = 0x8f, OP_ABS = 0x90,
    OP_NOT = 0x91, OP_0NOTEQUAL = 0x92, OP_ADD = 0x93, OP_SUB = 0x94, OP_MUL = 0x95, OP_RSHIFT = 0x99,
    OP_BOOLAND = 0x9a, OP_BOOLOR = 0x9b, OP_NUMEQUAL = 0x9c, OP_NUMEQUALVERIFY = 0x9d,
    OP_NUMNOTEQUAL = 0x9e, OP_LESSTHAN = 0x9f, OP_GREATERTHAN = 0xa0, OP_LESSTHANOREQUAL = 0xa1,
    OP_GREATERTHANOREQUAL = 0xa2, OP_MIN = 0xa3, OP_MAX = 0xa4, OP_WITHIN = 0xa5,
    OP_RIPEMD160 = 0xa6, OP_SHA1 = 0xa7, OP_SHA256 = 0xa8, OP_HASH160 = 0xa9, OP_HASH256 = 0xaa,
    OP_CODESEPARATOR = 0xab, OP_CHECKSIG = 0xac, OP_CHECKSIGVERIFY = 0xad, OP_CHECKMULTISIG = 0xae,
    OP_CHECKMULTISIGVERIFY = 0xaf,
    OP_NOP1 = 0xb0, OP_CHECKLOCKTIMEVERIFY = 0xb1, OP_CHECKSEQUENCEVERIFY = 0xb2, OP_NOP4 = 0xb3,
    OP_NOP10 = 0xb9, OP_CHECKSIGADD = 0xba,
}

/// One opcode and, where it is a push of bytes, the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction<'a> {
    pub(super) opcode: u8,
    /// What is pushed; empty for `OP_0` and for every opcode that is no push of bytes.
    pub(super) data: &'a [u8],
}

impl Instruction<'_> {
    /// Whether the opcode is one of `OP_0` to `OP_PUSHDATA4`.
    pub(super) fn is_push_of_bytes(&self) -> bool {
        self.opcode <= OP_PUSHDATA4
    }

    /// Whether the push is the shortest that pushes these bytes. Only for pushes of bytes.
    pub(super) fn is_minimal_push(&self) -> bool {
        match (self.data, self.data.len()) {
            (_, 0) => self.opcode == OP_0,
            ([1..=16 | 0x81], _) => false,
            (_, len @ ..=75) => usize::from(self.opcode) == len,
            (_, ..=255) => self.opcode == OP_PUSHDATA1,
            (_, ..=65_535) => self.opcode == OP_PUSHDATA2,
            _ => true,
        }
    }
}

/// A push that ends after the script's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Truncated;

/// Reads a script one instruction at a time.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(script: &'a [u8]) -> Reader<'a> {
        Reader { rest: script }
    }

    /// What is not read yet. After [`Truncated`] it begins behind the opcode and its length bytes.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Leaves `prefix` unread if what follows begins with it.
    pub(super) fn skip_prefix(&mut self, prefix: &[u8]) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// The next instruction; none at the end.
    pub(super) fn read(&mut self) -> Option<Result<Instruction<'a>, Truncated>> {
        let (&opcode, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(self.data_of(opcode).map(|data| Instruction { opcode, data }))
    }

    fn data_of(&mut self, opcode: u8) -> Result<&'a [u8], Truncated> {
        let len = match opcode {
            OP_PUSHDATA1 => u32::from(u8::from_le_bytes(self.array()?)),
            OP_PUSHDATA2 => u32::from(u16::from_le_bytes(self.array()?)),
            OP_PUSHDATA4 => u32::from_le_bytes(self.array()?),
            ..OP_PUSHDATA1 => u32::from(opcode),
            _ => 0,
        };
        let len = usize::try_from(len).map_err(|_| Truncated)?;
        let (data, rest) = self.rest.split_at_checked(len).ok_or(Truncated)?;
        self.rest = rest;
        Ok(data)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let (array, rest) = self.rest.split_first_chunk::<N>().ok_or(Truncated)?;
        self.rest = rest;
        Ok(*array)
    }
}

/// The number that `OP_1` to `OP_16` push.
pub(super) fn small_int(opcode: u8) -> Option<u8> {
    match opcode {
        OP_1..=OP_16 => opcode.checked_sub(OP_1).and_then(|n| n.checked_add(1)),
        _ => None,
    }
}

/// The bytes that the last instruction of a script of pushes pushes; none where an instruction is no push or is
/// truncated. Empty for an empty script and for a small number.
pub(super) fn last_push(script: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(script);
    let mut last: &[u8] = &[];
    while let Some(instruction) = reader.read() {
        let instruction = instruction.ok()?;
        if instruction.opcode > OP_16 {
            return None;
        }
        last = instruction.data;
    }
    Some(last)
}

/// Whether every instruction is a push (`OP_RESERVED` counts as one) and none is truncated.
pub(super) fn is_push_only(script: &[u8]) -> bool {
    last_push(script).is_some()
}

/// Whether the opcode makes a tapscript succeed at once (BIP-0342).
pub(super) fn is_op_success(opcode: u8) -> bool {
    matches!(opcode,
        80 | 98 | 126..=129 | 131..=134 | 137..=138 | 141..=142 | 149..=153 | 187..=254)
}

/// Whether the opcode fails a script wherever it stands in it (CVE-2010-5137).
pub(super) fn is_disabled(opcode: u8) -> bool {
    matches!(opcode,
        OP_CAT..=OP_RIGHT | OP_INVERT..=OP_XOR | OP_2MUL | OP_2DIV | OP_MUL..=OP_RSHIFT)
}

#[cfg(test)]
mod tests;
