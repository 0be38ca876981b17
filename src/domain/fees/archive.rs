//! What is remembered as bytes, to be kept over a restart: Core's `fee_estimates.dat`. All numbers are little-endian; a float is its IEEE 754
//! bits.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | the version: 309900 |
//! | 4 | the highest block that was counted |
//! | 4, 4 | the first and the last block that the numbers rest on |
//! | row | the buckets' upper bounds: satoshis per 1,000 virtual bytes |
//! | three memories: 8, 4 | the medium, the short and the long one: what is left after a block, a float; blocks a period |
//! | row | the sum of the feerates of those that blocks took, a bucket |
//! | row | how many they took |
//! | CompactSize, rows | a row a period: those of them that had waited for no longer |
//! | CompactSize, rows | a row a period: those that left without a block, and had waited for longer |
//!
//! A row is a CompactSize, how many numbers it has, and so many floats.

use bitcoin::{VarInt, consensus};
use thiserror::Error;

use super::estimator::TARGET_MAX;
use super::horizon::{Horizon, Pace};
use super::{FeeEstimator, Memory};

const VERSION: u32 = 309_900;
/// Buckets that a file may have: Core's limit. With 1,008 periods at most a file has three times 16 MB.
const BUCKETS_MAX: usize = 1_000;
/// The memories in the file's order.
const ORDER: [Memory; 3] = [Memory::Medium, Memory::Short, Memory::Long];

/// Why bytes are not what was remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ArchiveError {
    /// Of another version.
    #[error("of another version")]
    Version,
    /// They end too early.
    #[error("the bytes end too early")]
    Truncated,
    /// The blocks are in no order.
    #[error("the blocks that it rests on are in no order")]
    Blocks,
    /// Too few buckets or too many, or they do not rise.
    #[error("the buckets are too few, too many, or do not rise")]
    Buckets,
    /// A memory that forgets all, or nothing; or that looks too far ahead, or not at all.
    #[error("a memory forgets all or nothing, or looks too far ahead or not at all")]
    Pace,
    /// A row of another length, or a number that cannot be.
    #[error("a row has another length than there are buckets, or holds what is no number")]
    Row,
}

impl FeeEstimator {
    /// As bytes. Those that wait are not among them.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let is_own = self.blocks_counted() > self.blocks_of_history() / 2;
        let (first, last) = if is_own { (self.first, self.best) } else { self.history };
        for number in [VERSION, self.best, first, last] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        put_row(&mut bytes, &self.buckets);
        for horizon in [&self.medium, &self.short, &self.long] {
            bytes.extend_from_slice(&horizon.pace.decay.to_le_bytes());
            bytes.extend_from_slice(&horizon.pace.scale.to_le_bytes());
            put_row(&mut bytes, &horizon.feerates);
            put_row(&mut bytes, &horizon.confirmed);
            for rows in [&horizon.within, &horizon.failed] {
                bytes.extend_from_slice(&consensus::serialize(&VarInt::from(rows.len())));
                rows.iter().for_each(|row| put_row(&mut bytes, row));
            }
        }
        bytes
    }

    /// Reads them again. What stands behind the end is not looked at, as in Core.
    pub fn decode(bytes: &[u8]) -> Result<FeeEstimator, ArchiveError> {
        let mut rest = Rest(bytes);
        require(rest.number()? == VERSION, ArchiveError::Version)?;
        let (best, first, last) = (rest.number()?, rest.number()?, rest.number()?);
        require(first <= last && last <= best, ArchiveError::Blocks)?;
        let buckets = rest.buckets()?;
        let mut horizon = |memory| rest.horizon(memory, buckets.len());
        let [medium, short, long] = ORDER;
        let (medium, short, long) = (horizon(medium)?, horizon(short)?, horizon(long)?);
        let read = FeeEstimator::of(buckets, [short, medium, long]);
        Ok(FeeEstimator { best, history: (first, last), ..read })
    }
}

fn require(holds: bool, error: ArchiveError) -> Result<(), ArchiveError> {
    if holds { Ok(()) } else { Err(error) }
}

fn put_row(bytes: &mut Vec<u8>, row: &[f64]) {
    bytes.extend_from_slice(&consensus::serialize(&VarInt::from(row.len())));
    row.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
}

/// Bytes that are not read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ArchiveError> {
        let (front, after) = self.0.split_first_chunk::<N>().ok_or(ArchiveError::Truncated)?;
        self.0 = after;
        Ok(*front)
    }

    fn number(&mut self) -> Result<u32, ArchiveError> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn real(&mut self) -> Result<f64, ArchiveError> {
        Ok(f64::from_le_bytes(self.take()?))
    }

    /// A CompactSize. What it announces is not reserved: each number is there, or the bytes end.
    fn size(&mut self) -> Result<u64, ArchiveError> {
        let (VarInt(size), length) =
            consensus::deserialize_partial(self.0).map_err(|_| ArchiveError::Truncated)?;
        self.0 = self.0.get(length..).unwrap_or_default();
        Ok(size)
    }

    /// So many that are no less than nothing.
    fn row(&mut self, count: usize) -> Result<Vec<f64>, ArchiveError> {
        require(usize::try_from(self.size()?) == Ok(count), ArchiveError::Row)?;
        let row = (0..count).map(|_| self.real()).collect::<Result<Vec<f64>, ArchiveError>>()?;
        require(row.iter().all(|number| number.is_finite() && *number >= 0.0), ArchiveError::Row)?;
        Ok(row)
    }

    fn buckets(&mut self) -> Result<Vec<f64>, ArchiveError> {
        let count = usize::try_from(self.size()?).ok().filter(|count| (2..=BUCKETS_MAX).contains(count));
        let count = count.ok_or(ArchiveError::Buckets)?;
        let buckets = (0..count).map(|_| self.real()).collect::<Result<Vec<f64>, ArchiveError>>()?;
        let rising = buckets.iter().zip(buckets.iter().skip(1)).all(|(below, above)| below < above);
        require(rising && buckets.iter().all(|bound| *bound > 0.0), ArchiveError::Buckets)?;
        Ok(buckets)
    }

    /// A row a period, of which there are so many.
    fn rows(&mut self, periods: usize, buckets: usize) -> Result<Vec<Vec<f64>>, ArchiveError> {
        (0..periods).map(|_| self.row(buckets)).collect()
    }

    fn horizon(&mut self, memory: Memory, buckets: usize) -> Result<Horizon, ArchiveError> {
        let (decay, scale) = (self.real()?, self.number()?);
        require(decay > 0.0 && decay < 1.0, ArchiveError::Pace)?;
        let (feerates, confirmed) = (self.row(buckets)?, self.row(buckets)?);
        let periods = self.size()?;
        let target_max = periods.saturating_mul(u64::from(scale));
        require((1..=u64::from(TARGET_MAX)).contains(&target_max), ArchiveError::Pace)?;
        let periods = usize::try_from(periods).map_err(|_| ArchiveError::Pace)?;
        let within = self.rows(periods, buckets)?;
        require(usize::try_from(self.size()?) == Ok(periods), ArchiveError::Row)?;
        let failed = self.rows(periods, buckets)?;
        let pace = Pace { decay, scale, periods, ..FeeEstimator::pace(memory) };
        Ok(Horizon { pace, feerates, confirmed, within, failed })
    }
}

#[cfg(test)]
#[path = "archive/tests.rs"]
mod tests;
