//! Every limit of the protocol in one place, each with its arithmetic.

/// Bytes of a message's payload at most. Core's limit since CVE-2015-3641: a block of 4,000,000 weight units has at most
/// 4,000,000 bytes, and nothing longer has a use.
pub const PAYLOAD_BYTES_MAX: usize = 4_000_000;

/// Bytes by which a payload's buffer grows at most: the claimed length buys nobody memory, only bytes that arrived do.
pub const PAYLOAD_GROWTH_BYTES_MAX: usize = 256 * 1024;

/// Bytes that may come behind the key of a connection that is encrypted. BIP-0324
pub const GARBAGE_BYTES_MAX: usize = 4_095;

/// Items of an `inv`, `getdata` or `notfound` at most: 50,000 x 36 bytes = 1.8 MB.
pub const INVENTORY_MAX: usize = 50_000;

/// Headers of a `headers` at most: 2,000 x 81 bytes = 162 kB. Fewer than that say that the sender has no more.
pub const HEADERS_MAX: usize = 2_000;

/// Messages of headers that are counted of a chain which has not shown enough work: 8,192 x 2,000 headers is three times the
/// longest chain that there is, and 32 bytes each are 256 kB a peer.
pub const PRESYNC_BATCHES_MAX: usize = 8_192;

/// Counting takes no longer: 900,000 headers of 81 bytes in it need 0.4 Mbit/s.
pub const PRESYNC_MS_MAX: u64 = 30 * 60_000;

/// Addresses of an `addr` or `addrv2` at most: Core's limit.
pub const ADDRESSES_MAX: usize = 1_000;

/// Addresses of one message that are passed on at most: longer ones are answers.
pub const ADDRESSES_RELAYED_MAX: usize = 10;

/// Addresses that a peer is remembered to know: 5,000 x 60 bytes = 300 kB.
pub const ADDRESSES_KNOWN_MAX: usize = 5_000;

/// Bytes of one address of a network that may be yet unknown. BIP-0155
pub const ADDRESS_BYTES_MAX: usize = 512;

/// How long addresses wait to be told, on average.
pub const ADDRESS_MS: u64 = 30_000;

/// A peer that was asked for addresses alone answers within this time.
pub const ADDRESS_FETCH_MS_MAX: u64 = 10 * ADDRESS_MS;

/// Answers to those who ask for addresses that are given again: one an address of our own. 64 x 1,000 x 56 bytes = 4 MB.
pub const ANSWERS_KEPT_MAX: usize = 64;

/// Blocks whose filters one request asks for at most. BIP-0157
pub const FILTERS_MAX: u32 = 1_000;

/// Blocks whose filters' hashes one request asks for at most: 64 kB. BIP-0157
pub const FILTER_HEADERS_MAX: u32 = 2_000;

/// Hashes of a locator at most: ten, then doubling steps, needs 10 + 30 for any chain; Core's limit.
pub const LOCATOR_MAX: usize = 101;

/// Block hashes that answer a `getblocks`.
pub const GETBLOCKS_MAX: usize = 500;

/// Items of a `getdata` that we send: Core's limit.
pub const GETDATA_SENT_MAX: usize = 1_000;

/// Bytes of the name that a peer gives itself.
pub const USER_AGENT_BYTES_MAX: usize = 256;

/// Blocks in flight from one peer: at 1 MB each 16 MB, which keeps 100 ms of latency filled up to 160 MB/s.
pub const BLOCKS_IN_FLIGHT_MAX: usize = 16;

/// Blocks above the lowest missing one that may be fetched: 1,024 x 4 MB bounds what waits on disk for its parent to 4 GB.
pub const BLOCK_WINDOW: u32 = 1_024;

/// The last blocks, which a node offers that does not keep its old ones. BIP-0159
pub const LIMITED_BLOCKS: u32 = 288;

/// Transactions in flight from one peer before it waits for what it tells of further: Core's number.
pub const TXS_IN_FLIGHT_MAX: usize = 100;

/// Announced transactions that a peer may have waiting: 5,000 x 300 bytes = 1.5 MB a peer.
pub const TX_ANNOUNCEMENTS_MAX: usize = 5_000;

/// How long a transaction that a stranger tells of is not asked for: those that we chose may tell of it meanwhile.
pub const TX_WAIT_STRANGER_MS: u64 = 2_000;

