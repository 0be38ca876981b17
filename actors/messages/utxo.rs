//! What the utxo actor is told and asked.

use std::path::PathBuf;
use std::sync::Arc;

use actix::Message;
use adit_chainstate::{Activated, ChainFault, DumpError, Dumped, LoadError, UtxoStats};
use adit_domain::chain::Tip;
use adit_domain::consensus::Coin;
use bitcoin::{BlockHash, OutPoint};
use tokio::sync::mpsc;

/// Writes every changed coin and the tip to disk. Sent by: root (at the end), the utxo actor's own timer.
/// Handled by: utxo. Reply: when it is durable. When full: the sender waits.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<(), ChainFault>")]
pub struct FlushCoins;

/// The size of the coin set and its hashes. Sent by: rpc. Handled by: utxo. Reply: the figures at one tip.
/// When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<UtxoStats, ChainFault>")]
pub struct GetUtxoStats;

/// Writes all coins to a new file, as Bitcoin Core's `dumptxoutset`. Sent by: rpc. Handled by: utxo. Reply: what was written.
/// When full: refused.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Dumped, DumpError>")]
pub struct DumpUtxoSet {
    /// An absolute path.
    pub path: PathBuf,
    /// The block of the best chain whose coins are meant; none: the tip.
    pub at: Option<BlockHash>,
}

/// Loads a snapshot of the coin set, on which the chain stands from then on. Sent by: rpc. Handled by: utxo. Reply: what the chain stands
/// on, or why nothing was loaded. When full: refused.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Activated, LoadError>")]
pub struct LoadUtxoSet {
    /// An absolute path.
    pub path: PathBuf,
    /// Told of coins that are done, and of how many; what finds no room is dropped. Closed, it stops the work.
    pub progress: mpsc::Sender<LoadProgress>,
}

/// How far a snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadProgress {
    /// Coins that are done.
    pub coins: u64,
    /// Coins in the file.
    pub total: u64,
}

/// Coins by outpoint. Sent by: rpc. Handled by: utxo. Reply: each coin that is unspent, all at the tip that comes with them.
/// When full: refused.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<CoinsAtTip, ChainFault>")]
pub struct GetCoins {
    /// At most [`GetCoins::OUTPOINTS_MAX`]; more are a fault.
    pub outpoints: Vec<OutPoint>,
}

impl GetCoins {
    /// A thousand reads from disk of 100 microseconds each: a tenth of a second.
    pub const OUTPOINTS_MAX: usize = 1_000;
}

/// Coins as they are at one tip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoinsAtTip {
    /// The tip.
    pub tip: Arc<Tip>,
    /// In the order of the outpoints; none where it is spent or never was.
    pub coins: Vec<Option<Coin>>,
}
