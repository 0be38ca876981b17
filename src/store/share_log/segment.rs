use std::io;
use std::path::{Path, PathBuf};

use adit_domain::payout::{ShareLogFault, ShareSeq};

use super::codec::{
    GROUP_BYTES_MAX, GROUP_HEAD_BYTES, GROUP_MAGIC, Group, SEGMENT_HEAD_BYTES, decode_group,
    decode_segment_head, encode_segment_head,
};
use super::sums::{SealedSums, Sums, TOTALS_MAX};
use crate::disk::{Disk, DiskFile};

/// Bytes of a file of sums at most: two tables of [`super::sums::WORKERS_MAX`] rows of 262 bytes, four times over, since
/// addresses beyond are still counted.
const SUMS_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Where a group lies in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) first: ShareSeq,
    pub(super) offset: u64,
}

/// A file that will not change any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) number: u32,
    pub(super) first: ShareSeq,
    pub(super) last: ShareSeq,
    pub(super) work_raw: u128,
}

/// The file that grows, as it was found.
pub(super) struct Tail {
    pub(super) first: ShareSeq,
    pub(super) next: ShareSeq,
    pub(super) groups: Vec<Place>,
    pub(super) sums: Sums,
    pub(super) end: u64,
    pub(super) torn_bytes: u64,
}

pub(super) fn storage(error: io::Error) -> ShareLogFault {
    ShareLogFault::Storage(error.to_string())
}

fn damaged(text: &str) -> ShareLogFault {
    ShareLogFault::Damaged(text.to_owned())
}

pub(super) fn shares_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:08}.shares"))
}

pub(super) fn sums_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:08}.sums"))
}

