//! `adit db`: a datadir that no node has open, looked at and built again.
//!
//! Owns: what is typed and shown. Must not know: what is looked at and how it is built; that is `adit_chainstate`.

mod reindex;
mod show;

use std::sync::atomic::Ordering;

use adit_chainstate::{ChainConfig, CheckOptions, CheckProgress, check, inventory};
use adit_store::{DataDir, Store, StoreFault};
use clap::{Args, Subcommand};

use super::exit::Exit;
use super::offline::{Failed, SAY_EVERY, begin};
use super::progress::Progress;
use super::run::SettingsArgs;
use super::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  adit db stats                         how large is everything, how far is it?
  adit db check                         is what a start needs sound? some seconds
  adit db check --deep                  is all of it? hours on mainnet
  adit db reindex --chainstate          make the coins again from the blocks
  adit help db check                    what a command takes

The node must not run: one process at a time has a datadir (exit code 69).";

/// What `adit db` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DbArgs {
    #[command(subcommand)]
    command: DbCommand,
}

#[derive(Debug, Subcommand)]
enum DbCommand {
    /// Look whether what is stored is what was written; changes nothing.
    Check(CheckArgs),
    /// Show what the datadir holds, in numbers.
    Stats(StatsArgs),
    /// Build headers and coins again from our own block files.
    Reindex(reindex::ReindexArgs),
}

const CHECK_EXAMPLES: &str = "\
Examples:
  adit db check                         headers, files, the last 288 blocks with their undo data
  adit db check --deep                  every block, undo record and coin, and the coins against the blocks
  adit db check --json | jq .problems

Each problem is a line with the file, the byte and what is wrong; the last line says what to do.
Exit codes: 0 all that was looked at is sound, 1 something is not, 66 there is no datadir, 69 it is in use, 130 interrupted.";

/// What `adit db check` takes.
#[derive(Debug, Args)]
#[command(after_help = CHECK_EXAMPLES)]
struct CheckArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Read everything; the coins are compared with what the blocks leave. Interrupt it at any time.
    #[arg(long)]
    deep: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const STATS_EXAMPLES: &str = "\
Examples:
  adit db stats
  adit db stats --no-coins              at once, without counting the coins
  adit db stats --json | jq .coins

Exit codes: 0, 66 there is no datadir, 69 it is in use, 74 it does not read: `adit db check` says more.";

/// What `adit db stats` takes.
#[derive(Debug, Args)]
#[command(after_help = STATS_EXAMPLES)]
struct StatsArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Leave the coins uncounted: a walk over all of them takes a minute on mainnet.
    #[arg(long)]
    no_coins: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Does what was asked.
pub(crate) fn run(args: &DbArgs) -> Exit {
    let done = match &args.command {
        DbCommand::Check(args) => run_check(args),
        DbCommand::Stats(args) => run_stats(args),
        DbCommand::Reindex(args) => reindex::run(args),
    };
    done.unwrap_or_else(|failed| failed.exit().because(&failed))
}

/// The folder, if there is one: looking for it does not make it.
fn existing(settings: &Settings) -> Result<(), Failed> {
    let path = DataDir::folder(&settings.datadir, &settings.params.folder());
    if path.join("format").exists() { Ok(()) } else { Err(Failed::NoDataDir { path }) }
}

fn open(settings: &Settings) -> Result<DataDir, Failed> {
    existing(settings)?;
    Ok(DataDir::open(&settings.datadir, &settings.params.folder())?)
}

/// Nothing is pruned here: what is being looked at or built again may need every block.
fn config(settings: &Settings) -> ChainConfig {
    ChainConfig { prune_mib: 0, ..super::offline::config(settings) }
}

fn run_check(args: &CheckArgs) -> Result<Exit, Failed> {
    let (settings, stop) = begin(&args.settings.given(Vec::new())?)?;
    let dir = open(&settings)?;
    let config = config(&settings);
    let options = CheckOptions { deep: args.deep, threads: config.threads() };
    let store = match Store::open(dir) {
        Ok(store) => store,
        Err(fault @ StoreFault::Unfinished { .. }) => return Err(fault.into()),
        // Not to open is a finding, and what is to be done about it is known.
        Err(fault) => return Ok(show::unopened(&fault, args.json)),
    };
    let mut shown = Progress::start(SAY_EVERY);
    let checked = check(&store, &config.params, options, &mut |progress| {
        match progress {
            CheckProgress::Blocks { bytes, bytes_total } => shown.bytes("blocks", bytes, bytes_total, "read"),
            CheckProgress::Coins { records, records_total } => {
                shown.count("coins", records, records_total, "coins");
            }
        }
        !stop.load(Ordering::SeqCst)
    })?;
    shown.end();
    Ok(show::checked(&checked, args.deep, args.json))
}

fn run_stats(args: &StatsArgs) -> Result<Exit, Failed> {
    let (settings, _) = begin(&args.settings.given(Vec::new())?)?;
    let store = Store::open(open(&settings)?)?;
    let config = config(&settings);
    let found = inventory(&store, &config.params, config.threads(), !args.no_coins)?;
    show::inventory(&found, settings.chain.prune_mib, args.json);
    Ok(Exit::Done)
}
