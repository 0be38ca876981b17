//! `adit import`: blocks from files into a datadir, without a node.
//!
//! Owns: what is typed and shown. Must not know: how blocks are found and judged; that is `adit_chainstate`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use adit_actors::clock::SystemClock;
use adit_chainstate::{
    ChainConfig, ChainFault, Chainstate, ImportError, ImportProgress, Imported, Skipped, import,
};
use adit_domain::script::Interpreter;
use adit_domain::units::Clock;
use adit_store::{DataDir, DataDirError, Store, StoreFault};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use thiserror::Error;

use super::exit::Exit;
use super::run::SettingsArgs;
use super::settings::{Settings, SettingsError};
use super::{logging, signals};

const EXAMPLES: &str = "\
Examples:
  adit import --network regtest --datadir /tmp/a chain.dat
  adit import --datadir /srv/adit ~/.bitcoin/blocks/blk*.dat
  adit import --network regtest --datadir /tmp/a chain.dat | jq -r .muhash

The last line on stdout is one JSON object. An import that was cut short goes on where it was.
Exit codes: 0 all was connected, 1 a block is invalid, 66 a file does not read, 130 interrupted.";

/// What `adit import` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Files of blocks framed as Bitcoin Core's blk*.dat, in any order.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Why an import did not come to its end.
#[derive(Debug, Error)]
enum Failed {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Store(#[from] StoreFault),
    #[error(transparent)]
    Chain(#[from] ChainFault),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error("{0}")]
    Logging(String),
    #[error("signals: {0}")]
    Signals(std::io::Error),
}

impl Failed {
    fn exit(&self) -> Exit {
        match self {
            Failed::Settings(_) | Failed::Logging(_) => Exit::Config,
            Failed::Import(ImportError::Read { .. } | ImportError::TooManyOrphans) => Exit::Input,
            Failed::DataDir(DataDirError::Io { .. }) => Exit::Io,
            Failed::DataDir(_) | Failed::Signals(_) => Exit::Unavailable,
            Failed::Store(_) | Failed::Chain(_) | Failed::Import(ImportError::Fault(_)) => Exit::Io,
        }
    }
}

/// Imports, and prints what came of it.
pub(crate) fn run(args: &ImportArgs) -> Exit {
    match connect(args) {
        Ok((imported, seconds)) => report(&imported, seconds),
        Err(failed) => failed.exit().because(&failed),
    }
}

fn connect(args: &ImportArgs) -> Result<(Imported, f64), Failed> {
    let settings = Settings::read(&args.settings.given(Vec::new())?)?;
    logging::start("warn", logging::To::Stderr).map_err(Failed::Logging)?;
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    signals::on_first(move || asked.store(true, Ordering::SeqCst)).map_err(Failed::Signals)?;
    let mut chain = open(&settings)?;
    let bar = ProgressBar::no_length().with_style(style());
    let begun = Instant::now();
    let imported = import(&mut chain, &args.files, SystemClock.now(), &mut |progress| {
        show(&bar, progress);
        !stop.load(Ordering::SeqCst)
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    bar.set_message("the coins' hash");
    let stats = chain.utxo_stats()?.run()?;
    bar.finish_and_clear();
    Ok((imported.with_stats(&stats), seconds))
}

fn open(settings: &Settings) -> Result<Chainstate, Failed> {
    let params = Arc::new(settings.params.clone());
    let dir = DataDir::open(&settings.datadir, &params.folder())?;
    let config = ChainConfig {
        params,
        cache_mib: usize::try_from(settings.chain.cache_mib).unwrap_or(usize::MAX),
        script_threads: settings.chain.script_threads,
    };
    Ok(Chainstate::open(config, Arc::new(Store::open(dir)?), Arc::new(Interpreter))?)
}

fn style() -> ProgressStyle {
    let template = "{msg} [{wide_bar}] {pos}/{len}  {eta} left";
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// On a terminal; elsewhere the bar draws nothing.
fn show(bar: &ProgressBar, progress: ImportProgress) {
    match progress {
        ImportProgress::Scanning { headers } => {
            bar.set_message("headers");
            bar.set_position(headers);
        }
        ImportProgress::Connecting { height, target } => {
            bar.set_message("blocks");
            bar.set_length(u64::from(target.to_u32()));
            bar.set_position(u64::from(height.to_u32()));
        }
    }
}

fn report(imported: &Imported, seconds: f64) -> Exit {
    if let Some(text) = skipped_text(&imported.skipped, imported.orphans) {
        eprintln!("adit: {text}");
    }
    println!("{}", line(imported, seconds));
    match &imported.rejected {
        Some(r) => {
            Exit::Invalid.because(format!("block {} at height {} is invalid: {}", r.hash, r.height, r.reason))
        }
        None if imported.stopped => {
            Exit::Interrupted.because("interrupted; the same command goes on from here")
        }
        None => Exit::Done,
    }
}

/// What was left out, if anything was.
fn skipped_text(skipped: &Skipped, orphans: u64) -> Option<String> {
    let parts = [
        (skipped.garbage_bytes, "bytes between blocks"),
        (skipped.foreign_blocks, "blocks of other networks"),
        (skipped.truncated_blocks, "truncated blocks"),
        (skipped.malformed_blocks, "malformed blocks"),
        (orphans, "blocks without a parent"),
    ];
    let said: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    (!said.is_empty()).then(|| format!("skipped {}", said.join(", ")))
}

fn line(imported: &Imported, seconds: f64) -> Value {
    let skipped = &imported.skipped;
    let mut line = json!({
        "height": imported.height.to_u32(),
        "tip": imported.tip.to_string(),
        "blocks": imported.blocks,
        "txs": imported.txs,
        "inputs": imported.inputs,
        "seconds": (seconds * 1000.0).round() / 1000.0,
        "utxos": imported.utxos,
        "muhash": imported.muhash,
        "hash_serialized_3": imported.hash_serialized,
        "skipped": {
            "garbage_bytes": skipped.garbage_bytes,
            "padding_bytes": skipped.padding_bytes,
            "foreign_blocks": skipped.foreign_blocks,
            "truncated_blocks": skipped.truncated_blocks,
            "malformed_blocks": skipped.malformed_blocks,
            "orphans": imported.orphans,
        },
    });
    if let Some(r) = &imported.rejected {
        let rejected = json!({"hash": r.hash.to_string(), "height": r.height.to_u32(), "reason": r.reason});
        add(&mut line, "rejected", rejected);
    }
    if imported.stopped {
        add(&mut line, "interrupted", json!(true));
    }
    line
}

fn add(line: &mut Value, key: &str, value: Value) {
    if let Some(object) = line.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}
