//! The headers that are known, which chain of them is best, and what stands at its tip.
//!
//! Owns: the header tree, work, status of blocks, the tip, the MuHash of the coin set. Must not know: how any of it is stored.

mod tip;

pub use tip::{NextBlock, Tip};
