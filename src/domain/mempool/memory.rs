//! What a held transaction takes in memory, by the measure that Core's `-maxmempool` has: the same limit holds the same transactions.
//!
//! Adit itself takes about twice as much: it keeps the bytes as they came beside the parsed transaction.

use bitcoin::{Script, Transaction};

/// What an allocation takes beside its bytes, and what it is rounded up to.
const ALLOCATION_BYTES: u64 = 16;
/// An input as Core keeps it, without what its script and witness point to.
const INPUT_BYTES: u64 = 104;
/// An output likewise.
const OUTPUT_BYTES: u64 = 48;
/// Bytes of a script that need no allocation of their own.
const SCRIPT_BYTES_INLINE: u64 = 36;
/// An item of a witness, without its bytes.
const WITNESS_ITEM_BYTES: u64 = 24;
/// The transaction without inputs and outputs, what counts who holds it, and its entries in the pool's indexes.
const ENTRY_BYTES: u64 = 700;
/// An input's entry in the index of what is spent.
const SPENT_BYTES: u64 = 80;

/// An allocation of so many bytes.
fn allocated(bytes: u64) -> u64 {
    let rounded = bytes.div_ceil(ALLOCATION_BYTES).saturating_mul(ALLOCATION_BYTES);
    if bytes == 0 { 0 } else { rounded.saturating_add(ALLOCATION_BYTES) }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn script(script: &Script) -> u64 {
    let bytes = count(script.len());
    if bytes <= SCRIPT_BYTES_INLINE { 0 } else { allocated(bytes) }
}

/// What a held transaction counts for.
pub(super) fn usage_bytes(tx: &Transaction) -> u64 {
    let (inputs, outputs) = (count(tx.input.len()), count(tx.output.len()));
    let rows = allocated(inputs.saturating_mul(INPUT_BYTES))
        .saturating_add(allocated(outputs.saturating_mul(OUTPUT_BYTES)))
        .saturating_add(inputs.saturating_mul(SPENT_BYTES))
        .saturating_add(ENTRY_BYTES);
    let witness = |input: &bitcoin::TxIn| {
        let items = allocated(count(input.witness.len()).saturating_mul(WITNESS_ITEM_BYTES));
        let bytes = input.witness.iter().map(|item| allocated(count(item.len())));
        bytes.fold(items, u64::saturating_add)
    };
    let of_inputs = tx.input.iter().map(|input| script(&input.script_sig).saturating_add(witness(input)));
    let of_outputs = tx.output.iter().map(|output| script(&output.script_pubkey));
    of_inputs.chain(of_outputs).fold(rows, u64::saturating_add)
}

#[cfg(test)]
#[path = "memory/tests.rs"]
mod tests;