/// The numbers of the files in `dir`, rising and without a gap; the oldest may have been taken away.
pub(super) fn numbers(disk: &dyn Disk, dir: &Path) -> Result<Vec<u32>, ShareLogFault> {
    let mut numbers = Vec::new();
    for name in disk.names(dir).map_err(storage)? {
        let stem = name.to_str().and_then(|n| n.strip_suffix(".shares"));
        numbers.extend(stem.filter(|s| s.len() == 8).and_then(|s| s.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    let gapless =
        numbers.windows(2).all(|two| two.first().map(|n| n.saturating_add(1)) == two.last().copied());
    if gapless { Ok(numbers) } else { Err(damaged("a file of shares is missing between two others")) }
}

/// Makes the file an empty segment; where its groups begin.
pub(super) fn begin(file: &dyn DiskFile, first: ShareSeq) -> Result<u64, ShareLogFault> {
    file.set_len(0).map_err(storage)?;
    file.write_at(&encode_segment_head(first), 0).map_err(storage)?;
    file.sync().map_err(storage)?;
    Ok(to_u64(SEGMENT_HEAD_BYTES))
}

/// Reads the file that grows, and cuts what a killed process left half written.
///
/// A group is written only when the one before it is durable. So what does not read back is the last thing in the file,
/// and nobody was told of it; a whole group behind it means that something durable was damaged.
pub(super) fn scan_tail(file: &dyn DiskFile, expected: Option<ShareSeq>) -> Result<Tail, ShareLogFault> {
    let bytes = read_whole(file)?;
    let Some(first) = decode_segment_head(&bytes) else {
        require_no_group(&bytes)?;
        let first = expected.unwrap_or(ShareSeq::new(1));
        let end = begin(file, first)?;
        let torn_bytes = to_u64(bytes.len());
        return Ok(Tail { first, next: first, groups: vec![], sums: Sums::default(), end, torn_bytes });
    };
    if expected.is_some_and(|e| e != first) {
        return Err(damaged("a file of shares does not go on where the one before ends"));
    }
    let mut tail = scan(&bytes, first)?;
    let rest = bytes.get(to_usize(tail.end)..).unwrap_or_default();
    if !rest.is_empty() {
        require_no_group(rest)?;
        tail.torn_bytes = to_u64(rest.len());
        tracing::warn!(bytes = tail.torn_bytes, "share log: cut a group that was never acknowledged");
        file.set_len(tail.end).map_err(storage)?;
        file.sync().map_err(storage)?;
    }
    Ok(tail)
}

/// The groups of a file, up to the first that does not read back.
fn scan(bytes: &[u8], first: ShareSeq) -> Result<Tail, ShareLogFault> {
    let (mut groups, mut sums) = (Vec::new(), Sums::default());
    let (mut at, mut next) = (SEGMENT_HEAD_BYTES, first);
    while let Some(group) = bytes.get(at..).and_then(decode_group) {
        if group.first != next {
            return Err(damaged("a group of shares is out of its place"));
        }
        groups.push(Place { first: next, offset: to_u64(at) });
        for (seq, share) in group.numbered() {
            sums.add(share);
            next = seq.next();
        }
        at = at.saturating_add(group.bytes);
    }
    Ok(Tail { first, next, groups, sums, end: to_u64(at), torn_bytes: 0 })
}

fn require_no_group(bytes: &[u8]) -> Result<(), ShareLogFault> {
    let starts = bytes.windows(GROUP_MAGIC.len()).enumerate().filter(|(_, w)| *w == GROUP_MAGIC);
    for (at, _) in starts {
        if bytes.get(at..).and_then(decode_group).is_some() {
            return Err(damaged("shares that were durable do not read back"));
        }
    }
    Ok(())
}

/// A file that is full: from its sums where they are there, else read whole (and the sums are written again).
///
/// `expected` is its first place where that is known; `before` what all files before it add up to. Also returns what all add
/// up to with it.
pub(super) fn read_sealed(
    disk: &dyn Disk,
    dir: &Path,
    number: u32,
    expected: Option<ShareSeq>,
    before: &Sums,
) -> Result<(Sealed, Sums), ShareLogFault> {
    let sums = match read_sums(disk, &sums_path(dir, number))? {
        Some(sums) => sums,
        None => {
            let sums = sum_up(disk, dir, number, before)?;
            write_sums(disk, &sums_path(dir, number), &sums)?;
            sums
        }
    };
    if expected.is_some_and(|e| e != sums.first) {
        return Err(damaged("a file of shares does not go on where the one before ends"));
    }
    Ok((Sealed { number, first: sums.first, last: sums.last, work_raw: sums.own.work_raw }, sums.all))
}

fn sum_up(disk: &dyn Disk, dir: &Path, number: u32, before: &Sums) -> Result<SealedSums, ShareLogFault> {
    let file = disk.open(&shares_path(dir, number)).map_err(storage)?;
    let tail = scan_sealed(&*file)?;
    let last = tail.next.to_u64().checked_sub(1).map(ShareSeq::new).unwrap_or_default();
    let mut all = before.clone();
    all.add_all(&tail.sums);
    all.bound(TOTALS_MAX);
    Ok(SealedSums { first: tail.first, last, own: tail.sums, all })
}

/// A full file was durable to its end: whatever does not read back is damage.
fn scan_sealed(file: &dyn DiskFile) -> Result<Tail, ShareLogFault> {
    let bytes = read_whole(file)?;
    let first = decode_segment_head(&bytes).ok_or_else(|| damaged("a file of shares has no head"))?;
    let tail = scan(&bytes, first)?;
    let is_whole = tail.end == to_u64(bytes.len()) && tail.next > first;
    if is_whole { Ok(tail) } else { Err(damaged("shares that were durable do not read back")) }
}

/// Where the groups of a full file lie.
pub(super) fn places(file: &dyn DiskFile, sealed: &Sealed) -> Result<Vec<Place>, ShareLogFault> {
    let tail = scan_sealed(file)?;
    let fits = tail.first == sealed.first && tail.next == sealed.last.next();
    if fits { Ok(tail.groups) } else { Err(damaged("a file of shares is not what its sums say")) }
}

/// What a full file adds up to.
pub(super) fn sums_of(disk: &dyn Disk, dir: &Path, sealed: &Sealed) -> Result<Sums, ShareLogFault> {
    match read_sums(disk, &sums_path(dir, sealed.number))? {
        Some(sums) if (sums.first, sums.last) == (sealed.first, sealed.last) => Ok(sums.own),
        _ => Ok(sum_up(disk, dir, sealed.number, &Sums::default())?.own),
    }
}

/// Writes sums; they are derived, so that a torn file of them costs one more read of the shares and nothing else.
pub(super) fn write_sums(disk: &dyn Disk, path: &Path, sums: &SealedSums) -> Result<(), ShareLogFault> {
    let bytes = sums.encode();
    let file = disk.open(path).map_err(storage)?;
    file.set_len(0).map_err(storage)?;
    file.write_at(&bytes, 0).map_err(storage)?;
    file.sync().map_err(storage)
}

fn read_sums(disk: &dyn Disk, path: &Path) -> Result<Option<SealedSums>, ShareLogFault> {
    let file = disk.open(path).map_err(storage)?;
    if file.len().map_err(storage)? > SUMS_BYTES_MAX {
        return Ok(None);
    }
    Ok(SealedSums::decode(&read_all(&*file)?))
}

/// One group that is known to be there.
pub(super) fn read_group(file: &dyn DiskFile, place: Place) -> Result<Group, ShareLogFault> {
    let missing = || damaged("a group of shares does not read back");
    let mut head = [0u8; GROUP_HEAD_BYTES];
    file.read_at(&mut head, place.offset).map_err(storage)?;
    let body = head.get(4..8).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes).ok_or_else(missing)?;
    let bytes = GROUP_HEAD_BYTES.saturating_add(usize::try_from(body).unwrap_or(usize::MAX));
    if bytes > GROUP_BYTES_MAX {
        return Err(missing());
    }
    let mut whole = vec![0u8; bytes];
    file.read_at(&mut whole, place.offset).map_err(storage)?;
    decode_group(&whole).filter(|g| g.first == place.first).ok_or_else(missing)
}

fn read_whole(file: &dyn DiskFile) -> Result<Vec<u8>, ShareLogFault> {
    let bytes_max = super::SEGMENT_BYTES_MAX.saturating_add(to_u64(GROUP_BYTES_MAX));
    if file.len().map_err(storage)? > bytes_max {
        return Err(damaged("a file of shares is longer than any is made"));
    }
    read_all(file)
}

fn read_all(file: &dyn DiskFile) -> Result<Vec<u8>, ShareLogFault> {
    let mut bytes = vec![0u8; to_usize(file.len().map_err(storage)?)];
    file.read_at(&mut bytes, 0).map_err(storage)?;
    Ok(bytes)
}

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
