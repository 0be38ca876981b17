//! The binary: arguments, the subcommand, the exit code. Everything else stands below.
//!
//! Owns: the entry. Must not know: a rule, an actor, a key of the configuration.

use std::process::ExitCode;

use clap::Parser;

mod cli;

/// Blocks are parsed into many small pieces, on one thread, and freed on others: docs/decisions/0006-allocator.md has the
/// figures.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::Cli::parse().run()
}
