//! Logs: one line an event on stderr, its level changed while the process runs.
//!
//! Owns: the subscriber. Must not know: who logs.

use std::fs::File;
use std::io::IsTerminal;
use std::sync::Arc;

use adit_actors::root::SetLogLevel;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, reload};

/// Libraries that say too much at `debug`: they keep to warnings unless they are named.
const QUIET: [&str; 3] = ["h2=warn", "hyper=warn", "tower=warn"];

/// Where the lines go.
pub(crate) enum To {
    /// To stderr.
    Stderr,
    /// To a file, where stderr is a screen that shows something else.
    File(File),
}

/// Installs the subscriber; directives that do not read are refused.
pub(crate) fn start(directives: &str, to: To) -> Result<SetLogLevel, String> {
    let (filter, handle) = reload::Layer::new(parse(directives)?);
    let colours = matches!(to, To::Stderr) && std::io::stderr().is_terminal();
    let writer = match to {
        To::Stderr => BoxMakeWriter::new(std::io::stderr),
        To::File(file) => BoxMakeWriter::new(Arc::new(file)),
    };
    let lines = fmt::layer().with_writer(writer).with_ansi(colours);
    tracing_subscriber::registry().with(filter).with(lines).try_init().map_err(|e| e.to_string())?;
    Ok(Arc::new(move |directives: &str| {
        let filter = parse(directives)?;
        handle.reload(filter).map_err(|e| e.to_string())
    }))
}

/// What directives look like, for those who typed something else.
pub(crate) const DIRECTIVES: &str =
    "error, warn, info, debug or trace, or directives as info,adit_actors=debug";

/// Directives, with the quiet libraries in front so that what is typed is stronger.
pub(crate) fn parse(directives: &str) -> Result<EnvFilter, String> {
    // A bare word that is no level would be read as the name of a target, and a typing error as silence.
    let sound = |d: &str| d.contains('=') || !d.trim().is_empty() && d.trim().parse::<LevelFilter>().is_ok();
    let all = QUIET.iter().copied().chain([directives]).collect::<Vec<_>>().join(",");
    let filter = EnvFilter::try_new(all).ok().filter(|_| directives.split(',').all(sound));
    filter.ok_or_else(|| format!("{directives:?}: expected {DIRECTIVES}"))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn what_directives_are() {
        for (text, sound) in [
            ("info", true),
            ("debug,adit_actors=trace", true),
            ("infoo", false),
            ("adit=loud", false),
            ("", false),
        ] {
            assert_eq!(parse(text).is_ok(), sound, "{text:?}");
        }
    }
}
