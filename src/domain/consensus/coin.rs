use bitcoin::TxOut;

use crate::units::Height;

/// An output that can be spent, and where it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coin {
    /// Amount and script.
    pub output: TxOut,
    /// The height of the block that made it.
    pub height: Height,
    /// Whether a coinbase made it.
    pub is_coinbase: bool,
}

/// The coins that a block spent: for each transaction but the coinbase, for each input, in order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BlockUndo {
    /// One row a transaction, the coinbase left out.
    pub spent: Vec<Vec<Coin>>,
}
