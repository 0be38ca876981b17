use std::sync::Arc;

use bitcoin::{Amount, BlockHash, Txid};
use thiserror::Error;

use crate::consensus::{TxError, ViewFault};
use crate::script::ScriptError;
use crate::units::UnixMillis;
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

/// A sum over transactions: how many, their virtual bytes as policy counts them, their fees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Sum {
    /// How many.
    pub count: u64,
    /// Virtual bytes.
    pub vsize: u64,
    /// Satoshis.
    pub fee_sat: u64,
}

/// A held transaction with its relatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MempoolDetail {
    /// It.
    pub entry: MempoolEntry,
    /// When it came.
    pub added_at: UnixMillis,
    /// Its virtual bytes as policy counts them.
    pub vsize: u64,
    /// It and all that it is built on.
    pub with_ancestors: Sum,
    /// It and all that is built on it.
    pub with_descendants: Sum,
    /// Held ones whose outputs it spends.
    pub parents: Vec<Txid>,
    /// Held ones that spend its outputs.
    pub children: Vec<Txid>,
}

/// Which held transactions are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All, in the order of arrival.
    All,
    /// One.
    One(Txid),
    /// Those that one is built on.
    AncestorsOf(Txid),
    /// Those that are built on one.
    DescendantsOf(Txid),
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
    /// It is a block's reward.
    #[error("coinbase")]
    Coinbase,
    /// It breaks a rule of consensus.
    #[error(transparent)]
    Consensus(TxError),
    /// Its version has no meaning yet.
    #[error("version")]
    Version,
    /// It weighs too much.
    #[error("tx-size")]
    Size,
    /// It is too small.
    #[error("tx-size-small")]
    SizeSmall,
    /// An input's script is too long.
    #[error("scriptsig-size")]
    ScriptSigSize,
    /// An input's script does more than push.
    #[error("scriptsig-not-pushonly")]
    ScriptSigNotPushOnly,
    /// An output's script has no known shape.
    #[error("scriptpubkey")]
    ScriptPubKey,
    /// Too much data.
    #[error("datacarrier")]
    DataCarrier,
    /// An output is worth less than it costs to spend.
    #[error("dust")]
    Dust,
    /// Its lock time is ahead.
    #[error("non-final")]
    NonFinal,
    /// A relative lock time of it is ahead.
    #[error("non-BIP68-final")]
    NonBip68Final,
    /// It is held already.
    #[error("txn-already-in-mempool")]
    AlreadyHeld,
    /// One that differs in its witnesses alone is held.
    #[error("txn-same-nonwitness-data-in-mempool")]
    SameNonWitnessData,
    /// It spends what a held one spends.
    #[error("txn-mempool-conflict")]
    Conflict,
    /// It is in a block.
    #[error("txn-already-known")]
    AlreadyKnown,
    /// An output that it spends isn't there.
    #[error("bad-txns-inputs-missingorspent")]
    MissingInputs,
    /// A spent output's script has no known shape, or costs too much.
    #[error("bad-txns-nonstandard-inputs")]
    NonStandardInputs,
    /// A witness where none belongs, or too large a one.
    #[error("bad-witness-nonstandard")]
    WitnessNonStandard,
    /// Too many signature operations.
    #[error("bad-txns-too-many-sigops")]
    TooManySigops,
    /// It pays less than is relayed.
    #[error("min relay fee not met ({fee_sat} < {needed_sat})")]
    RelayFee {
        /// What it pays.
        fee_sat: u64,
        /// What it would have to pay.
        needed_sat: u64,
    },
    /// It pays less than the full mempool asks for now.
    #[error("mempool min fee not met ({fee_sat} < {needed_sat})")]
    MempoolFee {
        /// What it pays.
        fee_sat: u64,
        /// What it would have to pay.
        needed_sat: u64,
    },
    /// Too many unconfirmed ones in a row.
    #[error("too-long-mempool-chain")]
    ChainTooLong,
    /// A script does not let it spend.
    #[error("mempool-script-verify-flag-failed ({0})")]
    Script(ScriptError),
    /// The others pay more.
    #[error("mempool full")]
    Full,
    /// The tip has moved since it was looked at: it may be offered again.
    #[error("tip-changed")]
    TipChanged,
    /// The coins could not be read: our fault.
    #[error(transparent)]
    Fault(#[from] ViewFault),
}

impl TxRejected {
    /// Whether the same bytes would be refused again on the same tip, so that nobody needs to be asked for them.
    pub fn is_lasting(&self) -> bool {
        !matches!(
            self,
            TxRejected::MissingInputs
                | TxRejected::AlreadyHeld
                | TxRejected::Full
                | TxRejected::MempoolFee { .. }
                | TxRejected::ChainTooLong
                | TxRejected::TipChanged
                | TxRejected::Fault(_)
        )
    }
}
