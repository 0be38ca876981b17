use crate::units::{Difficulty, UnixMillis};

/// What an operator is shown of a miner's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its number, unique in this process.
    pub id: u64,
    /// Where it comes from (`address:port`).
    pub remote: String,
    /// What the miner calls itself.
    pub user_agent: String,
    /// The workers that it authorised, `ADDRESS.worker`.
    pub workers: Vec<String>,
    /// The difficulty that its next job asks for.
    pub difficulty: Difficulty,
    /// When it connected.
    pub connected_at: UnixMillis,
    /// Shares accepted on this connection.
    pub shares_accepted: u64,
    /// Shares refused on this connection.
    pub shares_rejected: u64,
}
