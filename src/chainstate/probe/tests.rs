use std::path::Path;

use adit_domain::consensus::Params;

use super::{block_file, snapshot};

#[path = "../../../tests/common/feed.rs"]
mod feed;

use feed::feed;

/// Feeds a reader of files.
fn feed_file(reader: fn(&Path), seeds: &[&[u8]]) {
    let file = tempfile::NamedTempFile::new().unwrap();
    feed(
        |bytes| {
            std::fs::write(file.path(), bytes).unwrap();
            reader(file.path());
        },
        seeds,
    );
}

#[test]
fn files_of_blocks_of_any_bytes_are_borne() {
    let frame = |magic: [u8; 4], len: u32, body: &[u8]| [&magic, &len.to_le_bytes()[..], body].concat();
    let (ours, theirs) = (Params::regtest().magic, Params::mainnet().magic);
    let blocks = [frame(ours, 85, &[7; 85]), vec![0; 20], frame(ours, 81, &[9; 81])].concat();
    feed_file(
        block_file,
        &[
            &blocks,
            &frame(theirs, 100, &[1; 100]),
            &frame(ours, 5_000_000, &[2; 90]),
            &frame(ours, 500, &[3; 90]),
        ],
    );
}

#[test]
fn snapshots_of_any_bytes_are_borne() {
    let mut whole = b"utxo\xff\x02\x00".to_vec();
    whole.extend(Params::regtest().magic);
    whole.extend([5; 32]);
    whole.extend(2_u64.to_le_bytes());
    // A transaction with two coins: place, height and kind, amount, script.
    whole.extend([6; 32]);
    whole.extend(b"\x02\x00\x02\x00\x00aaaaaaaaaaaaaaaaaaaa\x01\x02\x00\x01bbbbbbbbbbbbbbbbbbbb");
    feed_file(snapshot, &[&whole, &whole[..51]]);
}
