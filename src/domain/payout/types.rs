use bitcoin::{Amount, BlockHash};
use thiserror::Error;

use crate::units::{Difficulty, Height, UnixMillis};

/// A share that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareCredit {
    /// The hash of the share's header: a share is credited once, by this.
    pub share_hash: BlockHash,
    /// The parent that its header names: shares of older parents can no longer come.
    pub prev: BlockHash,
    /// Chosen by the sender, unique for each submission of a miner: the same one again is the same share sent again.
    pub submission: u128,
    /// The address that is owed, as the miner gave it and as it was checked.
    pub address: String,
    /// The worker's name after the address's dot; may be empty.
    pub worker: String,
    /// The difficulty that the share's job asked for: what is credited, whatever was hit.
    pub difficulty: Difficulty,
    /// When it came.
    pub at: UnixMillis,
    /// The height it would have, if it is a block.
    pub block_height: Option<Height>,
}

/// Why a share is not credited.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CreditError {
    /// It was credited before.
    #[error("duplicate share")]
    Duplicate,
    /// The address or the worker's name does not fit a record, or is no account.
    #[error("a name that cannot be credited")]
    Name,
    /// It could not be made durable: the process is about to end.
    #[error("share log: {0}")]
    Storage(String),
}

/// What an account has. Amounts in satoshis; negative only for the pool's own accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// The account: an address, or one of the pool's own.
    pub account: String,
    /// From blocks with fewer than 100 confirmations.
    pub immature_sat: i64,
    /// Owed and payable.
    pub mature_sat: i64,
}

/// What a worker has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerTotals {
    /// `ADDRESS.worker`, or the address alone.
    pub name: String,
    /// Shares credited.
    pub shares_accepted: u64,
    /// Shares refused since the process began.
    pub shares_rejected: u64,
    /// The sum of the credited difficulties, in steps of 2^-32: about the hashes done.
    pub work_raw: u128,
    /// Hashes a second over the last minutes.
    pub hashrate: u64,
    /// When the last share came.
    pub last_share: Option<UnixMillis>,
}

/// How far a found block has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolBlockState {
    /// In the best chain, fewer than 100 confirmations.
    Immature,
    /// In the best chain, 100 confirmations or more.
    Mature,
    /// Not in the best chain: its rewards were reversed.
    Orphaned,
}

/// A block that the pool found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolBlock {
    /// Its hash.
    pub hash: BlockHash,
    /// Its height.
    pub height: Height,
    /// Who found it: `ADDRESS.worker`; empty where the finding share was lost in a crash.
    pub finder: String,
    /// What its coinbase pays.
    pub reward: Amount,
    /// How far it has come.
    pub state: PoolBlockState,
}
