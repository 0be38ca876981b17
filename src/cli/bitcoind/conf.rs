//! bitcoin.conf: its grammar, and the files that it includes.
//!
//! Owns: lines, sections, includes, the limits of a file. Must not know: what a setting does.

use std::path::{Path, PathBuf};

use super::error::InitError;
use super::flags;
use super::layers::Layers;
use super::line::Key;
use super::paths::{Paths, absolute};
use super::value::Value;

/// A file larger than this is no file of settings: the longest sensible has some thousand peers and users of 100 bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Files that one may include.
const INCLUDES_MAX: usize = 100;

/// What the log says of a setting that there is none of; its name follows.
pub(super) const UNKNOWN: &str = "Ignoring unknown configuration value ";

/// What is a space at the ends of a line, a name and a value.
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// A section that a file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) line: usize,
}

/// What the files add to what is known.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) sections: Vec<Section>,
    /// What the log says of them.
    pub(super) notes: Vec<Note>,
    /// What stderr says of them.
    pub(super) said: Vec<String>,
}

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// As it should be.
    Info(String),
    /// Somebody should look at it.
    Warning(String),
}

/// A file taken apart: names with their section, and values.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) options: Vec<(String, String)>,
    pub(super) sections: Vec<Section>,
}

/// Takes a file apart.
pub(super) fn parse(text: &str, file: &str) -> Result<Parsed, InitError> {
    let mut parsed = Parsed::default();
    let mut prefix = String::new();
    for (line, raw) in (1..).zip(text.split('\n')) {
        let (kept, has_comment) = raw.split_once('#').map_or((raw, false), |(kept, _)| (kept, true));
        let kept = kept.trim_matches(SPACES);
        let section = |name: &str| Section { name: name.to_owned(), file: file.to_owned(), line };
        if kept.is_empty() {
            continue;
        }
        if let Some(name) = in_brackets(kept) {
            parsed.sections.push(section(name));
            prefix = format!("{name}.");
        } else if kept.starts_with('-') {
            return Err(InitError::said(format!(
                "parse error on line {line}: {kept}, options in configuration file must be specified without leading -"
            )));
        } else if let Some((name, value)) = kept.split_once('=') {
            let name = format!("{prefix}{}", name.trim_matches(SPACES));
            if has_comment && name.contains("rpcpassword") {
                return Err(InitError::said(format!(
                    "parse error on line {line}, using # in rpcpassword can be ambiguous and should be avoided"
                )));
            }
            if let Some(at) = name.rfind('.').filter(|at| prefix.len() <= *at) {
                parsed.sections.push(section(name.get(..at).unwrap_or_default()));
            }
            parsed.options.push((name, value.trim_matches(SPACES).to_owned()));
        } else {
            return Err(no_value(line, kept));
        }
    }
    Ok(parsed)
}

fn in_brackets(line: &str) -> Option<&str> {
    let inner = line.strip_prefix('[')?;
    inner.strip_suffix(']')
}

fn no_value(line: usize, kept: &str) -> InitError {
    let hint = if kept.starts_with("no") {
        format!(", if you intended to specify a negated option, use {kept}=1 instead")
    } else {
        String::new()
    };
    InitError::said(format!("parse error on line {line}: {kept}{hint}"))
}

impl Files {
    /// Lays a file's settings under those of the files before it.
    pub(super) fn take(&mut self, layers: &mut Layers, text: &str, file: &str) -> Result<(), InitError> {
        let parsed = parse(text, file)?;
        self.sections.extend(parsed.sections);
        for (name, text) in parsed.options {
            let key = Key::read(&name);
            if key.name == "conf" {
                return Err(InitError::said(
                    "conf cannot be set in the configuration file; use includeconf= if you want to include additional config files",
                ));
            }
            if flags::find(&key.name).is_none() {
                self.notes.push(Note::Warning(format!("{UNKNOWN}{name}")));
                continue;
            }
            let mut warnings = Vec::new();
            let value = key.value(Some(&text), &mut warnings)?;
            self.notes.extend(warnings.into_iter().map(Note::Warning));
            layers.files.entry(key.section).or_default().entry(key.name).or_default().push(value);
        }
        Ok(())
    }

    /// Reads the file of settings and those that it includes; `chain` is the section of the network that the settings so far
    /// choose.
    pub(super) fn read(
        &mut self,
        layers: &mut Layers,
        chain: impl Fn(&Layers) -> Result<String, InitError>,
    ) -> Result<(), InitError> {
        let Some(path) = Paths::of(layers).conf() else { return Ok(()) };
        let Some(text) = self.main_file(layers, &path)? else { return Ok(()) };
        self.take(layers, &text, &path.display().to_string())?;
        if layers.line.contains_key("includeconf") {
            return Ok(());
        }
        let section = chain(layers)?;
        let (of_section, of_default) = (includes(layers, &section, 0), includes(layers, "", 0));
        let (sections, defaults) = (count(layers, &section), count(layers, ""));
        for name in of_section.into_iter().chain(of_default).take(INCLUDES_MAX) {
            self.include(layers, &name)?;
        }
        let mut late = includes(layers, &section, sections);
        late.extend(includes(layers, "", defaults));
        let chosen = chain(layers)?;
        if chosen != section {
            late.extend(includes(layers, &chosen, 0));
        }
        self.said.extend(late.into_iter().map(|name| {
            format!("warning: -includeconf cannot be used from included files; ignoring -includeconf={name}")
        }));
        Ok(())
    }

    /// The file itself: none where there is none and nobody named it.
    fn main_file(&self, layers: &Layers, path: &Path) -> Result<Option<String>, InitError> {
        if path.is_dir() {
            return Err(InitError::said(format!("Config file \"{}\" is a directory.", path.display())));
        }
        match contents(path)? {
            None if layers.is_set("conf") => Err(InitError::said(format!(
                "specified config file \"{}\" could not be opened.",
                path.display()
            ))),
            text => Ok(text),
        }
    }

    fn include(&mut self, layers: &mut Layers, name: &str) -> Result<(), InitError> {
        let path = absolute(&PathBuf::from(name), &Paths::of(layers).base());
        if path.is_dir() {
            let text = format!("Included config file \"{}\" is a directory.", path.display());
            return Err(InitError::said(text));
        }
        let text = contents(&path)?
            .ok_or_else(|| InitError::said(format!("Failed to include configuration file {name}")))?;
        self.take(layers, &text, name)?;
        self.notes.push(Note::Info(format!("Included configuration file {name}")));
        Ok(())
    }
}

/// A file's text; none where it cannot be opened.
fn contents(path: &Path) -> Result<Option<String>, InitError> {
    let Ok(meta) = std::fs::metadata(path) else { return Ok(None) };
    if meta.len() > FILE_BYTES_MAX {
        let text = format!("{} has more than {FILE_BYTES_MAX} bytes.", path.display());
        return Err(InitError::said(text));
    }
    Ok(std::fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn values<'a>(layers: &'a Layers, section: &str) -> &'a [Value] {
    let found = layers.files.get(section).and_then(|settings| settings.get("includeconf"));
    found.map(Vec::as_slice).unwrap_or_default()
}

fn count(layers: &Layers, section: &str) -> usize {
    values(layers, section).len()
}

/// The files that a section includes, from the `skip`th on and after the last negation.
fn includes(layers: &Layers, section: &str, skip: usize) -> Vec<String> {
    let values = values(layers, section);
    let negated = values.iter().rposition(|v| *v == Value::No).map_or(0, |at| at.saturating_add(1));
    values.iter().skip(skip.max(negated)).map(Value::text).collect()
}

#[cfg(test)]
mod tests;
