use std::ops::{BitOr, BitOrAssign};

/// The rules that a script is checked under, as bits of Bitcoin Core's script/interpreter.h: soft forks, and the
/// stricter rules of policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct ScriptFlags(u32);

impl ScriptFlags {
    /// No soft fork.
    pub const NONE: ScriptFlags = ScriptFlags(0);
    /// BIP16: pay to script hash.
    pub const P2SH: ScriptFlags = ScriptFlags(1 << 0);
    /// Policy: keys and hash types have a defined form.
    pub const STRICTENC: ScriptFlags = ScriptFlags(1 << 1);
    /// BIP66: signatures are strict DER.
    pub const DERSIG: ScriptFlags = ScriptFlags(1 << 2);
    /// Policy: S is at most half the order.
    pub const LOW_S: ScriptFlags = ScriptFlags(1 << 3);
    /// BIP147: the extra element of CHECKMULTISIG is empty.
    pub const NULLDUMMY: ScriptFlags = ScriptFlags(1 << 4);
    /// Policy: an input script only pushes.
    pub const SIGPUSHONLY: ScriptFlags = ScriptFlags(1 << 5);
    /// Policy: pushes and numbers have their shortest form.
    pub const MINIMALDATA: ScriptFlags = ScriptFlags(1 << 6);
    /// Policy: no NOP that may get a meaning.
    pub const DISCOURAGE_UPGRADABLE_NOPS: ScriptFlags = ScriptFlags(1 << 7);
    /// Policy: exactly one element is left. Only with P2SH and WITNESS.
    pub const CLEANSTACK: ScriptFlags = ScriptFlags(1 << 8);
    /// BIP65: CHECKLOCKTIMEVERIFY.
    pub const CHECKLOCKTIMEVERIFY: ScriptFlags = ScriptFlags(1 << 9);
    /// BIP112: CHECKSEQUENCEVERIFY.
    pub const CHECKSEQUENCEVERIFY: ScriptFlags = ScriptFlags(1 << 10);
    /// BIP141: segregated witness.
    pub const WITNESS: ScriptFlags = ScriptFlags(1 << 11);
    /// Policy: no witness program that may get a meaning.
    pub const DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM: ScriptFlags = ScriptFlags(1 << 12);
    /// Policy: what IF takes in a version 0 script is empty or 1.
    pub const MINIMALIF: ScriptFlags = ScriptFlags(1 << 13);
    /// Policy: a signature that does not verify is empty.
    pub const NULLFAIL: ScriptFlags = ScriptFlags(1 << 14);
    /// Policy: keys in version 0 scripts are compressed.
    pub const WITNESS_PUBKEYTYPE: ScriptFlags = ScriptFlags(1 << 15);
    /// Policy: neither CODESEPARATOR nor FindAndDelete outside a witness.
    pub const CONST_SCRIPTCODE: ScriptFlags = ScriptFlags(1 << 16);
    /// BIP341, BIP342: taproot.
    pub const TAPROOT: ScriptFlags = ScriptFlags(1 << 17);
    /// Policy: no leaf version that may get a meaning.
    pub const DISCOURAGE_UPGRADABLE_TAPROOT_VERSION: ScriptFlags = ScriptFlags(1 << 18);
    /// Policy: no OP_SUCCESS.
    pub const DISCOURAGE_OP_SUCCESS: ScriptFlags = ScriptFlags(1 << 19);
    /// Policy: no kind of key that may get a meaning.
    pub const DISCOURAGE_UPGRADABLE_PUBKEYTYPE: ScriptFlags = ScriptFlags(1 << 20);

    /// Every soft fork: what a block at today's tip is checked under.
    pub const CONSENSUS: ScriptFlags = ScriptFlags(
        ScriptFlags::P2SH.0
            | ScriptFlags::DERSIG.0
            | ScriptFlags::NULLDUMMY.0
            | ScriptFlags::CHECKLOCKTIMEVERIFY.0
            | ScriptFlags::CHECKSEQUENCEVERIFY.0
            | ScriptFlags::WITNESS.0
            | ScriptFlags::TAPROOT.0,
    );

    /// What a transaction is checked under before it is relayed: Core's standard flags.
    pub const STANDARD: ScriptFlags = ScriptFlags(
        ScriptFlags::CONSENSUS.0
            | ScriptFlags::STRICTENC.0
            | ScriptFlags::LOW_S.0
            | ScriptFlags::MINIMALDATA.0
            | ScriptFlags::DISCOURAGE_UPGRADABLE_NOPS.0
            | ScriptFlags::CLEANSTACK.0
            | ScriptFlags::DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM.0
            | ScriptFlags::MINIMALIF.0
            | ScriptFlags::NULLFAIL.0
            | ScriptFlags::WITNESS_PUBKEYTYPE.0
            | ScriptFlags::CONST_SCRIPTCODE.0
            | ScriptFlags::DISCOURAGE_UPGRADABLE_TAPROOT_VERSION.0
            | ScriptFlags::DISCOURAGE_OP_SUCCESS.0
            | ScriptFlags::DISCOURAGE_UPGRADABLE_PUBKEYTYPE.0,
    );

    /// The raw bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// From raw bits, as they stand in Core's sources.
    pub const fn from_bits(bits: u32) -> ScriptFlags {
        ScriptFlags(bits)
    }

    /// With what the flags rest on added: CLEANSTACK brings WITNESS, WITNESS brings P2SH. No network has one without
    /// the other, and only a stricter reading can come of it. (TAPROOT without WITNESS just does nothing.)
    #[must_use]
    pub fn with_implied(self) -> ScriptFlags {
        let mut flags = self;
        if flags.contains(ScriptFlags::CLEANSTACK) {
            flags |= ScriptFlags::WITNESS;
        }
        if flags.contains(ScriptFlags::WITNESS) {
            flags |= ScriptFlags::P2SH;
        }
        flags
    }

    /// The bits of `self` that `other` has not.
    #[must_use]
    pub const fn without(self, other: ScriptFlags) -> ScriptFlags {
        ScriptFlags(self.0 & !other.0)
    }

    /// The bits that `self` and `other` share.
    #[must_use]
    pub const fn only(self, other: ScriptFlags) -> ScriptFlags {
        ScriptFlags(self.0 & other.0)
    }

    /// Whether any bit of `other` is set.
    pub const fn intersects(self, other: ScriptFlags) -> bool {
        self.0 & other.0 != 0
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

#[cfg(test)]
mod tests;
