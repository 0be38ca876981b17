//! The readers of Core's settings, without files, for those who feed them random bytes.

use std::path::Path;

use super::conf::Files;
use super::config::{Config, parse_written, written_text};
use super::counterpart::{self, Counterpart};
use super::error::InitError;
use super::layers::Layers;
use super::line::Line;
use super::value::Value;
use super::{check, flags, translate};

/// A command line, and a file of settings below it: what they come to is asked for every setting that there is.
pub(crate) fn settings(words: &[String], conf: &str) -> Result<Vec<Counterpart>, InitError> {
    let line = Line::read(words)?;
    let mut layers = Layers { line: line.settings, ..Layers::default() };
    let mut files = Files::default();
    files.take(&mut layers, conf, "bitcoin.conf")?;
    let config = counterpart::config(layers, files, None)?;
    look(&config);
    counterpart::of(&config)
}

fn look(config: &Config) {
    for flag in flags::all() {
        let layers = &config.layers;
        let (value, all) = (layers.get(flag.name), layers.list(flag.name));
        // A setting that has a value has it as a text, a number and a switch alike.
        let _ =
            (value.as_ref().map(Value::text), layers.number(flag.name, 0), layers.switch(flag.name, false));
        let _ = (all.iter().for_each(|value| drop(value.to_json())), layers.is_negated(flag.name));
    }
    let _ =
        (check::gone(config), check::unknown_sections(config), check::sections(config), check::there(config));
    let _ = (translate::keys(config), translate::rpc_keys(config));
}

/// settings.json: what is read is read again as it is written.
pub(crate) fn written(json: &[u8]) {
    let path = Path::new("settings.json");
    let Ok(fields) = parse_written(json, path) else { return };
    let text = written_text(&fields);
    assert_eq!(parse_written(text.as_bytes(), path).as_ref(), Ok(&fields), "{text}");
    fields.into_values().for_each(|json| drop(Value::of_json(json).text()));
}
