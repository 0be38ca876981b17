use std::sync::Arc;

use bitcoin::block::Version;
use bitcoin::hashes::sha256d;
use bitcoin::{Amount, BlockHash, CompactTarget, ScriptBuf, Target};

use crate::units::Height;
use crate::wire::{ParsedBlock, ParsedTx};

/// Everything that a job needs but the extranonce, the time and the nonce. Never changes once it is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockTemplate {
    /// Unique in this process, rising.
    pub id: u64,
    /// The parent.
    pub prev: BlockHash,
    /// The height of the block.
    pub height: Height,
    /// Its version, version bits not rolled.
    pub version: Version,
    /// Its target as the header has it.
    pub bits: CompactTarget,
    /// The target that a block's hash must not exceed.
    pub target: Target,
    /// The earliest time that its header may carry; seconds since 1970.
    pub time_min: u32,
    /// The time at which it was built; seconds since 1970.
    pub time: u32,
    /// Subsidy and fees: what the coinbase may pay.
    pub coinbase_value: Amount,
    /// Where the coinbase pays to.
    pub payout_script: ScriptBuf,
    /// The script of the output that commits to the witnesses (BIP141).
    pub witness_commitment: ScriptBuf,
    /// The transactions after the coinbase, parents before children.
    pub txs: Vec<Arc<ParsedTx>>,
    /// The hashes beside the coinbase's way up to the merkle root, lowest first.
    pub merkle_branch: Vec<sha256d::Hash>,
}

/// Where templates come from: our own node, or another one's.
pub trait TemplateSource: Send + Sync {
    /// The newest template; none while there is no tip to build on.
    fn current(&self) -> Option<Arc<BlockTemplate>>;
}

/// Where found blocks go: our own node, or another one's.
pub trait BlockSink: Send + Sync {
    /// Hands a found block over at once. Does not wait for the verdict.
    fn submit(&self, block: Arc<ParsedBlock>);
}
