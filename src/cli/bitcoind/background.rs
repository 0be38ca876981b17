//! `-daemon` and `-daemonwait`: the node goes on in the background, as a second process of the same program.
//!
//! Owns: how the first process hears that the second has started. Must not know: what a start is.
//!
//! The second writes a byte to its stdout, which the first reads; its end without one is a failure. Its stderr goes nowhere: the
//! log has what it says.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::layers::Layers;
use crate::cli::exit::Exit;

/// Set for the second process.
const VARIABLE: &str = "ADIT_BACKGROUND";
/// What the second process writes.
const STARTED: [u8; 1] = *b"1";

/// How a process stands to the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Background {
    /// It stays where it is.
    None,
    /// It is to start the one that goes on there.
    First,
    /// It is the one that goes on there; whether the first waits until the node has started.
    Second {
        /// `-daemonwait`.
        waits: bool,
    },
}

impl Background {
    /// What the settings ask for.
    pub(super) fn of(layers: &Layers) -> Background {
        let waits = layers.switch("daemonwait", false);
        match layers.switch("daemon", false) || waits {
            false => Background::None,
            true if std::env::var_os(VARIABLE).is_some() => Background::Second { waits },
            true => Background::First,
        }
    }

    /// Says that all is well that can be known before the node has started.
    pub(super) fn begun(self) {
        if self == (Background::Second { waits: false }) {
            tell();
        }
    }

    /// Says that the node has started.
    pub(super) fn started(self) {
        if self == (Background::Second { waits: true }) {
            tell();
        }
    }
}

fn tell() {
    let mut out = std::io::stdout();
    // The first process may have been ended meanwhile: the node goes on.
    let _ = out.write_all(&STARTED).and_then(|()| out.flush());
}

/// Starts this program again, in the background, and waits until it says how it went.
pub(super) fn send() -> Exit {
    println!("Adit starting");
    let failed = || {
        eprintln!("Error during initialization - check debug.log for details");
        Exit::Invalid
    };
    let program = std::env::current_exe().map(Command::new);
    let spawned = program.and_then(|mut program| {
        program.args(std::env::args_os().skip(1)).env(VARIABLE, "1").process_group(0);
        program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
    });
    let mut byte = [0; 1];
    let Some(mut said) = spawned.ok().and_then(|child| child.stdout) else { return failed() };
    if said.read_exact(&mut byte).is_ok() && byte == STARTED { Exit::Done } else { failed() }
}
