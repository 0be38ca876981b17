//! What a taproot output commits to (BIP-0341).

use std::sync::LazyLock;

use bitcoin::hashes::Hash;
use secp256k1::{Parity, Scalar};

use super::memo::Memo;
use super::sighash::write_bytes;
use crate::wire::hash::Sha256;

/// The first byte of a last witness element that makes it an annex.
pub(super) const ANNEX_TAG: u8 = 0x50;
/// The leaf version of BIP-0342.
pub(super) const TAPSCRIPT_LEAF: u8 = 0xc0;
/// Nodes that the path from a leaf to the root may have.
const PATH_NODES_MAX: usize = 128;

static TAP_LEAF: LazyLock<Sha256> = LazyLock::new(|| Sha256::tagged(b"TapLeaf"));
static TAP_BRANCH: LazyLock<Sha256> = LazyLock::new(|| Sha256::tagged(b"TapBranch"));
static TAP_TWEAK: LazyLock<Sha256> = LazyLock::new(|| Sha256::tagged(b"TapTweak"));

/// A control block: `<leaf version and parity> <internal key, 32> <node, 32> * 0..=128`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ControlBlock<'a> {
    first: u8,
    internal_key: &'a [u8; 32],
    path: &'a [[u8; 32]],
}

impl<'a> ControlBlock<'a> {
    /// None for a size that no control block has.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<ControlBlock<'a>> {
        let (&first, rest) = bytes.split_first()?;
        let (internal_key, path) = rest.split_first_chunk::<32>()?;
        let (path, left_over) = path.as_chunks::<32>();
        let fits = left_over.is_empty() && path.len() <= PATH_NODES_MAX;
        fits.then_some(ControlBlock { first, internal_key, path })
    }

    pub(super) fn leaf_version(&self) -> u8 {
        self.first & 0xfe
    }

    /// The hash of a leaf of this version.
    pub(super) fn leaf_hash(&self, script: &[u8]) -> [u8; 32] {
        let mut engine = TAP_LEAF.clone().with(&[self.leaf_version()]);
        write_bytes(&mut engine, script);
        engine.finish().to_byte_array()
    }

    /// Whether the output key is the internal key tweaked by the tree that the leaf is in. The output key need not be read
    /// as a point for that: one that is none is not the x of the tweaked key.
    pub(super) fn commits(&self, memo: &Memo, output_key: &[u8], leaf_hash: [u8; 32]) -> bool {
        let root = self.path.iter().fold(leaf_hash, branch_hash);
        let tweak = TAP_TWEAK.clone().with(self.internal_key).with(&root).finish().to_byte_array();
        let parity = if self.first & 1 == 1 { Parity::Odd } else { Parity::Even };
        let (Some(internal), Ok(tweak)) = (memo.x_only_key(self.internal_key), Scalar::from_be_bytes(tweak))
        else {
            return false;
        };
        internal
            .add_tweak(&tweak)
            .is_ok_and(|(tweaked, odd)| odd == parity && tweaked.to_byte_array() == output_key)
    }
}

/// The lesser of the two hashes goes first.
fn branch_hash(one: [u8; 32], other: &[u8; 32]) -> [u8; 32] {
    let (first, second) = ((&one).min(other), (&one).max(other));
    TAP_BRANCH.clone().with(first).with(second).finish().to_byte_array()
}

#[cfg(test)]
mod tests;
