//! The methods, a file a family.

mod absent;
mod activity;
mod addresses;
mod bans;
mod chain;
mod coinstats;
mod control;
mod descriptors;
mod fees;
mod info;
mod mempool;
mod mining;
mod net;
mod operate;
mod peers;
mod progress;
mod proof;
mod proposal;
mod psbt;
mod psbt_fill;
mod psbt_look;
mod rawtx;
mod scan;
mod sign;
mod signer;
mod snapshot;
mod spending;
mod stats;
mod submit;
mod template;
mod util;

use std::collections::HashMap;
use std::sync::LazyLock;

pub(crate) use template::Made;

use crate::table::Method;

pub(crate) use coinstats::followed;
pub(crate) use descriptors::range;
pub(crate) use progress::Counting;
pub(crate) use psbt::probe as probe_psbt;

/// The families' tables.
const FAMILIES: [&[Method]; 27] = [
    absent::METHODS,
    activity::METHODS,
    addresses::METHODS,
    bans::METHODS,
    chain::METHODS,
    control::METHODS,
    descriptors::METHODS,
    fees::METHODS,
    info::METHODS,
    mempool::METHODS,
    mining::METHODS,
    net::METHODS,
    operate::METHODS,
    peers::METHODS,
    proof::METHODS,
    psbt::METHODS,
    psbt_fill::METHODS,
    psbt_look::METHODS,
    rawtx::METHODS,
    scan::METHODS,
    sign::METHODS,
    signer::METHODS,
    snapshot::METHODS,
    spending::METHODS,
    stats::METHODS,
    submit::METHODS,
    util::METHODS,
];

static BY_NAME: LazyLock<HashMap<&'static str, &'static Method>> =
    LazyLock::new(|| FAMILIES.iter().copied().flatten().map(|method| (method.name, method)).collect());

/// The method of that name.
pub(crate) fn find(name: &str) -> Option<&'static Method> {
    BY_NAME.get(name).copied()
}

/// All of them, in no order.
pub(crate) fn all() -> Vec<&'static Method> {
    BY_NAME.values().copied().collect()
}

#[cfg(test)]
mod tests;
