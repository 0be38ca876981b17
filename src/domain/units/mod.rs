//! Quantities as types, and the two sources of the outside (time, chance) as traits.
//!
//! Owns: heights, points in time, difficulty of shares. Must not know: who uses them.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod difficulty;
mod height;
mod time;

pub use difficulty::{Difficulty, DifficultyError};
pub use height::Height;
pub use time::{Clock, Entropy, UnixMillis};
