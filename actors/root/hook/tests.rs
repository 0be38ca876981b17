use std::fmt::{Debug, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, take_hook};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::*;

/// Keeps what is logged on this thread, a line an event.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _span: &Id, _values: &Record<'_>) {}
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
    fn enter(&self, _span: &Id) {}
    fn exit(&self, _span: &Id) {}
}

fn said(panics: impl FnOnce()) -> Vec<String> {
    let lines = Lines::default();
    let caught = tracing::subscriber::with_default(lines.clone(), || catch_unwind(AssertUnwindSafe(panics)));
    assert!(caught.is_err());
    let all = lines.0.lock().unwrap();
    all.clone()
}

#[test]
fn a_panic_is_one_line_with_who_what_and_where() {
    let before = take_hook();
    install_panic_hook();
    let word = "formatted";
    // Where another test panics, and is the first to, just as this one begins to listen, nobody is found who listens.
    let heard = |panics: fn(&str)| loop {
        let lines = said(|| panics(word));
        if !lines.is_empty() {
            break lines;
        }
    };
    let logged = [
        heard(|_| panic!("plain")),
        heard(|word| panic!("{word}")),
        heard(|_| panic_any(13)),
        said(|| panic_any(Fault::State("no panic".to_owned()))),
    ];
    std::panic::set_hook(before);
    for (lines, message) in logged.iter().zip(["plain", "formatted", "without a message"]) {
        assert_eq!(lines.len(), 1, "{lines:?}");
        for part in [message, "hook/tests.rs:", "thread root::hook::tests"] {
            assert!(lines[0].contains(part), "{lines:?}");
        }
    }
    assert!(logged[3].is_empty());
}
