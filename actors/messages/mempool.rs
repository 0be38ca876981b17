//! What the mempool actor is told and asked.

use std::path::PathBuf;
use std::sync::Arc;

use actix::Message;
use adit_domain::fees::{Estimate, Memory, SmartFee};
use adit_domain::mempool::{
    Chunk, DustyPriority, MempoolDetail, MempoolSummary, PackageError, PackageVerdict, Prioritised,
    TxRejected, Wanted,
};
use adit_domain::peer::PeerId;
use adit_domain::wire::ParsedTx;
use bitcoin::{Amount, Txid};
use thiserror::Error;

/// A transaction to be validated and held. Sent by: peer, rpc. Handled by: mempool.
/// Reply: its txid, or the rule it breaks in Core's words. When full: refused, the peer will offer it again.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Txid, TxRejected>")]
pub struct SubmitTransaction {
    /// The transaction.
    pub tx: Arc<ParsedTx>,
    /// The peer that sent it: it is asked for what it misses, and what it pays too little may be paid by another that this peer sent.
    pub from: Option<PeerId>,
}

/// A transaction joined the mempool. Sent by: mempool. Handled by: peer (announces it), template (a better template).
/// Reply: nothing. When full: dropped.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct TransactionAccepted {
    /// The transaction.
    pub tx: Arc<ParsedTx>,
    /// What it pays, in satoshis.
    pub fee_sat: u64,
    /// For so many virtual bytes, as policy counts them.
    pub vsize: u64,
}

/// A transaction to be judged and not held. Sent by: JSON-RPC. Handled by: mempool. Reply: what it pays for which size, or the
/// rule it breaks. When full: refused.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<TestedTx, TxRejected>")]
pub struct TestTransaction {
    /// The transaction.
    pub tx: Arc<ParsedTx>,
}

/// One that would join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestedTx {
    /// Its virtual bytes as policy counts them.
    pub vsize: u64,
    /// What it pays.
    pub fee: Amount,
    /// With what an operator adds to that; satoshis.
    pub modified_fee_sat: i64,
}

/// Transactions that come together, a child after its parents. Sent by: JSON-RPC. Handled by: mempool. Reply: what became of each, or why
/// they are no package. When full: refused.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<PackageVerdict, PackageError>")]
pub struct SubmitPackage {
    /// They.
    pub txs: Vec<Arc<ParsedTx>>,
    /// What none of them may pay more than; satoshis per 1,000 virtual bytes.
    pub sat_per_kvb_max: Option<u64>,
}

/// Transactions to be judged as if they came together, each paying for itself, and not held. Sent by: JSON-RPC. Handled by: mempool.
/// Reply: what would become of each. When full: refused.
#[derive(Clone, Debug, Message)]
#[rtype(result = "PackageVerdict")]
pub struct TestPackage {
    /// They, parents before children.
    pub txs: Vec<Arc<ParsedTx>>,
}

/// Held transactions that are announced to peers who do not know of them. Sent by: JSON-RPC. Handled by: mempool. Reply: nothing.
/// When full: refused.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct AnnounceTransactions {
    /// Which.
    pub txids: Vec<Txid>,
}

/// Adds to a transaction's fee in the eyes of whoever builds a block, held or not. Sent by: JSON-RPC. Handled by: mempool. Reply: when it
/// is done, or why not. When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<(), DustyPriority>")]
pub struct Prioritise {
    /// Which.
    pub txid: Txid,
    /// How much more, or less; satoshis.
    pub more_sat: i64,
}

/// What has been added to fees. Sent by: JSON-RPC. Handled by: mempool. Reply: a row a transaction. When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Vec<Prioritised>")]
pub struct GetPrioritised;

/// Which held transactions are mined together. Sent by: JSON-RPC. Handled by: mempool. Reply: the best first. When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Vec<Chunk>")]
pub struct GetChunks {
    /// Of all that hang together with this one; none: of all.
    pub of: Option<Txid>,
}

