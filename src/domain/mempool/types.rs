use std::sync::Arc;

use bitcoin::{Amount, BlockHash};
use thiserror::Error;

use crate::wire::ParsedTx;

/// A held transaction with what a block builder must know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MempoolEntry {
    /// The transaction.
    pub tx: Arc<ParsedTx>,
    /// Inputs less outputs.
    pub fee: Amount,
    /// BIP141 signature operation cost.
    pub sigop_cost: u32,
}

/// What a template is built from: valid on `tip`, every parent before its children, best package feerate first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MempoolSnapshot {
    /// The tip on which all of them are valid.
    pub tip: BlockHash,
    /// In the order in which a block should take them.
    pub entries: Vec<MempoolEntry>,
}

/// The figures that an operator is shown.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MempoolSummary {
    /// Transactions held.
    pub transactions: u64,
    /// Their weight in all.
    pub weight: u64,
    /// Their fees in all.
    pub fees: Amount,
    /// The transactions, best feerate first, as many as [`crate::mempool::MempoolSummary::ROWS_MAX`].
    pub rows: Vec<MempoolEntry>,
}

impl MempoolSummary {
    /// Rows that a summary lists at most: a page for a person, 100 kB on the wire.
    pub const ROWS_MAX: usize = 1000;
}

/// Why a transaction is not held; the texts are Bitcoin Core's reject reasons.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TxRejected {
    /// It is held already.
    #[error("txn-already-in-mempool")]
    AlreadyHeld,
}
