//! All soft forks at one block: what Core's `getdeploymentinfo` tells.

use bitcoin::BlockHash;

use super::deployment::{BuriedFork, Start};
use super::versionbits::{StateCache, Vote, VoteReport};
use super::{HeaderView, Params, ViewFault, script_flags_for};
use crate::script::ScriptFlags;
use crate::units::Height;

/// All soft forks at a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentReport {
    /// The block.
    pub hash: BlockHash,
    /// Its height.
    pub height: Height,
    /// What its scripts are verified under.
    pub script_flags: ScriptFlags,
    /// Those whose start is a height.
    pub buried: Vec<BuriedReport>,
    /// Those that are voted on; none that never applies.
    pub votes: Vec<VoteReport>,
}

/// A soft fork whose start is a height, at a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuriedReport {
    /// Which.
    pub fork: BuriedFork,
    /// From when it applies.
    pub height: Height,
    /// Whether it applies to the block after this one.
    pub active: bool,
}

/// The soft forks at the tip of a chain.
pub fn deployment_report(
    params: &Params,
    chain: &dyn HeaderView,
    cache: &StateCache,
) -> Result<DeploymentReport, ViewFault> {
    let height = chain.tip_height();
    let hash = chain.hash_at(height).ok_or_else(|| ViewFault::header_missing(height))?;
    let buried = BuriedFork::ALL.into_iter().map(|fork| {
        let start = params.forks.of(fork);
        BuriedReport { fork, height: start, active: start <= height.next() }
    });
    let enabled = params.deployments.iter().filter(|deployment| deployment.start != Start::Never);
    let votes = enabled.map(|deployment| Vote { deployment, chain, cache }.report());
    Ok(DeploymentReport {
        hash,
        height,
        script_flags: script_flags_for(params, hash, height),
        buried: buried.collect(),
        votes: votes.collect::<Result<_, _>>()?,
    })
}

impl VoteReport {
    /// Whether the rule applies to the block after the chain's tip, which is at `height`.
    pub fn is_active(&self, height: Height) -> bool {
        self.active_since.is_some_and(|since| since <= height.next())
    }
}

/// The flags that blocks are checked under, by Core's names, in the order of the alphabet.
const FLAG_NAMES: [(&str, ScriptFlags); 7] = [
    ("CHECKLOCKTIMEVERIFY", ScriptFlags::CHECKLOCKTIMEVERIFY),
    ("CHECKSEQUENCEVERIFY", ScriptFlags::CHECKSEQUENCEVERIFY),
    ("DERSIG", ScriptFlags::DERSIG),
    ("NULLDUMMY", ScriptFlags::NULLDUMMY),
    ("P2SH", ScriptFlags::P2SH),
    ("TAPROOT", ScriptFlags::TAPROOT),
    ("WITNESS", ScriptFlags::WITNESS),
];

impl DeploymentReport {
    /// The names of `script_flags`, as Core writes them, in the order of the alphabet.
    pub fn script_flag_names(&self) -> impl Iterator<Item = &'static str> {
        let flags = self.script_flags;
        FLAG_NAMES.into_iter().filter(move |(_, flag)| flags.contains(*flag)).map(|(name, _)| name)
    }
}

#[cfg(test)]
#[path = "deployment_report/tests.rs"]
mod tests;
