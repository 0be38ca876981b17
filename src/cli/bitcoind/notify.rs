//! Commands of the operator's that are run when something happens, by the shell, as in Core.

use std::process::{Command, Stdio};

use adit_actors::events::{EventBus, EventKind};
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

#[cfg(test)]
mod tests;
