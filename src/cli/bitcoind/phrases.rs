//! What this program logs, in the words of Bitcoin Core's log: those who follow a debug.log look for them.
//!
//! Owns: the table from our messages to Core's phrases. Must not know: who logs, or where to.

use std::fmt;

use tracing::Event;
use tracing::field::{Field, Visit};

/// One of our messages, and Core's line in its place; `{name}` is a field of the event.
type Phrase = (&'static str, &'static str);

const PHRASES: &[Phrase] = &[
    ("the chain is open", "Loaded best chain: hashBestBlock={tip} height={height}"),
    ("invalid block", "Block validation error: {reason} (block {hash} at height {height})"),
    ("a header or a block was not taken", "AcceptBlock FAILED: {hash}, {reject}"),
    (
        "scripts are assumed to be valid from here",
        "Disabling script verification at block #{height} ({hash}).",
    ),
    ("scripts run from here", "Enabling script verification at block #{height} ({hash}): {reason}."),
];

/// Values of fields that Core has other words for.
const VALUES: &[Phrase] = &[
    ("no block is assumed to be valid", "assumevalid=0 (always verify)"),
    ("the assumed block is not among the headers", "assumevalid hash not in headers"),
    ("above the assumed block", "block height above assumevalid height"),
    ("not below the assumed block", "block not in assumevalid chain"),
    ("not below the best header", "block not in best header chain"),
    ("the best header's chain has too little work", "best header chainwork below minimumchainwork"),
    ("bad-blk-sigops", "bad-blk-sigops, out-of-bounds SigOpCount"),
    ("too recent beside the best header", "block too recent relative to best header"),
];

/// An event's message and fields, as texts.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Fields {
    fn add(&mut self, field: &Field, text: String) {
        match field.name() {
            "message" => self.message = text,
            name => self.others.push((name, text)),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }
}

/// Core's line for an event; none where the event's own words do.
pub(super) fn of(event: &Event<'_>) -> Option<String> {
    let mut fields = Fields::default();
    event.record(&mut fields);
    let (_, phrase) = PHRASES.iter().find(|(message, _)| *message == fields.message)?;
    let filled = fields.others.iter().fold((*phrase).to_owned(), |line, (name, text)| {
        let said = VALUES.iter().find(|(ours, _)| ours == text).map_or(text.as_str(), |(_, theirs)| theirs);
        line.replace(&format!("{{{name}}}"), said)
    });
    Some(filled)
}

#[cfg(test)]
mod tests;
