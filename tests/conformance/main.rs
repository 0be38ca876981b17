//! Adit beside the vectors of Bitcoin Core and of the BIPs, beside real blocks, and beside what other nodes got wrong.
//!
//! Every row of every vector runs; there is no list of exceptions. What needs data that the repository does not hold
//! looks for it where `ADIT_DATA` says, and tells how many rows ran.
#![allow(
    missing_docs,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test binary: what fails here should fail loudly"
)]

mod asm;
mod bip340;
mod bip341;
mod blockfilters;
mod blocks;
mod differential;
mod divergences;
mod engines;
mod flips;
mod key_io;
mod script_tests;
mod sighash;
mod signing;
mod taproot_assets;
mod transactions;
mod vectors;
