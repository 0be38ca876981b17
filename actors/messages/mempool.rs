//! What the mempool actor is told and asked.

use std::sync::Arc;

use actix::Message;
use adit_domain::mempool::{MempoolDetail, MempoolSummary, TxRejected, Wanted};
use adit_domain::wire::ParsedTx;
use bitcoin::{Amount, Txid};

/// A transaction to be validated and held. Sent by: peer, rpc. Handled by: mempool.
/// Reply: its txid, or the rule it breaks in Core's words. When full: refused, the peer will offer it again.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Txid, TxRejected>")]
pub struct SubmitTransaction {
    /// The transaction.
    pub tx: Arc<ParsedTx>,
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

/// A transaction to be judged and not held. Sent by: JSON-RPC. Handled by: mempool. Reply: its virtual bytes and its fee, or the
/// rule it breaks. When full: refused.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(u64, Amount), TxRejected>")]
pub struct TestTransaction {
    /// The transaction.
    pub tx: Arc<ParsedTx>,
}

/// Held transactions with all that is known of them. Sent by: JSON-RPC. Handled by: mempool. Reply: they, and the mempool's
/// figures of the same moment. When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "MempoolLook")]
pub struct LookIntoMempool {
    /// Which; none: the figures alone.
    pub wanted: Option<Wanted>,
}

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
    /// Virtual bytes of all of them, as consensus counts them.
    pub vsize: u64,
    /// Their fees.
    pub fees_sat: u64,
    /// Memory that they take.
    pub usage_bytes: u64,
    /// The lowest feerate that may join now; satoshis per 1,000 virtual bytes.
    pub min_fee_sat_per_kvb: u64,
    /// Whether what was kept over the last restart has been judged.
    pub is_loaded: bool,
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
