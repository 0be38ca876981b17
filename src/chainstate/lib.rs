//! Adit's data plane: headers, blocks and coins, from bytes to a validated tip.
//!
//! Owns: the coin cache, the block pipeline, reorganisations, the scripts' worker threads, what readers see.
//! Must not know: actors, sockets, how a table looks on disk.
#![cfg_attr(test, allow(clippy::as_conversions, missing_docs))]

mod types;
mod verifier;

pub use types::{BlockAccepted, ChainFault, HeadersAccepted, SubmitError, UtxoStats};
pub use verifier::ConsensusLib;
