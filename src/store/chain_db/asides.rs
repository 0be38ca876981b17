//! What is kept beside headers and coins: coins that a block hid, and files that are about to go.

use adit_domain::chain::coin_codec::{
    coin_code, put_compact_size, put_output, put_varint, split_coin_code, take_compact_size, take_output,
    take_varint,
};
use adit_domain::consensus::Coin;
use adit_domain::units::Height;
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, OutPoint};
use redb::{ReadableDatabase, ReadableTable, TableDefinition};

use super::records::{open, seal, take_u32};
use super::{ChainDb, META};
use crate::codec::{CodecError, outpoint_key, outpoint_of, take_array};
use crate::failpoint::{self, Place};
use crate::fault::StoreFault;

/// The block's hash; its rows. Two blocks of mainnet have any.
pub(super) const OVERWRITTEN: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("overwritten");
/// The record in META of the files that are about to go.
const UNLINKING: &str = "unlinking";
/// The record in META of the block whose coins came from a snapshot.
const SNAPSHOT: &str = "snapshot";
/// The record in META of the height from which on witnesses were verified.
const SEGWIT: &str = "segwit";

impl ChainDb {
    /// Keeps the unspent coins that a block's outputs took the place of; durable when it returns. They are the same whenever that
    /// block connects.
    pub fn keep_overwritten(&self, block: &BlockHash, coins: &[(OutPoint, Coin)]) -> Result<(), StoreFault> {
        let txn = self.begin()?;
        txn.open_table(OVERWRITTEN)?.insert(block.as_byte_array(), encode(coins).as_slice())?;
        Ok(txn.commit()?)
    }

    /// What [`ChainDb::keep_overwritten`] kept for a block; nothing for nearly all.
    pub fn overwritten(&self, block: &BlockHash) -> Result<Vec<(OutPoint, Coin)>, StoreFault> {
        let table = self.db.begin_read()?.open_table(OVERWRITTEN)?;
        let Some(bytes) = table.get(block.as_byte_array())? else { return Ok(Vec::new()) };
        decode(bytes.value()).map_err(StoreFault::damaged("a row of hidden coins"))
    }

    /// Takes over what another database kept of hidden coins; durable when it returns.
    pub fn keep_overwritten_of(&self, other: &ChainDb) -> Result<(), StoreFault> {
        let txn = self.begin()?;
        {
            let mut kept = txn.open_table(OVERWRITTEN)?;
            for row in other.db.begin_read()?.open_table(OVERWRITTEN)?.iter()? {
                let (block, coins) = row?;
                kept.insert(block.value(), coins.value())?;
            }
        }
        Ok(txn.commit()?)
    }

    /// Says of which block these coins are a snapshot; durable when it returns.
    pub fn set_snapshot_base(&self, base: &BlockHash) -> Result<(), StoreFault> {
        let txn = self.begin()?;
        txn.open_table(META)?.insert(SNAPSHOT, seal(base.to_byte_array().to_vec()).as_slice())?;
        Ok(txn.commit()?)
    }

    /// The block of [`ChainDb::set_snapshot_base`].
    pub fn snapshot_base(&self) -> Result<Option<BlockHash>, StoreFault> {
        let table = self.db.begin_read()?.open_table(META)?;
        let Some(bytes) = table.get(SNAPSHOT)? else { return Ok(None) };
        let damaged = || StoreFault::damaged("the block of a snapshot");
        let mut rest = open(bytes.value()).map_err(damaged())?;
        let base = take_array(&mut rest).map(BlockHash::from_byte_array).map_err(damaged())?;
        if rest.is_empty() { Ok(Some(base)) } else { Err(damaged()(CodecError::Trailing)) }
    }

    /// Says from which height on the chain's witnesses are verified; durable when it returns.
    pub fn set_segwit_from(&self, height: Height) -> Result<(), StoreFault> {
        let txn = self.begin()?;
        txn.open_table(META)?.insert(SEGWIT, seal(height.to_u32().to_le_bytes().to_vec()).as_slice())?;
        Ok(txn.commit()?)
    }

    /// The height of [`ChainDb::set_segwit_from`]; none in a database of before it was kept.
    pub fn segwit_from(&self) -> Result<Option<Height>, StoreFault> {
        let table = self.db.begin_read()?.open_table(META)?;
        let Some(bytes) = table.get(SEGWIT)? else { return Ok(None) };
        let damaged = || StoreFault::damaged("the height of segwit");
        let mut rest = open(bytes.value()).map_err(damaged())?;
        let height = take_u32(&mut rest).map(Height::new).map_err(damaged())?;
        if rest.is_empty() { Ok(Some(height)) } else { Err(damaged()(CodecError::Trailing)) }
    }

    /// Says which block and undo files are about to be unlinked, or none; durable when it returns. A process that ends in between
    /// finds them here at its next start.
    pub fn set_unlinking(&self, files: &[u32]) -> Result<(), StoreFault> {
        let txn = self.begin()?;
        let bytes: Vec<u8> = files.iter().flat_map(|file| file.to_le_bytes()).collect();
        txn.open_table(META)?.insert(UNLINKING, seal(bytes).as_slice())?;
        let place = if files.is_empty() { Place::PruneDone } else { Place::PruneList };
        failpoint::before(place);
        txn.commit()?;
        failpoint::after(place);
        Ok(())
    }

    /// The files of the last [`ChainDb::set_unlinking`].
    pub fn unlinking(&self) -> Result<Vec<u32>, StoreFault> {
        let table = self.db.begin_read()?.open_table(META)?;
        let Some(bytes) = table.get(UNLINKING)? else { return Ok(Vec::new()) };
        let damaged = || StoreFault::damaged("the list of files to unlink");
        let mut rest = open(bytes.value()).map_err(damaged())?;
        let mut files = Vec::new();
        while !rest.is_empty() {
            files.push(take_u32(&mut rest).map_err(damaged())?);
        }
        Ok(files)
    }
}

/// CompactSize of coins; of each the outpoint, its code, the output.
fn encode(coins: &[(OutPoint, Coin)]) -> Vec<u8> {
    let mut out = Vec::new();
    put_compact_size(&mut out, u64::try_from(coins.len()).unwrap_or(u64::MAX));
    for (outpoint, coin) in coins {
        out.extend_from_slice(&outpoint_key(outpoint));
        put_varint(&mut out, coin_code(coin.height, coin.is_coinbase));
        put_output(&mut out, coin.output.value, coin.output.script_pubkey.as_bytes());
    }
    seal(out)
}

fn decode(bytes: &[u8]) -> Result<Vec<(OutPoint, Coin)>, CodecError> {
    let mut rest = open(bytes)?;
    let mut coins = Vec::new();
    for _ in 0..take_compact_size(&mut rest)? {
        let outpoint = outpoint_of(&take_array(&mut rest)?);
        let (height, is_coinbase) = split_coin_code(take_varint(&mut rest)?)?;
        coins.push((outpoint, Coin { output: take_output(&mut rest)?, height, is_coinbase }));
    }
    if rest.is_empty() { Ok(coins) } else { Err(CodecError::Trailing) }
}

#[cfg(test)]
#[path = "asides/tests.rs"]
mod tests;
