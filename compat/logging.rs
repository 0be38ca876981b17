//! Core's categories of what is logged for those who look for mistakes.
//!
//! Owns: their names, and which are on, as an operator has said. Must not know: what is logged: Adit's log goes by level and by
//! module, and these names change nothing of it.

use std::collections::BTreeSet;

/// In the order of the alphabet, as Core lists them.
pub const CATEGORIES: [&str; 29] = [
    "addrman",
    "bench",
    "blockstorage",
    "cmpctblock",
    "coindb",
    "estimatefee",
    "http",
    "i2p",
    "ipc",
    "kernel",
    "leveldb",
    "mempool",
    "mempoolrej",
    "net",
    "privatebroadcast",
    "proxy",
    "prune",
    "qt",
    "rand",
    "reindex",
    "rpc",
    "scan",
    "selectcoins",
    "tor",
    "txpackages",
    "txreconciliation",
    "validation",
    "walletdb",
    "zmq",
];

/// Whether Core knows a category, or several, by this name.
pub fn is_log_category(name: &str) -> bool {
    named(name).is_some()
}

/// The categories that a name stands for; none where it is unknown.
pub(crate) fn named(name: &str) -> Option<&'static [&'static str]> {
    match name {
        "" | "1" | "all" => Some(&CATEGORIES),
        "libevent" => Some(&[]),
        _ => CATEGORIES.iter().position(|known| *known == name).and_then(|at| CATEGORIES.get(at..=at)),
    }
}

/// All that these names stand for.
pub(crate) fn categories(names: &[String]) -> BTreeSet<&'static str> {
    names.iter().filter_map(|name| named(name)).flatten().copied().collect()
}
