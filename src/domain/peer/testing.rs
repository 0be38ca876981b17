//! A node to be tested against: headers in a row, some of them with bodies. Proof of work is nobody's matter here.

use core::net::IpAddr;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, CompactTarget, TxMerkleNode, Txid, Work, Wtxid};

use super::{NodeView, PeerId, TxRef};
use crate::units::{Height, UnixMillis};
use crate::wire::ParsedTx;

/// Who told of it, and which parents of it are missing.
type FakeOrphan = (BTreeSet<PeerId>, Vec<Txid>);

pub(super) struct FakeNode {
    pub headers: Vec<Header>,
    pub bodies: RefCell<BTreeSet<BlockHash>>,
    pub txs: RefCell<BTreeSet<TxRef>>,
    /// Transactions that may be offered.
    pub held: RefCell<Vec<Arc<ParsedTx>>>,
    /// Refused for what another may pay.
    pub poor: RefCell<BTreeSet<Wtxid>>,
    pub orphans: RefCell<BTreeMap<TxRef, FakeOrphan>>,
    pub own_nonce: u64,
    pub work_wanted: u64,
    pub pruned: bool,
    pub tip_time_s: u64,
    /// Missing blocks of a chain beside the best.
    pub aside: Vec<(BlockHash, Height)>,
    /// A header beside the trunk, which has as much work as the trunk's at its height.
    pub forked: Option<(Header, Height)>,
}

/// Each header is one unit of work.
fn work(units: u64) -> Work {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&units.to_be_bytes());
    Work::from_be_bytes(bytes)
}

/// What a header without a proof has in its nonce.
pub(super) const NO_PROOF: u32 = 666;

/// A chain of `len` headers, the same for the same `branch` up from `fork`.
pub(super) fn chain(len: usize, fork: usize, branch: u32) -> Vec<Header> {
    let mut headers: Vec<Header> = Vec::new();
    for n in 0..len {
        headers.push(Header {
            version: Version::ONE,
            prev_blockhash: headers.last().map_or(BlockHash::all_zeros(), Header::block_hash),
            merkle_root: TxMerkleNode::all_zeros(),
            time: n as u32,
            bits: CompactTarget::from_consensus(0x207f_ffff),
            nonce: if n < fork { 0 } else { branch },
        });
    }
    headers
}

impl FakeNode {
    /// Knows `len` headers of the trunk and the bodies of the lowest `bodies` of them.
    pub(super) fn new(len: usize, bodies: usize) -> FakeNode {
        let headers = chain(len, len, 0);
        let bodies = headers.iter().take(bodies).map(Header::block_hash).collect();
        FakeNode {
            headers,
            bodies: RefCell::new(bodies),
            txs: RefCell::default(),
            held: RefCell::default(),
            poor: RefCell::default(),
            orphans: RefCell::default(),
            own_nonce: 777,
            work_wanted: 0,
            pruned: false,
            tip_time_s: 1_000,
            aside: Vec::new(),
            forked: None,
        }
    }

    fn at(&self, n: usize) -> (BlockHash, Height) {
        (self.headers[n].block_hash(), Height::new(n as u32))
    }
}

