//! Blocks and transactions, parsed once, with what is hashed of them kept beside them.
//!
//! Owns: the step from bytes to [`ParsedBlock`] and [`ParsedTx`]. Must not know: any rule beyond the encoding itself.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod block;
pub mod hash;
mod id_map;
mod reader;
mod tx;

/// Memory that parsing asks for at most, for each byte that is there, at its peak; beside it a few kilobytes.
///
/// The worst byte is an empty item of a witness: 16 bytes for its place while the witness is read, 4 in the library's index of
/// the witness, 1 for the byte there: 21. It may lie in a block that announces transactions which never come: a `ParsedTx` of
/// 160 bytes for each 60 bytes of the block, 2.7 more. Transactions of 10 bytes take 160 each and 2.7 a byte while their list
/// grows, empty outputs of 9 take 32, empty inputs of 41 take 104. A block of four million bytes is parsed within 100 MB.
pub const PARSED_BYTES_PER_BYTE_MAX: usize = 25;

pub use block::{BlockDecodeError, HEADER_BYTES, ParsedBlock};
pub use id_map::{IdHasher, IdMap, IdSet, IdState};
pub use reader::{COMPACT_SIZE_MAX, DecodeError};
pub use tx::{ParsedTx, TxDecodeError, decode_script_and_witness};
