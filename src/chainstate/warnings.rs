//! What an operator should know of the chain: rules that this program does not know, a longer chain that is invalid.
//!
//! Owns: when it is looked for. Must not know: who is told.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use adit_domain::consensus::{UnknownRules, add_work, work_of_bits};
use bitcoin::{BlockHash, Work};

use crate::reader::ChainReader;

/// Blocks like the tip by which an invalid chain has more work than ours before it is told of.
const LONGER_BY: u32 = 6;

/// How long what was found on a tip is taken for what there is: a look at a million headers takes some 10 ms.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Something that an operator should know. As text it has Core's words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Warning {
    /// A vote was won that nobody here knows of: a newer program may know its rule.
    UnknownRules {
        /// The bit of the version.
        bit: u32,
    },
    /// A chain with more work than ours has an invalid block.
    InvalidChain,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::UnknownRules { bit } => write!(f, "Unknown new rules activated (versionbit {bit})"),
            Warning::InvalidChain => f.write_str(
                "Warning: Found invalid chain more than 6 blocks longer than our best chain. This could be due to database \
                 corruption or consensus incompatibility with peers.",
            ),
        }
    }
}

/// What was found at the last look.
#[derive(Debug, Default)]
struct Seen {
    at: Option<(BlockHash, Instant)>,
    rules: UnknownRules,
    found: Vec<Warning>,
}

/// Looks for warnings: at each tip, and now and then on the same one.
#[derive(Debug, Default)]
pub struct Warnings(Mutex<Seen>);

impl Warnings {
    /// What there is to know of the chain; on the same tip it may be what was found shortly before `now`.
    pub fn of(&self, chain: &ChainReader, now: Instant) -> Vec<Warning> {
        // What is remembered is replaced at once, in the last step.
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tip = chain.tip();
        let is_new =
            |(hash, at): (BlockHash, Instant)| hash == tip.hash && now.duration_since(at) < LOOK_EVERY;
        if seen.at.is_some_and(is_new) {
            return seen.found.clone();
        }
        let bits = seen.rules.look(&chain.params(), chain);
        let mut found: Vec<Warning> = bits.into_iter().map(|bit| Warning::UnknownRules { bit }).collect();
        let one = work_of_bits(tip.header.bits);
        let far = (0..LONGER_BY).fold(tip.chain_work, |work, _| add_work(work, one));
        if chain.most_invalid_work() > far {
            found.push(Warning::InvalidChain);
        }
        (seen.at, seen.found) = (Some((tip.hash, now)), found.clone());
        found
    }
}

impl ChainReader {
    /// The most work that a chain has which ends in an invalid block. It looks at every header.
    fn most_invalid_work(&self) -> Work {
        let live = self.live();
        let tree = live.tree();
        let failed = tree.ids().map(|id| tree.node(id)).filter(|node| node.status().is_failed());
        failed.map(|node| node.work()).max().unwrap_or(Work::from_be_bytes([0; 32]))
    }
}
