//! `adit db reindex`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use adit_chainstate::{ReindexOptions, ReindexProgress, Reindexed, reindex};
use adit_domain::script::Interpreter;
use adit_store::{DataDir, Store};
use clap::Args;
use serde_json::json;

use super::{config, existing};
use crate::cli::exit::Exit;
use crate::cli::offline::{Failed, SAY_EVERY, begin};
use crate::cli::progress::Progress;
use crate::cli::run::SettingsArgs;

const EXAMPLES: &str = "\
Examples:
  adit db reindex                       headers and coins, from blocks/blk*.dat
  adit db reindex --chainstate          the coins alone; the headers stay
  adit db reindex --set chain.cache_mib=4000

What is built lies in chainstate.rebuild.redb; when it is whole it takes the place of chainstate.redb, and not before. Interrupted or
killed, the same command goes on; until then no node starts in the folder. Removing that file leaves all as it was.
Damaged blocks and undo data are left out: a node fetches the blocks again, the undo data is made again. An older Adit's datadir
is brought to the present format by this.
Exit codes: 0 done, 66 there is no datadir, or its headers do not read (without --chainstate they need not), 69 it is in use,
74 the disk failed, 130 interrupted.";

/// What `adit db reindex` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ReindexArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Keep the headers, and make the coins alone.
    #[arg(long)]
    chainstate: bool,
}

pub(super) fn run(args: &ReindexArgs) -> Result<Exit, Failed> {
    let (settings, stop) = begin(&args.settings.given(Vec::new())?)?;
    existing(&settings)?;
    let dir = DataDir::open_to_rebuild(&settings.datadir, &settings.params.folder())?;
    let store = Arc::new(Store::rebuild(dir)?);
    let options = ReindexOptions { chainstate_only: args.chainstate };
    let mut shown = Progress::start(SAY_EVERY);
    let begun = Instant::now();
    let done = reindex(&store, config(&settings), Arc::new(Interpreter), &options, &mut |progress| {
        show(&mut shown, progress);
        !stop.load(Ordering::SeqCst)
    })?;
    shown.end();
    if !done.stopped {
        store.dir().rebuilt()?;
    }
    Ok(report(&done, begun.elapsed().as_millis()))
}

fn show(shown: &mut Progress, progress: ReindexProgress) {
    match progress {
        ReindexProgress::Scanning { files, files_total } => {
            shown.count("files", files, files_total, "headers")
        }
        ReindexProgress::Reading { bytes, bytes_total } => {
            shown.bytes("checking", bytes, bytes_total, "read")
        }
        ReindexProgress::Connecting { height, target, bytes, bytes_total } => {
            shown.bytes("blocks", bytes, bytes_total, &format!("height {height} of {target}"));
        }
    }
}

fn report(done: &Reindexed, millis: u128) -> Exit {
    let line = json!({
        "tip": done.tip.map(|(hash, _)| hash.to_string()),
        "height": done.tip.map(|(_, height)| height.to_u32()),
        "blocks": done.blocks,
        "resumed": done.resumed,
        "blocks_left_out": done.blocks_left_out,
        "undo_left_out": done.undo_left_out,
        "interrupted": done.stopped,
        "milliseconds": u64::try_from(millis).unwrap_or(u64::MAX),
    });
    println!("{line}");
    if done.stopped {
        return Exit::Interrupted.because("interrupted; the same command goes on from here");
    }
    if done.blocks_left_out > 0 {
        let count = done.blocks_left_out;
        eprintln!("adit: {count} damaged blocks were left out; a node that runs here fetches them again");
    }
    Exit::Done
}
