//! What the mempool actor is told and asked.

use std::sync::Arc;

use actix::Message;
use adit_domain::mempool::{MempoolSummary, TxRejected};
use adit_domain::wire::ParsedTx;
use bitcoin::Txid;

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
