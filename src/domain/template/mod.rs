//! Blocks to be mined.
//!
//! Owns: which transactions a block takes, its coinbase, its commitment, its merkle branch, and the step from a found
//! header back to a whole block. Must not know: miners, sessions, the wire.

mod types;

pub use types::{BlockSink, BlockTemplate, TemplateSource};
