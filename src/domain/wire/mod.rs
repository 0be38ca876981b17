//! Blocks and transactions, parsed once, with what is hashed of them kept beside them.
//!
//! Owns: the step from bytes to [`ParsedBlock`] and [`ParsedTx`]. Must not know: any rule beyond the encoding itself.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod block;
pub mod hash;
mod reader;
mod tx;

pub use block::{BlockDecodeError, HEADER_BYTES, ParsedBlock};
pub use reader::{COMPACT_SIZE_MAX, DecodeError};
pub use tx::{ParsedTx, TxDecodeError, decode_script_and_witness};
