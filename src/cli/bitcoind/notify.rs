//! Commands of the operator's that are run when something happens, by the shell, as in Core.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use adit_actors::events::{EventBus, EventKind, NodeEvent};
use adit_actors::root::NodeLinks;
use adit_actors::supervision::ExitReason;
use adit_chainstate::Warnings;
use adit_domain::units::Height;
use bitcoin::BlockHash;
use tokio::sync::broadcast::error::RecvError;

/// Runs a command to its end; a failure is logged.
pub(super) fn run(command: &str) {
    // Who waits for a terminal would wait for ever.
    let ended = Command::new("/bin/sh").arg("-c").arg(command).stdin(Stdio::null()).status();
    match ended {
        Ok(status) if status.success() => {}
        Ok(status) => {
            tracing::warn!("runCommand error: system({command}) returned {}", status.code().unwrap_or(-1))
        }
        Err(error) => tracing::warn!(%error, "runCommand error: system({command}) did not start"),
    }
}

/// Runs a command on a thread of its own.
pub(super) fn run_beside(command: String) {
    let spawned = std::thread::Builder::new().name("notify".to_owned()).spawn(move || run(&command));
    if let Err(error) = spawned {
        tracing::warn!(%error, "no thread for a command");
    }
}

/// Runs commands at the same time and waits for all.
pub(super) fn run_all(commands: Vec<String>) {
    let threads: Vec<_> =
        commands.into_iter().map(|command| std::thread::spawn(move || run(&command))).collect();
    for thread in threads {
        // A thread that panicked has said so.
        let _ = thread.join();
    }
}

/// Blocks that are told of at once, at most: as many as one step of a reorganisation has.
const TOLD_MAX: u32 = 288;
/// The age of a tip, in seconds, beyond which the chain is still being fetched.
const OLD_S: u64 = 24 * 60 * 60;

/// Says whether the chain has been fetched: once it has, it stays so, as in Core.
fn fetched(links: &NodeLinks) -> impl FnMut() -> bool + Send + use<> {
    let (chain, clock) = (links.chain.clone(), Arc::clone(&links.clock));
    let mut done = false;
    move || {
        let age_s = clock.now().to_seconds_floor().saturating_sub(u64::from(chain.tip().header.time));
        done |= age_s <= OLD_S;
        done
    }
}

/// The blocks to tell of when a tip came with so many blocks: none while the chain is being fetched.
pub(super) fn joined(links: &NodeLinks) -> impl FnMut(Height, u32) -> Vec<BlockHash> + Send + use<> {
    let (chain, mut fetched) = (links.chain.clone(), fetched(links));
    move |tip, connected| {
        let count = if fetched() { connected.min(TOLD_MAX) } else { 0 };
        let heights = (0..count).rev().filter_map(|below| tip.checked_sub(below));
        heights.filter_map(|height| chain.hash_at(height)).collect()
    }
}

/// Runs `-blocknotify` for each block that joins the best chain, until the node ends.
pub(super) async fn on_blocks(
    events: EventBus,
    mut joined: impl FnMut(Height, u32) -> Vec<BlockHash>,
    command: String,
) {
    let mut events = events.subscribe();
    loop {
        match events.recv().await {
            Ok(event) => {
                if let EventKind::TipChanged { height, connected, .. } = event.kind {
                    let hashes = joined(height, connected).into_iter();
                    hashes.for_each(|hash| run_beside(command.replace("%s", &hash.to_string())));
                }
            }
            // The newest block is told all the same: it is the last of those that are left.
            Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "blocks were not told to -blocknotify"),
            Err(RecvError::Closed) => return,
        }
    }
}

/// How often it is looked whether there is something to alert of, where no block comes.
const ALERT_EVERY: Duration = Duration::from_secs(3);

/// Runs `-alertnotify` once for each thing that an operator should know of, until the node ends.
pub(super) async fn on_warnings(links: NodeLinks, command: String) {
    let mut fetched = fetched(&links);
    let NodeLinks { events, chain, .. } = links;
    let (mut events, warnings, mut told) = (events.subscribe(), Warnings::default(), BTreeSet::new());
    loop {
        // What is not known of a chain that is being fetched is of no interest yet.
        let found = if fetched() { warnings.of(&chain, Instant::now()) } else { Vec::new() };
        for warning in found {
            if told.insert(warning.clone()) {
                run_beside(command.replace("%s", &quoted(&warning.to_string())));
            }
        }
        if let Ok(Err(RecvError::Closed)) = tokio::time::timeout(ALERT_EVERY, events.recv()).await {
            return;
        }
    }
}

/// A text as one word of the shell's, without what is no plain character: as in Core.
fn quoted(text: &str) -> String {
    let safe = |c: &char| c.is_ascii_alphanumeric() || " .,;-_/:?@()".contains(*c);
    format!("'{}'", text.chars().filter(safe).collect::<String>())
}

/// `-stopatheight`: ends the node when its chain has come so far.
pub(super) async fn stop_at(links: NodeLinks, height: Height) {
    let NodeLinks { events, supervisor, .. } = links;
    let mut events = events.subscribe();
    loop {
        match events.recv().await {
            Ok(NodeEvent { kind: EventKind::TipChanged { height: at, .. }, .. }) if at >= height => {
                tracing::info!("the chain has come to -stopatheight");
                return supervisor.end(ExitReason::Requested);
            }
            // What was missed lies below what is to come.
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

#[cfg(test)]
mod tests;
