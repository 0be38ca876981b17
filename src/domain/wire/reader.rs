use thiserror::Error;

/// The largest number that a CompactSize may hold: 32 MiB, Core's `MAX_SIZE`. No message and no block comes near it.
pub const COMPACT_SIZE_MAX: u64 = 0x0200_0000;

/// Why bytes are not a transaction or a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum DecodeError {
    /// They end too early.
    #[error("the bytes end too early")]
    Truncated,
    /// A CompactSize is written in more bytes than it needs.
    #[error("a CompactSize is not in its shortest form")]
    NonCanonicalSize,
    /// A CompactSize is beyond [`COMPACT_SIZE_MAX`], or the whole is beyond four gigabytes.
    #[error("a CompactSize is above 33554432")]
    SizeTooLarge,
    /// The BIP144 marker stands there, and every witness is empty.
    #[error("a witness is announced and none is there")]
    SuperfluousWitness,
    /// A flag that BIP144 does not define.
    #[error("unknown flag in a transaction")]
    UnknownFlag,
    /// Bytes are left over.
    #[error("bytes are left over at the end")]
    TrailingBytes,
}

/// Reads the network's encoding from a slice; never reads beyond it, never allocates, hands out references only.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Reader<'a> {
    /// Refuses more than four gigabytes, which no caller has: the library keeps a witness's places in four bytes each.
    pub(super) fn new(raw: &'a [u8]) -> Result<Reader<'a>, DecodeError> {
        let length = raw.len();
        u32::try_from(length).map_err(|_| DecodeError::SizeTooLarge)?;
        Ok(Reader { rest: raw, length })
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> usize {
        self.length.saturating_sub(self.rest.len())
    }

    /// How many elements to reserve memory for: as many as are announced, but never more than the bytes left can hold.
    pub(super) fn capacity(&self, announced: usize, element_bytes_min: usize) -> usize {
        announced.min(self.rest.len().checked_div(element_bytes_min).unwrap_or(0))
    }

    #[inline]
    pub(super) fn bytes(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(*self.array()?))
    }

    /// A CompactSize: 1, 3, 5 or 9 bytes, in the shortest form, not above [`COMPACT_SIZE_MAX`].
    #[inline]
    pub(super) fn size(&mut self) -> Result<usize, DecodeError> {
        match self.array()? {
            [small @ 0..=0xfc] => Ok(usize::from(*small)),
            [mark] => self.long_size(*mark),
        }
    }

    /// What follows the first byte of a CompactSize of more than one.
    #[inline(never)]
    fn long_size(&mut self, mark: u8) -> Result<usize, DecodeError> {
        let (value, min) = match mark {
            0xfd => (u64::from(u16::from_le_bytes(*self.array()?)), 0xfd),
            0xfe => (u64::from(self.u32()?), 0x1_0000),
            _ => (u64::from_le_bytes(*self.array()?), 0x1_0000_0000),
        };
        match value {
            v if v < min => Err(DecodeError::NonCanonicalSize),
            v if v > COMPACT_SIZE_MAX => Err(DecodeError::SizeTooLarge),
            v => usize::try_from(v).map_err(|_| DecodeError::SizeTooLarge),
        }
    }

    /// A CompactSize and as many bytes.
    #[inline]
    pub(super) fn sized_bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.size()?;
        self.bytes(length)
    }

    pub(super) fn expect_end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) }
    }
}

/// Bytes that a CompactSize takes.
pub(super) const fn size_length(value: usize) -> usize {
    match value {
        0..=0xfc => 1,
        0xfd..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

#[cfg(test)]
#[path = "reader/tests.rs"]
mod tests;
