//! The program as a library: what `main` begins, and what is fed with random bytes.
//!
//! Owns: these two doors. Must not know: anything behind them.
#![cfg_attr(test, allow(clippy::as_conversions, missing_docs))]

use std::process::ExitCode;

use clap::Parser;

mod cli;

pub use cli::probe;

/// Does what the process's arguments ask for.
pub fn main() -> ExitCode {
    cli::Cli::parse().run()
}
