//! The command line, by Core's grammar.

use super::error::InitError;
use super::flags;
use super::layers::Settings;
use super::value::{Value, is_yes};

/// A setting's name, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// What stands before the first dot.
    pub(super) section: String,
    /// The name without `no`.
    pub(super) name: String,
    /// Whether it began with `no`.
    pub(super) negated: bool,
}

impl Key {
    /// `name`, `noname`, `section.name`, `section.noname`.
    pub(super) fn read(text: &str) -> Key {
        let (section, name) = text.split_once('.').unwrap_or(("", text));
        let (name, negated) = name.strip_prefix("no").map_or((name, false), |name| (name, true));
        Key { section: section.to_owned(), name: name.to_owned(), negated }
    }

    /// The value that stands with the name of a flag that exists.
    pub(super) fn value(&self, text: Option<&str>, warnings: &mut Vec<String>) -> Result<Value, InitError> {
        let marks = flags::find(&self.name).map(|flag| flag.marks).unwrap_or_default();
        let name = &self.name;
        if self.negated {
            if marks.no_negation {
                return Err(InitError::said(format!(
                    "Negating of -{name} is meaningless and therefore forbidden"
                )));
            }
            return Ok(match text {
                Some(text) if !is_yes(text) => {
                    warnings.push(format!("Parsed potentially confusing double-negative -{name}={text}"));
                    Value::Yes
                }
                _ => Value::No,
            });
        }
        if text.is_none() && marks.needs_value {
            let text = format!("Can not set -{name} with no value. Please specify value with -{name}=value.");
            return Err(InitError::said(text));
        }
        Ok(Value::Text(text.unwrap_or_default().to_owned()))
    }
}

/// What a command line says.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) settings: Settings,
    /// The first word that is no flag: flags behind it are not read.
    pub(super) stray: Option<String>,
    /// What the log says of it.
    pub(super) warnings: Vec<String>,
}

impl Line {
    /// Reads the words behind the program's name.
    pub(super) fn read(words: &[String]) -> Result<Line, InitError> {
        Line::read_flags(words).map_err(|error| error.within("Error parsing command line arguments: "))
    }

    fn read_flags(words: &[String]) -> Result<Line, InitError> {
        let mut line = Line { stray: words.iter().find(|w| !w.starts_with('-')).cloned(), ..Line::default() };
        for word in words {
            if word == "-" || !word.starts_with('-') {
                break;
            }
            let (flag, text) = word.split_once('=').map_or((word.as_str(), None), |(f, t)| (f, Some(t)));
            let flag = flag.strip_prefix('-').unwrap_or(flag);
            let key = Key::read(flag.strip_prefix('-').unwrap_or(flag));
            if flags::find(&key.name).is_none() || !key.section.is_empty() {
                return Err(InitError::said(format!("Invalid parameter {word}")));
            }
            let value = key.value(text, &mut line.warnings)?;
            line.settings.entry(key.name).or_default().push(value);
        }
        line.refuse_includes()?;
        Ok(line)
    }

    /// A file is included by a file.
    fn refuse_includes(&self) -> Result<(), InitError> {
        let values = self.settings.get("includeconf").map(Vec::as_slice).unwrap_or_default();
        match values.iter().rev().take_while(|value| **value != Value::No).last() {
            None => Ok(()),
            Some(first) => {
                let text = first.to_json();
                let text = format!("-includeconf cannot be used from commandline; -includeconf={text}");
                Err(InitError::said(text))
            }
        }
    }
}

#[cfg(test)]
mod tests;
