//! What the payout actor is told and asked.

use actix::Message;
use adit_domain::payout::{Balance, CreditError, PoolBlock, ShareCredit, WorkerTotals};

/// A checked share to be credited. Sent by: stratum. Handled by: payout. Reply: when it is durable; only then does
/// the miner hear `true`. The same share with the same submission number again is answered as the first time, so a
/// sender that lost the reply may ask again. When full: the sender waits.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(), CreditError>")]
pub struct CreditShare {
    /// The share.
    pub share: ShareCredit,
}

/// Balances of the ledger. Sent by: rpc. Handled by: payout. Reply: one row an account, by name. When full: refused.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Vec<Balance>")]
pub struct GetBalances {
    /// Those behind this account; none: from the first on.
    pub after: Option<String>,
    /// At most so many.
    pub rows_max: usize,
}

impl GetBalances {
    /// All of them.
    pub const ALL: GetBalances = GetBalances { after: None, rows_max: usize::MAX };
}

/// What each worker has done. Sent by: rpc, the demo. Handled by: payout. Reply: one row a worker, in the order of their names. When full: refused.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Vec<WorkerTotals>")]
pub struct GetWorkers {
    /// Those behind this name; none: from the first on.
    pub after: Option<String>,
    /// At most so many.
    pub rows_max: usize,
}

impl GetWorkers {
    /// All of them.
    pub const ALL: GetWorkers = GetWorkers { after: None, rows_max: usize::MAX };
}

/// The blocks that the pool found. Sent by: rpc. Handled by: payout. Reply: the newest of them, and their number. When full:
/// refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "PoolBlocks")]
pub struct GetPoolBlocks;

/// The blocks that the pool found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolBlocks {
    /// The newest, the highest first; not more than an answer holds.
    pub newest: Vec<PoolBlock>,
    /// How many there are in all.
    pub total: u64,
}

/// A share was refused, for the worker's figures; nothing durable. Sent by: stratum. Handled by: payout. Reply: nothing.
/// When full: dropped.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct ShareRejected {
    /// `ADDRESS.worker`.
    pub worker: String,
}
