//! The key that the bytes of block and undo files are XORed with, as Bitcoin Core does since version 28.
//!
//! It hides nothing: it keeps what strangers put into blocks from lying on disk as it is, where a virus scanner would find it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::disk::{Disk, MachineDisk, write_whole};
use crate::fault::StoreFault;

/// The file that holds the key, beside the files that it is for.
const FILE: &str = "xor.dat";
/// Its name until it is whole.
const UNFINISHED: &str = ".xor.new";
const KEY_BYTES: usize = 8;

/// Eight bytes, repeated from a file's first byte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct XorKey([u8; KEY_BYTES]);

impl XorKey {
    /// Files are as they are.
    pub const NONE: XorKey = XorKey([0; KEY_BYTES]);

    /// The key of these bytes.
    pub const fn new(bytes: [u8; KEY_BYTES]) -> XorKey {
        XorKey(bytes)
    }

    /// Its bytes, as `xor.dat` holds them.
    pub const fn to_bytes(self) -> [u8; KEY_BYTES] {
        self.0
    }

    /// The key in `folder`: none in use where it has no `xor.dat`. A file of another size than 8 bytes is no key.
    pub fn of_folder(folder: &Path) -> Result<XorKey, StoreFault> {
        let path = folder.join(FILE);
        let mut bytes = Vec::new();
        match File::open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(XorKey::NONE),
            opened => {
                let limit = u64::try_from(KEY_BYTES).unwrap_or(u64::MAX).saturating_add(1);
                opened.and_then(|f| f.take(limit).read_to_end(&mut bytes)).map_err(StoreFault::io(&path))?
            }
        };
        let wrong = |_| StoreFault::io(&path)(io::Error::other("a key has 8 bytes"));
        bytes.try_into().map(XorKey).map_err(wrong)
    }

    /// Makes this the key of `folder`, if no file lies there yet whose bytes another one is for; durable when it returns.
    pub fn begin_in(self, folder: &Path) -> Result<(), StoreFault> {
        self.begin_on(&MachineDisk, folder)
    }

    /// As [`XorKey::begin_in`], on another disk.
    pub(crate) fn begin_on(self, disk: &dyn Disk, folder: &Path) -> Result<(), StoreFault> {
        let io = || StoreFault::io(folder);
        let names = disk.names(folder).map_err(io())?;
        // As in Core: what begins with a dot is nobody's data.
        if names.iter().any(|name| !name.as_encoded_bytes().starts_with(b".")) {
            return Ok(());
        }
        let (unfinished, path) = (folder.join(UNFINISHED), folder.join(FILE));
        write_whole(disk, (&unfinished, &path), &self.0, || {}).map_err(io())
    }

    /// Turns bytes that lie at `offset` of a file into what they stand for, or back.
    pub fn apply(self, bytes: &mut [u8], offset: u64) {
        if self == XorKey::NONE {
            return;
        }
        let mut key = self.0;
        // Below 8.
        key.rotate_left(usize::try_from(offset % 8).unwrap_or(0));
        let (eights, rest) = bytes.as_chunks_mut::<KEY_BYTES>();
        let word = u64::from_le_bytes(key);
        eights.iter_mut().for_each(|eight| *eight = (u64::from_le_bytes(*eight) ^ word).to_le_bytes());
        rest.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
    }
}

#[cfg(test)]
#[path = "xor/tests.rs"]
mod tests;
