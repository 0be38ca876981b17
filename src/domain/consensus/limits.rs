/// A block's weight (BIP-0141): a million bytes without witnesses, or four million bytes of witnesses.
pub const BLOCK_WEIGHT_MAX: usize = 4_000_000;

/// A byte outside the witnesses weighs as much as four inside them (BIP-0141).
pub const WITNESS_SCALE: usize = 4;

/// A block's signature operation cost (BIP-0141): 20,000 as before, each counted four times.
pub const BLOCK_SIGOP_COST_MAX: u64 = 80_000;

/// Blocks that must stand on a coinbase, its own not counted, in the block that spends it.
pub const COINBASE_MATURITY: u32 = 100;
