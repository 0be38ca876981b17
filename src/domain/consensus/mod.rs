//! The rules that every node must agree on.
//!
//! Owns: networks as values ([`Params`]), the ordered lists of rules, their errors in Core's words. Sees state only
//! through [`HeaderView`] and [`UtxoView`]. Must not know: how coins and headers are kept, or which chain is best.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod coin;
mod params;
mod view;

pub use coin::{BlockUndo, Coin};
pub use params::{ForkHeights, Params, PowParams};
pub use view::{HeaderView, UtxoView, ViewFault};
