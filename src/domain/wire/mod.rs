//! Blocks and transactions, parsed once, with what is hashed of them kept beside them.
//!
//! Owns: the step from bytes to [`ParsedBlock`] and [`ParsedTx`]. Must not know: any rule beyond the encoding itself.

mod block;
mod tx;

pub use block::{BlockDecodeError, ParsedBlock};
pub use tx::{ParsedTx, TxDecodeError};