/// Keeps what is held in its file, now. Sent by: JSON-RPC. Handled by: mempool. Reply: where, or why not. When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<PathBuf, SaveFailed>")]
pub struct SaveMempool;

/// Why nothing was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SaveFailed {
    /// What was kept before has not been read to its end.
    #[error("the mempool's file has not been read yet")]
    NotLoaded,
    /// The file could not be written: the log says why.
    #[error("the mempool's file cannot be written")]
    Unwritable,
}

/// Judges what a file holds as if it came now. Sent by: JSON-RPC. Handled by: mempool. Reply: when it has been judged, or that the file cannot
/// be read. When full: refused.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(), ImportFailed>")]
pub struct ImportMempool {
    /// The file.
    pub path: PathBuf,
    /// What is believed of it.
    pub options: ImportOptions,
}

/// What is believed of a file of transactions beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportOptions {
    /// Whether they come now, whatever the file says.
    pub use_current_time: bool,
    /// Whether what it adds to fees is added.
    pub apply_deltas: bool,
    /// Whether what it says no peer has asked for is announced again.
    pub apply_unbroadcast: bool,
}

/// The file is not there, or is none of the mempool's: the log says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the file cannot be read as a mempool")]
pub struct ImportFailed;

/// Held transactions with all that is known of them. Sent by: JSON-RPC. Handled by: mempool. Reply: they, and the mempool's
/// figures of the same moment. When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "MempoolLook")]
pub struct LookIntoMempool {
    /// Which; none: the figures alone.
    pub wanted: Option<Wanted>,
}

/// What the mempool does now and then comes sooner by so much. Sent by: JSON-RPC, for tests. Handled by: mempool. Reply: when it is done.
/// When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct HurryMempool {
    /// By how much.
    pub ms: u64,
}

/// What to pay to be in a block within so many. Sent by: JSON-RPC. Handled by: mempool. Reply: no less than is relayed; none where too little
/// is known. When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<SmartFee, FeesOff>")]
pub struct EstimateFee {
    /// Blocks.
    pub target: u32,
    /// What happened lately moves it less.
    pub conservative: bool,
}

/// What each memory says to that question that looks so far ahead. Sent by: JSON-RPC. Handled by: mempool. Reply: them, the shortest first.
/// When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<Vec<(Memory, Estimate)>, FeesOff>")]
pub struct EstimateRawFee {
    /// Blocks.
    pub target: u32,
    /// So many of those that pay it were in time, from 0 to 1.
    pub likelihood: f64,
}

/// Transactions are not relayed, and nobody knows what is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("fees are not estimated")]
pub struct FeesOff;

/// Puts what is held in order for whoever builds a block, now. Sent by: JSON-RPC. Handled by: mempool. Reply: when the reader has it.
/// When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct PublishSnapshot;

/// What there is in the mempool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MempoolLook {
    /// What was wanted.
    pub details: Vec<MempoolDetail>,
    /// Transactions held.
    pub count: usize,
    /// The number that the next change will have, as Core counts them.
    pub sequence: u64,
    /// Virtual bytes of all of them, as policy counts them.
    pub vsize: u64,
    /// Their fees.
    pub fees_sat: u64,
    /// Memory that they take.
    pub usage_bytes: u64,
    /// The lowest feerate that may join now; satoshis per 1,000 virtual bytes.
    pub min_fee_sat_per_kvb: u64,
    /// Whether what was kept over the last restart has been judged.
    pub is_loaded: bool,
    /// Whether all that is held is known to be in the best order to mine it.
    pub is_best: bool,
}

/// The mempool's size and contents. Sent by: rpc. Handled by: mempool. Reply: a summary. When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "MempoolSummary")]
pub struct GetMempool;

/// A held transaction by its txid. Sent by: peer (a getdata), rpc. Handled by: mempool. Reply: it, if it is held.
/// When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Option<Arc<ParsedTx>>")]
pub struct GetTransaction {
    /// Which one.
    pub txid: Txid,
}
