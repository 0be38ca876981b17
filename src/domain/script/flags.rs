use std::ops::{BitOr, BitOrAssign};

/// The soft forks that a script is checked under: the bits of Bitcoin Core's script/interpreter.h that consensus uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct ScriptFlags(u32);

impl ScriptFlags {
    /// No soft fork.
    pub const NONE: ScriptFlags = ScriptFlags(0);
    /// BIP16: pay to script hash.
    pub const P2SH: ScriptFlags = ScriptFlags(1 << 0);
    /// BIP66: signatures are strict DER.
    pub const DERSIG: ScriptFlags = ScriptFlags(1 << 2);
    /// BIP147: the extra element of CHECKMULTISIG is empty.
    pub const NULLDUMMY: ScriptFlags = ScriptFlags(1 << 4);
    /// BIP65: CHECKLOCKTIMEVERIFY.
    pub const CHECKLOCKTIMEVERIFY: ScriptFlags = ScriptFlags(1 << 9);
    /// BIP112: CHECKSEQUENCEVERIFY.
    pub const CHECKSEQUENCEVERIFY: ScriptFlags = ScriptFlags(1 << 10);
    /// BIP141: segregated witness.
    pub const WITNESS: ScriptFlags = ScriptFlags(1 << 11);
    /// BIP341, BIP342: taproot.
    pub const TAPROOT: ScriptFlags = ScriptFlags(1 << 17);

    /// The raw bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// From raw bits, as they stand in Core's sources.
    pub const fn from_bits(bits: u32) -> ScriptFlags {
        ScriptFlags(bits)
    }

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: ScriptFlags) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for ScriptFlags {
    type Output = ScriptFlags;
    fn bitor(self, other: ScriptFlags) -> ScriptFlags {
        ScriptFlags(self.0 | other.0)
    }
}

impl BitOrAssign for ScriptFlags {
    fn bitor_assign(&mut self, other: ScriptFlags) {
        self.0 |= other.0;
    }
}
