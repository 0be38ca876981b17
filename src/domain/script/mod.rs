//! Scripts: what they mean, and why one fails.
//!
//! Owns: flags, the names of failures, signature operation counts, standard output types, and the trait through which
//! every script is verified. Must not know: blocks, coins, the chain.

mod flags;
mod verifier;

pub use flags::ScriptFlags;
pub use verifier::{ScriptError, ScriptVerifier, Spend};
