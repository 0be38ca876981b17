//! Scripts: what they mean, and why one fails.
//!
//! Owns: flags, the names of failures, signature operation counts, standard output types, and the trait through which
//! every script is verified. Must not know: blocks, coins, the chain.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod cache;
mod error;
mod flags;
mod interpreter;
mod memo;
mod num;
mod opcode;
mod sighash;
mod signature;
mod sigops;
mod stack;
mod standard;
mod taproot;
mod verifier;
mod verify;

pub use cache::{SignatureCache, SignatureFact, SignatureScheme};
pub use error::ScriptError;
pub use flags::ScriptFlags;
pub use memo::forget_keys;
pub use opcode::{ELEMENT_BYTES_MAX, MULTISIG_KEYS_MAX, SCRIPT_BYTES_MAX};
pub use sighash::{TaprootExtra, TxContext};
pub use signature::{is_strict_signature, verify_schnorr};
pub use sigops::{accurate_sigop_count, legacy_sigop_count, p2sh_sigop_count, witness_sigop_count};
pub use standard::{OutputType, is_unspendable, output_type};
pub use verifier::{ScriptVerifier, Spend};
pub use verify::{CachingInterpreter, Interpreter, verify_input, verify_input_cached};
