//! Every limit of the mempool in one place, each with its arithmetic.

/// Transactions that hang together, by whatever they spend: what one arrival or removal puts in order again is bounded by it, and a set of
/// them fits 64 bits. Core's limit.
pub const CLUSTER_TXS_MAX: usize = 64;

/// Steps in which a chunk of a cluster is looked at for a part that pays more, each some 500 ns: chunks of 64 take a hundred or two. What takes
/// longer stays as it is.
pub const CLOSURE_STEPS_MAX: usize = 1_000;

/// Parts that are put before the rest of their chunk, one after the other, when a cluster is put in order. Each makes the order better, and
/// a few are enough.
pub const BETTER_PARTS_MAX: usize = 64;

/// Virtual bytes of them: a tenth of a block, so that they always fit one.
pub const CLUSTER_VSIZE_MAX: u64 = 101_000;

/// Clusters that a transaction may take transactions from: each is put in order again, 64 of them at most. Core's limit.
pub const REPLACED_CLUSTERS_MAX: usize = 100;

/// Transactions that may come together. Core's limit.
pub const PACKAGE_TXS_MAX: usize = 25;

/// Weight of them: what a cluster may have, as consensus counts. Core's limit.
pub const PACKAGE_WEIGHT_MAX: u64 = 404_000;

/// Virtual bytes of a transaction of version 3 (BIP431).
pub const TRUC_VSIZE_MAX: u64 = 10_000;

/// Virtual bytes of its child.
pub const TRUC_CHILD_VSIZE_MAX: u64 = 1_000;

/// Outputs of a transaction that are worth less than it costs to spend them.
pub const DUST_OUTPUTS_MAX: usize = 1;

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

/// Weight that a unit of signature operation cost counts for at least, as Core's `-bytespersigop`.
pub const WEIGHT_A_SIGOP: u64 = 20;

/// A chunk that pays less is not offered to whoever builds a block; satoshis per 1,000 virtual bytes, as Core's `-blockmintxfee`.
pub const BLOCK_MIN_SAT_PER_KVB: u64 = 1;

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

/// What the lowest feerate rises by when a transaction is evicted, and what one that replaces others pays more; satoshis per 1,000 virtual
/// bytes.
pub const INCREMENTAL_SAT_PER_KVB: u64 = 100;

/// Weight of the transactions in a snapshot: two blocks' worth, so that a template that skips some is still full.
pub const SNAPSHOT_WEIGHT_MAX: u64 = 8_000_000;

/// What all orphans cost to look at again, one for each peer that told of it: 3,000 x 50 us = 150 ms. Core's limit.
pub const ORPHAN_COST_MAX: u64 = 3_000;

/// Inputs of an orphan that cost as much again.
pub const ORPHAN_INPUTS_A_COST: u64 = 10;

/// Weight of the orphans that a peer may have told of while others have as many: one as large as may be relayed. With 125 peers 50 MB at most.
pub const ORPHAN_WEIGHT_A_PEER: u64 = 404_000;

/// Peers that have left and whose transactions may still be judged: as many as transactions that may wait for that.
pub const ORPHAN_PEERS_GONE_MAX: usize = 1_000;
