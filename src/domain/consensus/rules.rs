//! The ordered lists of rules: this file is the specification. One function a rule; the function's first line says what
//! MUST hold, its BIP, and the words in which Bitcoin Core rejects; when a rule starts to apply stands here.
//!
//! The order is Core's, so that what breaks two rules is rejected in the same words.

use super::block::{self, BlockCheck, BlockContext, BlockError};
use super::connect::{self, AfterTxs, Connecting};
use super::header::{self, HeaderContext, HeaderError};
use super::tx::{self, TxError};
use super::{ForkHeights, Params, Refused, witness};
use crate::units::Height;
use crate::wire::{ParsedBlock, ParsedTx};

/// From when a rule applies.
#[derive(Clone, Copy)]
pub enum Applies {
    /// From the first block.
    Always,
    /// From the height at which a soft fork was buried.
    From(fn(&ForkHeights) -> Height),
    /// Up to the block below that height.
    Before(fn(&ForkHeights) -> Height),
    /// On networks of a kind.
    Where(fn(&Params) -> bool),
}

/// A rule, and from when it applies.
pub struct Rule<F> {
    /// From when.
    pub applies: Applies,
    /// The rule.
    pub check: F,
}

/// A rule of a header on its chain.
pub type HeaderRule = fn(&HeaderContext<'_>) -> Result<(), Refused<HeaderError>>;
/// A rule of a block by itself.
pub type BlockRule = fn(&BlockCheck<'_>) -> Result<(), BlockError>;
/// A rule of a transaction by itself.
pub type TransactionRule = fn(&ParsedTx) -> Result<(), TxError>;
/// A rule of a block at its place.
pub type ContextualBlockRule = fn(&ParsedBlock, &BlockContext<'_>) -> Result<(), Refused<BlockError>>;
/// A rule of a block that is about to connect.
pub type BeforeTransactionsRule = fn(&Connecting<'_>) -> Result<(), Refused<BlockError>>;
/// A rule of a block whose transactions have been taken.
pub type AfterTransactionsRule = fn(&AfterTxs<'_>) -> Result<(), Refused<BlockError>>;

/// What a header must be on the chain that it continues. Its proof of work was checked before
/// ([`super::check_proof_of_work`]): that needs no chain.
#[rustfmt::skip]
pub const HEADER_RULES: &[Rule<HeaderRule>] = &[
    Rule { applies: Applies::Always,                       check: header::bits_are_required },
    Rule { applies: Applies::Always,                       check: header::time_is_after_median },
    Rule { applies: Applies::Where(|p| p.pow.enforce_bip94), check: header::time_does_not_warp },
    Rule { applies: Applies::Always,                       check: header::time_is_not_ahead },
    Rule { applies: Applies::From(|forks| forks.bip34),    check: header::version_is_2 },
    Rule { applies: Applies::From(|forks| forks.bip66),    check: header::version_is_3 },
    Rule { applies: Applies::From(|forks| forks.bip65),    check: header::version_is_4 },
];

/// What a block must be by itself. The first two say whether these are the transactions that the header means: what
/// breaks them says nothing of the header.
#[rustfmt::skip]
pub const BLOCK_RULES: &[Rule<BlockRule>] = &[
    Rule { applies: Applies::Always, check: block::merkle_root_is_that_of_the_transactions },
    Rule { applies: Applies::Always, check: block::no_transactions_are_repeated },
    Rule { applies: Applies::Always, check: block::size_is_bounded },
    Rule { applies: Applies::Always, check: block::first_is_coinbase },
    Rule { applies: Applies::Always, check: block::others_are_no_coinbase },
    Rule { applies: Applies::Always, check: block::transactions_are_sound },
    Rule { applies: Applies::Always, check: block::legacy_sigops_are_bounded },
];

/// What a transaction must be by itself.
#[rustfmt::skip]
pub const TRANSACTION_RULES: &[Rule<TransactionRule>] = &[
    Rule { applies: Applies::Always, check: tx::has_inputs },
    Rule { applies: Applies::Always, check: tx::has_outputs },
    Rule { applies: Applies::Always, check: tx::size_is_bounded },
    Rule { applies: Applies::Always, check: tx::output_values_are_in_range },
    Rule { applies: Applies::Always, check: tx::inputs_are_distinct },
    Rule { applies: Applies::Always, check: tx::coinbase_script_length_is_bounded },
    Rule { applies: Applies::Always, check: tx::only_a_coinbase_has_a_null_input },
];

/// What a block must be at its height on its chain; no coins are needed for it.
#[rustfmt::skip]
pub const CONTEXTUAL_BLOCK_RULES: &[Rule<ContextualBlockRule>] = &[
    Rule { applies: Applies::Before(|forks| forks.csv),    check: block::transactions_are_final_by_block_time },
    Rule { applies: Applies::From(|forks| forks.csv),      check: block::transactions_are_final_by_median },
    Rule { applies: Applies::From(|forks| forks.bip34),    check: block::coinbase_begins_with_the_height },
    Rule { applies: Applies::Before(|forks| forks.segwit), check: witness::none_is_there },
    Rule { applies: Applies::From(|forks| forks.segwit),   check: witness::reserved_value_is_32_bytes },
    Rule { applies: Applies::From(|forks| forks.segwit),   check: witness::commitment_is_that_of_the_witnesses },
    Rule { applies: Applies::From(|forks| forks.segwit),   check: witness::none_is_uncommitted },
    Rule { applies: Applies::Always,                       check: block::weight_is_bounded },
];

/// What must hold of the coins before a block touches them.
#[rustfmt::skip]
pub const BEFORE_TRANSACTIONS_RULES: &[Rule<BeforeTransactionsRule>] = &[
    Rule { applies: Applies::Always, check: connect::no_coin_is_overwritten },
];

/// What must hold when all of a block's transactions, scripts left out, have been taken.
#[rustfmt::skip]
pub const AFTER_TRANSACTIONS_RULES: &[Rule<AfterTransactionsRule>] = &[
    Rule { applies: Applies::Always, check: connect::coinbase_pays_no_more_than_it_may },
];

/// The rules of a list that apply at `height`, in their order.
pub(super) fn in_force<F: Copy>(
    rules: &[Rule<F>],
    params: &Params,
    height: Height,
) -> impl Iterator<Item = F> {
    let applies = move |applies: &Applies| match applies {
        Applies::Always => true,
        Applies::From(start) => start(&params.forks) <= height,
        Applies::Before(start) => start(&params.forks) > height,
        Applies::Where(holds) => holds(params),
    };
    rules.iter().filter(move |rule| applies(&rule.applies)).map(|rule| rule.check)
}
