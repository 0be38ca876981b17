//! A database's pages on disk, each with a checksum beside it, so that what does not read back as it was written is a fault and
//! never an answer.
//!
//! Owns: how a redb database lies in a file (docs/store.md), and that the file lies on a [`Disk`](crate::disk::Disk).
//! Must not know: what is in the pages.
//!
//! redb's own checksums are looked at after a crash and on request; a flipped bit in a key or in the number of a child page would
//! otherwise be a coin that is missing, or a spent one that is not.

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::StorageBackend;

use crate::disk::DiskFile;

/// Bytes of a page: redb's own.
const PAGE: usize = 4096;
const PAGE_BYTES: u64 = 4096;
/// Pages under one page of checksums, 4 bytes each.
const GROUP_PAGES: u64 = 1024;
/// The two pages at the file's start, each with room for one header.
const SLOTS: u64 = 2;
/// Bytes that redb's header takes of its first page.
const HEADER: usize = 320;
const MAGIC: [u8; 8] = *b"aditpag1";
/// Magic, number, header, checksum.
const SLOT: usize = 8 + 8 + HEADER + 4;

/// A file of checked pages, as redb wants it.
pub(crate) struct PageFile {
    file: Arc<dyn DiskFile>,
    head: Mutex<Head>,
    /// Of each group that was touched; 4 kB for 4 MiB of pages.
    groups: RwLock<Vec<Option<Group>>>,
    health: Arc<Health>,
}

/// What redb doesn't tell.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// A header does not read: a write that was cut short, or damage. Then all must be looked at before any is believed.
    pub(crate) fell_back: AtomicBool,
    /// Something failed, and nothing is tried after it. redb passes over what fails when it closes, or when it writes ahead
    /// of time to save memory.
    pub(crate) failed: AtomicBool,
}

/// redb's header, written by turns into two slots, so that one whose write is cut short leaves the one before.
struct Head {
    header: [u8; HEADER],
    number: u64,
    /// Where the last one lies that is durable: the next goes to the other slot.
    durable_slot: u64,
    is_durable: bool,
}

/// Checksums of the pages of a group.
struct Group {
    sums: Vec<u32>,
    is_dirty: bool,
}

