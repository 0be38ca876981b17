/// A block's weight (BIP-0141): a million bytes without witnesses, or four million bytes of witnesses.
pub const BLOCK_WEIGHT_MAX: u32 = 4_000_000;

/// A byte outside the witnesses weighs as much as four inside them (BIP-0141).
const WITNESS_SCALE: u32 = 4;

/// Whether so many bytes outside the witnesses may be in a block.
pub(super) fn fits_a_block(base_size: usize) -> bool {
    u32::try_from(base_size).is_ok_and(|bytes| bytes.saturating_mul(WITNESS_SCALE) <= BLOCK_WEIGHT_MAX)
}

/// A block's signature operation cost (BIP-0141): 20,000 as before, each counted four times.
pub const BLOCK_SIGOP_COST_MAX: u64 = 80_000;

/// Blocks that must stand on a coinbase, its own not counted, in the block that spends it.
pub const COINBASE_MATURITY: u32 = 100;
