//! What the utxo actor is told and asked.

use actix::Message;
use adit_chainstate::{ChainFault, UtxoStats};

/// Writes every changed coin and the tip to disk. Sent by: root (at the end), the utxo actor's own timer.
/// Handled by: utxo. Reply: when it is durable. When full: the sender waits.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<(), ChainFault>")]
pub struct FlushCoins;

/// The size of the coin set and its MuHash. Sent by: rpc. Handled by: utxo. Reply: the figures at one tip.
/// When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<UtxoStats, ChainFault>")]
pub struct GetUtxoStats;
