//! Merkle trees as blocks have them: an odd level is filled up with its last hash.

use bitcoin::hashes::{Hash, sha256d};

use crate::wire::hash::sha256d_64;

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
pub fn merkle_root(leaves: Vec<sha256d::Hash>) -> MerkleRoot {
    let mut level: Vec<[u8; 32]> = leaves.into_iter().map(sha256d::Hash::to_byte_array).collect();
    let mut mutated = false;
    while level.len() > 1 {
        mutated |= level.as_chunks().0.iter().any(|[a, b]| a == b);
        if !level.len().is_multiple_of(2) {
            level.extend(level.last().copied());
        }
        level = sha256d_64(level.as_flattened().as_chunks().0);
    }
    let root = level.first().map_or_else(sha256d::Hash::all_zeros, |root| Hash::from_byte_array(*root));
    MerkleRoot { root, mutated }
}

#[cfg(test)]
#[path = "merkle/tests.rs"]
mod tests;
