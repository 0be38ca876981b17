//! Headers that join a tree, on every network.

use std::sync::Arc;

use adit_domain::chain::{BlockStatus, HeaderTree};
use adit_domain::consensus::{Params, add_work, check_proof_of_work, decode_bits, work_of_bits};
use adit_domain::units::UnixMillis;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, CompactTarget, Target, TxMerkleNode};

use crate::bytes::Bytes;

const NETWORKS: [fn() -> Params; 5] =
    [Params::mainnet, Params::testnet3, Params::testnet4, Params::signet, Params::regtest];
/// Headers that one input may make.
const HEADERS_MAX: usize = 64;

/// A network, our clock, then headers: each names its parent among those before it, its time, bits and version.
///
/// A header that proves no work is put into the tree as one that was there before, so that chance reaches the rules behind
/// it; on regtest most prove theirs.
pub fn header(data: &[u8]) {
    let mut bytes = Bytes(data);
    let params = Arc::new(NETWORKS[usize::from(bytes.u8()) % NETWORKS.len()]());
    let now = UnixMillis::new(bytes.u64() >> 16);
    let mut tree = HeaderTree::new(Arc::clone(&params));
    for _ in 0..HEADERS_MAX {
        if bytes.is_empty() {
            break;
        }
        one(&mut bytes, &mut tree, &params, now);
    }
}

fn one(bytes: &mut Bytes<'_>, tree: &mut HeaderTree, params: &Params, now: UnixMillis) {
    let ids: Vec<_> = tree.ids().collect();
    let how = bytes.u8();
    let parent = ids[ids.len() - 1 - usize::from(how & 7).min(ids.len() - 1)];
    let above = *tree.node(parent).header();
    let asked = tree.next_block(parent, now);
    let mut header = Header {
        version: Version::from_consensus(i32::from_le_bytes(bytes.array())),
        prev_blockhash: tree.node(parent).hash(),
        merkle_root: TxMerkleNode::from_byte_array([7; 32]),
        time: match how & 8 {
            0 => above.time.wrapping_add(u32::from(bytes.u16())),
            _ => bytes.u32(),
        },
        bits: above.bits,
        nonce: 0,
    };
    if let (Ok(asked), 0) = (&asked, how & 16) {
        header.bits = asked.bits;
    } else {
        header.bits = CompactTarget::from_consensus(bytes.u32());
    }
    if how & 32 != 0 {
        header.prev_blockhash = BlockHash::from_byte_array(bytes.array());
    }
    figures(header.bits, above.bits);
    mine(&mut header, params);
    let before = tree.len();
    match tree.insert(header, now) {
        Ok(id) => {
            assert_eq!(tree.node(id).header(), &header);
            assert_eq!(tree.find(&header.block_hash()), Some(id));
        }
        Err(_) => {
            assert_eq!(tree.len(), before);
            // Rules that come behind the proof of work are asked all the same.
            let _ = tree.restore(header, BlockStatus::default());
        }
    }
    let best = tree.best_header_id();
    assert_eq!(tree.as_tip(best).hash, tree.node(best).hash());
    assert!(tree.next_block(best, now).is_ok(), "nothing is missing from a tree that is held in memory");
}

/// A few nonces: on regtest every second hash proves enough.
fn mine(header: &mut Header, params: &Params) {
    for nonce in 0..8 {
        header.nonce = nonce;
        if check_proof_of_work(header.block_hash(), header.bits, params).is_ok() {
            return;
        }
    }
}

/// Targets and work are what the field's library makes of them, where both have them.
fn figures(bits: CompactTarget, other: CompactTarget) {
    let work = work_of_bits(bits);
    let sum = add_work(work, work_of_bits(other));
    assert_eq!(sum, add_work(work_of_bits(other), work));
    if let Some(target) = decode_bits(bits) {
        assert_eq!(target, Target::from_compact(bits));
        if target
            > Target::from_be_bytes({
                let mut one = [0; 32];
                one[31] = 1;
                one
            })
        {
            assert_eq!(work, target.to_work());
        }
    }
}
