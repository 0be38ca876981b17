use bitcoin::OutPoint;
use bitcoin::block::Header;
use thiserror::Error;

use super::Coin;
use crate::units::Height;

/// The state behind a view could not be read: our disk or our bug, never the block's fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("state could not be read: {source_text}")]
pub struct ViewFault {
    /// What the store said; for the log only, nothing decides by it.
    pub source_text: String,
}

/// The chain of headers that ends in one tip.
pub trait HeaderView {
    /// The tip's height.
    fn tip_height(&self) -> Height;
    /// The header at `height` on this chain; none above the tip.
    fn header_at(&self, height: Height) -> Option<Header>;
}

/// The set of coins at one tip.
pub trait UtxoView {
    /// The coin at `outpoint`, if it is unspent.
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, ViewFault>;
}
