//! The subcommands, one file each.
//!
//! Owns: what is typed, what is printed, exit codes, configuration, logging. Must not know: a rule.

#[allow(dead_code, reason = "the commands that end so come next")]
mod exit;
#[allow(dead_code, reason = "the node that logs comes next")]
mod logging;
mod run;
#[allow(dead_code, reason = "the node that is told comes next")]
mod settings;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A Bitcoin full node, a block-template factory and a mining pool in one program.
#[derive(Debug, Parser)]
#[command(name = "adit", version, after_help = EXAMPLES)]
#[command(disable_help_subcommand = false, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  adit run --network signet --set p2p.connect=127.0.0.1:38333
                                               a node that follows another one
  adit help run                                what a command takes

`adit help COMMAND` shows each command's own examples. The configuration's keys stand in config/default.toml.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the node, and the pool where pool.address is set.
    Run(run::RunArgs),
}

impl Cli {
    /// Does what was asked.
    pub(crate) fn run(self) -> ExitCode {
        match self.command {
            Command::Run(args) => run::run(&args).into(),
        }
    }
}
