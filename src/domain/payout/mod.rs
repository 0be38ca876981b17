//! Shares into satoshis.
//!
//! Owns: what a share is worth, PPLNS, the double-entry ledger and its invariants, and the traits behind which both are
//! kept. Must not know: Stratum, databases, the chain beyond a block's height and reward.

mod types;

pub use types::{Balance, CreditError, PoolBlock, PoolBlockState, ShareCredit, WorkerTotals};
