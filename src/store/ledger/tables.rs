use std::ops::Bound;

use adit_domain::payout::{
    Account, Balance, BlockRecord, Books, ChainPoint, Column, JournalEntry, LedgerFault, PoolBlock,
};
use adit_domain::units::Height;
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use redb::{
    ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata, Table, TableDefinition,
    WriteTransaction,
};

use super::rows::{
    BLOCK_KEY_BYTES, Head, Link, block_key, decode_amounts, decode_block, decode_cursor, decode_head,
    encode_amounts, encode_block, encode_cursor, encode_head, open_entry,
};

const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const JOURNAL: TableDefinition<u64, &[u8]> = TableDefinition::new("journal");
const ACCOUNTS: TableDefinition<&str, &[u8]> = TableDefinition::new("accounts");
const BLOCKS: TableDefinition<&[u8; BLOCK_KEY_BYTES], &[u8]> = TableDefinition::new("blocks");
const HEIGHTS: TableDefinition<&[u8; 32], u32> = TableDefinition::new("heights");
const CURSOR: &str = "cursor";
const HEAD: &str = "head";

/// Any of redb's errors: the disk's, or the file's.
pub(super) fn storage(error: impl Into<redb::Error>) -> LedgerFault {
    LedgerFault::Storage(error.into().to_string())
}

fn damaged(what: &'static str) -> impl FnOnce() -> LedgerFault {
    move || LedgerFault::Damaged(what)
}

/// Makes the tables; how many entries the journal has.
pub(super) fn prepare(txn: &WriteTransaction) -> Result<u64, LedgerFault> {
    let books = Writing::open(txn)?;
    let entries = books.head.entries;
    books.finish()?;
    Ok(entries)
}

/// The tables of one moment, to read.
pub(super) struct Reading {
    meta: ReadOnlyTable<&'static str, &'static [u8]>,
    journal: ReadOnlyTable<u64, &'static [u8]>,
    accounts: ReadOnlyTable<&'static str, &'static [u8]>,
    blocks: ReadOnlyTable<&'static [u8; BLOCK_KEY_BYTES], &'static [u8]>,
    heights: ReadOnlyTable<&'static [u8; 32], u32>,
}

impl Reading {
    pub(super) fn open(txn: &ReadTransaction) -> Result<Reading, LedgerFault> {
        Ok(Reading {
            meta: txn.open_table(META).map_err(storage)?,
            journal: txn.open_table(JOURNAL).map_err(storage)?,
            accounts: txn.open_table(ACCOUNTS).map_err(storage)?,
            blocks: txn.open_table(BLOCKS).map_err(storage)?,
            heights: txn.open_table(HEIGHTS).map_err(storage)?,
        })
    }

    pub(super) fn cursor(&self) -> Result<Option<ChainPoint>, LedgerFault> {
        read_cursor(&self.meta)
    }

    pub(super) fn head(&self) -> Result<Head, LedgerFault> {
        read_head(&self.meta)
    }

    pub(super) fn balances_after(
        &self,
        after: Option<&str>,
        max: usize,
    ) -> Result<Vec<Balance>, LedgerFault> {
        let mut balances = Vec::new();
        let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        for row in self.accounts.range::<&str>(behind).map_err(storage)?.take(max) {
            let (name, value) = row.map_err(storage)?;
            let account = name.value().to_owned();
            let (immature_sat, mature_sat) =
                decode_amounts(&account, value.value()).ok_or_else(damaged("an account"))?;
            balances.push(Balance { account, immature_sat, mature_sat });
        }
        Ok(balances)
    }

    pub(super) fn blocks(&self, max: usize) -> Result<Vec<PoolBlock>, LedgerFault> {
        let mut blocks = Vec::new();
        for row in self.blocks.iter().map_err(storage)?.rev().take(max) {
            let (key, value) = row.map_err(storage)?;
            let record = decode_block(key.value(), value.value()).ok_or_else(damaged("a block"))?;
            blocks.push(record.block);
        }
        Ok(blocks)
    }

    /// How many there are; redb keeps the number.
    pub(super) fn block_count(&self) -> Result<u64, LedgerFault> {
        self.blocks.len().map_err(storage)
    }

    pub(super) fn block(&self, hash: &BlockHash) -> Result<Option<PoolBlock>, LedgerFault> {
        Ok(read_block(&self.heights, &self.blocks, hash)?.map(|r| r.block))
    }

    /// Every entry's row, from the first.
    pub(super) fn journal(
        &self,
    ) -> Result<impl Iterator<Item = Result<(u64, Vec<u8>), LedgerFault>> + use<'_>, LedgerFault> {
        let rows = self.journal.iter().map_err(storage)?;
        Ok(rows.map(|row| row.map(|(k, v)| (k.value(), v.value().to_vec())).map_err(storage)))
    }
}

/// The tables inside one transaction that changes them.
pub(super) struct Writing<'t> {
    meta: Table<'t, &'static str, &'static [u8]>,
    journal: Table<'t, u64, &'static [u8]>,
    accounts: Table<'t, &'static str, &'static [u8]>,
    blocks: Table<'t, &'static [u8; BLOCK_KEY_BYTES], &'static [u8]>,
    heights: Table<'t, &'static [u8; 32], u32>,
    head: Head,
}

