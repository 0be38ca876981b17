use std::path::Path;
use std::sync::Arc;

use adit_store::XorKey;
use bitcoin::consensus::encode::serialize;
use bitcoin::constants::genesis_block;

use super::*;

const OURS: [u8; 4] = [0xfa, 0xbf, 0xb5, 0xda];

/// What a finder heard: file and nonce; files that ended.
#[derive(Default)]
struct Heard {
    headers: Vec<(usize, u32)>,
    refused: usize,
    ended: Vec<bool>,
    files_max: usize,
    headers_max: usize,
}

impl Finder for Heard {
    type Error = &'static str;

    fn header(&mut self, file: usize, found: FoundHeader) -> Result<(), &'static str> {
        self.refused += usize::from(found.refused.is_some());
        assert_eq!(found.hash, found.header.block_hash());
        self.headers.push((file, found.header.nonce));
        if self.headers.len() < self.headers_max { Ok(()) } else { Err("enough") }
    }

    fn end(&mut self, file: usize, ended: io::Result<Skipped>) -> Result<bool, &'static str> {
        assert_eq!(file, self.ended.len());
        self.ended.push(ended.is_ok());
        Ok(self.ended.len() < self.files_max)
    }
}

/// Files of `blocks` blocks each, of which every other one has no work.
fn files(dir: &Path, files: u32, blocks: u32) -> Vec<Arc<BlockFile>> {
    let mut nonces = 0..;
    let make = |number| {
        let mut bytes = Vec::new();
        for _ in 0..blocks {
            let mut block = genesis_block(bitcoin::Network::Regtest);
            block.header.nonce = nonces.next().unwrap();
            let raw = serialize(&block);
            bytes.extend([OURS.as_slice(), &u32::try_from(raw.len()).unwrap().to_le_bytes(), &raw].concat());
        }
        let path = dir.join(format!("blk{number:05}.dat"));
        std::fs::write(&path, bytes).unwrap();
        Arc::new(BlockFile { path, key: XorKey::NONE })
    };
    (0..files).map(make).collect()
}

fn walk(files: &[Arc<BlockFile>], threads: usize, heard: &mut Heard) -> Result<(), &'static str> {
    let wanted = Wanted { magic: OURS, foreign: &[], block_bytes_max: 4_000_000 };
    scan_files(files, threads, (&wanted, &Params::regtest()), heard)
}

#[test]
fn the_order_is_that_of_the_files_whoever_is_faster() {
    let dir = tempfile::tempdir().unwrap();
    let files = files(dir.path(), 9, 2500);
    let mut first: Option<Vec<(usize, u32)>> = None;
    for threads in [1, 2, 5, 64] {
        let mut heard = Heard { files_max: usize::MAX, headers_max: usize::MAX, ..Heard::default() };
        walk(&files, threads, &mut heard).unwrap();
        assert_eq!((heard.ended.len(), heard.ended.iter().all(|ok| *ok)), (9, true));
        assert!(heard.refused > 1000);
        assert!(heard.headers.is_sorted());
        assert_eq!(first.get_or_insert_with(|| heard.headers.clone()), &heard.headers, "{threads} threads");
    }
}

#[test]
fn it_ends_when_its_finder_has_enough() {
    let dir = tempfile::tempdir().unwrap();
    let files = files(dir.path(), 9, 5000);
    let mut heard = Heard { files_max: 2, headers_max: usize::MAX, ..Heard::default() };
    walk(&files, 4, &mut heard).unwrap();
    assert_eq!(heard.ended.len(), 2);
    let mut heard = Heard { files_max: 9, headers_max: 100, ..Heard::default() };
    assert_eq!(walk(&files, 4, &mut heard), Err("enough"));
    assert_eq!(heard.headers.len(), 100);
}

#[test]
fn a_file_that_is_gone_is_said_in_its_turn() {
    let dir = tempfile::tempdir().unwrap();
    let files = files(dir.path(), 3, 10);
    std::fs::remove_file(&files[1].path).unwrap();
    let mut heard = Heard { files_max: 9, headers_max: usize::MAX, ..Heard::default() };
    walk(&files, 2, &mut heard).unwrap();
    assert_eq!(heard.ended, [true, false, true]);
}
