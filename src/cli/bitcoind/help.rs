//! What `-help` and `-version` print.

use std::fmt::Write;

use super::flags::{Flag, GROUPS, Here};

/// Columns of a line of help.
const WIDTH: usize = 79;
/// Columns before a flag's text.
const INDENT: &str = "       ";

/// The first line of both.
fn version_line() -> String {
    format!("Adit daemon version v{} bitcoind\n", env!("CARGO_PKG_VERSION"))
}

/// `-version`.
pub(super) fn version() -> String {
    format!("{}\nAdit is free software under the MIT license or the Apache license 2.0.\n", version_line())
}

/// `-help`, with the flags for tests where they are asked for.
pub(super) fn help(with_tests: bool) -> String {
    let mut text = format!(
        "{}\nA Bitcoin full node that takes the flags, the bitcoin.conf and the datadir's layout of Bitcoin Core.\n\n\
         Usage: adit bitcoind [options]\n\n",
        version_line()
    );
    for (title, flags) in GROUPS {
        let shown = flags.iter().filter(|flag| !flag.marks.hidden && (with_tests || !flag.marks.for_tests));
        let entries: String = shown.map(entry).collect();
        if !entries.is_empty() {
            // Writing to a text cannot fail.
            let _ = write!(text, "{title}:\n\n{entries}");
        }
    }
    text
}

fn entry(flag: &Flag) -> String {
    let said = match flag.here {
        Here::Wired => format!("{}.", flag.text),
        Here::Void => format!("Accepted, and changes nothing: {}.", flag.text),
        Here::Missing => format!("Not available: {}.", flag.text),
    };
    format!("  -{}{}\n{}\n", flag.name, flag.param, wrapped(&said))
}

/// A text in lines of at most [`WIDTH`] columns.
fn wrapped(text: &str) -> String {
    let (mut lines, mut line) = (String::new(), INDENT.to_owned());
    for word in text.split(' ') {
        let begun = line.len() > INDENT.len();
        if begun && line.len().saturating_add(word.len()) >= WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            line = INDENT.to_owned();
        } else if begun {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines + &line + "\n"
}
