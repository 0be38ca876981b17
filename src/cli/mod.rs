//! The subcommands, one file each.
//!
//! Owns: what is typed, what is printed, exit codes, configuration, logging. Must not know: a rule.

mod bitcoind;
mod ctl;
mod db;
mod demo;
mod exit;
mod host;
mod import;
mod logging;
mod migrate;
mod mine;
mod miner;
mod offline;
pub mod probe;
mod progress;
mod run;
mod settings;
mod signals;

use std::future::Future;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::Exit;

/// A Bitcoin full node, a block-template factory and a mining pool in one program.
#[derive(Debug, Parser)]
#[command(name = "adit", version, after_help = EXAMPLES)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  adit demo                             the whole thing on this machine, with a miner
  adit run --network signet --connect 127.0.0.1:38333
                                        a node that follows another one
  adit bitcoind -regtest                a node that Bitcoin Core's tools take for one of theirs
  adit import ~/.bitcoin/blocks         begin with the blocks that a bitcoind has
  adit ctl info                         how is it?
  adit db check                         is what is stored sound?
  adit help run                         what a command takes, with examples

The configuration's keys, their units and defaults stand in config/default.toml; docs/operations.md has the exit codes.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a regtest node, the pool and a CPU miner on this machine, and watch them.
    Demo(demo::DemoArgs),
    /// Run the node, and the pool where pool.address is set.
    Run(run::RunArgs),
    /// Run the node with Bitcoin Core's flags, bitcoin.conf, datadir and JSON-RPC.
    Bitcoind(bitcoind::BitcoindArgs),
    /// Print the adit.toml that means what a bitcoin.conf means.
    Migrate(migrate::MigrateArgs),
    /// Mine with this machine's processor.
    Mine(mine::MineArgs),
    /// Connect blocks from a bitcoind's folder or from files, fully validated.
    Import(import::ImportArgs),
    /// Look at a datadir that no node has open, and build it again.
    Db(db::DbArgs),
    /// Look at a running node and steer it.
    Ctl(ctl::CtlArgs),
}

impl Cli {
    /// Does what was asked.
    pub(crate) fn run(self) -> ExitCode {
        match self.command {
            Command::Demo(args) => demo::run(&args).into(),
            Command::Run(args) => run::run(&args).into(),
            Command::Bitcoind(args) => bitcoind::run(&args).into(),
            Command::Migrate(args) => migrate::run(&args).into(),
            Command::Mine(args) => mine::run(&args).into(),
            Command::Import(args) => import::run(&args).into(),
            Command::Db(args) => db::run(&args).into(),
            Command::Ctl(args) => on_tokio(ctl::run(args)),
        }
    }
}

/// Runs a client's work on a runtime of its own.
fn on_tokio(work: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => Exit::Unavailable.because(format!("no threads: {error}")).into(),
    }
}
