use std::collections::{HashMap, VecDeque};

use adit_domain::payout::{ShareCredit, ShareSeq};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;

/// Shares that are remembered at least, however old their parents: about a hundred bytes each, 26 MB. A sender that lost its
/// reply asks again within seconds, and this many shares are minutes of ten thousand miners.
pub(super) const REMEMBERED_MIN: usize = 1 << 18;

/// Which shares were credited: all of the two newest parents, and at least [`REMEMBERED_MIN`].
///
/// Older parents need no memory: a share that names one is stale before it comes here. Keyed by half the hash, 128 bits that
/// no miner can choose twice.
#[derive(Default)]
pub(super) struct Dedupe {
    known: HashMap<u128, (ShareSeq, u128)>,
    /// The keys in order of place, the oldest first.
    order: VecDeque<u128>,
    /// The newest parent and the one before, each with the place of its first share.
    parents: [Option<(BlockHash, ShareSeq)>; 2],
}

/// The first half of the hash in its internal order: the half without the zeros that work makes.
fn key(hash: &BlockHash) -> u128 {
    let bytes = hash.as_byte_array();
    bytes.first_chunk::<16>().map_or(0, |half| u128::from_le_bytes(*half))
}

impl Dedupe {
    /// Where the share stands, and by which submission.
    pub(super) fn get(&self, hash: &BlockHash) -> Option<(ShareSeq, u128)> {
        self.known.get(&key(hash)).copied()
    }

    /// Remembers a share; they come in order of place.
    pub(super) fn insert(&mut self, seq: ShareSeq, share: &ShareCredit) {
        let key = key(&share.share_hash);
        self.known.insert(key, (seq, share.submission));
        self.order.push_back(key);
        self.note_parent(share.prev, seq);
        self.forget_old();
    }

    /// Shares remembered.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    fn note_parent(&mut self, prev: BlockHash, seq: ShareSeq) {
        let is_known = self.parents.iter().flatten().any(|(p, _)| *p == prev);
        if !is_known {
            let [newest, _] = self.parents;
            self.parents = [Some((prev, seq)), newest];
        }
    }

    fn forget_old(&mut self) {
        let kept_from = self.parents.iter().flatten().map(|(_, seq)| *seq).min();
        while self.order.len() > REMEMBERED_MIN {
            let Some(oldest) = self.order.front() else { return };
            let seq = self.known.get(oldest).map(|(seq, _)| *seq);
            if seq >= kept_from {
                return;
            }
            self.known.remove(oldest);
            self.order.pop_front();
        }
    }
}
