//! Why a script does not let a coin be spent.

use thiserror::Error;

/// Why a script does not let a coin be spent; the texts are Bitcoin Core's `ScriptErrorString`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum ScriptError {
    /// The script ended on false or on nothing.
    #[error("Script evaluated without error but finished with a false/empty top stack element")]
    EvalFalse,
    /// OP_VERIFY saw false.
    #[error("Script failed an OP_VERIFY operation")]
    Verify,
    /// OP_EQUALVERIFY saw two that differ.
    #[error("Script failed an OP_EQUALVERIFY operation")]
    EqualVerify,
    /// OP_CHECKMULTISIGVERIFY saw a signature missing.
    #[error("Script failed an OP_CHECKMULTISIGVERIFY operation")]
    CheckMultisigVerify,
    /// OP_CHECKSIGVERIFY saw an invalid signature.
    #[error("Script failed an OP_CHECKSIGVERIFY operation")]
    CheckSigVerify,
    /// OP_NUMEQUALVERIFY saw two that differ.
    #[error("Script failed an OP_NUMEQUALVERIFY operation")]
    NumEqualVerify,
    /// More than 10,000 bytes.
    #[error("Script is too big")]
    ScriptSize,
    /// An element of more than 520 bytes.
    #[error("Push value size limit exceeded")]
    PushSize,
    /// More than 201 opcodes that are no pushes.
    #[error("Operation limit exceeded")]
    OpCount,
    /// More than 1,000 elements.
    #[error("Stack size limit exceeded")]
    StackSize,
    /// CHECKMULTISIG with an impossible number of signatures.
    #[error("Signature count negative or greater than pubkey count")]
    SigCount,
    /// CHECKMULTISIG with an impossible number of keys.
    #[error("Pubkey count negative or limit exceeded")]
    PubKeyCount,
    /// An opcode without a meaning, or a truncated push.
    #[error("Opcode missing or not understood")]
    BadOpcode,
    /// An opcode of CVE-2010-5137.
    #[error("Attempted to use a disabled opcode")]
    DisabledOpcode,
    /// The stack is too short.
    #[error("Operation not valid with the current stack size")]
    InvalidStackOperation,
    /// The alternative stack is empty.
    #[error("Operation not valid with the current altstack size")]
    InvalidAltstackOperation,
    /// OP_RETURN was run.
    #[error("OP_RETURN was encountered")]
    OpReturn,
    /// An IF without its ENDIF, or the reverse.
    #[error("Invalid OP_IF construction")]
    UnbalancedConditional,
    /// A lock time below zero (BIP-0065, BIP-0112).
    #[error("Negative locktime")]
    NegativeLocktime,
    /// A lock time not reached (BIP-0065, BIP-0112).
    #[error("Locktime requirement not satisfied")]
    UnsatisfiedLocktime,
    /// A hash type that is none (policy).
    #[error("Signature hash type missing or not understood")]
    SigHashType,
    /// A signature that is not strict DER (BIP-0066).
    #[error("Non-canonical DER signature")]
    SigDer,
    /// A push that is not the shortest (policy).
    #[error("Data push larger than necessary")]
    MinimalData,
    /// An input script that does more than push.
    #[error("Only push operators allowed in signatures")]
    SigPushOnly,
    /// S above half the order (policy).
    #[error("Non-canonical signature: S value is unnecessarily high")]
    SigHighS,
    /// The extra element of CHECKMULTISIG is not empty (BIP-0147).
    #[error("Dummy CHECKMULTISIG argument must be zero")]
    SigNullDummy,
    /// IF on something that is neither empty nor 1, witness version 0 (policy).
    #[error("OP_IF/NOTIF argument must be minimal")]
    MinimalIf,
    /// A signature that is neither valid nor empty (policy).
    #[error("Signature must be zero for failed CHECK(MULTI)SIG operation")]
    SigNullFail,
    /// A NOP that a fork may give a meaning (policy).
    #[error("NOPx reserved for soft-fork upgrades")]
    DiscourageUpgradableNops,
    /// A witness program that a fork may give a meaning (policy).
    #[error("Witness version reserved for soft-fork upgrades")]
    DiscourageUpgradableWitnessProgram,
    /// A leaf version that a fork may give a meaning (policy).
    #[error("Taproot version reserved for soft-fork upgrades")]
    DiscourageUpgradableTaprootVersion,
    /// An OP_SUCCESS that a fork may give a meaning (policy).
    #[error("OP_SUCCESSx reserved for soft-fork upgrades")]
    DiscourageOpSuccess,
    /// A kind of key that a fork may give a meaning (policy).
    #[error("Public key version reserved for soft-fork upgrades")]
    DiscourageUpgradablePubKeyType,
    /// A key that is neither compressed nor uncompressed (policy).
    #[error("Public key is neither compressed or uncompressed")]
    PubKeyType,
    /// More than one element is left.
    #[error("Stack size must be exactly one after execution")]
    CleanStack,
    /// A version 0 program of neither 20 nor 32 bytes (BIP-0141).
    #[error("Witness program has incorrect length")]
    WitnessProgramWrongLength,
    /// A program without a witness (BIP-0141).
    #[error("Witness program was passed an empty witness")]
    WitnessProgramWitnessEmpty,
    /// A witness that does not fit the program (BIP-0141, BIP-0341).
    #[error("Witness program hash mismatch")]
    WitnessProgramMismatch,
    /// A native program with an input script (BIP-0141).
    #[error("Witness requires empty scriptSig")]
    WitnessMalleated,
    /// A program behind P2SH whose input script is not one push of it (BIP-0141).
    #[error("Witness requires only-redeemscript scriptSig")]
    WitnessMalleatedP2sh,
    /// A witness where no program is (BIP-0141).
    #[error("Witness provided for non-witness script")]
    WitnessUnexpected,
    /// A key in a version 0 script that is not compressed (policy).
    #[error("Using non-compressed keys in segwit")]
    WitnessPubKeyType,
    /// A Schnorr signature of neither 64 nor 65 bytes (BIP-0341).
    #[error("Invalid Schnorr signature size")]
    SchnorrSigSize,
    /// A hash type that BIP-0341 does not know, or SINGLE without its output.
    #[error("Invalid Schnorr signature hash type")]
    SchnorrSigHashType,
    /// A Schnorr signature that is not valid (BIP-0340).
    #[error("Invalid Schnorr signature")]
    SchnorrSig,
    /// A control block that is not 33 + 32 n bytes long with n from 0 to 128 (BIP-0341).
    #[error("Invalid Taproot control block size")]
    TaprootWrongControlSize,
    /// The budget of signature checks is used up (BIP-0342).
    #[error("Too much signature validation relative to witness weight")]
    TapscriptValidationWeight,
    /// CHECKMULTISIG in a tapscript (BIP-0342).
    #[error("OP_CHECKMULTISIG(VERIFY) is not available in tapscript")]
    TapscriptCheckMultisig,
    /// IF on something that is neither empty nor 1, in a tapscript (BIP-0342).
    #[error("OP_IF/NOTIF argument must be minimal in tapscript")]
    TapscriptMinimalIf,
    /// An empty key in a tapscript (BIP-0342).
    #[error("Empty public key in tapscript")]
    TapscriptEmptyPubKey,
    /// OP_CODESEPARATOR outside a witness (policy).
    #[error("Using OP_CODESEPARATOR in non-witness script")]
    OpCodeSeparator,
    /// A signature that its own script contains (policy).
    #[error("Signature is found in scriptCode")]
    SigFindAndDelete,
    /// A number too long, or not in its shortest form.
    #[error("Script number overflowed or is non-minimally encoded")]
    ScriptNum,
    /// Anything that has no name: an input or a prevout that is not there.
    #[error("unknown error")]
    Unknown,
}

#[cfg(test)]
mod tests;
