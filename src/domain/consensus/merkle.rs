//! Merkle trees as blocks have them: an odd level is filled up with its last hash.

use bitcoin::hashes::{Hash, HashEngine, sha256d};

/// The root of a merkle tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MerkleRoot {
    /// The root; zero of nothing.
    pub root: sha256d::Hash,
    /// Whether two neighbours were equal on any level: then another list of leaves has the same root (CVE-2012-2459).
    pub mutated: bool,
}

/// Folds the leaves to their root.
///
/// Neighbours are compared before an odd level is filled up: what is filled up is equal by itself and proves nothing.
pub fn merkle_root(mut level: Vec<sha256d::Hash>) -> MerkleRoot {
    let mut mutated = false;
    while level.len() > 1 {
        mutated |= level.chunks_exact(2).any(|pair| matches!(pair, [a, b] if a == b));
        level = level.chunks(2).map(parent).collect();
    }
    MerkleRoot { root: level.first().copied().unwrap_or_else(sha256d::Hash::all_zeros), mutated }
}

/// The hash of a pair, or of a single one beside itself.
fn parent(pair: &[sha256d::Hash]) -> sha256d::Hash {
    let mut engine = sha256d::Hash::engine();
    for hash in pair.iter().chain(pair).take(2) {
        engine.input(hash.as_byte_array());
    }
    sha256d::Hash::from_engine(engine)
}

#[cfg(test)]
#[path = "merkle/tests.rs"]
mod tests;
