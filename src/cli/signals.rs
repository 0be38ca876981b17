//! Ctrl-C and SIGTERM: the first asks for an orderly end; a later one ends the process at once, or says nothing new.
//!
//! Owns: the two signals. Must not know: what an orderly end is.

use std::io;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use super::exit::Exit;

/// Signals so close to the first are the same wish: a supervisor that signals a process and then its group sends two.
const SAME_WISH: Duration = Duration::from_secs(1);

/// What a signal after the first one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// It ends the process at once.
    Ends,
    /// Nothing: the end that was asked for is waited for, as with a bitcoind.
    Nothing,
}

/// Calls `first` at the first signal, on a thread of its own.
pub(crate) fn on_first(again: Again, first: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let watch = async move {
        let mut first = Some(first);
        let mut asked = None;
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            match first.take() {
                Some(first) => {
                    asked = Some(Instant::now());
                    first();
                }
                None if again == Again::Nothing => {}
                None if asked.is_some_and(|at| at.elapsed() < SAME_WISH) => {}
                None => std::process::exit(i32::from(
                    Exit::Interrupted.because("ended by the second signal").code(),
                )),
            }
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(watch))?;
    Ok(())
}
