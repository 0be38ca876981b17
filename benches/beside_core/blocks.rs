//! What a file of blocks holds: one chain, in order, framed as blk*.dat.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use bitcoin::BlockHash;
use bitcoin::hashes::{Hash, sha256d};
use serde_json::json;

/// What stands before a block's transactions.
const HEADER_BYTES: usize = 80;
/// Magic and length.
const FRAME_BYTES: usize = 8;

pub struct Blocks {
    /// Blocks above the first one of regtest.
    pub height: u64,
    /// The last block that has more than its coinbase, and its height: the one to assume.
    pub full: (BlockHash, u64),
}

impl Blocks {
    pub fn read(path: &Path) -> Blocks {
        let mut file = BufReader::new(File::open(path).unwrap());
        let mut blocks = Blocks { height: 0, full: (BlockHash::all_zeros(), 0) };
        let mut head = [0; FRAME_BYTES + HEADER_BYTES + 1];
        while file.read_exact(&mut head).is_ok() {
            let length = i64::from(u32::from_le_bytes(head[4..8].try_into().unwrap()));
            blocks.height += 1;
            // The count of transactions in its shortest form: one byte where it is 1.
            if head[FRAME_BYTES + HEADER_BYTES] != 1 {
                let header = &head[FRAME_BYTES..FRAME_BYTES + HEADER_BYTES];
                blocks.full = (BlockHash::from_raw_hash(sha256d::Hash::hash(header)), blocks.height);
            }
            file.seek_relative(length - HEADER_BYTES as i64 - 1).unwrap();
        }
        let bytes = file.seek(SeekFrom::End(0)).unwrap();
        assert!(blocks.height > 0, "{} has {bytes} bytes and no block", path.display());
        blocks
    }

    pub fn line(&self, path: &Path) -> serde_json::Value {
        let mib = std::fs::metadata(path).unwrap().len() >> 20;
        json!({"mib": mib, "height": self.height, "assumed": self.full.0.to_string(), "assumed_height": self.full.1})
    }
}
