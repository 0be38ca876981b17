//! Soft forks as values: those whose start is a height by now, and those that miners still vote on.

use bitcoin::block::Version;

use crate::units::Height;

/// A soft fork whose start is a height by now (BIP-0090), in the order in which Core lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BuriedFork {
    /// BIP-0034.
    Bip34,
    /// BIP-0066.
    Bip66,
    /// BIP-0065.
    Bip65,
    /// BIP-0068, BIP-0112, BIP-0113.
    Csv,
    /// BIP-0141, BIP-0143, BIP-0147.
    Segwit,
}

impl BuriedFork {
    /// All of them.
    pub const ALL: [BuriedFork; 5] =
        [BuriedFork::Bip34, BuriedFork::Bip66, BuriedFork::Bip65, BuriedFork::Csv, BuriedFork::Segwit];

    /// What `getdeploymentinfo` calls it.
    pub const fn name(self) -> &'static str {
        match self {
            BuriedFork::Bip34 => "bip34",
            BuriedFork::Bip66 => "bip66",
            BuriedFork::Bip65 => "bip65",
            BuriedFork::Csv => "csv",
            BuriedFork::Segwit => "segwit",
        }
    }

    /// What `-testactivationheight` calls it.
    pub const fn setting(self) -> &'static str {
        match self {
            BuriedFork::Bip34 => "bip34",
            BuriedFork::Bip66 => "dersig",
            BuriedFork::Bip65 => "cltv",
            BuriedFork::Csv => "csv",
            BuriedFork::Segwit => "segwit",
        }
    }

    /// By the name that `-testactivationheight` gives it.
    pub fn from_setting(name: &str) -> Option<BuriedFork> {
        BuriedFork::ALL.into_iter().find(|fork| fork.setting() == name)
    }
}

/// The heights from which the buried soft forks apply (BIP-0090).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkHeights {
    /// BIP34: the coinbase begins with the height.
    pub bip34: Height,
    /// The hash of the block at `bip34` on the chain on which no duplicate transaction is possible after it; none where that
    /// was never shown.
    pub bip34_hash: Option<bitcoin::BlockHash>,
    /// BIP65: CHECKLOCKTIMEVERIFY.
    pub bip65: Height,
    /// BIP66: strict DER.
    pub bip66: Height,
    /// BIP68, BIP112, BIP113: relative lock times, median time past.
    pub csv: Height,
    /// BIP141, BIP143, BIP147: segregated witness.
    pub segwit: Height,
}

impl ForkHeights {
    /// The height from which one applies.
    pub const fn of(&self, fork: BuriedFork) -> Height {
        match fork {
            BuriedFork::Bip34 => self.bip34,
            BuriedFork::Bip66 => self.bip66,
            BuriedFork::Bip65 => self.bip65,
            BuriedFork::Csv => self.csv,
            BuriedFork::Segwit => self.segwit,
        }
    }

    /// Has one apply from another height.
    pub const fn set(&mut self, fork: BuriedFork, height: Height) {
        match fork {
            BuriedFork::Bip34 => self.bip34 = height,
            BuriedFork::Bip66 => self.bip66 = height,
            BuriedFork::Bip65 => self.bip65 = height,
            BuriedFork::Csv => self.csv = height,
            BuriedFork::Segwit => self.segwit = height,
        }
    }
}

/// From when miners may vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Start {
    /// There is no vote: it applies from the first block.
    Always,
    /// There is no vote: it never applies.
    Never,
    /// From the first period after a median time past of this or later; seconds since 1970.
    At(i64),
}

impl Start {
    /// As Core has it in one number: -1 is always, -2 is never.
    pub const fn from_seconds(seconds: i64) -> Start {
        match seconds {
            -1 => Start::Always,
            -2 => Start::Never,
            at => Start::At(at),
        }
    }

    /// The reverse of [`Start::from_seconds`].
    pub const fn to_seconds(self) -> i64 {
        match self {
            Start::Always => -1,
            Start::Never => -2,
            Start::At(at) => at,
        }
    }
}

/// A soft fork that miners vote on with a bit of the version (BIP-0009, with the least height of BIP-0341's vote).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// What it is called; no two of a network are called the same.
    pub name: &'static str,
    /// The version's bit, 0 to 28.
    pub bit: u8,
    /// From when votes count.
    pub start: Start,
    /// The median time past from which the vote is lost; seconds since 1970.
    pub timeout_s: i64,
    /// Below this height it does not apply, even where the vote is won.
    pub min_activation_height: Height,
    /// Blocks over which votes are counted; never 0.
    pub period: u32,
    /// Votes within a period that win it.
    pub threshold: u32,
}

/// The name of the deployment that decides nothing and is there for tests.
pub const TESTDUMMY: &str = "testdummy";

/// The version's three highest bits, which say that the others are votes (BIP-0009).
const TOP_MASK: u32 = 0xe000_0000;
/// What they are then.
const TOP_BITS: u32 = 0x2000_0000;

impl Deployment {
    /// A timeout that never comes.
    pub const NO_TIMEOUT: i64 = i64::MAX;

    /// Core's `testdummy`: bit 28, no timeout.
    pub(super) const fn testdummy(start: Start, period: u32, threshold: u32) -> Deployment {
        Deployment {
            name: TESTDUMMY,
            bit: 28,
            start,
            timeout_s: Deployment::NO_TIMEOUT,
            min_activation_height: Height::GENESIS,
            period,
            threshold,
        }
    }

    /// The version's bit as a mask.
    pub fn mask(&self) -> u32 {
        1u32.checked_shl(u32::from(self.bit)).unwrap_or(0)
    }

    /// Whether a block of this version votes for it: the top bits are 001, and its own is set.
    pub fn is_signalled_by(&self, version: Version) -> bool {
        votes_of(version) & self.mask() != 0
    }
}

/// The bits of a version that are votes: none where the top bits are not 001.
pub(super) fn votes_of(version: Version) -> u32 {
    let version = u32::from_le_bytes(version.to_consensus().to_le_bytes());
    if version & TOP_MASK == TOP_BITS { version & !TOP_MASK } else { 0 }
}

/// A version with the bits of these deployments set (BIP-0009).
pub(super) fn version_with<'a>(deployments: impl Iterator<Item = &'a Deployment>) -> Version {
    let bits = deployments.fold(TOP_BITS, |bits, deployment| bits | deployment.mask());
    Version::from_consensus(i32::from_le_bytes(bits.to_le_bytes()))
}

#[cfg(test)]
#[path = "deployment/tests.rs"]
mod tests;
