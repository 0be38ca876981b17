use std::panic::PanicHookInfo;
use std::thread;

use crate::supervision::{Fault, current_actor};

/// Replaces the panic hook of the process: one line in the log, with the actor or the thread, the message and the place.
///
/// A fault that unwinds on its way to the supervisor is no panic; the supervisor logs it.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        if !info.payload().is::<Fault>() {
            let (who, place) = (who(), place(info));
            tracing::error!(who, place, message = message(info), "panic");
        }
    }));
}

fn who() -> String {
    match current_actor() {
        Some(actor) => format!("actor {actor}"),
        None => format!("thread {}", thread::current().name().unwrap_or("without a name")),
    }
}

fn place(info: &PanicHookInfo<'_>) -> String {
    info.location().map(ToString::to_string).unwrap_or_default()
}

fn message<'a>(info: &'a PanicHookInfo<'_>) -> &'a str {
    let payload = info.payload();
    let owned = || payload.downcast_ref::<String>().map(String::as_str);
    payload.downcast_ref::<&str>().copied().or_else(owned).unwrap_or("without a message")
}

#[cfg(test)]
#[path = "hook/tests.rs"]
mod tests;
