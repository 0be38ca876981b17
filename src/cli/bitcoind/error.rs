//! Why `adit bitcoind` does not start, in the words that scripts around Core's look for.

use thiserror::Error;

/// Why it does not start.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum InitError {
    /// These words.
    #[error("{0}")]
    Said(String),
    /// What is stored does not do. Core asks whether to build it again, and says this where nobody can be asked.
    #[error("{0}.\nPlease restart with -reindex or -reindex-chainstate to recover.")]
    Rebuild(String),
    /// No network can be chosen. It is said as it is, wherever it is found.
    #[error("{0}")]
    Chain(String),
}

impl InitError {
    /// These words.
    pub(super) fn said(text: impl Into<String>) -> InitError {
        InitError::Said(text.into())
    }

    /// The same with words before it.
    pub(super) fn within(self, before: &str) -> InitError {
        match self {
            InitError::Said(text) => InitError::Said(format!("{before}{text}")),
            other => other,
        }
    }
}
