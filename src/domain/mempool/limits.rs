//! Every limit of the mempool in one place, each with its arithmetic.

/// Transactions of a chain of unconfirmed ones above and below any of them, itself included: what one arrival or removal
/// touches is bounded by it.
pub const CHAIN_TXS_MAX: usize = 25;

/// Virtual bytes of such a chain: a tenth of a block, so that a package always fits one.
pub const CHAIN_VSIZE_MAX: u64 = 101_000;

/// A transaction is held for no longer: two weeks.
pub const EXPIRY_MS: u64 = 14 * 24 * 60 * 60 * 1000;

/// Weight of a transaction: a tenth of a block.
pub const TX_WEIGHT_MAX: u64 = 400_000;

/// Bytes of a transaction without its witnesses, at least: 64 could be taken for a node of a merkle tree.
pub const TX_BASE_BYTES_MIN: usize = 65;

/// Signature operation cost of a transaction: a fifth of a block's.
pub const TX_SIGOP_COST_MAX: u32 = 16_000;

/// Signature operations outside of witnesses that a transaction may execute (BIP54).
pub const TX_LEGACY_SIGOPS_MAX: u32 = 2_500;

/// Signature operations of a P2SH script.
pub const P2SH_SIGOPS_MAX: u32 = 15;

/// Weight that a unit of signature operation cost counts for at least.
pub const WEIGHT_A_SIGOP: u64 = 20;

/// Bytes of an input's script: 15 of 15 keys under P2SH.
pub const SCRIPT_SIG_BYTES_MAX: usize = 1_650;

/// Bytes of all data outputs of a transaction: as many as its weight allows.
pub const DATA_BYTES_MAX: usize = 100_000;

/// Keys of a bare multisig output.
pub const BARE_MULTISIG_KEYS_MAX: u8 = 3;

/// Bytes of a script under P2WSH.
pub const WITNESS_SCRIPT_BYTES_MAX: usize = 3_600;

/// Items of a witness beside the script under P2WSH.
pub const WITNESS_ITEMS_MAX: usize = 100;

/// Bytes of each of them, and of each under a tapscript.
pub const WITNESS_ITEM_BYTES_MAX: usize = 80;

/// The feerate at which an output must be worth its own spending; satoshis per 1,000 virtual bytes.
pub const DUST_SAT_PER_KVB: u64 = 3_000;

/// What the lowest feerate rises by when a transaction is evicted; satoshis per 1,000 virtual bytes.
pub const EVICTION_STEP_SAT_PER_KVB: u64 = 100;

/// Memory that a held transaction takes beside three times its bytes (as they came, parsed, and their index).
pub const ENTRY_OVERHEAD_BYTES: u64 = 1_000;

/// Weight of the transactions in a snapshot: two blocks' worth, so that a template that skips some is still full.
pub const SNAPSHOT_WEIGHT_MAX: u64 = 8_000_000;
