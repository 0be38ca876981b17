//! Quantities as types, and the two sources of the outside (time, chance) as traits.
//!
//! Owns: heights, points in time, difficulty of shares, addresses and keys as text. Must not know: who uses them.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod address;
mod difficulty;
mod height;
mod time;

pub use address::{AddressError, WifError, address_of_script, parse_address, parse_wif};
pub use difficulty::{Difficulty, DifficultyError};
pub use height::Height;
pub use time::{Clock, Entropy, UnixMillis};
