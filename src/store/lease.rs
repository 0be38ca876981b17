//! Numbers that are given out once, whatever happens to the process.
//!
//! Owns: the file `extranonce` of the datadir. Must not know: what the numbers are for.
//!
//! The file has two slots of 12 bytes, written by turns, so that a torn write leaves the other one whole:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | the first number that is not given out, little-endian |
//! | 4 | CRC-32 of these 8 bytes, little-endian |

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use adit_domain::stratum::{LeaseFault, NumberLease};

use crate::disk::{Disk, DiskFile};
use crate::fault::StoreFault;

/// A number and its checksum.
const SLOT_BYTES: usize = 12;
/// Slots in the file.
const SLOTS: u64 = 2;

/// A lease of numbers that a file makes durable.
pub struct FileLease {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    next: u64,
    slot: u64,
}

impl FileLease {
    /// Opens or makes the file.
    pub fn open(disk: &dyn Disk, path: &Path) -> Result<FileLease, StoreFault> {
        let io = || StoreFault::io(path);
        let file = disk.open(path).map_err(io())?;
        let len = file.len().map_err(io())?;
        let (mut state, mut found) = (State::default(), false);
        for slot in 0..SLOTS {
            let Some(next) = read_slot(file.as_ref(), len, slot).map_err(io())? else { continue };
            found = true;
            if next >= state.next {
                // The next write goes over the older one.
                state = State { next, slot: other(slot) };
            }
        }
        // A crash tears one slot. Two that are torn are a damaged disk, and numbers from 0 on would come twice.
        if !found && len >= offset(SLOTS) {
            return Err(StoreFault::Missing { what: "the lease of extranonces" });
        }
        Ok(FileLease { file, path: path.to_owned(), state: Mutex::new(state) })
    }

    /// The first of `count` numbers that nobody else gets; durable when it returns.
    fn take(&self, count: u64) -> Result<u64, StoreFault> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, next) = (state.next, state.next.saturating_add(count));
        let bytes = next.to_le_bytes();
        let slot = [bytes.as_slice(), &crc32fast::hash(&bytes).to_le_bytes()].concat();
        let at = offset(state.slot);
        let written = self.file.write_at(&slot, at).and_then(|()| self.file.sync());
        written.map_err(StoreFault::io(&self.path))?;
        *state = State { next, slot: other(state.slot) };
        Ok(first)
    }
}

impl NumberLease for FileLease {
    fn lease(&self, count: u64) -> Result<u64, LeaseFault> {
        self.take(count).map_err(|fault| LeaseFault(fault.to_string()))
    }
}

/// The number in a slot; none where there is no whole one.
fn read_slot(file: &dyn DiskFile, len: u64, slot: u64) -> std::io::Result<Option<u64>> {
    let mut bytes = [0u8; SLOT_BYTES];
    let at = offset(slot);
    if len < at.saturating_add(offset(1)) {
        return Ok(None);
    }
    file.read_at(&mut bytes, at)?;
    let [n0, n1, n2, n3, n4, n5, n6, n7, crc @ ..] = bytes;
    let number = [n0, n1, n2, n3, n4, n5, n6, n7];
    Ok((crc32fast::hash(&number) == u32::from_le_bytes(crc)).then(|| u64::from_le_bytes(number)))
}

fn other(slot: u64) -> u64 {
    SLOTS.saturating_sub(1).saturating_sub(slot)
}

fn offset(slot: u64) -> u64 {
    u64::try_from(SLOT_BYTES).unwrap_or(0).saturating_mul(slot)
}

#[cfg(test)]
#[path = "lease/tests.rs"]
mod tests;
