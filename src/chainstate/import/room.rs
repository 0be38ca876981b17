//! How much of a disk an import will take, before it begins.

/// Undo data is a seventh of its blocks' bytes on mainnet, more than that on no network of note.
const BLOCKS_BY_UNDO: u64 = 6;
/// Headers and coins are a fortieth of the blocks' bytes on mainnet (a database of twice the coins, and a merge beside it, included); a chain
/// that spends less has more of them.
const BLOCKS_BY_COINS: u64 = 16;

/// Bytes that an import of so many bytes of blocks needs beyond what is there, of which `stored_bytes` are blocks already; `prune_bytes` is
/// what block and undo files may take, where they may not take all. With a margin, and yet no promise: what the
/// blocks hold is not known before they are read.
pub fn room_needed(source_bytes: u64, stored_bytes: u64, prune_bytes: Option<u64>) -> u64 {
    let blocks = source_bytes.saturating_sub(stored_bytes);
    let files = blocks.saturating_add(blocks / BLOCKS_BY_UNDO);
    let kept = prune_bytes.map_or(files, |most| files.min(most.saturating_sub(stored_bytes)));
    kept.saturating_add(blocks / BLOCKS_BY_COINS)
}

#[cfg(test)]
mod tests {
    use super::room_needed;

    #[test]
    fn room_is_needed_for_blocks_undo_data_and_coins_beyond_what_is_there() {
        let check = |source, stored, prune, want| assert_eq!(room_needed(source, stored, prune), want);
        check(0, 0, None, 0);
        check(960, 0, None, 960 + 160 + 60);
        check(960, 480, None, 480 + 80 + 30);
        check(960, 5000, None, 0);
        // Pruned, the coins are of all blocks all the same.
        check(960, 0, Some(100), 100 + 60);
        check(960, 480, Some(100), 30);
        check(960, 0, Some(5000), 960 + 160 + 60);
        check(u64::MAX, 0, None, u64::MAX);
    }
}
