//! Files that somebody may have put there: what is read is written again as it was.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use adit_chainstate::probe;
use adit_domain::mempool::Archive;
use adit_domain::peer::{AddressBook, BanList};
use bitcoin::hashes::{Hash, sha256d};

/// A mempool.dat.
pub fn mempool_file(data: &[u8]) {
    let Ok(archive) = Archive::decode(data.to_vec()) else { return };
    // A row takes 40 bytes at least: nothing is made of what is only announced.
    assert!(archive.txs.len() + archive.deltas.len() + archive.unbroadcast.len() <= data.len() / 30);
    // A time that no clock tells is the last one that is known; whatever is written stays as it is.
    for key in [None, Some([7; 8])] {
        let bytes = archive.encode(key);
        let again = Archive::decode(bytes.clone()).expect("our own bytes");
        assert_eq!(again.encode(key), bytes);
    }
}

/// A peers.dat, whose sum is put right.
pub fn peers_file(data: &[u8]) {
    let _ = AddressBook::from_bytes(data);
    let sum = sha256d::Hash::hash(data).to_byte_array();
    let Ok(book) = AddressBook::from_bytes(&[data, &sum].concat()) else { return };
    assert!(AddressBook::from_bytes(&book.to_bytes()).is_ok());
}

/// A banlist.json.
pub fn bans_file(data: &[u8]) {
    let Ok(bans) = BanList::from_json(data) else { return };
    assert_eq!(BanList::from_json(bans.to_json().as_bytes()).as_ref(), Ok(&bans));
}

/// A blk*.dat.
pub fn block_file(data: &[u8]) {
    with_file(data, probe::block_file);
}

/// A file of coins.
pub fn snapshot(data: &[u8]) {
    with_file(data, probe::snapshot);
}

fn with_file(data: &[u8], read: impl Fn(&Path)) {
    static FILE: LazyLock<PathBuf> =
        LazyLock::new(|| std::env::temp_dir().join(format!("adit-fuzz-{}", std::process::id())));
    std::fs::write(&*FILE, data).expect("a file in the folder of temporary ones");
    read(&FILE);
}