impl PageFile {
    /// The file, which may be empty.
    pub(crate) fn open(file: Arc<dyn DiskFile>) -> io::Result<PageFile> {
        let mut head = Head { header: [0; HEADER], number: 0, durable_slot: 1, is_durable: true };
        let mut broken = 0u64;
        let (mut found, is_new) = (false, file.len()? == 0);
        for slot in 0..SLOTS {
            match read_slot(file.as_ref(), slot)? {
                Slot::Whole { number, header } if !found || number > head.number => {
                    head = Head { header, number, durable_slot: slot, is_durable: true };
                    found = true;
                }
                Slot::Whole { .. } | Slot::Unused => {}
                Slot::Broken => broken = broken.saturating_add(1),
            }
        }
        if !found && !is_new {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "the file does not begin as a database of Adit",
            ));
        }
        let health = Arc::new(Health { fell_back: AtomicBool::new(broken > 0), ..Health::default() });
        Ok(PageFile { file, head: Mutex::new(head), groups: RwLock::new(Vec::new()), health })
    }

    pub(crate) fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    /// Nothing is done after something has failed: what is on disk is unknown.
    fn unless_failed<T>(&self, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if self.health.failed.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk failed before"));
        }
        act().inspect_err(|_| self.health.failed.store(true, Ordering::SeqCst))
    }

    fn head(&self) -> MutexGuard<'_, Head> {
        // After a panic the number may be one ahead, which is no matter.
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn groups(&self) -> RwLockReadGuard<'_, Vec<Option<Group>>> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn groups_mut(&self) -> RwLockWriteGuard<'_, Vec<Option<Group>>> {
        self.groups.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The checksum of a page as it was written; 0 for one that never was.
    fn sum(&self, page: u64) -> io::Result<u32> {
        let (group, index) = place(page);
        if let Some(Some(group)) = self.groups().get(group) {
            return Ok(group.sums.get(index).copied().unwrap_or(0));
        }
        self.with_group(group, |group| group.sums.get(index).copied().unwrap_or(0))
    }

    /// Does something with a group, which is read if it was not yet.
    fn with_group<T>(&self, number: usize, mut act: impl FnMut(&mut Group) -> T) -> io::Result<T> {
        loop {
            if let Some(Some(group)) = self.groups_mut().get_mut(number) {
                return Ok(act(group));
            }
            let read = self.read_group(number)?;
            let mut groups = self.groups_mut();
            if groups.len() <= number {
                groups.resize_with(number.saturating_add(1), || None);
            }
            if let Some(group @ None) = groups.get_mut(number) {
                *group = Some(read);
            }
        }
    }

    fn read_group(&self, group: usize) -> io::Result<Group> {
        let mut bytes = [0u8; PAGE];
        let at = sums_offset(group);
        if at.saturating_add(PAGE_BYTES) <= self.file.len()? {
            self.file.read_at(&mut bytes, at)?;
        }
        let (sums, _) = bytes.as_chunks::<4>();
        Ok(Group { sums: sums.iter().map(|sum| u32::from_le_bytes(*sum)).collect(), is_dirty: false })
    }

    fn check(&self, page: u64, bytes: &[u8]) -> io::Result<()> {
        let want = self.sum(page)?;
        let is_unwritten = want == 0 && bytes.iter().all(|byte| *byte == 0);
        if is_unwritten || want == sum_of(page, bytes) {
            return Ok(());
        }
        Err(io::Error::new(ErrorKind::InvalidData, format!("page {page} is damaged: checksum mismatch")))
    }

    fn set_sum(&self, page: u64, sum: u32) -> io::Result<()> {
        let (group, index) = place(page);
        self.with_group(group, |group| {
            if let Some(stored) = group.sums.get_mut(index) {
                group.is_dirty |= *stored != sum;
                *stored = sum;
            }
        })
    }

    fn write_header(&self, data: &[u8]) -> io::Result<()> {
        let mut head = self.head();
        let part = head.header.get_mut(..data.len()).ok_or_else(misplaced)?;
        part.copy_from_slice(data);
        head.number = head.number.saturating_add(1);
        head.is_durable = false;
        // The durable one stays, however often it is written before the next sync.
        let slot = SLOTS.saturating_sub(1).saturating_sub(head.durable_slot);
        self.file.write_at(&slot_bytes(head.number, &head.header), slot.saturating_mul(PAGE_BYTES))
    }

    fn read_header(&self, out: &mut [u8]) -> io::Result<()> {
        let head = self.head();
        out.copy_from_slice(head.header.get(..out.len()).ok_or_else(misplaced)?);
        Ok(())
    }

    /// Cuts or extends by whole pages; what is cut is as if it had never been written.
    fn resize(&self, pages: u64) -> io::Result<()> {
        let known = self.pages()?;
        for page in pages..known {
            self.set_sum(page, 0)?;
        }
        self.file.set_len(file_pages(pages).saturating_mul(PAGE_BYTES))
    }

    fn pages(&self) -> io::Result<u64> {
        let pages = (self.file.len()? / PAGE_BYTES).saturating_sub(SLOTS);
        let (whole, rest) = (pages / (GROUP_PAGES + 1), pages % (GROUP_PAGES + 1));
        Ok(whole.saturating_mul(GROUP_PAGES).saturating_add(rest.saturating_sub(1)))
    }

    fn write_sums(&self) -> io::Result<()> {
        let mut dirty = Vec::new();
        for (number, group) in self.groups_mut().iter_mut().enumerate() {
            if let Some(group) = group.as_mut().filter(|group| group.is_dirty) {
                group.is_dirty = false;
                let bytes: Vec<u8> = group.sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
                dirty.push((number, bytes));
            }
        }
        for (number, bytes) in dirty {
            let at = sums_offset(number);
            // Of a group that the file has been cut before, nothing is left to be checked.
            if at < self.file.len()? {
                self.file.write_at(&bytes, at)?;
            }
        }
        Ok(())
    }
}

impl PageFile {
    fn read_pages(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        for run in runs(offset, out.len())? {
            let part = out.get_mut(run.bytes).ok_or_else(misplaced)?;
            self.file.read_at(part, page_offset(run.page))?;
            for (page, bytes) in (run.page..).zip(part.chunks_exact(PAGE)) {
                self.check(page, bytes)?;
            }
        }
        Ok(())
    }

