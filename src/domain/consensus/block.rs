//! Blocks: by themselves, and at their place on a chain.

use bitcoin::Txid;
use bitcoin::script::Builder;
use thiserror::Error;

use super::header::check_proof_of_work;
use super::limits::fits_a_block;
use super::merkle::{MerkleRoot, merkle_root};
use super::rules::{self, BLOCK_RULES, CONTEXTUAL_BLOCK_RULES};
use super::tx::{TxError, check_transaction, is_final_tx, legacy_sigops};
use super::{BLOCK_SIGOP_COST_MAX, BLOCK_WEIGHT_MAX, HeaderError, HeaderView, Params, Refused, ViewFault};
use crate::script::ScriptError;
use crate::units::Height;
use crate::wire::ParsedBlock;

/// Which rule a block breaks; the texts are Bitcoin Core's reject reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum BlockError {
    /// Its header breaks one.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// BIP325: the challenge is not satisfied.
    #[error("bad-signet-blksig")]
    SignetSolution {
        /// Whether the transactions may be others than the header means: this rule comes before the one that compares them.
        may_be_others: bool,
    },
    /// These are not the transactions that the header means.
    #[error("bad-txnmrklroot")]
    MerkleRoot,
    /// Transactions are repeated in a way that leaves the merkle root as it is.
    #[error("bad-txns-duplicate")]
    RepeatedTransactions,
    /// No transaction, or too many bytes without witnesses.
    #[error("bad-blk-length")]
    Length,
    /// The first transaction is no coinbase.
    #[error("bad-cb-missing")]
    CoinbaseMissing {
        /// Whether the transactions may be inner nodes of the merkle tree: one has 64 bytes.
        may_be_nodes: bool,
    },
    /// Another one is.
    #[error("bad-cb-multiple")]
    CoinbaseMultiple,
    /// A transaction breaks a rule.
    #[error("{error}")]
    Tx {
        /// The transaction.
        txid: Txid,
        /// Its rule.
        error: TxError,
    },
    /// Too many signature operations.
    #[error("bad-blk-sigops")]
    Sigops,
    /// A lock time, absolute or relative, is not reached.
    #[error("bad-txns-nonfinal")]
    NonFinal,
    /// The coinbase does not begin with the height.
    #[error("bad-cb-height")]
    CoinbaseHeight,
    /// The coinbase's witness is not one item of 32 bytes.
    #[error("bad-witness-nonce-size")]
    WitnessNonceSize,
    /// The commitment is not that of the witnesses.
    #[error("bad-witness-merkle-match")]
    WitnessMerkleMatch,
    /// A witness without a commitment.
    #[error("unexpected-witness")]
    UnexpectedWitness,
    /// Too heavy.
    #[error("bad-blk-weight")]
    Weight,
    /// An unspent output is made a second time.
    #[error("bad-txns-BIP30")]
    Overwrite,
    /// The fees together are above 21 million bitcoin.
    #[error("bad-txns-accumulated-fee-outofrange")]
    FeesOutOfRange,
    /// The coinbase pays more than subsidy and fees.
    #[error("bad-cb-amount")]
    CoinbaseAmount,
    /// A script does not let its coin be spent.
    #[error("block-script-verify-flag-failed ({error})")]
    Script {
        /// The spending transaction.
        txid: Txid,
        /// Its input.
        input: usize,
        /// Why.
        error: ScriptError,
    },
}

impl BlockError {
    /// Whether the block may be another one's transactions under this header, changed on the way: then the header must
    /// not be marked, for the true block may still come.
    pub fn is_mutation(&self) -> bool {
        matches!(
            self,
            BlockError::MerkleRoot
                | BlockError::RepeatedTransactions
                | BlockError::SignetSolution { may_be_others: true }
                | BlockError::CoinbaseMissing { may_be_nodes: true }
                | BlockError::WitnessNonceSize
                | BlockError::WitnessMerkleMatch
                | BlockError::UnexpectedWitness
        )
    }

    /// Whether the same block may be valid at a later time.
    pub fn may_pass_later(&self) -> bool {
        matches!(self, BlockError::Header(error) if error.may_pass_later())
    }

