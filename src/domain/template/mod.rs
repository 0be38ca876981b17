//! Blocks to be mined.
//!
//! Owns: which transactions a block takes, its coinbase, its commitment, its merkle branch, and the step from a found
//! header back to a whole block; whether the chain has come far enough to mine on. Must not know: miners, sessions, the wire.

mod assemble;
mod build;
mod coinbase;
#[cfg(test)]
mod fixtures;
mod sync;
mod types;

pub use assemble::{AssembleError, FoundHeader, merkle_root};
pub use build::{
    SIGOP_COST_RESERVED, TemplateError, TemplateRequest, WEIGHT_RESERVED, build_template, build_template_of,
};
pub use coinbase::{COINBASE_TAG, CoinbaseError, CoinbaseParts, PAYOUT_SCRIPT_BYTES_MAX, pool_reward};
pub use sync::{ChainProgress, NotSynced, check_synced};
pub use types::{BlockSink, BlockTemplate, TemplateSource};
