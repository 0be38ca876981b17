use bitcoin::consensus::encode;
use bitcoin::{Transaction, Txid, Weight, Wtxid};
use thiserror::Error;

/// A transaction with its two ids and its weight, each computed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedTx {
    tx: Transaction,
    txid: Txid,
    wtxid: Wtxid,
    weight: Weight,
}

/// Why bytes are not a transaction.
#[derive(Debug, Error)]
pub enum TxDecodeError {
    /// Not the encoding, or bytes left over.
    #[error("transaction does not decode: {0}")]
    Encoding(#[from] encode::Error),
}

impl ParsedTx {
    /// Hashes a transaction and keeps the ids beside it.
    pub fn new(tx: Transaction) -> ParsedTx {
        let txid = tx.compute_txid();
        let wtxid = tx.compute_wtxid();
        let weight = tx.weight();
        ParsedTx { tx, txid, wtxid, weight }
    }

    /// Parses one whole transaction (BIP144 encoding), nothing after it.
    pub fn decode(raw: &[u8]) -> Result<ParsedTx, TxDecodeError> {
        Ok(ParsedTx::new(encode::deserialize(raw)?))
    }

    /// The transaction.
    pub fn tx(&self) -> &Transaction {
        &self.tx
    }

    /// Hash without witnesses.
    pub fn txid(&self) -> Txid {
        self.txid
    }

    /// Hash with witnesses.
    pub fn wtxid(&self) -> Wtxid {
        self.wtxid
    }

    /// BIP141 weight.
    pub fn weight(&self) -> Weight {
        self.weight
    }
}