    /// Whether the block is invalid for ever, whoever sends it: only then may its header be marked.
    pub fn is_final(&self) -> bool {
        !self.is_mutation() && !self.may_pass_later()
    }
}

/// Where a block stands.
#[derive(Clone, Copy)]
pub struct BlockContext<'a> {
    /// The network.
    pub params: &'a Params,
    /// The chain that ends in its parent.
    pub parent: &'a dyn HeaderView,
}

impl BlockContext<'_> {
    /// The block's height.
    pub fn height(&self) -> Height {
        self.parent.tip_height().next()
    }

    /// The time by which lock times are judged: the parent's median time past; seconds since 1970.
    pub fn median_time_past(&self) -> Result<u32, ViewFault> {
        let tip = self.parent.tip_height();
        self.parent.median_time_past_at(tip).ok_or_else(|| ViewFault::header_missing(tip))
    }
}

/// A block and the root of its transactions, computed once for all rules.
pub struct BlockCheck<'a> {
    block: &'a ParsedBlock,
    merkle: MerkleRoot,
}

/// Checks a block by itself: its proof of work, then the rules of [`BLOCK_RULES`] in their order.
///
/// Scripts, coins, height and witnesses are no matter here. On a signet [`super::check_signet_solution`] comes first.
pub fn check_block(block: &ParsedBlock, params: &Params) -> Result<(), BlockError> {
    check_proof_of_work(block.hash(), block.header().bits, params)?;
    check_block_body(block)
}

/// As [`check_block`] without the proof of work: for a template that nobody has solved yet.
pub fn check_block_body(block: &ParsedBlock) -> Result<(), BlockError> {
    let leaves = block.txs().iter().map(|tx| tx.txid().to_raw_hash()).collect();
    let check = BlockCheck { block, merkle: merkle_root(leaves) };
    BLOCK_RULES.iter().try_for_each(|rule| (rule.check)(&check))
}

/// Checks a block at its place, by the rules of [`CONTEXTUAL_BLOCK_RULES`] in their order. It has passed [`check_block`],
/// and its header [`super::check_header`].
pub fn contextual_check_block(
    block: &ParsedBlock,
    context: &BlockContext<'_>,
) -> Result<(), Refused<BlockError>> {
    rules::in_force(CONTEXTUAL_BLOCK_RULES, context.params, context.height())
        .try_for_each(|rule| rule(block, context))
}

/// Whether the transactions may be others than those that the header means: their merkle root is another one, or they are
/// repeated, or some may be inner nodes of the tree.
pub(super) fn may_be_others(block: &ParsedBlock) -> bool {
    let merkle = merkle_root(block.txs().iter().map(|tx| tx.txid().to_raw_hash()).collect());
    block.header().merkle_root.to_raw_hash() != merkle.root || merkle.mutated || may_be_nodes(block)
}

/// Whether the transactions may be inner nodes of the merkle tree: one has 64 bytes.
fn may_be_nodes(block: &ParsedBlock) -> bool {
    block.txs().iter().any(|tx| tx.base_size() == 64)
}

/// What a rule of a block at its place answers.
pub(super) type Checked = Result<(), Refused<BlockError>>;

pub(super) fn require(holds: bool, error: BlockError) -> Checked {
    if holds { Ok(()) } else { Err(Refused::Invalid(error)) }
}

fn ensure(holds: bool, error: BlockError) -> Result<(), BlockError> {
    if holds { Ok(()) } else { Err(error) }
}

/// The header's merkle root MUST be that of the transactions. `bad-txnmrklroot`
pub(super) fn merkle_root_is_that_of_the_transactions(check: &BlockCheck<'_>) -> Result<(), BlockError> {
    ensure(check.block.header().merkle_root.to_raw_hash() == check.merkle.root, BlockError::MerkleRoot)
}

/// No run of transactions MUST be repeated where that leaves the root as it is. CVE-2012-2459, `bad-txns-duplicate`
pub(super) fn no_transactions_are_repeated(check: &BlockCheck<'_>) -> Result<(), BlockError> {
    ensure(!check.merkle.mutated, BlockError::RepeatedTransactions)
}

