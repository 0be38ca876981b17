use bitcoin::BlockHash;
use bitcoin::block::Header;
use bitcoin::consensus::encode;
use bitcoin::hashes::Hash;

use crate::codec::{CodecError, checksum, take_array};
use crate::flat::{FileEnd, FilePos};
use adit_domain::units::Height;

const HEADER_BYTES: usize = 80;

/// What the last flush left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushState {
    /// The tip that the coins belong to.
    pub tip: BlockHash,
    /// Its height.
    pub height: Height,
    /// Flushes so far.
    pub flushes: u64,
    /// Blocks up to here have records.
    pub blocks_end: FileEnd,
}

/// What is stored of a header and its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeRecord {
    /// How many headers were known before it: parents come before children, and the first seen of equal chains stays it.
    pub number: u32,
    /// The header.
    pub header: Header,
    /// What is known of its validity; the chain's own encoding.
    pub status: u8,
    /// Where its block lies.
    pub block: Option<FilePos>,
    /// Where its undo data lies.
    pub undo: Option<FilePos>,
    /// How many transactions its block has, which stays known when the block is gone; 0 where nobody has counted them.
    pub txs: u32,
}

/// What is stored of a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tier {
    pub(super) table: u64,
    pub(super) records: u64,
    /// How many of them say that a coin is spent.
    pub(super) spent: u64,
}

pub(super) fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&[&bytes]);
    bytes.extend_from_slice(&sum);
    bytes
}

pub(super) fn open(bytes: &[u8]) -> Result<&[u8], CodecError> {
    let (body, sum) = bytes.split_last_chunk::<4>().ok_or(CodecError::Short)?;
    if checksum(&[body]) == *sum { Ok(body) } else { Err(CodecError::Checksum) }
}

pub(super) fn take_u32(rest: &mut &[u8]) -> Result<u32, CodecError> {
    Ok(u32::from_le_bytes(take_array(rest)?))
}

fn take_u64(rest: &mut &[u8]) -> Result<u64, CodecError> {
    Ok(u64::from_le_bytes(take_array(rest)?))
}

fn put_end(out: &mut Vec<u8>, end: FileEnd) {
    out.extend_from_slice(&end.file.to_le_bytes());
    out.extend_from_slice(&end.offset.to_le_bytes());
}

fn take_end(rest: &mut &[u8]) -> Result<FileEnd, CodecError> {
    Ok(FileEnd { file: take_u32(rest)?, offset: take_u32(rest)? })
}

/// No block and no undo data has no bytes, so that a length of 0 says "none".
fn put_pos(out: &mut Vec<u8>, pos: Option<FilePos>) {
    let pos = pos.unwrap_or(FilePos { file: 0, offset: 0, len: 0 });
    for part in [pos.file, pos.offset, pos.len] {
        out.extend_from_slice(&part.to_le_bytes());
    }
}

fn take_pos(rest: &mut &[u8]) -> Result<Option<FilePos>, CodecError> {
    let pos = FilePos { file: take_u32(rest)?, offset: take_u32(rest)?, len: take_u32(rest)? };
    Ok((pos.len > 0).then_some(pos))
}

fn done<T>(rest: &[u8], value: T) -> Result<T, CodecError> {
    if rest.is_empty() { Ok(value) } else { Err(CodecError::Trailing) }
}

impl FlushState {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = self.tip.to_byte_array().to_vec();
        out.extend_from_slice(&self.height.to_u32().to_le_bytes());
        out.extend_from_slice(&self.flushes.to_le_bytes());
        put_end(&mut out, self.blocks_end);
        seal(out)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<FlushState, CodecError> {
        let mut rest = open(bytes)?;
        let state = FlushState {
            tip: BlockHash::from_byte_array(take_array(&mut rest)?),
            height: Height::new(take_u32(&mut rest)?),
            flushes: take_u64(&mut rest)?,
            blocks_end: take_end(&mut rest)?,
        };
        done(rest, state)
    }
}

impl NodeRecord {
    /// Header, status, places, count of transactions.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = encode::serialize(&self.header);
        out.push(self.status);
        put_pos(&mut out, self.block);
        put_pos(&mut out, self.undo);
        out.extend_from_slice(&self.txs.to_le_bytes());
        seal(out)
    }

    /// A record of before transactions were counted ends behind the places.
    pub(super) fn decode(number: u32, value: &[u8]) -> Result<NodeRecord, CodecError> {
        let mut rest = open(value)?;
        let header: [u8; HEADER_BYTES] = take_array(&mut rest)?;
        let header = encode::deserialize(&header).map_err(|_| CodecError::Range)?;
        let [status] = take_array(&mut rest)?;
        let (block, undo) = (take_pos(&mut rest)?, take_pos(&mut rest)?);
        let txs = if rest.is_empty() { 0 } else { take_u32(&mut rest)? };
        done(rest, NodeRecord { number, header, status, block, undo, txs })
    }
}

impl Tier {
    pub(super) fn encode(&self) -> Vec<u8> {
        seal([self.table, self.records, self.spent].map(u64::to_le_bytes).concat())
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Tier, CodecError> {
        let mut rest = open(bytes)?;
        let tier =
            Tier { table: take_u64(&mut rest)?, records: take_u64(&mut rest)?, spent: take_u64(&mut rest)? };
        done(rest, tier)
    }
}
