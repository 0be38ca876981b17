use adit_domain::payout::{ADDRESS_BYTES_MAX, ShareCredit, ShareSeq, WORKER_BYTES_MAX};
use adit_domain::units::{Difficulty, Height, UnixMillis};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;

/// What a group begins with.
pub(super) const GROUP_MAGIC: [u8; 4] = *b"ADsg";
/// What a segment begins with, the format's number in it.
const SEGMENT_MAGIC: [u8; 8] = *b"ADITSHR1";
/// Bytes of a segment's head: magic 8, first place 8, checksum 4.
pub(super) const SEGMENT_HEAD_BYTES: usize = 20;
/// Bytes of a group's head: magic 4, length of the body 4, first place 8, count 4, checksum 4.
pub(super) const GROUP_HEAD_BYTES: usize = 24;
/// Bytes of a record at most: hash 32, parent 32, submission 16, time 8, difficulty 8, height 1 + 4, and two names with a
/// byte of length each.
const RECORD_BYTES_MAX: usize = 103 + ADDRESS_BYTES_MAX + WORKER_BYTES_MAX;
/// Shares that one group takes: 338 kB a write, which a disk takes in a few milliseconds; what waits meanwhile is the next group.
pub const GROUP_SHARES_MAX: usize = 1024;
/// Bytes of a group at most: 1,024 records of 330 bytes and the head, 338 kB.
pub(super) const GROUP_BYTES_MAX: usize = GROUP_HEAD_BYTES + GROUP_SHARES_MAX * RECORD_BYTES_MAX;

/// Shares that were made durable together.
pub(super) struct Group {
    pub(super) first: ShareSeq,
    pub(super) shares: Vec<ShareCredit>,
    /// Bytes that it takes in the file.
    pub(super) bytes: usize,
}

impl Group {
    /// Each share with its place.
    pub(super) fn numbered(&self) -> impl DoubleEndedIterator<Item = (ShareSeq, &ShareCredit)> {
        let first = self.first.to_u64();
        let places = (0u64..).take(self.shares.len()).collect::<Vec<u64>>();
        places.into_iter().map(move |n| ShareSeq::new(first.saturating_add(n))).zip(self.shares.iter())
    }
}

pub(super) fn encode_segment_head(first: ShareSeq) -> Vec<u8> {
    let mut out = SEGMENT_MAGIC.to_vec();
    out.extend_from_slice(&first.to_u64().to_le_bytes());
    let crc = crc32fast::hash(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

pub(super) fn decode_segment_head(bytes: &[u8]) -> Option<ShareSeq> {
    let head = bytes.get(..SEGMENT_HEAD_BYTES)?;
    let first = ShareSeq::new(u64::from_le_bytes(head.get(8..16)?.try_into().ok()?));
    (encode_segment_head(first) == head).then_some(first)
}

/// None where a name does not fit, or there are too many.
pub(super) fn encode_group(first: ShareSeq, shares: &[&ShareCredit]) -> Option<Vec<u8>> {
    let count = u32::try_from(shares.len()).ok().filter(|_| shares.len() <= GROUP_SHARES_MAX)?;
    let mut body = Vec::with_capacity(shares.len().saturating_mul(RECORD_BYTES_MAX));
    for share in shares {
        encode_share(share, &mut body)?;
    }
    let mut out = GROUP_MAGIC.to_vec();
    out.extend_from_slice(&u32::try_from(body.len()).ok()?.to_le_bytes());
    out.extend_from_slice(&first.to_u64().to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    let crc = group_crc(out.get(4..)?, &body);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&body);
    Some(out)
}

fn group_crc(head: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(body);
    hasher.finalize()
}

fn encode_share(share: &ShareCredit, out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(share.share_hash.as_byte_array());
    out.extend_from_slice(share.prev.as_byte_array());
    out.extend_from_slice(&share.submission.to_le_bytes());
    out.extend_from_slice(&share.at.to_ms().to_le_bytes());
    out.extend_from_slice(&share.difficulty.to_raw().to_le_bytes());
    out.push(u8::from(share.block_height.is_some()));
    out.extend_from_slice(&share.block_height.unwrap_or_default().to_u32().to_le_bytes());
    encode_name(&share.address, ADDRESS_BYTES_MAX, out)?;
    encode_name(&share.worker, WORKER_BYTES_MAX, out)
}

fn encode_name(name: &str, bytes_max: usize, out: &mut Vec<u8>) -> Option<()> {
    let len = u8::try_from(name.len()).ok().filter(|_| name.len() <= bytes_max)?;
    out.push(len);
    out.extend_from_slice(name.as_bytes());
    Some(())
}

/// The group at the start of `bytes`; none where there is no whole, undamaged one.
pub(super) fn decode_group(bytes: &[u8]) -> Option<Group> {
    let mut head = Cursor(bytes);
    if head.take(4)? != GROUP_MAGIC {
        return None;
    }
    let body_len = usize::try_from(head.u32()?).ok()?;
    let (first, count, crc) = (ShareSeq::new(head.u64()?), head.u32()?, head.u32()?);
    let body = head.take(body_len)?;
    if usize::try_from(count).ok()? > GROUP_SHARES_MAX || group_crc(bytes.get(4..20)?, body) != crc {
        return None;
    }
    let mut records = Cursor(body);
    let shares = (0..count).map(|_| decode_share(&mut records)).collect::<Option<Vec<_>>>()?;
    let bytes = GROUP_HEAD_BYTES.saturating_add(body_len);
    (records.0.is_empty() && !shares.is_empty()).then_some(Group { first, shares, bytes })
}

fn decode_share(from: &mut Cursor<'_>) -> Option<ShareCredit> {
    Some(ShareCredit {
        share_hash: BlockHash::from_byte_array(from.array()?),
        prev: BlockHash::from_byte_array(from.array()?),
        submission: u128::from_le_bytes(from.array()?),
        at: UnixMillis::new(from.u64()?),
        difficulty: Difficulty::from_raw(from.u64()?).ok()?,
        block_height: decode_height(from)?,
        address: from.name()?,
        worker: from.name()?,
    })
}

fn decode_height(from: &mut Cursor<'_>) -> Option<Option<Height>> {
    let (flag, height) = (from.u8()?, from.u32()?);
    match flag {
        0 => Some(None),
        1 => Some(Some(Height::new(height))),
        _ => None,
    }
}

/// Bytes, read from the front.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }

    /// A name with its length in one byte before it.
    pub(super) fn name(&mut self) -> Option<String> {
        let len = usize::from(self.u8()?);
        Some(std::str::from_utf8(self.take(len)?).ok()?.to_owned())
    }
}
