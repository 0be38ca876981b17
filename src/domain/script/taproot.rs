//! What a taproot output commits to (BIP-0341).

use std::sync::LazyLock;

use bitcoin::hashes::{Hash, HashEngine, sha256};
use bitcoin::secp256k1::{Parity, Scalar, XOnlyPublicKey};

use super::sighash::{tagged_engine, write_bytes};
use super::signature::CURVE;

/// The first byte of a last witness element that makes it an annex.
pub(super) const ANNEX_TAG: u8 = 0x50;
/// The leaf version of BIP-0342.
pub(super) const TAPSCRIPT_LEAF: u8 = 0xc0;
/// Nodes that the path from a leaf to the root may have.
const PATH_NODES_MAX: usize = 128;

static TAP_LEAF: LazyLock<sha256::HashEngine> = LazyLock::new(|| tagged_engine("TapLeaf"));
static TAP_BRANCH: LazyLock<sha256::HashEngine> = LazyLock::new(|| tagged_engine("TapBranch"));
static TAP_TWEAK: LazyLock<sha256::HashEngine> = LazyLock::new(|| tagged_engine("TapTweak"));

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
        let mut engine = TAP_LEAF.clone();
        engine.input(&[self.leaf_version()]);
        write_bytes(&mut engine, script);
        sha256::Hash::from_engine(engine).to_byte_array()
    }

    /// Whether the output key is the internal key tweaked by the tree that the leaf is in.
    pub(super) fn commits(&self, output_key: &[u8], leaf_hash: [u8; 32]) -> bool {
        let root = self.path.iter().fold(leaf_hash, branch_hash);
        let mut engine = TAP_TWEAK.clone();
        engine.input(self.internal_key);
        engine.input(&root);
        let tweak = Scalar::from_be_bytes(sha256::Hash::from_engine(engine).to_byte_array());
        let internal = XOnlyPublicKey::from_slice(self.internal_key);
        let output = XOnlyPublicKey::from_slice(output_key);
        let parity = if self.first & 1 == 1 { Parity::Odd } else { Parity::Even };
        match (internal, output, tweak) {
            (Ok(internal), Ok(output), Ok(tweak)) => {
                internal.tweak_add_check(&*CURVE, &output, parity, tweak)
            }
            _ => false,
        }
    }
}

/// The lesser of the two hashes goes first.
fn branch_hash(one: [u8; 32], other: &[u8; 32]) -> [u8; 32] {
    let mut engine = TAP_BRANCH.clone();
    engine.input((&one).min(other));
    engine.input((&one).max(other));
    sha256::Hash::from_engine(engine).to_byte_array()
}

#[cfg(test)]
mod tests;