impl NodeView for FakeNode {
    fn tip(&self) -> (BlockHash, Height) {
        let bodies = self.bodies.borrow();
        let n = self.headers.iter().take_while(|h| bodies.contains(&h.block_hash())).count();
        self.at(n - 1)
    }
    fn best_header(&self) -> (BlockHash, Height) {
        self.at(self.headers.len() - 1)
    }
    fn has_header(&self, hash: &BlockHash) -> bool {
        self.headers.iter().any(|h| h.block_hash() == *hash)
    }
    fn work_at(&self, hash: &BlockHash) -> Option<Work> {
        self.height_of(hash).map(|height| work(u64::from(height.to_u32()) + 1))
    }
    fn work_with(&self, below: Work, header: &Header) -> Option<Work> {
        (header.nonce != NO_PROOF).then(|| below + work(1))
    }
    fn work_wanted(&self) -> Work {
        work(self.work_wanted)
    }
    fn has_block(&self, hash: &BlockHash) -> bool {
        self.bodies.borrow().contains(hash)
    }
    fn is_shown(&self, hash: &BlockHash) -> bool {
        self.has_header(hash)
    }
    fn is_pruned(&self) -> bool {
        self.pruned
    }
    fn locator(&self) -> Vec<BlockHash> {
        self.headers.iter().rev().map(Header::block_hash).collect()
    }
    fn headers_after(&self, locator: &[BlockHash], stop: BlockHash, most: usize) -> Vec<Header> {
        let hashes: Vec<BlockHash> = self.headers.iter().map(Header::block_hash).collect();
        let from = locator.iter().find_map(|l| hashes.iter().position(|h| h == l)).unwrap_or(0) + 1;
        let to = hashes.iter().position(|h| *h == stop).map_or(hashes.len(), |n| n + 1);
        self.headers.get(from..to).unwrap_or(&[]).iter().take(most).copied().collect()
    }
    fn blocks_wanted(&self, most: usize) -> Vec<(BlockHash, Height)> {
        (0..self.headers.len()).map(|n| self.at(n)).filter(|(h, _)| !self.has_block(h)).take(most).collect()
    }
    fn blocks_wanted_up_to(&self, _: &BlockHash, most: usize) -> Vec<(BlockHash, Height)> {
        self.aside.iter().take(most).copied().collect()
    }
    fn height_on_best(&self, hash: &BlockHash) -> Option<Height> {
        let is_aside = self.forked.is_some_and(|(header, _)| header.block_hash() == *hash);
        self.height_of(hash).map(|height| if is_aside { Height::GENESIS } else { height })
    }
    fn header(&self, hash: &BlockHash) -> Option<Header> {
        self.headers.iter().find(|h| h.block_hash() == *hash).copied()
    }
    fn height_of(&self, hash: &BlockHash) -> Option<Height> {
        let aside = self.forked.filter(|(header, _)| header.block_hash() == *hash).map(|(_, height)| height);
        let on_trunk = self.headers.iter().position(|h| h.block_hash() == *hash);
        on_trunk.map(|n| Height::new(n as u32)).or(aside)
    }
    fn is_ancestor(&self, block: &BlockHash, of: &BlockHash) -> bool {
        self.height_of(block).zip(self.height_of(of)).is_some_and(|(block, of)| block <= of)
    }
    fn tip_time_s(&self) -> u64 {
        self.tip_time_s
    }
    fn fee_floor_sat_per_kvb(&self) -> u64 {
        100
    }
    fn tx_sequence(&self) -> u64 {
        self.txs.borrow().len() as u64 + 1
    }
    fn knows_tx(&self, tx: &TxRef) -> bool {
        self.txs.borrow().contains(tx)
    }
    fn may_be_paid_for(&self, wtxid: &Wtxid) -> bool {
        self.poor.borrow().contains(wtxid)
    }
    fn orphan_told(&self, tx: &TxRef, from: PeerId) -> Option<Vec<Txid>> {
        let mut orphans = self.orphans.borrow_mut();
        let (told, missing) = orphans.get_mut(tx)?;
        Some(if told.insert(from) { missing.clone() } else { Vec::new() })
    }
    fn offer_txs(&self, take: &mut dyn FnMut(&Arc<ParsedTx>) -> bool) {
        let _ = self.held.borrow().iter().all(take);
    }
    fn held_txs(&self, most: usize) -> Vec<TxRef> {
        self.txs.borrow().iter().take(most).copied().collect()
    }
    fn is_banned(&self, ip: IpAddr, _: UnixMillis) -> bool {
        ip.to_string() == "6.6.6.6"
    }
    fn is_own_nonce(&self, nonce: u64) -> bool {
        nonce == self.own_nonce
    }
}