/// There MUST be a transaction; four times their number, and four times the size without witnesses, MUST NOT be above a
/// block's weight. BIP-0141, `bad-blk-length`
pub(super) fn size_is_bounded(check: &BlockCheck<'_>) -> Result<(), BlockError> {
    let count = check.block.txs().len();
    let bounded = [count, check.block.base_size_bytes()].into_iter().all(fits_a_block);
    ensure(count > 0 && bounded, BlockError::Length)
}

/// The first transaction MUST be a coinbase. `bad-cb-missing`
pub(super) fn first_is_coinbase(check: &BlockCheck<'_>) -> Result<(), BlockError> {
    let may_be_nodes = may_be_nodes(check.block);
    let first = check.block.txs().first().is_some_and(|tx| tx.tx().is_coinbase());
    ensure(first, BlockError::CoinbaseMissing { may_be_nodes })
}

/// No other transaction MUST be a coinbase. `bad-cb-multiple`
pub(super) fn others_are_no_coinbase(check: &BlockCheck<'_>) -> Result<(), BlockError> {
    let other = check.block.txs().iter().skip(1).any(|tx| tx.tx().is_coinbase());
    ensure(!other, BlockError::CoinbaseMultiple)
}

/// Each transaction MUST follow the rules for one by itself: [`rules::TRANSACTION_RULES`].
pub(super) fn transactions_are_sound(check: &BlockCheck<'_>) -> Result<(), BlockError> {
    check
        .block
        .txs()
        .iter()
        .try_for_each(|tx| check_transaction(tx).map_err(|error| BlockError::Tx { txid: tx.txid(), error }))
}

/// Four times the signature operations in the block's own scripts MUST NOT be above 80,000. `bad-blk-sigops`
pub(super) fn legacy_sigops_are_bounded(check: &BlockCheck<'_>) -> Result<(), BlockError> {
    let sum = check.block.txs().iter().fold(0u64, |sum, tx| sum.saturating_add(legacy_sigops(tx.tx())));
    ensure(sum.saturating_mul(4) <= BLOCK_SIGOP_COST_MAX, BlockError::Sigops)
}

/// Each lock time MUST be reached by the block's time. `bad-txns-nonfinal`
pub(super) fn transactions_are_final_by_block_time(
    block: &ParsedBlock,
    context: &BlockContext<'_>,
) -> Checked {
    all_final(block, context, block.header().time)
}

/// Each lock time MUST be reached by the parent's median time past. BIP-0113, `bad-txns-nonfinal`
pub(super) fn transactions_are_final_by_median(block: &ParsedBlock, context: &BlockContext<'_>) -> Checked {
    all_final(block, context, context.median_time_past()?)
}

fn all_final(block: &ParsedBlock, context: &BlockContext<'_>, time: u32) -> Checked {
    let height = context.height();
    require(block.txs().iter().all(|tx| is_final_tx(tx.tx(), height, time)), BlockError::NonFinal)
}

/// The coinbase's script MUST begin with a push of the height in its shortest form. BIP-0034, `bad-cb-height`
pub(super) fn coinbase_begins_with_the_height(block: &ParsedBlock, context: &BlockContext<'_>) -> Checked {
    let expected = Builder::new().push_int(i64::from(context.height().to_u32())).into_script();
    let input = block.txs().first().and_then(|tx| tx.tx().input.first());
    let begins = input.is_some_and(|input| input.script_sig.as_bytes().starts_with(expected.as_bytes()));
    require(begins, BlockError::CoinbaseHeight)
}

/// The weight MUST NOT be above 4,000,000. BIP-0141, `bad-blk-weight`
pub(super) fn weight_is_bounded(block: &ParsedBlock, _: &BlockContext<'_>) -> Checked {
    require(block.weight().to_wu() <= u64::from(BLOCK_WEIGHT_MAX), BlockError::Weight)
}

#[cfg(test)]
#[path = "block/tests.rs"]
mod tests;
