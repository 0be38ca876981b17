//! `adit migrate bitcoin.conf`: the adit.toml that means the same, and what has no counterpart.
//!
//! Owns: the text that is printed. Must not know: what a flag becomes; `adit bitcoind` knows it.

use std::path::{Path, PathBuf};

use clap::Args;

use super::bitcoind::{Counterpart, counterparts};
use super::exit::Exit;
use super::settings::{Given, Settings, SettingsError};

/// Arguments of `adit migrate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MigrateArgs {
    /// The file of settings of a bitcoind.
    #[arg(value_name = "bitcoin.conf")]
    file: PathBuf,
    /// The network, where the file does not choose one: main, test, testnet4, signet or regtest.
    #[arg(long, value_name = "CHAIN")]
    chain: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  adit migrate ~/.bitcoin/bitcoin.conf > adit.toml
  adit run --config adit.toml --check

What has no counterpart is named on stderr and as a comment in the file. The datadir is not taken over: a folder of
Adit's own is begun, and `adit import ~/.bitcoin/blocks` fills it; `adit bitcoind` is the way to keep flags, tools and
layout as they are.";

/// Prints it.
pub(crate) fn run(args: &MigrateArgs) -> Exit {
    let parts = match counterparts(&args.file, args.chain.as_deref()) {
        Ok(parts) => parts,
        Err(error) => return Exit::Input.because(error),
    };
    let text = toml_of(&args.file, &parts);
    if let Err(error) = check(&args.file, &text) {
        return Exit::Config.because(error);
    }
    print!("{text}");
    parts.iter().filter_map(without).for_each(|line| eprintln!("adit: {line}"));
    Exit::Done
}

/// Whether the text is a configuration.
fn check(file: &Path, text: &str) -> Result<Settings, SettingsError> {
    let name = format!("that {} becomes", file.display());
    Settings::read(&Given { file: Some((name, text.to_owned())), env: Vec::new(), flags: Vec::new() })
}

/// What a setting without a counterpart is named by.
fn without(part: &Counterpart) -> Option<String> {
    match part {
        Counterpart::Key { .. } => None,
        Counterpart::Nothing { name, why } => Some(format!("{name} has no counterpart: {why}")),
    }
}

/// The keys in their tables, what has none as comments before them.
fn toml_of(file: &Path, parts: &[Counterpart]) -> String {
    let said = format!("What {} means to Adit; `adit run --config` reads it.", file.display());
    let said = std::iter::once(said).chain(parts.iter().filter_map(without));
    let mut lines: Vec<String> = said.map(|line| comment(&line)).collect();
    let mut keys: Vec<(&str, &str, &str)> = parts.iter().filter_map(key).collect();
    keys.sort_by_key(|(table, ..)| *table);
    let mut open = "";
    for (table, name, value) in keys {
        if table != open {
            lines.push(format!("\n[{table}]"));
            open = table;
        }
        lines.push(format!("{name} = {value}"));
    }
    lines.join("\n") + "\n"
}

/// A comment of TOML, which must not hold what does not print: a setting's name may.
fn comment(line: &str) -> String {
    let shown: String =
        line.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    format!("# {shown}")
}

/// Table, name and value of a key.
fn key(part: &Counterpart) -> Option<(&str, &str, &str)> {
    match part {
        Counterpart::Key { key, toml } => {
            let (table, name) = key.split_once('.').unwrap_or(("", key));
            Some((table, name, toml))
        }
        Counterpart::Nothing { .. } => None,
    }
}

/// What settings become, and whether `adit run` can do with it. It is TOML whatever they were.
pub(crate) fn probe(parts: &[Counterpart]) {
    let file = Path::new("bitcoin.conf");
    let text = toml_of(file, parts);
    assert!(toml::from_str::<toml::Table>(&text).is_ok(), "{text}");
    let _ = check(file, &text);
}

#[cfg(test)]
mod tests;
