//! The order in which a block takes transactions: those that pay best together first, every parent before its children.

use super::MempoolEntry;
use super::feerate::FeeRate;
use super::graph::Graph;

/// The best of the pool, up to `weight_max`, as long as they pay so much for 1,000 virtual bytes together.
pub(super) fn select(graph: &Graph, weight_max: u64, min_sat_per_kvb: u64) -> Vec<MempoolEntry> {
    let (mut entries, mut weight) = (Vec::new(), 0u64);
    let least = FeeRate { fee_sat: i64::try_from(min_sat_per_kvb).unwrap_or(i64::MAX), size: 1_000 };
    let pays = |rate: FeeRate| rate.by_vsize().compare(least).is_ge();
    for held in graph.best_first().take_while(|(rate, _)| pays(*rate)).flat_map(|(_, chunk)| chunk) {
        weight = weight.saturating_add(held.entry.tx.weight().to_wu());
        if weight > weight_max {
            break;
        }
        entries.push(held.entry.clone());
    }
    entries
}

#[cfg(test)]
#[path = "selection/tests.rs"]
mod tests;
