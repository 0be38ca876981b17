use std::fmt;

use thiserror::Error;

use super::Network;
use super::layers::{env_name, known_keys};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// config/default.toml, which is part of the binary.
    Default,
    /// config/<network>.toml, which is part of the binary.
    Network(Network),
    /// A `--config` file.
    File(String),
    /// An environment variable.
    Env(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Default => f.write_str("the built-in config/default.toml"),
            Place::Network(network) => write!(f, "the built-in config/{network}.toml"),
            Place::File(name) => write!(f, "the file {name}"),
            Place::Env(name) => write!(f, "the environment variable {name}"),
            Place::Flag(flag) => write!(f, "the flag {flag}"),
        }
    }
}

impl Place {
    /// As the text that the crate `config` carries with a value.
    pub(super) fn encode(&self) -> String {
        match self {
            Place::Default => "default:".to_owned(),
            Place::Network(network) => format!("network:{network}"),
            Place::File(name) => format!("file:{name}"),
            Place::Env(name) => format!("env:{name}"),
            Place::Flag(flag) => format!("flag:{flag}"),
        }
    }

    /// The reverse of [`Place::encode`].
    pub(super) fn decode(origin: Option<&str>) -> Place {
        let (kind, rest) = origin.and_then(|o| o.split_once(':')).unwrap_or(("default", ""));
        match kind {
            "network" => Network::parse(rest).map_or(Place::Default, Place::Network),
            "file" => Place::File(rest.to_owned()),
            "env" => Place::Env(rest.to_owned()),
            "flag" => Place::Flag(rest.to_owned()),
            _ => Place::Default,
        }
    }
}

/// Why a configuration does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum SettingsError {
    /// There is no such key.
    #[error("unknown key {key} in {place}: expected a key of config/default.toml; the nearest is {nearest}")]
    UnknownKey {
        /// As it was typed.
        key: String,
        /// Where it stands.
        place: Place,
        /// The key that looks most like it.
        nearest: String,
    },
    /// The value is not of the key's kind.
    #[error("{key} = {value:?} in {place}: expected {expected}")]
    BadValue {
        /// The key.
        key: String,
        /// The value as it was typed.
        value: String,
        /// Where it stands.
        place: Place,
        /// What would do.
        expected: String,
    },
    /// A file cannot be read, or is not TOML.
    #[error("the configuration in {file} does not read: {reason}")]
    File {
        /// Which one.
        file: String,
        /// Why.
        reason: String,
    },
    /// `--set` without `=`.
    #[error("--set {0:?}: expected KEY=VALUE, as --set stratum.listen=127.0.0.1:3333")]
    NoEquals(String),
    /// What the crate `config` has to say; no case is known.
    #[error("the configuration does not read: {0}")]
    Other(String),
}

impl SettingsError {
    pub(super) fn unknown(key: &str, place: &Place) -> SettingsError {
        let nearest = nearest(key, known_keys());
        SettingsError::UnknownKey { key: key.to_owned(), place: place.clone(), nearest }
    }

    pub(super) fn unknown_variable(name: &str, place: &Place) -> SettingsError {
        let nearest = nearest(name, known_keys().iter().map(|k| env_name(k)).collect());
        SettingsError::UnknownKey { key: name.to_owned(), place: place.clone(), nearest }
    }

    pub(super) fn bad(key: &str, value: &str, place: &Place, expected: &str) -> SettingsError {
        SettingsError::BadValue {
            key: key.to_owned(),
            value: value.to_owned(),
            place: place.clone(),
            expected: expected.to_owned(),
        }
    }

    pub(super) fn other(error: &config::ConfigError) -> SettingsError {
        SettingsError::Other(error.to_string())
    }

    /// Adds the value that was probably meant.
    pub(super) fn near(self, choices: &[&str]) -> SettingsError {
        match self {
            SettingsError::BadValue { key, value, place, expected } => {
                let near = nearest(&value, choices.iter().map(|c| (*c).to_owned()).collect());
                SettingsError::BadValue {
                    key,
                    value,
                    place,
                    expected: format!("{expected}; the nearest is {near}"),
                }
            }
            other => other,
        }
    }
}

/// The candidate with the fewest letters to change.
fn nearest(typed: &str, candidates: Vec<String>) -> String {
    candidates.into_iter().min_by_key(|c| strsim::damerau_levenshtein(typed, c)).unwrap_or_default()
}
