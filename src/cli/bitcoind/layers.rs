//! Where settings come from, laid over each other as Core does it.
//!
//! Owns: the precedence, with everything in it that is odd and that scripts rely on. Must not know: what a flag does.

use std::collections::BTreeMap;

use super::flags;
use super::value::Value;

/// The values of each setting of one place, in the order in which they stand.
pub(super) type Settings = BTreeMap<String, Vec<Value>>;

/// All places. The strongest first: forced, command line, settings.json, the network's section of the files, and what stands
/// before any section.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// What follows from other settings.
    pub(super) forced: Settings,
    /// The command line.
    pub(super) line: Settings,
    /// settings.json.
    pub(super) written: BTreeMap<String, Value>,
    /// The files: by section, the first of which has no name.
    pub(super) files: BTreeMap<String, Settings>,
    /// The section of the chosen network; empty before it is chosen.
    pub(super) section: String,
}

/// The name of mainnet's section: there, what stands before any section holds for every setting.
pub(super) const MAIN: &str = "main";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Forced,
    Line,
    Written,
    Section,
    Default,
}

impl Place {
    const fn is_file(self) -> bool {
        matches!(self, Place::Section | Place::Default)
    }
}

/// The values of one setting in one place: those before the last negation do not count.
struct Span<'a>(&'a [Value]);

impl<'a> Span<'a> {
    /// How many stand before and at the last negation.
    fn negated(&self) -> usize {
        self.0.iter().rposition(|value| *value == Value::No).map_or(0, |at| at.saturating_add(1))
    }

    fn ends_negated(&self) -> bool {
        self.0.last() == Some(&Value::No)
    }

    /// Those after the last negation.
    fn rest(&self) -> &'a [Value] {
        self.0.get(self.negated()..).unwrap_or_default()
    }
}

impl Layers {
    fn in_files(&self, section: &str, name: &str) -> Option<&[Value]> {
        self.files.get(section)?.get(name).map(Vec::as_slice)
    }

    /// What each place says, the strongest first.
    fn spans(&self, section: &str, name: &str) -> Vec<(Place, Span<'_>)> {
        let of_section = if section.is_empty() { None } else { self.in_files(section, name) };
        let places = [
            (Place::Forced, self.forced.get(name).map(Vec::as_slice)),
            (Place::Line, self.line.get(name).map(Vec::as_slice)),
            (Place::Written, self.written.get(name).map(std::slice::from_ref)),
            (Place::Section, of_section),
            (Place::Default, self.in_files("", name)),
        ];
        places.into_iter().filter_map(|(place, values)| Some((place, Span(values?)))).collect()
    }

    /// Whether what stands before any section does not hold for a setting.
    fn skips_default(&self, name: &str) -> bool {
        let network_only = flags::find(name).is_some_and(|flag| flag.marks.network_only);
        network_only && !self.section.is_empty() && self.section != MAIN
    }

    /// A setting's value. The last one counts on the command line, and the first one in a file.
    pub(super) fn get(&self, name: &str) -> Option<Value> {
        let skips_default = self.skips_default(name);
        for (place, span) in self.spans(&self.section, name) {
            if skips_default && place == Place::Default && !span.ends_negated() {
                continue;
            }
            let rest = span.rest();
            let found = if place.is_file() { rest.first() } else { rest.last() };
            if let Some(value) = found {
                return Some(value.clone());
            }
            if span.ends_negated() {
                return Some(Value::No);
            }
        }
        None
    }

    /// Whether a setting that chooses the network says yes. No section is looked into, the last one counts in a file as well, and a
    /// negation on the command line says nothing.
    pub(super) fn chooses(&self, name: &str) -> bool {
        for (_, span) in self.spans("", name) {
            if span.ends_negated() {
                continue;
            }
            if let Some(value) = span.rest().last() {
                return value.is_yes();
            }
        }
        false
    }

    /// All values of a setting that may be given more than once. What was negated on the command line is gone from the files as
    /// well, unless more follows the negation.
    pub(super) fn list(&self, name: &str) -> Vec<Value> {
        let skips_default = self.skips_default(name);
        let (mut list, mut done, mut negated_empty) = (Vec::new(), false, false);
        for (place, span) in self.spans(&self.section, name) {
            if skips_default && place == Place::Default {
                continue;
            }
            if !done || place.is_file() && !negated_empty {
                span.rest().iter().for_each(|value| push(&mut list, value));
            }
            done |= span.negated() > 0 || place == Place::Forced;
            negated_empty |= span.ends_negated() && list.is_empty();
        }
        list
    }

    /// Whether a setting stands before any section alone.
    pub(super) fn only_in_default(&self, name: &str) -> bool {
        let (mut default, mut other) = (false, false);
        for (place, span) in self.spans(&self.section, name) {
            match place {
                _ if span.rest().is_empty() => {}
                Place::Default => default = true,
                _ => other = true,
            }
        }
        default && !other
    }

    /// Settings that hold for a network alone and stand before any section, so that they do not hold for this one.
    pub(super) fn misplaced(&self) -> Vec<&'static str> {
        let names = flags::all().map(|flag| flag.name).filter(|name| self.skips_default(name));
        let mut misplaced: Vec<_> = names.filter(|name| self.only_in_default(name)).collect();
        misplaced.sort_unstable();
        misplaced
    }

    /// Sets what follows from other settings, unless somebody has said otherwise; says whether it did.
    pub(super) fn soft_set(&mut self, name: &str, text: &str) -> bool {
        if self.get(name).is_some() {
            return false;
        }
        self.forced.insert(name.to_owned(), vec![Value::Text(text.to_owned())]);
        true
    }

    /// Whether anybody has said anything.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether the last word is no.
    pub(super) fn is_negated(&self, name: &str) -> bool {
        self.get(name) == Some(Value::No)
    }

    /// As a switch.
    pub(super) fn switch(&self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, |value| value.is_yes())
    }

    /// As a number.
    pub(super) fn number(&self, name: &str, default: i64) -> i64 {
        self.get(name).map_or(default, |value| value.number())
    }

    /// As text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| value.text())
    }

    /// All of them as text.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        self.list(name).iter().map(Value::text).collect()
    }
}

fn push(list: &mut Vec<Value>, value: &Value) {
    match value {
        Value::Other(serde_json::Value::Array(items)) => {
            list.extend(items.iter().cloned().map(Value::of_json))
        }
        other => list.push(other.clone()),
    }
}

#[cfg(test)]
mod tests;
