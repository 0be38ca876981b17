use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bitcoin::BlockHash;

use super::{
    Account, Applied, AuditError, Balance, BlockRecord, Books, ChainPoint, Column, JournalEntry, Ledger,
    LedgerError, LedgerFault, LedgerStep, LedgerSummary, PoolBlock, apply_step, audit,
};
use crate::units::Height;

/// The books in memory: what the durable ones are compared with, and what simulations keep.
#[derive(Debug, Default)]
pub struct MemoryLedger(Mutex<Rows>);

#[derive(Clone, Debug, Default)]
struct Rows {
    cursor: Option<ChainPoint>,
    journal: Vec<JournalEntry>,
    accounts: BTreeMap<(Account, Column), i64>,
    blocks: BTreeMap<(Height, BlockHash), BlockRecord>,
}

impl MemoryLedger {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        // The rows are replaced in one assignment, so a poisoned lock hides no half-made step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for MemoryLedger {
    fn cursor(&self) -> Result<Option<ChainPoint>, LedgerFault> {
        Ok(self.rows().cursor)
    }

    fn apply(&self, step: &LedgerStep) -> Result<Applied, LedgerError> {
        let mut rows = self.rows();
        let mut next = rows.clone();
        let applied = apply_step(&mut next, step)?;
        *rows = next;
        Ok(applied)
    }

    fn balances_after(&self, after: Option<&str>, max: usize) -> Result<Vec<Balance>, LedgerFault> {
        let rows = self.rows();
        let mut table: BTreeMap<&Account, Balance> = BTreeMap::new();
        for ((account, column), sat) in &rows.accounts {
            let name = account.as_str().to_owned();
            let row =
                table.entry(account).or_insert(Balance { account: name, immature_sat: 0, mature_sat: 0 });
            match column {
                Column::Immature => row.immature_sat = *sat,
                Column::Mature => row.mature_sat = *sat,
            }
        }
        let behind = |row: &Balance| after.is_none_or(|after| row.account.as_str() > after);
        Ok(table.into_values().filter(behind).take(max).collect())
    }

    fn blocks(&self, max: usize) -> Result<Vec<PoolBlock>, LedgerFault> {
        Ok(self.rows().blocks.values().rev().take(max).map(|r| r.block.clone()).collect())
    }

    fn block_count(&self) -> Result<u64, LedgerFault> {
        Ok(u64::try_from(self.rows().blocks.len()).unwrap_or(u64::MAX))
    }

    fn block(&self, hash: &BlockHash) -> Result<Option<PoolBlock>, LedgerFault> {
        Ok(Books::block(&*self.rows(), hash)?.map(|r| r.block))
    }

    fn verify(&self) -> Result<LedgerSummary, AuditError> {
        let (balances, blocks) = (self.balances()?, self.blocks(usize::MAX)?);
        let journal = self.rows().journal.clone();
        audit(journal.into_iter().map(Ok), &balances, &blocks)
    }
}

impl Books for Rows {
    fn cursor(&self) -> Result<Option<ChainPoint>, LedgerFault> {
        Ok(self.cursor)
    }

    fn set_cursor(&mut self, cursor: ChainPoint) -> Result<(), LedgerFault> {
        self.cursor = Some(cursor);
        Ok(())
    }

    fn block(&self, hash: &BlockHash) -> Result<Option<BlockRecord>, LedgerFault> {
        Ok(self.blocks.values().find(|r| r.block.hash == *hash).cloned())
    }

    fn blocks_at(&self, height: Height) -> Result<Vec<BlockRecord>, LedgerFault> {
        Ok(self.blocks.values().filter(|r| r.block.height == height).cloned().collect())
    }

    fn put_block(&mut self, record: &BlockRecord) -> Result<(), LedgerFault> {
        self.blocks.insert((record.block.height, record.block.hash), record.clone());
        Ok(())
    }

    fn entry(&self, number: u64) -> Result<Option<JournalEntry>, LedgerFault> {
        Ok(usize::try_from(number).ok().and_then(|n| self.journal.get(n)).cloned())
    }

    fn append(&mut self, entry: &JournalEntry) -> Result<u64, LedgerFault> {
        let number = u64::try_from(self.journal.len()).unwrap_or(u64::MAX);
        self.journal.push(entry.clone());
        Ok(number)
    }

    fn amount_sat(&self, account: &Account, column: Column) -> Result<i64, LedgerFault> {
        Ok(self.accounts.get(&(account.clone(), column)).copied().unwrap_or(0))
    }

    fn set_amount_sat(
        &mut self,
        account: &Account,
        column: Column,
        amount_sat: i64,
    ) -> Result<(), LedgerFault> {
        self.accounts.insert((account.clone(), column), amount_sat);
        Ok(())
    }
}
