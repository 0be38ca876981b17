//! Transactions: by themselves, and beside the coins that they spend.

use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, Sequence, Transaction};
use thiserror::Error;

use super::limits::fits_a_block;
use super::rules::TRANSACTION_RULES;
use super::{COINBASE_MATURITY, Coin, HeaderView, ViewFault};
use crate::script::{ScriptFlags, legacy_sigop_count, p2sh_sigop_count, witness_sigop_count};
use crate::units::Height;
use crate::wire::ParsedTx;

/// The bytes that the script of a coinbase's input may have.
const COINBASE_SCRIPT_BYTES: std::ops::RangeInclusive<usize> = 2..=100;

/// A lock time below this is a height, from this on a time.
const LOCK_TIME_THRESHOLD: u32 = 500_000_000;

/// Which rule a transaction breaks; the texts are Bitcoin Core's reject reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum TxError {
    /// No input.
    #[error("bad-txns-vin-empty")]
    NoInputs,
    /// No output.
    #[error("bad-txns-vout-empty")]
    NoOutputs,
    /// More than a million bytes without witnesses.
    #[error("bad-txns-oversize")]
    Oversize,
    /// An output's value is negative: its 64 bits are signed.
    #[error("bad-txns-vout-negative")]
    NegativeOutput,
    /// An output's value is above 21 million bitcoin.
    #[error("bad-txns-vout-toolarge")]
    OutputTooLarge,
    /// The outputs together are above 21 million bitcoin.
    #[error("bad-txns-txouttotal-toolarge")]
    OutputsTooLarge,
    /// Two inputs spend the same output.
    #[error("bad-txns-inputs-duplicate")]
    DuplicateInputs,
    /// The coinbase's script has not 2 to 100 bytes.
    #[error("bad-cb-length")]
    CoinbaseScriptLength,
    /// An input other than a coinbase's spends nothing.
    #[error("bad-txns-prevout-null")]
    NullInput,
    /// An output that is spent does not exist, or no more.
    #[error("bad-txns-inputs-missingorspent")]
    InputsMissingOrSpent,
    /// A coinbase is spent before 100 blocks stand on it.
    #[error("bad-txns-premature-spend-of-coinbase")]
    PrematureCoinbaseSpend,
    /// An input's value, or that of all together, is above 21 million bitcoin.
    #[error("bad-txns-inputvalues-outofrange")]
    InputsOutOfRange,
    /// It pays more than it spends.
    #[error("bad-txns-in-belowout")]
    InputsBelowOutputs,
}

/// Checks a transaction by itself, by the rules of [`TRANSACTION_RULES`] in their order.
pub fn check_transaction(tx: &ParsedTx) -> Result<(), TxError> {
    TRANSACTION_RULES.iter().try_for_each(|rule| (rule.check)(tx))
}

fn require(holds: bool, error: TxError) -> Result<(), TxError> {
    if holds { Ok(()) } else { Err(error) }
}

/// There MUST be an input. `bad-txns-vin-empty`
pub(super) fn has_inputs(tx: &ParsedTx) -> Result<(), TxError> {
    require(!tx.tx().input.is_empty(), TxError::NoInputs)
}

/// There MUST be an output. `bad-txns-vout-empty`
pub(super) fn has_outputs(tx: &ParsedTx) -> Result<(), TxError> {
    require(!tx.tx().output.is_empty(), TxError::NoOutputs)
}

/// Without witnesses, four times the size MUST NOT be above a block's weight. BIP-0141, `bad-txns-oversize`
pub(super) fn size_is_bounded(tx: &ParsedTx) -> Result<(), TxError> {
    require(fits_a_block(tx.base_size()), TxError::Oversize)
}

