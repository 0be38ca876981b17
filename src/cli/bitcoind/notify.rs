//! Commands of the operator's that are run when something happens, by the shell, as in Core.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use adit_actors::events::{EventBus, EventKind, NodeEvent};
use adit_actors::root::NodeLinks;
use adit_actors::supervision::ExitReason;
use adit_chainstate::Warnings;
use adit_domain::units::Height;
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

/// Runs `-blocknotify` for each new best block, until the node ends.
pub(super) async fn on_blocks(events: EventBus, command: String) {
    let mut events = events.subscribe();
    loop {
        match events.recv().await {
            Ok(event) => {
                if let EventKind::TipChanged { tip, .. } = &event.kind {
                    run_beside(command.replace("%s", &tip.to_string()));
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
/// The age of a tip, in seconds, beyond which the chain is still being fetched: what is not known of it is of no interest yet.
const OLD_S: u64 = 24 * 60 * 60;

/// Runs `-alertnotify` once for each thing that an operator should know of, until the node ends.
pub(super) async fn on_warnings(links: NodeLinks, command: String) {
    let NodeLinks { events, chain, clock, .. } = links;
    let (mut events, warnings, mut told) = (events.subscribe(), Warnings::default(), BTreeSet::new());
    loop {
        let age_s = clock.now().to_seconds_floor().saturating_sub(u64::from(chain.tip().header.time));
        let found = if age_s > OLD_S { Vec::new() } else { warnings.of(&chain, Instant::now()) };
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
