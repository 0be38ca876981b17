//! `ledger.redb`: the pool's books.
//!
//! Owns: the journal, the accounts, the pool's blocks, and the tip up to which they are kept; every step is one durable
//! transaction. Must not know: how a reward is split, which chain is best. Bytes: docs/ledger.md.

mod rows;
mod tables;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use adit_domain::payout::{
    Applied, AuditError, Balance, ChainPoint, Ledger, LedgerError, LedgerFault, LedgerStep, LedgerSummary,
    PoolBlock, apply_step, audit,
};
use bitcoin::BlockHash;
use redb::{Database, Durability, ReadTransaction, ReadableDatabase, WriteTransaction};

use crate::database;
use crate::disk::{Disk, MachineDisk};
use crate::failpoint::{self, Place};

use self::rows::Link;
use self::tables::{Reading, Writing, storage};

/// Pages that redb keeps in memory: the accounts of 50,000 miners.
const PAGE_CACHE_BYTES: usize = 16 << 20;
/// Steps in a row that post nothing and so need not be durable at once: a process that is killed walks them again. Walking a
/// hundred blocks takes a moment; syncing each of them would take the time of an initial sync.
const UNSYNCED_STEPS_MAX: u64 = 100;
/// A journal of up to this many entries is replayed when the books are opened (a second or two); a longer one on request.
const AUDITED_AT_OPEN_MAX: u64 = 10_000;

/// The books on this machine's disk.
pub struct RedbLedger {
    db: Database,
    /// After a fault nothing is tried again in this process.
    stopped: AtomicBool,
    unsynced: AtomicU64,
}

impl RedbLedger {
    /// Opens or begins the books, and audits them where the journal is not too long for that.
    pub fn open(path: &Path) -> Result<RedbLedger, AuditError> {
        RedbLedger::open_on(&MachineDisk, path)
    }

    /// As [`RedbLedger::open`], on another disk.
    pub fn open_on(disk: &dyn Disk, path: &Path) -> Result<RedbLedger, AuditError> {
        let db =
            database::open(disk, path, PAGE_CACHE_BYTES).map_err(|e| LedgerFault::Storage(e.to_string()))?;
        let ledger = RedbLedger { db, stopped: AtomicBool::new(false), unsynced: AtomicU64::new(0) };
        let txn = ledger.begin(true)?;
        let entries = tables::prepare(&txn)?;
        txn.commit().map_err(storage)?;
        if entries <= AUDITED_AT_OPEN_MAX {
            ledger.verify()?;
        }
        Ok(ledger)
    }

    fn begin(&self, durable: bool) -> Result<WriteTransaction, LedgerFault> {
        if self.stopped.load(Ordering::SeqCst) {
            return Err(LedgerFault::Storage("stopped after a fault".to_owned()));
        }
        let mut txn = self.db.begin_write().map_err(storage)?;
        if durable {
            txn.set_durability(Durability::Immediate).map_err(storage)?;
            txn.set_two_phase_commit(true);
            txn.set_quick_repair(true);
        } else {
            txn.set_durability(Durability::None).map_err(storage)?;
        }
        Ok(txn)
    }

    fn read(&self) -> Result<ReadTransaction, LedgerFault> {
        self.db.begin_read().map_err(storage)
    }

    /// Takes the step in a transaction of its own. Whether it must be durable at once is known when it is done: then it is done
    /// again, durably.
    fn try_apply(&self, step: &LedgerStep, durable: bool) -> Result<Option<Applied>, LedgerError> {
        let txn = self.begin(durable)?;
        let applied = {
            let mut books = Writing::open(&txn)?;
            let applied = apply_step(&mut books, step)?;
            books.finish()?;
            applied
        };
        let posts = matches!(applied, Applied::Now { entries } if entries > 0);
        if posts && !durable {
            txn.abort().map_err(storage)?;
            return Ok(None);
        }
        failpoint::before(Place::LedgerCommit);
        txn.commit().map_err(storage)?;
        failpoint::after(Place::LedgerCommit);
        Ok(Some(applied))
    }

    fn may_wait(&self, step: &LedgerStep) -> bool {
        step.from.is_some() && self.unsynced.load(Ordering::SeqCst) < UNSYNCED_STEPS_MAX
    }

    fn apply_once(&self, step: &LedgerStep) -> Result<Applied, LedgerError> {
        if self.may_wait(step)
            && let Some(applied) = self.try_apply(step, false)?
        {
            self.unsynced.fetch_add(1, Ordering::SeqCst);
            return Ok(applied);
        }
        let applied = self.try_apply(step, true)?.unwrap_or(Applied::Before);
        self.unsynced.store(0, Ordering::SeqCst);
        Ok(applied)
    }

    fn audit_in(&self, txn: &ReadTransaction) -> Result<LedgerSummary, AuditError> {
        let books = Reading::open(txn)?;
        let (balances, blocks) = (books.balances_after(None, usize::MAX)?, books.blocks(usize::MAX)?);
        let head = books.head()?;
        let mut link = Link::START;
        let mut number = 0u64;
        let journal = books.journal()?.map(|row| {
            let (stored_number, bytes) = row?;
            if stored_number != number {
                return Err(LedgerFault::Damaged("the journal has a gap"));
            }
            let (entry, next) = link.open(number, &bytes)?;
            (link, number) = (next, number.saturating_add(1));
            Ok(entry)
        });
        let summary = audit(journal, &balances, &blocks)?;
        if (head.entries, head.link) == (number, link) {
            Ok(summary)
        } else {
            Err(LedgerFault::Damaged("the journal ends elsewhere than it says").into())
        }
    }
}

impl Ledger for RedbLedger {
    fn cursor(&self) -> Result<Option<ChainPoint>, LedgerFault> {
        Reading::open(&self.read()?)?.cursor()
    }

    fn apply(&self, step: &LedgerStep) -> Result<Applied, LedgerError> {
        let applied = self.apply_once(step);
        if matches!(applied, Err(LedgerError::Fault(_))) {
            self.stopped.store(true, Ordering::SeqCst);
        }
        applied
    }

    fn balances_after(&self, after: Option<&str>, max: usize) -> Result<Vec<Balance>, LedgerFault> {
        Reading::open(&self.read()?)?.balances_after(after, max)
    }

    fn blocks(&self, max: usize) -> Result<Vec<PoolBlock>, LedgerFault> {
        Reading::open(&self.read()?)?.blocks(max)
    }

    fn block_count(&self) -> Result<u64, LedgerFault> {
        Reading::open(&self.read()?)?.block_count()
    }

    fn block(&self, hash: &BlockHash) -> Result<Option<PoolBlock>, LedgerFault> {
        Reading::open(&self.read()?)?.block(hash)
    }

    fn verify(&self) -> Result<LedgerSummary, AuditError> {
        self.audit_in(&self.read()?)
    }
}

#[cfg(test)]
mod tests;