/// How much longer one is not asked for that is named by its txid, where others name theirs by the wtxid.
pub const TX_WAIT_BY_TXID_MS: u64 = 2_000;

/// How much longer whoever owes [`TXS_IN_FLIGHT_MAX`] is not asked.
pub const TX_WAIT_BUSY_MS: u64 = 2_000;

/// Transactions in an `inv` that we send.
pub const TX_INV_SENT_MAX: usize = 1_000;

/// Transactions that wait to be announced to a peer: five full messages; the oldest are dropped beyond.
pub const TX_TO_ANNOUNCE_MAX: usize = 5_000;

/// Hashes of transactions that both sides are remembered to know: twice what may wait.
pub const TXS_KNOWN_MAX: usize = 10_000;

/// New blocks that are announced by headers; beyond it the tip alone is, by `inv`. Core's limit.
pub const HEADERS_ANNOUNCED_MAX: usize = 8;

/// The oldest protocol that is spoken to: headers came with it.
pub const PROTOCOL_VERSION_MIN: u32 = 31_800;

/// The protocol that we speak: BIP339 came with it.
pub const PROTOCOL_VERSION: u32 = 70_016;

/// A handshake takes no longer, and a ping is not missed before; an operator may choose another time.
pub const HANDSHAKE_MS_MAX: u64 = 60_000;

/// How long transactions wait to be announced to those that we connected to, on average, and to those that connected to us: who
/// watches when a transaction is announced learns the less of where it came from.
pub const INV_MS_OUTBOUND: u64 = 2_000;
/// See [`INV_MS_OUTBOUND`].
pub const INV_MS_INBOUND: u64 = 5_000;

/// How often a peer is told what feerate is taken, where it has changed.
pub const FEE_FILTER_EVERY_MS: u64 = 10 * 60_000;

/// Peers that are asked for compact blocks at once: Core's number.
pub const HIGH_BANDWIDTH_MAX: usize = 3;

/// Transactions of a block that is sent as a compact one at most: a place has two bytes, and no block has more.
pub const COMPACT_TXS_MAX: usize = 65_535;

/// Peers that one block is asked of at once as a compact one: Core's number. What waits for its transactions is as much as they have sent.
pub const COMPACT_FLIGHTS_MAX: usize = 3;

/// Blocks above the tip that are put together from what the mempool holds: of later ones it knows nothing.
pub const COMPACT_AHEAD_MAX: u32 = 2;

/// Blocks below the tip that are sent as compact ones: of older ones nobody has the transactions any more. Core's number.
pub const COMPACT_DEPTH_MAX: u32 = 5;

/// Blocks below the tip of which some transactions are sent: of older ones the whole block is, so that whoever asks pays for what is read.
pub const BLOCK_TXS_DEPTH_MAX: u32 = 10;

/// A tip that is not older is near the network's: twenty blocks.
pub const NEAR_TIP_S: u64 = 20 * 600;

/// A ping is sent this often.
pub const PING_EVERY_MS: u64 = 120_000;

/// A ping is answered within this time.
pub const PONG_MS_MAX: u64 = 20 * 60_000;

/// A `getheaders` is answered within this time, and not repeated before.
pub const HEADERS_MS_MAX: u64 = 120_000;

/// The first headers come within this time.
pub const HEADERS_SYNC_MS_MAX: u64 = 15 * 60_000;

/// A peer that we chose comes up to our chain within this time, or is asked once more.
pub const LAG_MS_MAX: u64 = 20 * 60_000;

/// Peers that may lag behind for as long as they like: those that had our tip first. Core's number.
pub const PROTECTED_MAX: usize = 4;

/// A peer that holds the window up for this long is dropped; doubles with each one that is, up to the maximum below.
pub const STALL_MS_MIN: u64 = 2_000;

/// The longest that a peer may hold the window up.
pub const STALL_MS_MAX: u64 = 64_000;

/// A block that has not come after this long may be asked of another peer too.
pub const BLOCK_REASSIGN_MS: u64 = 30_000;

/// A block comes within this time, and half of it more for each other peer that blocks are fetched from.
pub const BLOCK_MS_MAX: u64 = 10 * 60_000;

/// A transaction that has not come after this long is asked of another peer.
pub const TX_MS_MAX: u64 = 60_000;