/// Each output's value and the running sum MUST be from 0 to 21 million bitcoin. CVE-2010-5139, `bad-txns-vout-negative`,
/// `bad-txns-vout-toolarge`, `bad-txns-txouttotal-toolarge`
pub(super) fn output_values_are_in_range(tx: &ParsedTx) -> Result<(), TxError> {
    let mut total = Amount::ZERO;
    for output in &tx.tx().output {
        // On the wire the value is signed.
        require(i64::try_from(output.value.to_sat()).is_ok(), TxError::NegativeOutput)?;
        require(output.value <= Amount::MAX_MONEY, TxError::OutputTooLarge)?;
        total = add_money(total, output.value).ok_or(TxError::OutputsTooLarge)?;
    }
    Ok(())
}

/// No output MUST be spent twice. CVE-2018-17144, `bad-txns-inputs-duplicate`
pub(super) fn inputs_are_distinct(tx: &ParsedTx) -> Result<(), TxError> {
    let mut spent: Vec<&OutPoint> = tx.tx().input.iter().map(|input| &input.previous_output).collect();
    spent.sort_unstable();
    let repeated = spent.windows(2).any(|pair| matches!(pair, [a, b] if a == b));
    require(!repeated, TxError::DuplicateInputs)
}

/// A coinbase's script MUST have 2 to 100 bytes. `bad-cb-length`
pub(super) fn coinbase_script_length_is_bounded(tx: &ParsedTx) -> Result<(), TxError> {
    let length = tx.tx().input.first().map_or(0, |input| input.script_sig.len());
    require(!tx.tx().is_coinbase() || COINBASE_SCRIPT_BYTES.contains(&length), TxError::CoinbaseScriptLength)
}

/// In any other transaction each input MUST name an output. `bad-txns-prevout-null`
pub(super) fn only_a_coinbase_has_a_null_input(tx: &ParsedTx) -> Result<(), TxError> {
    let null = tx.tx().input.iter().any(|input| input.previous_output.is_null());
    require(tx.tx().is_coinbase() || !null, TxError::NullInput)
}

/// Checks a transaction beside the coins that its inputs spend, in the order of the inputs, for a block at `height`; gives its fee.
///
/// A coinbase that is spent MUST be 100 blocks deep (`bad-txns-premature-spend-of-coinbase`). Each coin's value and the
/// running sum MUST be from 0 to 21 million bitcoin (`bad-txns-inputvalues-outofrange`). The outputs MUST NOT be worth
/// more than the inputs (`bad-txns-in-belowout`). As many coins as inputs (`bad-txns-inputs-missingorspent`).
pub fn check_tx_inputs(tx: &Transaction, coins: &[Coin], height: Height) -> Result<Amount, TxError> {
    require(coins.len() == tx.input.len(), TxError::InputsMissingOrSpent)?;
    let mut value_in = Amount::ZERO;
    for coin in coins {
        let is_mature = height.blocks_above(coin.height) >= COINBASE_MATURITY;
        require(!coin.is_coinbase || is_mature, TxError::PrematureCoinbaseSpend)?;
        value_in = add_money(value_in, coin.output.value).ok_or(TxError::InputsOutOfRange)?;
    }
    let value_out = output_value(tx).ok_or(TxError::OutputsTooLarge)?;
    value_in.checked_sub(value_out).ok_or(TxError::InputsBelowOutputs)
}

/// The sum of the outputs' values; none where it is above 21 million bitcoin.
pub fn output_value(tx: &Transaction) -> Option<Amount> {
    tx.output.iter().try_fold(Amount::ZERO, |sum, output| add_money(sum, output.value))
}

/// The sum, where it is no more than 21 million bitcoin.
pub(super) fn add_money(a: Amount, b: Amount) -> Option<Amount> {
    a.checked_add(b).filter(|sum| *sum <= Amount::MAX_MONEY)
}

/// Whether the lock time lets a transaction into a block at `height`, judged at `time` (seconds since 1970: the median
/// time past of the block's parent since BIP-0113, the block's own time before).
pub fn is_final_tx(tx: &Transaction, height: Height, time: u32) -> bool {
    let lock_time = tx.lock_time.to_consensus_u32();
    let reached = if lock_time < LOCK_TIME_THRESHOLD { height.to_u32() } else { time };
    lock_time == 0 || lock_time < reached || tx.input.iter().all(|input| input.sequence == Sequence::MAX)
}

