//! Adit's engines beside Bitcoin Core's: what the benches in this crate measure with.
//!
//! Owns: the inputs that both engines are given, the way to Core's, and the clock. A bench may panic: what it cannot measure has no
//! figure.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

pub mod curve;
pub mod kernel;
pub mod rounds;
pub mod signed;
pub mod sources;
pub mod worst;

use adit_domain::script::{ScriptFlags, Spend};
use bitcoin::consensus::serialize;
use bitcoin::{Transaction, TxOut, Wtxid};

/// One transaction for both engines.
#[derive(Clone, Debug)]
pub struct Job {
    /// The transaction.
    pub tx: Transaction,
    /// Its encoding.
    pub raw: Vec<u8>,
    /// Its id with the witnesses.
    pub wtxid: Wtxid,
    /// What its inputs spend.
    pub prevouts: Vec<TxOut>,
}

impl Job {
    /// A job of a transaction and what it spends.
    pub fn new(tx: Transaction, prevouts: Vec<TxOut>) -> Job {
        Job { raw: serialize(&tx), wtxid: tx.compute_wtxid(), tx, prevouts }
    }

    /// As Adit's engine takes it.
    pub fn spend(&self) -> Spend<'_> {
        Spend { tx: &self.tx, wtxid: self.wtxid, raw: &self.raw, prevouts: &self.prevouts }
    }

    /// Inputs.
    pub fn inputs(&self) -> usize {
        self.tx.input.len()
    }
}

/// The flags of today's blocks, which both engines know.
pub const FLAGS: ScriptFlags = ScriptFlags::CONSENSUS;
