//! `adit import`: blocks from files into a datadir, without a node.
//!
//! Owns: what is typed and shown. Must not know: how blocks are found and judged; that is `adit_chainstate`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use adit_actors::clock::{SystemClock, SystemEntropy};
use adit_chainstate::{
    ChainConfig, Chainstate, ImportOptions, ImportProgress, Imported, Skipped, Sources, import, room_needed,
};
use adit_domain::script::Interpreter;
use adit_domain::units::{Clock, Entropy, Height};
use adit_store::{DataDir, Store, XorKey};
use clap::Args;
use serde_json::{Value, json};

use super::exit::Exit;
use super::offline::{Failed, SAY_EVERY, begin, config};
use super::progress::Progress;
use super::run::SettingsArgs;
use super::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  adit import ~/.bitcoin/blocks                 everything that a bitcoind has; stop it first
  adit import --network regtest --datadir /tmp/a chain.dat
  adit import --cache-mib 2000 --stop-at 840000 /mnt/old/blocks
  adit import --network regtest --datadir /tmp/a --hash chain.dat | jq -r .muhash

A PATH is a file of blocks framed as Bitcoin Core's blk*.dat, a folder of them, or a datadir with a folder blocks in it. Blocks may
come in any order; nothing in the folder is changed. An xor.dat beside blk*.dat is heeded.

The last line on stdout is one JSON object. An import that was cut short goes on where it was: the same command again. Bodies of
branches that left the best chain more than 288 blocks below its tip are not taken over.
Exit codes: 0 all was connected, 1 a block is invalid, 66 what was named does not read or holds no block of the network,
69 the datadir is in use or not Adit's, or its disk has less room than the files will need, 74 the disk failed, 130 interrupted.";

/// What `adit import` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Connect no block above this height.
    #[arg(long, value_name = "HEIGHT")]
    stop_at: Option<u32>,
    /// Run no scripts below this block, where the headers bear it out; 0: run all (chain.assume_valid).
    #[arg(long, value_name = "HASH")]
    assume_valid: Option<String>,
    /// Count the coins at the end and hash them as Bitcoin Core's gettxoutsetinfo does: a few seconds a million.
    #[arg(long)]
    hash: bool,
    /// Memory for the chain, MiB (chain.cache_mib).
    #[arg(long, value_name = "MIB")]
    cache_mib: Option<u64>,
    /// Threads that read files and verify scripts; 0: one a core (chain.script_threads).
    #[arg(long, value_name = "COUNT")]
    threads: Option<u64>,
    /// Files of blocks, folders of them, or datadirs.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Imports, and prints what came of it.
pub(crate) fn run(args: &ImportArgs) -> Exit {
    match connect(args) {
        Ok((imported, seconds)) => report(&imported, seconds),
        Err(failed) => failed.exit().because(&failed),
    }
}

impl ImportArgs {
    fn flags(&self) -> Vec<(String, String, String)> {
        let flag = |name: &str, key: &str, value: Option<String>| {
            value.map(|value| (name.to_owned(), key.to_owned(), value))
        };
        let number = |value: Option<u64>| value.map(|value| value.to_string());
        let given = [
            flag("--assume-valid", "chain.assume_valid", self.assume_valid.clone()),
            flag("--cache-mib", "chain.cache_mib", number(self.cache_mib)),
            flag("--threads", "chain.script_threads", number(self.threads)),
        ];
        given.into_iter().flatten().collect()
    }
}

fn connect(args: &ImportArgs) -> Result<(Imported, f64), Failed> {
    let (settings, stop) = begin(&args.settings.given(args.flags())?)?;
    // All that can be wrong with them is said before the datadir is touched.
    let sources = Sources::find(&args.paths)?;
    sources.probe(&settings.params)?;
    if args.stop_at.is_none() {
        require_room(&settings, &sources)?;
    }
    let mut chain = open(&settings)?;
    let mut shown = Progress::start(SAY_EVERY);
    let begun = Instant::now();
    let options =
        ImportOptions { stop_at: args.stop_at.map(Height::new), ..ImportOptions::at(SystemClock.now()) };
    let imported = import(&mut chain, &sources, options, &mut |progress| {
        show(&mut shown, progress);
        !stop.load(Ordering::SeqCst)
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    let imported = if args.hash {
        shown.say("the coins' hash");
        imported.with_stats(chain.utxo_stats()?.run()?)
    } else {
        imported
    };
    shown.end();
    Ok((imported, seconds))
}

/// Refuses blocks that will not find room: what is said now costs nothing, and a full disk after hours does. What lies below a height is
/// not known before the files are read, so that it is not asked for where one is given.
fn require_room(settings: &Settings, sources: &Sources) -> Result<(), Failed> {
    let (base, network) = (&settings.datadir, settings.params.folder());
    let free = DataDir::free_bytes(base, &network)?;
    let stored = DataDir::stored_block_bytes(base, &network)?;
    let needed = room_needed(sources.bytes()?, stored, config(settings).prune_bytes());
    if free >= needed {
        return Ok(());
    }
    Err(Failed::NoRoom { path: DataDir::folder(base, &network), free, needed })
}

fn open(settings: &Settings) -> Result<Chainstate, Failed> {
    let config = config(settings);
    let dir = DataDir::open(&settings.datadir, &config.params.folder())?;
    let key = XorKey::new(SystemEntropy.next_u64().to_le_bytes());
    let page_bytes = ChainConfig::page_bytes(config.cache_mib);
    let store = Arc::new(Store::open_with_key(dir, key, page_bytes)?);
    Ok(Chainstate::open(config, store, Arc::new(Interpreter))?)
}

fn show(shown: &mut Progress, progress: ImportProgress) {
    match progress {
        ImportProgress::Scanning { headers, files, files_total } => {
            shown.count("files", files, files_total, &format!("{headers} headers"));
        }
        ImportProgress::Connecting { height, target, bytes, bytes_total } => {
            shown.bytes("blocks", bytes, bytes_total, &format!("height {height} of {target}"));
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
        "side_blocks": imported.side_blocks,
        "seconds": (seconds * 1000.0).round() / 1000.0,
        "skipped": {
            "garbage_bytes": skipped.garbage_bytes,
            "padding_bytes": skipped.padding_bytes,
            "foreign_blocks": skipped.foreign_blocks,
            "truncated_blocks": skipped.truncated_blocks,
            "malformed_blocks": skipped.malformed_blocks,
            "orphans": imported.orphans,
        },
    });
    if let Some(coins) = &imported.coins {
        add(&mut line, "utxos", json!(coins.coins));
        add(&mut line, "muhash", json!(coins.muhash));
        add(&mut line, "hash_serialized_3", json!(coins.hash_serialized));
    }
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
