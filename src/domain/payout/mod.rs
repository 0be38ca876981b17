//! Shares into satoshis.
//!
//! Owns: what a share is worth, PPLNS, the double-entry ledger and its invariants, and the traits behind which both are
//! kept. Must not know: Stratum, databases, the chain beyond a block's height and reward.
#![warn(clippy::arithmetic_side_effects)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

mod account;
mod journal;
mod ledger;
mod memory;
mod share_log;
mod split;
mod types;

pub use account::{Account, AccountError};
pub use journal::{Column, EntryKind, JournalEntry, JournalError, Posting};
pub use ledger::{
    Applied, AuditError, BlockRecord, Booking, Books, CONFIRMATIONS_TO_MATURE, ChainEvent, ChainPoint,
    Ledger, LedgerError, LedgerFault, LedgerStep, LedgerSummary, apply_step, audit,
};
pub use memory::MemoryLedger;
pub use share_log::{
    ADDRESS_BYTES_MAX, ShareLog, ShareLogFault, ShareSeq, ShareTotals, StatsSink, WORKER_BYTES_MAX,
};
pub use split::{
    BASIS_POINTS, Payee, PplnsWindow, Split, SplitError, WINDOW_WORK_MAX, network_work, split_reward,
};
pub use types::{Balance, CreditError, PoolBlock, PoolBlockState, ShareCredit, WorkerTotals};
