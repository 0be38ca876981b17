use adit_domain::payout::{
    Account, BlockRecord, ChainPoint, Column, EntryKind, JournalEntry, LedgerFault, PoolBlock,
    PoolBlockState, Posting,
};
use adit_domain::units::Height;
use bitcoin::hashes::{Hash, HashEngine, sha256};
use bitcoin::{Amount, BlockHash};

/// The hash that ties an entry to all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link(pub(super) [u8; LINK_BYTES]);

pub(super) const LINK_BYTES: usize = 32;
pub(super) const BLOCK_KEY_BYTES: usize = 36;

/// How many entries there are, and the last one's link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) entries: u64,
    pub(super) link: Link,
}

impl Link {
    /// Before the first entry.
    pub(super) const START: Link = Link([0; LINK_BYTES]);

    fn next(self, number: u64, body: &[u8]) -> Link {
        let mut engine = sha256::Hash::engine();
        engine.input(&self.0);
        engine.input(&number.to_le_bytes());
        engine.input(body);
        Link(sha256::Hash::from_engine(engine).to_byte_array())
    }

    /// An entry's row, tied to this link; and its own link.
    pub(super) fn seal(self, number: u64, entry: &JournalEntry) -> Result<(Vec<u8>, Link), LedgerFault> {
        let mut row = encode_entry(entry).ok_or(LedgerFault::Damaged("an entry does not encode"))?;
        let link = self.next(number, &row);
        row.extend_from_slice(&link.0);
        Ok((row, link))
    }

    /// The opposite of [`Link::seal`]: a fault where the row, or any before it, is not what was written.
    pub(super) fn open(self, number: u64, row: &[u8]) -> Result<(JournalEntry, Link), LedgerFault> {
        let (body, link) = split_link(row)?;
        if self.next(number, body) != link {
            return Err(LedgerFault::Damaged("the journal's chain of hashes is broken"));
        }
        Ok((decode_entry(body).ok_or(LedgerFault::Damaged("a journal entry"))?, link))
    }
}

fn split_link(row: &[u8]) -> Result<(&[u8], Link), LedgerFault> {
    let (body, link) = row.split_last_chunk().ok_or(LedgerFault::Damaged("a journal entry"))?;
    Ok((body, Link(*link)))
}

/// One entry on its own, tied to the row before it.
pub(super) fn open_entry(
    number: u64,
    before: Option<&[u8]>,
    row: &[u8],
) -> Result<JournalEntry, LedgerFault> {
    let link = before.map_or(Ok(Link::START), |b| split_link(b).map(|(_, link)| link))?;
    Ok(link.open(number, row)?.0)
}

fn encode_entry(entry: &JournalEntry) -> Option<Vec<u8>> {
    let mut out = vec![match entry.kind() {
        EntryKind::Booked => 1,
        EntryKind::Matured => 2,
        EntryKind::Unmatured => 3,
        EntryKind::Reversed => 4,
    }];
    out.extend_from_slice(entry.block().as_byte_array());
    out.extend_from_slice(&u32::try_from(entry.postings().len()).ok()?.to_le_bytes());
    for p in entry.postings() {
        encode_name(p.account.as_str(), &mut out)?;
        out.push(match p.column {
            Column::Immature => 0,
            Column::Mature => 1,
        });
        out.extend_from_slice(&p.amount_sat.to_le_bytes());
    }
    Some(out)
}

fn decode_entry(body: &[u8]) -> Option<JournalEntry> {
    let mut from = Bytes(body);
    let kind = match from.array::<1>()? {
        [1] => EntryKind::Booked,
        [2] => EntryKind::Matured,
        [3] => EntryKind::Unmatured,
        [4] => EntryKind::Reversed,
        _ => return None,
    };
    let block = BlockHash::from_byte_array(from.array()?);
    let count = u32::from_le_bytes(from.array()?);
    let postings = (0..count).map(|_| decode_posting(&mut from)).collect::<Option<Vec<_>>>()?;
    JournalEntry::new(kind, block, postings).ok().filter(|_| from.0.is_empty())
}

fn decode_posting(from: &mut Bytes<'_>) -> Option<Posting> {
    let account = Account::parse(from.name()?).ok()?;
    let column = match from.array::<1>()? {
        [0] => Column::Immature,
        [1] => Column::Mature,
        _ => return None,
    };
    Some(Posting { account, column, amount_sat: i64::from_le_bytes(from.array()?) })
}

pub(super) fn encode_head(head: &Head) -> Vec<u8> {
    let mut out = head.entries.to_le_bytes().to_vec();
    out.extend_from_slice(&head.link.0);
    with_crc(b"head", out)
}