    fn write_pages(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        for run in runs(offset, data.len())? {
            let part = data.get(run.bytes).ok_or_else(misplaced)?;
            for (page, bytes) in (run.page..).zip(part.chunks_exact(PAGE)) {
                self.set_sum(page, sum_of(page, bytes))?;
            }
            self.file.write_at(part, page_offset(run.page))?;
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.write_sums()?;
        self.file.sync()?;
        let mut head = self.head();
        if !head.is_durable {
            head.durable_slot = SLOTS.saturating_sub(1).saturating_sub(head.durable_slot);
            head.is_durable = true;
        }
        Ok(())
    }
}

impl StorageBackend for PageFile {
    fn len(&self) -> io::Result<u64> {
        self.unless_failed(|| Ok(self.pages()?.saturating_mul(PAGE_BYTES)))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let is_header = offset == 0 && out.len() <= HEADER;
        self.unless_failed(|| if is_header { self.read_header(out) } else { self.read_pages(offset, out) })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let is_whole = len.is_multiple_of(PAGE_BYTES);
        self.unless_failed(|| if is_whole { self.resize(len / PAGE_BYTES) } else { Err(misplaced()) })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.unless_failed(|| self.sync())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let is_header = offset == 0 && data.len() <= HEADER;
        self.unless_failed(
            || if is_header { self.write_header(data) } else { self.write_pages(offset, data) },
        )
    }
}

impl fmt::Debug for PageFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageFile").finish_non_exhaustive()
    }
}

/// Pages that lie side by side in the file, and where their bytes are in what is read or written.
struct RunOfPages {
    page: u64,
    bytes: std::ops::Range<usize>,
}

/// A stretch of whole pages, cut where a page of checksums lies between.
fn runs(offset: u64, len: usize) -> io::Result<Vec<RunOfPages>> {
    if !offset.is_multiple_of(PAGE_BYTES) || !len.is_multiple_of(PAGE) || offset == 0 {
        return Err(misplaced());
    }
    let (mut runs, mut page, mut from) = (Vec::new(), offset / PAGE_BYTES, 0usize);
    while from < len {
        let room = GROUP_PAGES.saturating_sub(page % GROUP_PAGES);
        let room_bytes = usize::try_from(room.saturating_mul(PAGE_BYTES)).unwrap_or(usize::MAX);
        let to = from.saturating_add(room_bytes).min(len);
        runs.push(RunOfPages { page, bytes: from..to });
        (page, from) = (page.saturating_add(room), to);
    }
    Ok(runs)
}

/// What redb never does: to write parts of pages, or more of the first one than its header.
fn misplaced() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, "no whole pages")
}

/// Of nothing that was ever written it is 0.
fn sum_of(page: u64, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&page.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize().max(1)
}

/// The group of a page, and its number in it.
fn place(page: u64) -> (usize, usize) {
    let to_usize = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    (to_usize(page / GROUP_PAGES), to_usize(page % GROUP_PAGES))
}

fn sums_offset(group: usize) -> u64 {
    let group = u64::try_from(group).unwrap_or(u64::MAX);
    group.saturating_mul(GROUP_PAGES + 1).saturating_add(SLOTS).saturating_mul(PAGE_BYTES)
}

/// A page lies behind the checksums of its group.
fn page_offset(page: u64) -> u64 {
    let index = (page % GROUP_PAGES).saturating_add(1);
    sums_offset(place(page).0).saturating_add(index.saturating_mul(PAGE_BYTES))
}

/// Pages of a file that has room for so many of redb's.
fn file_pages(pages: u64) -> u64 {
    SLOTS.saturating_add(pages).saturating_add(pages.div_ceil(GROUP_PAGES))
}

enum Slot {
    Unused,
    Whole { number: u64, header: [u8; HEADER] },
    Broken,
}

fn slot_bytes(number: u64, header: &[u8; HEADER]) -> Vec<u8> {
    let mut bytes = [MAGIC.as_slice(), &number.to_le_bytes(), header].concat();
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fn read_slot(file: &dyn DiskFile, slot: u64) -> io::Result<Slot> {
    let mut bytes = [0u8; SLOT];
    let at = slot.saturating_mul(PAGE_BYTES);
    if at.saturating_add(PAGE_BYTES) > file.len()? {
        return Ok(Slot::Unused);
    }
    file.read_at(&mut bytes, at)?;
    if bytes == [0; SLOT] {
        return Ok(Slot::Unused);
    }
    Ok(decode_slot(&bytes).unwrap_or(Slot::Broken))
}

fn decode_slot(bytes: &[u8]) -> Option<Slot> {
    let (body, sum) = bytes.split_last_chunk::<4>()?;
    let (magic, rest) = body.split_first_chunk::<8>()?;
    let (number, header) = rest.split_first_chunk::<8>()?;
    let is_whole = crc32fast::hash(body) == u32::from_le_bytes(*sum) && *magic == MAGIC;
    let header = header.try_into().ok()?;
    is_whole.then_some(Slot::Whole { number: u64::from_le_bytes(*number), header })
}

#[cfg(test)]
#[path = "pages/tests.rs"]
mod tests;
