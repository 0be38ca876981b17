use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use adit_domain::units::Difficulty;

use super::layers::{Entry, Raw};
use super::{Place, SettingsError};

/// Takes each key's text out of the merged layers and makes a value of it.
pub(super) struct Reader {
    entries: BTreeMap<String, Entry>,
    home: Option<PathBuf>,
}

impl Reader {
    pub(super) fn new(entries: BTreeMap<String, Entry>, home: Option<PathBuf>) -> Reader {
        Reader { entries, home }
    }

    /// The entry of a key that must be there, since config/default.toml has it.
    pub(super) fn entry(&mut self, key: &str) -> Result<Entry, SettingsError> {
        self.entries.remove(key).ok_or_else(|| SettingsError::unknown(key, &Place::Default))
    }

    /// Where a key's value stands.
    pub(super) fn place(&self, key: &str) -> Place {
        self.entries.get(key).map_or(Place::Default, |entry| entry.place.clone())
    }

    /// A key's value as it was typed.
    pub(super) fn typed(&self, key: &str) -> String {
        self.entries.get(key).map_or_else(String::new, |entry| entry.raw.to_string())
    }

    /// Keys that nobody took.
    pub(super) fn rest(&self) -> impl Iterator<Item = &String> {
        self.entries.keys()
    }

    /// One value, made by `parse`; `expected` says what would do.
    pub(super) fn one<T>(
        &mut self,
        key: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, SettingsError> {
        let Entry { raw, place } = self.entry(key)?;
        let value = match &raw {
            Raw::One(text) => parse(text.trim()),
            Raw::Many(_) => None,
        };
        value.ok_or_else(|| SettingsError::bad(key, &raw.to_string(), &place, expected))
    }

    /// A list: one in a file, or separated by commas.
    pub(super) fn many<T>(
        &mut self,
        key: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, SettingsError> {
        let Entry { raw, place } = self.entry(key)?;
        let texts = match raw {
            Raw::Many(texts) => texts,
            Raw::One(text) => text.split(',').filter(|t| !t.trim().is_empty()).map(str::to_owned).collect(),
        };
        let make =
            |text: &String| parse(text.trim()).ok_or_else(|| SettingsError::bad(key, text, &place, expected));
        texts.iter().map(make).collect()
    }

    /// A whole number within bounds.
    pub(super) fn number<T>(&mut self, key: &str, min: T, max: T, unit: &str) -> Result<T, SettingsError>
    where
        T: FromStr + PartialOrd + Display,
    {
        let expected = format!("a whole number from {min} to {max} ({unit})");
        self.one(key, &expected, |t| t.parse().ok().filter(|n| (&min..=&max).contains(&n)))
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &str) -> Result<bool, SettingsError> {
        self.one(key, "true or false", |t| t.parse().ok())
    }

    /// A path; none where it is empty; a leading `~` is the home directory.
    pub(super) fn path(&mut self, key: &str) -> Result<Option<PathBuf>, SettingsError> {
        let home = self.home.clone();
        let expand = |text: &str| match (text.strip_prefix('~'), &home) {
            (Some(rest), Some(home)) => Some(home.join(rest.trim_start_matches('/'))),
            (Some(_), None) => None,
            (None, _) => Some(PathBuf::from(text)),
        };
        let expected = "a path (a leading ~ needs the variable HOME)";
        self.one(key, expected, |t| if t.is_empty() { Some(None) } else { expand(t).map(Some) })
    }

    /// An address to listen at; none where it is empty.
    pub(super) fn listen(&mut self, key: &str) -> Result<Option<SocketAddr>, SettingsError> {
        let expected = "ADDRESS:PORT such as 127.0.0.1:3333, or nothing";
        self.one(key, expected, |t| if t.is_empty() { Some(None) } else { t.parse().ok().map(Some) })
    }

    /// A difficulty: a decimal number, kept in steps of 2^-32.
    pub(super) fn difficulty(&mut self, key: &str) -> Result<Difficulty, SettingsError> {
        let expected = "a difficulty: a decimal number above 0 up to 2147483648, such as 0.001";
        self.one(key, expected, parse_difficulty)
    }
}

/// Decimal digits after the point that are read at most: 10^-10 is less than one step of 2^-32.
const DIFFICULTY_DECIMALS_MAX: usize = 18;

/// `12.5` to steps of 2^-32, rounded down, in integers.
pub(super) fn parse_difficulty(text: &str) -> Option<Difficulty> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > DIFFICULTY_DECIMALS_MAX {
        return None;
    }
    let scale = 10u128.checked_pow(u32::try_from(part.len()).ok()?)?;
    let whole: u64 = whole.parse().ok()?;
    let part: u128 = part.parse().ok()?;
    let steps = (u128::from(whole) << 32).checked_add((part << 32).checked_div(scale)?)?;
    Difficulty::from_raw(u64::try_from(steps).ok()?).ok()
}
