//! A setting's value, and how Core reads one as a switch, a number or a text.

use serde_json::Value as Json;

/// One value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// `-noflag`, or `false` in settings.json.
    No,
    /// `-noflag=0`, or `true` in settings.json.
    Yes,
    /// What stands behind `=`; empty for a flag alone.
    Text(String),
    /// A number in settings.json.
    Number(String),
    /// Anything else in settings.json; only a list says something, and only where a flag may be given more than once.
    Other(Json),
}

impl Value {
    /// A value of settings.json.
    pub(super) fn of_json(json: Json) -> Value {
        match json {
            Json::Bool(true) => Value::Yes,
            Json::Bool(false) => Value::No,
            Json::String(text) => Value::Text(text),
            Json::Number(number) => Value::Number(number.to_string()),
            other => Value::Other(other),
        }
    }

    /// As it is written in JSON, which is how the log shows it.
    pub(super) fn to_json(&self) -> Json {
        match self {
            Value::No => Json::Bool(false),
            Value::Yes => Json::Bool(true),
            Value::Text(text) => Json::String(text.clone()),
            Value::Number(number) => serde_json::from_str(number).unwrap_or(Json::Null),
            Value::Other(json) => json.clone(),
        }
    }

    /// As text.
    pub(super) fn text(&self) -> String {
        match self {
            Value::No => "0".to_owned(),
            Value::Yes => "1".to_owned(),
            Value::Text(text) | Value::Number(text) => text.clone(),
            Value::Other(json) => json.to_string(),
        }
    }

    /// As a switch: nothing is yes, and so is each number but 0; a word is 0.
    pub(super) fn is_yes(&self) -> bool {
        match self {
            Value::No => false,
            Value::Yes => true,
            Value::Text(text) | Value::Number(text) => is_yes(text),
            Value::Other(_) => false,
        }
    }

    /// As a number, 0 where it is none.
    pub(super) fn number(&self) -> i64 {
        number(&self.text())
    }
}

/// Whether a text says yes.
pub(super) fn is_yes(text: &str) -> bool {
    text.is_empty() || number(text) != 0
}

/// What is a space at the ends of a text.
const SPACES: [char; 6] = [' ', '\x0c', '\n', '\r', '\t', '\x0b'];

/// The whole number that a text begins with, 0 where there is none; one that is too large is the largest.
pub(super) fn number(text: &str) -> i64 {
    let text = text.trim_matches(SPACES);
    let text = text.strip_prefix('+').filter(|rest| !rest.starts_with(['-', '+'])).unwrap_or(text);
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let digits = digits.get(..end).unwrap_or_default();
    if digits.is_empty() {
        return 0;
    }
    let far = if negative { i64::MIN } else { i64::MAX };
    let sign = if negative { "-" } else { "" };
    format!("{sign}{digits}").parse().unwrap_or(far)
}

#[cfg(test)]
mod tests;
