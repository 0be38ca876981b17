//! Votes for rules that this program does not know (BIP-0009): whoever sees one won should look for a newer program.
//!
//! It decides nothing. Each period is counted once for all bits, so that a tip costs what has come since the last look.

use bitcoin::block::Version;
use bitcoin::{BlockHash, Network};

use super::deployment::{Start, votes_of};
use super::{HeaderView, Params};
use crate::units::Height;

/// Bits of a version that may be votes: miners count with those above (BIP-0323), which says nothing.
const BITS: u32 = 5;

/// The bits that won a vote which nobody here knows of, up to the end of some period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnknownRules {
    /// The last block that was counted; none before the first period's end.
    counted: Option<(Height, BlockHash)>,
    locked_in: u32,
    active: u32,
}

impl UnknownRules {
    /// Counts the periods that have come since the last look, and says which bits stand for rules that apply by now, the lowest first.
    pub fn look(&mut self, params: &Params, chain: &dyn HeaderView) -> Vec<u32> {
        let stands = |(height, hash): (Height, BlockHash)| chain.hash_at(height) == Some(hash);
        if !self.counted.is_some_and(stands) {
            *self = UnknownRules::default();
        }
        let rules = Rules::of(params);
        while let Some(end) = rules.period_end_above(self.counted.map(|(height, _)| height), chain) {
            let Some(hash) = chain.hash_at(end) else { break };
            let won = rules.won_in_period(end, chain);
            self.active |= self.locked_in;
            self.locked_in = won & !self.active;
            self.counted = Some((end, hash));
        }
        let active = self.active;
        (0..BITS).filter(|bit| (active >> bit) & 1 == 1).collect()
    }
}

/// How a network's votes are counted.
struct Rules {
    period: u32,
    threshold: u32,
    /// Below it nothing counts: what was voted on there is known.
    from: u32,
    /// Bits of votes that are known.
    known: u32,
}

impl Rules {
    fn of(params: &Params) -> Rules {
        let is_mainnet = params.network == Network::Bitcoin;
        let period = if is_mainnet { 2016 } else { params.retarget_interval().max(1) };
        let most = period.saturating_mul(3) / 4;
        let votes = params.deployments.iter().filter(|known| matches!(known.start, Start::At(_)));
        Rules {
            period,
            // 90 % as in BIP-0341's vote; where it is for tests, 75 %.
            threshold: if is_mainnet { 1815 } else { most },
            // A period after taproot's beginning.
            from: match params.network {
                Network::Bitcoin => 711_648,
                Network::Testnet => 2_013_984,
                _ => 0,
            },
            known: votes.fold(0, |bits, known| bits | known.mask()),
        }
    }

    /// The end of the next period above a counted one, if the chain has it. The very first period is no vote yet.
    fn period_end_above(&self, counted: Option<Height>, chain: &dyn HeaderView) -> Option<Height> {
        let end = match counted {
            Some(counted) => counted.to_u32().saturating_add(self.period),
            None => {
                let whole = self.from.checked_div(self.period)?.saturating_add(2);
                whole.saturating_mul(self.period).saturating_sub(1)
            }
        };
        Some(Height::new(end)).filter(|end| *end <= chain.tip_height())
    }

    /// The bits that enough blocks of a period show.
    fn won_in_period(&self, end: Height, chain: &dyn HeaderView) -> u32 {
        let mut counts = [0u32; 5];
        let first = end.to_u32().saturating_sub(self.period.saturating_sub(1));
        for height in first.max(self.from)..=end.to_u32() {
            let version = chain.header_at(Height::new(height)).map_or(Version::ONE, |header| header.version);
            let votes = votes_of(version) & !self.known;
            for (bit, count) in (0u32..).zip(&mut counts) {
                *count = count.saturating_add((votes >> bit) & 1);
            }
        }
        let won = (0u32..).zip(counts).filter(|(_, count)| *count >= self.threshold);
        won.fold(0, |bits, (bit, _)| bits | 1u32.checked_shl(bit).unwrap_or(0))
    }
}

#[cfg(test)]
#[path = "unknown_rules/tests.rs"]
mod tests;
