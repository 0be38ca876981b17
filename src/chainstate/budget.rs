//! How the memory that one figure allows is shared out.
//!
//! Owns: the shares and their arithmetic. Must not know: what lies in them.
//!
//! | share | is | at 64 MiB | at 450 | at 2000 |
//! |---|---|---|---|---|
//! | pages | redb's cache of `chainstate.redb`: an eighth, 48 MiB at most | 8 | 48 | 48 |
//! | blocks | what comes from peers, what is read ahead and what is staged, parsed: a sixth, 120 MiB at most | 11 | 75 | 120 |
//! | coins | the rest, less the tiers' filters (11 bits a coin on disk); never below a quarter | 45 | 327 | 1832 |

/// Pages that redb keeps in memory: enough for the branches above the leaves of a whole coin set (15 GB, 1.5 million
/// leaves of 4 kB at 60 keys a branch page make 100 MB; half of them are not touched for long). What is hot lies in the coin cache.
const PAGES_BYTES_MAX: usize = 48 << 20;
/// Below this redb would read a page again while it still works on it.
const PAGES_BYTES_MIN: usize = 1 << 20;
/// A dozen full blocks: one half is read and parsed while the other half's scripts run.
const BLOCKS_BYTES_MAX: usize = 120 << 20;
/// What a byte of a block takes in memory when it is parsed, prepared and staged, with what the allocator adds: eight for payments. A block of
/// nothing but outputs of one byte takes twice that.
const PARSED_BYTES_PER_BYTE: usize = 8;

/// What a byte of a block takes from its arrival on until it is prepared: its frame or itself, and the transactions parsed.
const ARRIVED_BYTES_PER_BYTE: usize = 4;

/// The shares of one figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    bytes: usize,
}

impl Budget {
    pub(crate) fn of_mib(mib: usize) -> Budget {
        Budget { bytes: mib.saturating_mul(1 << 20) }
    }

    /// For redb's pages.
    pub(crate) fn pages(self) -> usize {
        (self.bytes / 8).clamp(PAGES_BYTES_MIN, PAGES_BYTES_MAX)
    }

    /// For blocks on their way to the tip.
    pub(crate) fn blocks(self) -> usize {
        (self.bytes / 6).min(BLOCKS_BYTES_MAX)
    }

    /// For coins, those that are being flushed among them, where the filters of what is on disk take so much.
    pub(crate) fn coins(self, filters: usize) -> usize {
        let others = self.pages().saturating_add(self.blocks()).saturating_add(filters);
        self.bytes.saturating_sub(others).max(self.bytes / 4)
    }

    /// Bytes of blocks, as they are on disk, that may be read ahead; as many may be staged. One block always may.
    pub(crate) fn window(self) -> usize {
        self.blocks() / PARSED_BYTES_PER_BYTE / 2
    }

    /// Bytes of blocks, as they are sent, that may have come from peers and not been judged. Those of them that are read ahead and staged
    /// are parsed already, so that these windows take half of their share, and what comes the other half. One block always may.
    pub(crate) fn incoming(self) -> usize {
        self.blocks() / 2 / ARRIVED_BYTES_PER_BYTE
    }
}

#[cfg(test)]
#[path = "budget/tests.rs"]
mod tests;
