//! The binary: arguments, the subcommand, the exit code. Everything else stands below.
//!
//! Owns: the entry. Must not know: a rule, an actor, a key of the configuration.

use std::process::ExitCode;

use clap::Parser;

mod cli;

fn main() -> ExitCode {
    cli::Cli::parse().run()
}