/// Whether the relative lock times of the inputs (BIP-0068) let a transaction into the block that follows `parent`.
///
/// `coins` are those that the inputs spend, in order; one from the same block has that block's height. The version is
/// unsigned: 0xFFFFFFFF is above 2.
pub fn sequence_locks_met(
    tx: &Transaction,
    coins: &[Coin],
    parent: &dyn HeaderView,
) -> Result<bool, ViewFault> {
    if version_bits(tx.version) < 2 {
        return Ok(true);
    }
    for (input, coin) in tx.input.iter().zip(coins) {
        if !input_lock_met(input.sequence, coin, parent)? {
            return Ok(false);
        }
    }
    Ok(true)
}

const SEQUENCE_DISABLE_FLAG: u32 = 1 << 31;
const SEQUENCE_TIME_FLAG: u32 = 1 << 22;
const SEQUENCE_VALUE_MASK: u32 = 0xffff;
/// A unit of a relative lock time is 2^9 seconds.
const SEQUENCE_TIME_SHIFT: u32 = 9;

/// Counts from the coin's block, or from the median time past of the block below it.
fn input_lock_met(sequence: Sequence, coin: &Coin, parent: &dyn HeaderView) -> Result<bool, ViewFault> {
    let sequence = sequence.0;
    if sequence & SEQUENCE_DISABLE_FLAG != 0 {
        return Ok(true);
    }
    let value = u64::from(sequence & SEQUENCE_VALUE_MASK);
    if sequence & SEQUENCE_TIME_FLAG == 0 {
        let height = parent.tip_height().next();
        return Ok(u64::from(height.to_u32()) >= u64::from(coin.height.to_u32()).saturating_add(value));
    }
    let start_height = coin.height.parent().unwrap_or(Height::GENESIS);
    let start = median_time_past(parent, start_height)?;
    let now = median_time_past(parent, parent.tip_height())?;
    Ok(u64::from(now) >= u64::from(start).saturating_add(value << SEQUENCE_TIME_SHIFT))
}

fn median_time_past(parent: &dyn HeaderView, height: Height) -> Result<u32, ViewFault> {
    parent.median_time_past_at(height).ok_or_else(|| ViewFault::header_missing(height))
}

/// A transaction's version as the rules compare it: unsigned.
fn version_bits(version: Version) -> u32 {
    u32::from_le_bytes(version.0.to_le_bytes())
}

/// The signature operations of a transaction's own scripts, each CHECKMULTISIG counted as 20.
pub fn legacy_sigops(tx: &Transaction) -> u64 {
    let of_inputs = tx.input.iter().map(|input| legacy_sigop_count(&input.script_sig));
    let of_outputs = tx.output.iter().map(|output| legacy_sigop_count(&output.script_pubkey));
    of_inputs.chain(of_outputs).fold(0, |sum, count| sum.saturating_add(u64::from(count)))
}

/// The signature operation cost (BIP-0141): four for each of the legacy and P2SH ones, one for each of a witness.
///
/// `coins` are those that the inputs spend, in order; none for a coinbase.
pub fn sigop_cost(tx: &Transaction, coins: &[Coin], flags: ScriptFlags) -> u64 {
    let spends = || tx.input.iter().zip(coins);
    let mut scaled = legacy_sigops(tx);
    let mut cost: u64 = 0;
    if flags.contains(ScriptFlags::P2SH) {
        for (input, coin) in spends() {
            let count = p2sh_sigop_count(&input.script_sig, &coin.output.script_pubkey);
            scaled = scaled.saturating_add(u64::from(count));
        }
    }
    if flags.contains(ScriptFlags::WITNESS) {
        for (input, coin) in spends() {
            let count = witness_sigop_count(&input.script_sig, &coin.output.script_pubkey, &input.witness);
            cost = cost.saturating_add(u64::from(count));
        }
    }
    cost.saturating_add(scaled.saturating_mul(4))
}

#[cfg(test)]
#[path = "tx/tests.rs"]
mod tests;