impl<'t> Writing<'t> {
    pub(super) fn open(txn: &'t WriteTransaction) -> Result<Writing<'t>, LedgerFault> {
        let meta = txn.open_table(META).map_err(storage)?;
        Ok(Writing {
            head: read_head(&meta)?,
            meta,
            journal: txn.open_table(JOURNAL).map_err(storage)?,
            accounts: txn.open_table(ACCOUNTS).map_err(storage)?,
            blocks: txn.open_table(BLOCKS).map_err(storage)?,
            heights: txn.open_table(HEIGHTS).map_err(storage)?,
        })
    }

    /// Writes what is kept in memory until the end of the transaction.
    pub(super) fn finish(mut self) -> Result<(), LedgerFault> {
        self.meta.insert(HEAD, encode_head(&self.head).as_slice()).map_err(storage)?;
        Ok(())
    }

    fn amounts(&self, name: &str) -> Result<(i64, i64), LedgerFault> {
        match self.accounts.get(name).map_err(storage)? {
            Some(row) => decode_amounts(name, row.value()).ok_or_else(damaged("an account")),
            None => Ok((0, 0)),
        }
    }
}

impl Books for Writing<'_> {
    fn cursor(&self) -> Result<Option<ChainPoint>, LedgerFault> {
        read_cursor(&self.meta)
    }

    fn set_cursor(&mut self, cursor: ChainPoint) -> Result<(), LedgerFault> {
        self.meta.insert(CURSOR, encode_cursor(&cursor).as_slice()).map_err(storage)?;
        Ok(())
    }

    fn block(&self, hash: &BlockHash) -> Result<Option<BlockRecord>, LedgerFault> {
        read_block(&self.heights, &self.blocks, hash)
    }

    fn blocks_at(&self, height: Height) -> Result<Vec<BlockRecord>, LedgerFault> {
        let lowest = block_key(height, &BlockHash::from_byte_array([0; 32]));
        let highest = block_key(height, &BlockHash::from_byte_array([0xff; 32]));
        let mut records = Vec::new();
        for row in self.blocks.range::<&[u8; BLOCK_KEY_BYTES]>(&lowest..=&highest).map_err(storage)? {
            let (key, value) = row.map_err(storage)?;
            records.push(decode_block(key.value(), value.value()).ok_or_else(damaged("a block"))?);
        }
        Ok(records)
    }

    fn put_block(&mut self, record: &BlockRecord) -> Result<(), LedgerFault> {
        let block = &record.block;
        let row = encode_block(record).ok_or_else(damaged("a finder's name is too long"))?;
        let key = block_key(block.height, &block.hash);
        self.blocks.insert(&key, row.as_slice()).map_err(storage)?;
        self.heights.insert(block.hash.as_byte_array(), block.height.to_u32()).map_err(storage)?;
        Ok(())
    }

    fn entry(&self, number: u64) -> Result<Option<JournalEntry>, LedgerFault> {
        let Some(row) = self.journal.get(number).map_err(storage)? else { return Ok(None) };
        let before = match number.checked_sub(1) {
            Some(n) => {
                Some(self.journal.get(n).map_err(storage)?.ok_or_else(damaged("the journal has a gap"))?)
            }
            None => None,
        };
        open_entry(number, before.as_ref().map(|b| b.value()), row.value()).map(Some)
    }

    fn append(&mut self, entry: &JournalEntry) -> Result<u64, LedgerFault> {
        let number = self.head.entries;
        let (row, link) = self.head.link.seal(number, entry)?;
        self.journal.insert(number, row.as_slice()).map_err(storage)?;
        self.head = Head { entries: number.saturating_add(1), link };
        Ok(number)
    }

    fn amount_sat(&self, account: &Account, column: Column) -> Result<i64, LedgerFault> {
        let (immature_sat, mature_sat) = self.amounts(account.as_str())?;
        Ok(if column == Column::Immature { immature_sat } else { mature_sat })
    }

    fn set_amount_sat(
        &mut self,
        account: &Account,
        column: Column,
        amount_sat: i64,
    ) -> Result<(), LedgerFault> {
        let name = account.as_str();
        let (immature_sat, mature_sat) = self.amounts(name)?;
        let row = match column {
            Column::Immature => encode_amounts(name, amount_sat, mature_sat),
            Column::Mature => encode_amounts(name, immature_sat, amount_sat),
        };
        self.accounts.insert(name, row.as_slice()).map_err(storage)?;
        Ok(())
    }
}

fn read_cursor(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<Option<ChainPoint>, LedgerFault> {
    let Some(row) = meta.get(CURSOR).map_err(storage)? else { return Ok(None) };
    decode_cursor(row.value()).ok_or_else(damaged("the cursor")).map(Some)
}

fn read_head(meta: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<Head, LedgerFault> {
    match meta.get(HEAD).map_err(storage)? {
        Some(row) => decode_head(row.value()).ok_or_else(damaged("the journal's head")),
        None => Ok(Head { entries: 0, link: Link::START }),
    }
}

fn read_block(
    heights: &impl ReadableTable<&'static [u8; 32], u32>,
    blocks: &impl ReadableTable<&'static [u8; BLOCK_KEY_BYTES], &'static [u8]>,
    hash: &BlockHash,
) -> Result<Option<BlockRecord>, LedgerFault> {
    let Some(height) = heights.get(hash.as_byte_array()).map_err(storage)? else { return Ok(None) };
    let key = block_key(Height::new(height.value()), hash);
    let row = blocks.get(&key).map_err(storage)?.ok_or_else(damaged("a block"))?;
    decode_block(&key, row.value()).ok_or_else(damaged("a block")).map(Some)
}