pub(super) fn decode_head(row: &[u8]) -> Option<Head> {
    let mut from = Bytes(without_crc(b"head", row)?);
    let head = Head { entries: u64::from_le_bytes(from.array()?), link: Link(from.array()?) };
    from.0.is_empty().then_some(head)
}

pub(super) fn encode_cursor(cursor: &ChainPoint) -> Vec<u8> {
    let mut out = cursor.hash.to_byte_array().to_vec();
    out.extend_from_slice(&cursor.height.to_u32().to_le_bytes());
    with_crc(b"cursor", out)
}

pub(super) fn decode_cursor(row: &[u8]) -> Option<ChainPoint> {
    let mut from = Bytes(without_crc(b"cursor", row)?);
    let hash = BlockHash::from_byte_array(from.array()?);
    let height = Height::new(u32::from_le_bytes(from.array()?));
    from.0.is_empty().then_some(ChainPoint { hash, height })
}

pub(super) fn encode_amounts(name: &str, immature_sat: i64, mature_sat: i64) -> Vec<u8> {
    let mut out = immature_sat.to_le_bytes().to_vec();
    out.extend_from_slice(&mature_sat.to_le_bytes());
    with_crc(name.as_bytes(), out)
}

/// Immature, then mature.
pub(super) fn decode_amounts(name: &str, row: &[u8]) -> Option<(i64, i64)> {
    let mut from = Bytes(without_crc(name.as_bytes(), row)?);
    let amounts = (i64::from_le_bytes(from.array()?), i64::from_le_bytes(from.array()?));
    from.0.is_empty().then_some(amounts)
}

/// Height first and big-endian, so that rows lie in the order of heights.
pub(super) fn block_key(height: Height, hash: &BlockHash) -> [u8; BLOCK_KEY_BYTES] {
    let mut key = [0; BLOCK_KEY_BYTES];
    let (front, back) = key.split_at_mut(4);
    front.copy_from_slice(&height.to_u32().to_be_bytes());
    back.copy_from_slice(hash.as_byte_array());
    key
}

pub(super) fn encode_block(record: &BlockRecord) -> Option<Vec<u8>> {
    let block = &record.block;
    let mut out = vec![match block.state {
        PoolBlockState::Immature => 0,
        PoolBlockState::Mature => 1,
        PoolBlockState::Orphaned => 2,
    }];
    out.extend_from_slice(&record.booked.to_le_bytes());
    out.extend_from_slice(&block.reward.to_sat().to_le_bytes());
    encode_name(&block.finder, &mut out)?;
    Some(with_crc(&block_key(block.height, &block.hash), out))
}

pub(super) fn decode_block(key: &[u8; BLOCK_KEY_BYTES], row: &[u8]) -> Option<BlockRecord> {
    let mut place = Bytes(key);
    let height = Height::new(u32::from_be_bytes(place.array()?));
    let hash = BlockHash::from_byte_array(place.array()?);
    let mut from = Bytes(without_crc(key, row)?);
    let state = match from.array::<1>()? {
        [0] => PoolBlockState::Immature,
        [1] => PoolBlockState::Mature,
        [2] => PoolBlockState::Orphaned,
        _ => return None,
    };
    let booked = u64::from_le_bytes(from.array()?);
    let reward = Amount::from_sat(u64::from_le_bytes(from.array()?));
    let finder = from.name()?.to_owned();
    let block = PoolBlock { hash, height, finder, reward, state };
    from.0.is_empty().then_some(BlockRecord { block, booked })
}

fn encode_name(name: &str, out: &mut Vec<u8>) -> Option<()> {
    out.push(u8::try_from(name.len()).ok()?);
    out.extend_from_slice(name.as_bytes());
    Some(())
}

/// A row with a checksum over its key and itself: redb checks none on a normal read.
fn with_crc(key: &[u8], mut row: Vec<u8>) -> Vec<u8> {
    let crc = crc_of(key, &row);
    row.extend_from_slice(&crc.to_le_bytes());
    row
}

fn without_crc<'a>(key: &[u8], row: &'a [u8]) -> Option<&'a [u8]> {
    let (body, crc) = row.split_last_chunk::<4>()?;
    (crc_of(key, body) == u32::from_le_bytes(*crc)).then_some(body)
}

fn crc_of(key: &[u8], row: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(row);
    hasher.finalize()
}

/// Bytes, read from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn name(&mut self) -> Option<&'a str> {
        let [len] = self.array()?;
        let (taken, rest) = self.0.split_at_checked(usize::from(len))?;
        self.0 = rest;
        std::str::from_utf8(taken).ok()
    }
}
