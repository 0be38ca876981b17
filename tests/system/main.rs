//! The program seen from outside: the real binary, its files, its sockets, its exit codes.
//!
//! A test starts what it needs in a folder of its own, on ports that the machine gives, waits by asking for a state within a bound, and ends
//! what it started. Where `BITCOIND` names a binary, Bitcoin Core is asked too; where it doesn't, those tests say so. `ADIT_TEST_TRIES` sets how
//! often the tests of chance try.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]
#![allow(missing_docs, unreachable_pub)]

mod assumed;
mod bitcoin_core;
mod bitcoind;
mod books;
mod chain;
#[path = "../conformance/differential/chance.rs"]
#[allow(dead_code, reason = "the tests of each part use some of it")]
mod chance;
mod client;
mod configuration;
mod control;
mod core_flags;
mod crowd;
mod databases;
mod demo;
mod deployments;
mod failing_disk;
mod harness;
mod import;
mod indexes;
mod kills;
mod layout;
mod line;
mod panics;
mod prune;
mod reorganisation;
mod rivals;
mod signals;
mod snapshots;
mod soak;
mod steering;
mod syncing;
mod transactions;
