//! Programs that we did not write, each doing on Adit what its user would: the real binary, its files, its sockets.
//!
//! A test starts `adit bitcoind` on regtest in a folder of its own, waits by asking for a state within a bound, and ends what it started.
//! Those in Python run where the modules are installed (`.ci/run` does that) and say so where they are not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]
#![allow(missing_docs, unreachable_pub)]

mod bdk;
mod bitcoincore;
mod coins;
mod corepc;

mod life;
mod lightning;
mod python;
mod replies;
