//! What is measured: works, cores, caches, rounds.

use std::fmt::Display;
use std::str::FromStr;

use crate::common::{listed, one};

/// What both do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Import a file and run every script.
    Scripts,
    /// Sync from a node, without the scripts at and below the last full block.
    Assumed,
}

impl Display for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Work::Scripts => "scripts",
            Work::Assumed => "assumed",
        })
    }
}

impl FromStr for Work {
    type Err = String;

    fn from_str(text: &str) -> Result<Work, String> {
        [Work::Scripts, Work::Assumed]
            .into_iter()
            .find(|w| w.to_string() == text)
            .ok_or(format!("no work {text}"))
    }
}

/// What both have.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Cores that they may run on, and threads that verify scripts.
    pub cores: usize,
    /// `-dbcache` and `chain.cache_mib`.
    pub cache_mib: u64,
}

pub struct Plan {
    pub works: Vec<Work>,
    pub cores: Vec<usize>,
    pub caches: Vec<u64>,
    pub rounds: usize,
}

impl Plan {
    pub fn of_the_environment() -> Plan {
        Plan {
            works: listed("ADIT_BENCH_WORK", ',', "scripts,assumed"),
            cores: listed("ADIT_BENCH_CORES", ',', "2"),
            caches: listed("ADIT_BENCH_CACHES", ',', "450"),
            rounds: one("ADIT_BENCH_ROUNDS", "3"),
        }
    }

    /// Each number of cores with each cache.
    pub fn settings(&self) -> impl Iterator<Item = Setting> {
        self.cores
            .iter()
            .flat_map(|&cores| self.caches.iter().map(move |&cache_mib| Setting { cores, cache_mib }))
    }
}
