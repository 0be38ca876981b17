//! The readers of files that others wrote, for those who feed them random bytes (`fuzz/`, and a short run in the gate). Each returns for any
//! bytes, or it has found something.

use std::path::Path;

use adit_domain::consensus::Params;
use adit_domain::units::Height;
use adit_store::XorKey;
use bitcoin::hashes::Hash;

use crate::scan::{BlockFile, Extent, Skipped, Verdict, Wanted, scan_file};
use crate::snapshot::SnapshotFile;

/// The height that a snapshot's block is taken to have.
const BASE: Height = Height::new(100);

/// A file with blocks of regtest, framed as Core's blk*.dat. Every block lies within it and behind the one before it, and no byte is counted twice.
pub fn block_file(path: &Path) {
    let file = BlockFile { path: path.to_owned(), key: XorKey::NONE };
    let Ok(bytes) = std::fs::metadata(path).map(|meta| meta.len()) else { return };
    let foreign = [Params::mainnet().magic];
    let wanted = Wanted { magic: Params::regtest().magic, foreign: &foreign, block_bytes_max: 4_000_000 };
    let (mut skipped, mut behind, mut counted) = (Skipped::default(), 0, 0);
    let scanned = scan_file(&file, &wanted, &mut skipped, |header, Extent { offset, len }| {
        let end = offset.saturating_add(u64::from(len));
        assert!(offset >= behind && end <= bytes, "{offset} {len}");
        // As if every other header proved its work.
        if header.block_hash().to_byte_array().first().is_some_and(|byte| byte % 2 == 0) {
            return Verdict::NoBlock;
        }
        behind = end;
        counted = u64::from(len).saturating_add(counted);
        assert!(file.read_block(Extent { offset, len }).is_ok());
        Verdict::Block
    });
    assert!(scanned.is_ok(), "{scanned:?}");
    let Skipped { garbage_bytes, padding_bytes, .. } = skipped;
    assert!(garbage_bytes.saturating_add(padding_bytes).saturating_add(counted) <= bytes, "{skipped:?}");
}

/// A file with the coins of regtest: no more of them come than it says, and all are below its block.
pub fn snapshot(path: &Path) {
    let Ok(mut file) = SnapshotFile::open(path, &Params::regtest()) else { return };
    let mut coins = 0_u64;
    while let Ok(Some((_, coin))) = file.next(BASE) {
        coins = coins.saturating_add(1);
        assert!(coin.height <= BASE && coins <= file.head().coins);
    }
}

#[cfg(test)]
mod tests;
