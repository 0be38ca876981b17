use std::collections::BTreeMap;

use adit_domain::payout::{ShareCredit, ShareSeq, ShareTotals};
use adit_domain::units::UnixMillis;

use super::codec::Cursor;

/// What a file of sums begins with, the format's number in it.
const SUMS_MAGIC: [u8; 8] = *b"ADITSUM1";
/// Workers that are counted by name. Names are the miners' to choose, and a row takes about 300 bytes: 30 MB. What comes
/// beyond is counted under its address alone; what is owed goes by address and is never cut.
pub(super) const WORKERS_MAX: usize = 100_000;

/// Rows of what all files add up to, which is for people to look at: 30 MB. Who hashed longest ago makes room, and is counted
/// with the [`OTHERS`]. A file's own sums, by which rewards are split, have every address: 200,000 shares at most.
pub(super) const TOTALS_MAX: usize = WORKERS_MAX;
/// Who stands here is no address of any network.
pub(super) const OTHERS: &str = "others";

/// Address and worker.
pub(super) type WorkerKey = (String, String);

/// What each worker has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) rows: BTreeMap<WorkerKey, ShareTotals>,
    /// The sum of all difficulties.
    pub(super) work_raw: u128,
}

impl Sums {
    pub(super) fn add(&mut self, share: &ShareCredit) {
        let one =
            ShareTotals { shares: 1, work_raw: u128::from(share.difficulty.to_raw()), last_at: share.at };
        self.add_row((share.address.clone(), share.worker.clone()), &one);
    }

    pub(super) fn add_all(&mut self, other: &Sums) {
        for (key, row) in &other.rows {
            self.add_row(key.clone(), row);
        }
    }

    /// Where there are so many rows, the quarter that hashed longest ago is counted as one.
    pub(super) fn bound(&mut self, rows_max: usize) {
        if self.rows.len() < rows_max {
            return;
        }
        let mut left = self.rows.len().saturating_sub(rows_max.saturating_sub(rows_max / 4));
        let mut ages: Vec<UnixMillis> = self.rows.values().map(|row| row.last_at).collect();
        ages.sort_unstable();
        let last_that_goes = left.checked_sub(1).and_then(|n| ages.get(n)).copied();
        let mut others = ShareTotals::default();
        self.rows.retain(|_, row| {
            let goes = left > 0 && Some(row.last_at) <= last_that_goes;
            if goes {
                left = left.saturating_sub(1);
                join(&mut others, row);
            }
            !goes
        });
        join(self.rows.entry((OTHERS.to_owned(), String::new())).or_default(), &others);
    }

    fn add_row(&mut self, mut key: WorkerKey, more: &ShareTotals) {
        if self.rows.len() >= WORKERS_MAX && !self.rows.contains_key(&key) {
            key.1 = String::new();
        }
        join(self.rows.entry(key).or_default(), more);
        self.work_raw = self.work_raw.saturating_add(more.work_raw);
    }
}

fn join(row: &mut ShareTotals, more: &ShareTotals) {
    row.shares = row.shares.saturating_add(more.shares);
    row.work_raw = row.work_raw.saturating_add(more.work_raw);
    row.last_at = row.last_at.max(more.last_at);
}

/// A segment that will not change any more: its places, its own sums, and those of all segments up to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SealedSums {
    pub(super) first: ShareSeq,
    pub(super) last: ShareSeq,
    pub(super) own: Sums,
    pub(super) all: Sums,
}

impl SealedSums {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = SUMS_MAGIC.to_vec();
        out.extend_from_slice(&self.first.to_u64().to_le_bytes());
        out.extend_from_slice(&self.last.to_u64().to_le_bytes());
        encode_sums(&self.own, &mut out);
        encode_sums(&self.all, &mut out);
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// None where the bytes are not exactly what [`SealedSums::encode`] wrote.
    pub(super) fn decode(bytes: &[u8]) -> Option<SealedSums> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut from = Cursor(body);
        if from.array()? != SUMS_MAGIC {
            return None;
        }
        let (first, last) = (ShareSeq::new(from.u64()?), ShareSeq::new(from.u64()?));
        let (own, all) = (decode_sums(&mut from)?, decode_sums(&mut from)?);
        from.0.is_empty().then_some(SealedSums { first, last, own, all })
    }
}

fn encode_sums(sums: &Sums, out: &mut Vec<u8>) {
    out.extend_from_slice(&u64::try_from(sums.rows.len()).unwrap_or(u64::MAX).to_le_bytes());
    for ((address, worker), row) in &sums.rows {
        for name in [address, worker] {
            // Names came out of records, whose lengths have one byte.
            out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(name.as_bytes());
        }
        out.extend_from_slice(&row.shares.to_le_bytes());
        out.extend_from_slice(&row.work_raw.to_le_bytes());
        out.extend_from_slice(&row.last_at.to_ms().to_le_bytes());
    }
}

fn decode_sums(from: &mut Cursor<'_>) -> Option<Sums> {
    let mut sums = Sums::default();
    for _ in 0..from.u64()? {
        let key = (from.name()?, from.name()?);
        let shares = from.u64()?;
        let work_raw = from.u128()?;
        let row = ShareTotals { shares, work_raw, last_at: UnixMillis::new(from.u64()?) };
        sums.work_raw = sums.work_raw.saturating_add(work_raw);
        sums.rows.insert(key, row);
    }
    Some(sums)
}

#[cfg(test)]
#[path = "sums/tests.rs"]
mod tests;
