use std::collections::BTreeMap;

use bitcoin::BlockHash;
use thiserror::Error;

use super::{Account, CreditError, ShareCredit};
use crate::units::UnixMillis;

/// Bytes of a payout address at most: the longest bech32 text has 90.
pub const ADDRESS_BYTES_MAX: usize = 100;
/// Bytes of a worker's name after the dot at most: firmware cuts or overflows user names of more than 127.
pub const WORKER_BYTES_MAX: usize = 127;

/// A share's place in the log: the first has 1, without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ShareSeq(u64);

impl ShareSeq {
    /// From its number.
    pub const fn new(number: u64) -> ShareSeq {
        ShareSeq(number)
    }

    /// Its number.
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// The one after.
    #[must_use]
    pub const fn next(self) -> ShareSeq {
        ShareSeq(self.0.saturating_add(1))
    }
}

/// The log's disk failed, or what is on it makes no sense. Nothing is tried again in this process.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ShareLogFault {
    /// The disk failed.
    #[error("share log, storage: {0}")]
    Storage(String),
    /// A record that had been durable does not read back.
    #[error("share log, damaged: {0}")]
    Damaged(String),
    /// An earlier fault: what is in memory may be ahead of the disk.
    #[error("share log: stopped after a fault")]
    Stopped,
}

/// What a worker has in the log.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ShareTotals {
    /// Shares credited.
    pub shares: u64,
    /// The sum of their difficulties, raw.
    pub work_raw: u128,
    /// When the last one came.
    pub last_at: UnixMillis,
}

/// Where credited shares are kept, durably: a local log, later a queue that many machines share.
///
/// One writer at a time; readers never wait for it.
pub trait ShareLog: Send + Sync {
    /// Appends all that are new, durably, in one group. Durable when it returns; each is answered in order:
    /// its place; the same place again for the same submission; [`CreditError::Duplicate`] for another submission of it.
    fn append_batch(
        &self,
        shares: &[ShareCredit],
    ) -> Result<Vec<Result<ShareSeq, CreditError>>, ShareLogFault>;

    /// The place of the share with this hash, among recent parents.
    fn find(&self, share_hash: &BlockHash) -> Option<ShareSeq>;

    /// The last place; none in an empty log.
    fn last(&self) -> Option<ShareSeq>;

    /// One share by its place.
    fn share(&self, seq: ShareSeq) -> Result<Option<ShareCredit>, ShareLogFault>;

    /// Work by address over the shares up to `end`, back until they make `work` (the oldest counts in part).
    fn window(&self, end: ShareSeq, work: u128) -> Result<BTreeMap<Account, u128>, ShareLogFault>;

    /// What each worker has, by (address, worker), of so many behind this one at most; for people to look at. A log may count those that hashed
    /// longest ago as one.
    fn totals(
        &self,
        after: Option<&(String, String)>,
        rows_max: usize,
    ) -> BTreeMap<(String, String), ShareTotals>;

    /// Calls back for the newest shares, newest first, until it says stop: to build figures again after a start.
    fn newest(&self, each: &mut dyn FnMut(&ShareCredit) -> bool) -> Result<(), ShareLogFault>;
}

/// Where figures about shares go: memory, later a time-series database. Never waits, may lose.
pub trait StatsSink: Send + Sync {
    /// A share was credited.
    fn credited(&self, share: &ShareCredit);
    /// A share of this worker (`ADDRESS.worker`) was refused.
    fn rejected(&self, worker: &str, at: UnixMillis);
}
