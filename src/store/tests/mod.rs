//! The store on a disk that is not to be trusted.

mod flips;
mod power;
pub(crate) mod sim;

/// How often a test of chance tries; more where `ADIT_TEST_TRIES` asks for it.
pub(crate) fn tries(default: usize) -> usize {
    std::env::var("ADIT_TEST_TRIES").ok().and_then(|t| t.parse().ok()).unwrap_or(default)
}
