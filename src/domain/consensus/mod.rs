//! The rules that every node must agree on.
//!
//! Owns: networks as values ([`Params`]), the ordered lists of rules ([`rules`]), their errors in Core's words. Sees state only
//! through [`HeaderView`] and [`UtxoView`]. Must not know: how coins and headers are kept, or which chain is best.
//!
//! A block passes, in this order: [`check_proof_of_work`], [`check_signet_solution`], [`check_block`], [`check_header`] (when
//! its header joins the tree), [`contextual_check_block`], [`connect_block`], and then its scripts.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod block;
mod coin;
mod connect;
mod deployment;
mod deployment_report;
mod header;
mod limits;
mod merkle;
mod params;
pub mod rules;
mod signet;
mod target;
mod tx;
mod unknown_rules;
mod versionbits;
mod view;
mod witness;

pub use block::{
    BlockCheck, BlockContext, BlockError, check_block, check_block_body, contextual_check_block,
};
pub use coin::{BlockUndo, Coin};
pub use connect::{
    AfterTxs, ConnectError, Connected, Connecting, connect_block, looks_for_overwritten_coins,
    script_flags_for,
};
pub use deployment::{BuriedFork, Deployment, ForkHeights, Start, TESTDUMMY};
pub use deployment_report::{BuriedReport, DeploymentReport, deployment_report};
pub use header::{
    FUTURE_TIME_S_MAX, HeaderContext, HeaderError, TIMEWARP_S_MAX, check_header, check_proof_of_work,
    next_bits, next_time_min,
};
pub use limits::{BLOCK_SIGOP_COST_MAX, BLOCK_WEIGHT_MAX, COINBASE_MATURITY};
pub use merkle::{MerkleRoot, merkle_root};
pub use params::{AssumedCoins, NotAssumedCoins, Params, PowParams};
pub use signet::check_signet_solution;
pub use target::{add_work, decode_bits, work_of_bits};
pub use tx::{
    TxError, check_transaction, check_tx_inputs, is_final_tx, legacy_sigops, output_value,
    sequence_locks_met, sigop_cost,
};
pub use unknown_rules::UnknownRules;
pub use versionbits::{DeploymentState, Goal, StateCache, Tally, Vote, VoteReport, next_version};
pub use view::{HeaderView, MEDIAN_TIME_SPAN, Refused, UtxoView, ViewFault, median_time};
pub use witness::{
    COMMITMENT_HEAD, commitment_hash, is_intact, witness_commitment, witness_commitment_index,
};

#[cfg(test)]
pub(crate) mod fixtures;

#[cfg(test)]
mod tests;
