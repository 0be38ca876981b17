//! The readers of configuration, without files, for those who feed them random bytes (`fuzz/`, and a short run in the gate). Each returns for any
//! bytes, or it has found something.

use super::bitcoind::probe;
use super::migrate;
use super::settings::{Given, Settings};

/// Core's command line, a word a line, up to an empty one, and a bitcoin.conf behind it; what they become for `adit migrate` is TOML.
pub fn flags(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (line, conf) = text.split_once("\n\n").unwrap_or((&text, ""));
    let words: Vec<String> = line.lines().map(str::to_owned).collect();
    if let Ok(parts) = probe::settings(&words, conf) {
        migrate::probe(&parts);
    }
}

/// A bitcoin.conf alone.
pub fn conf(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(parts) = probe::settings(&[], &text) {
        migrate::probe(&parts);
    }
    probe::written(data);
}

/// An adit.toml, and the same text as a flag's value: `--set KEY=VALUE`.
pub fn toml(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    let given = Given { file: Some(("adit.toml".to_owned(), text.clone())), ..Given::default() };
    let _ = (Settings::read(&given), Settings::explain(&given));
    if let Some((key, value)) = text.split_once('=') {
        let flag = ("--set".to_owned(), key.to_owned(), value.to_owned());
        let _ = Settings::read(&Given { flags: vec![flag], ..Given::default() });
    }
}

#[cfg(test)]
mod tests;
