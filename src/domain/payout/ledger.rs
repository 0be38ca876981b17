use std::collections::BTreeMap;

use bitcoin::BlockHash;
use thiserror::Error;

use super::{
    Account, Balance, Column, EntryKind, JournalEntry, JournalError, PoolBlock, PoolBlockState, Split,
};
use crate::units::Height;

/// Confirmations at which a coinbase can be spent in the next block, and what it pays is owed.
pub const CONFIRMATIONS_TO_MATURE: u32 = 100;

/// A block by its two names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainPoint {
    /// Its hash.
    pub hash: BlockHash,
    /// Its height.
    pub height: Height,
}

/// What the pool earned with a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// Who found it: `ADDRESS.worker`; empty where that is not known.
    pub finder: String,
    /// Who is owed what.
    pub split: Split,
}

/// One block more or less in the best chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainEvent {
    /// It joined.
    Connected {
        /// The block.
        point: ChainPoint,
        /// What it earned, if it is one of ours.
        ours: Option<Booking>,
    },
    /// It left.
    Disconnected {
        /// The block.
        point: ChainPoint,
    },
}

/// The way from one tip to another, all or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerStep {
    /// Where the ledger must stand; none for one that has never stood anywhere.
    pub from: Option<ChainPoint>,
    /// Where it stands afterwards.
    pub to: ChainPoint,
    /// What lies between, in order: first what leaves, the highest first, then what joins, the lowest first.
    pub events: Vec<ChainEvent>,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was taken, with this many journal entries.
    Now {
        /// Entries appended.
        entries: u64,
    },
    /// The ledger stood at its end already.
    Before,
}

/// The ledger's disk failed, or what is on it makes no sense. Nothing is tried again in this process.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LedgerFault {
    /// The disk failed.
    #[error("ledger, storage: {0}")]
    Storage(String),
    /// A row does not read back, or contradicts another.
    #[error("ledger, damaged: {0}")]
    Damaged(&'static str),
}

/// Why a step was not taken; nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LedgerError {
    /// The ledger stands elsewhere: walk from there.
    #[error("the ledger stands elsewhere")]
    OutOfStep {
        /// Where it stands.
        cursor: Option<ChainPoint>,
    },
    /// Its events do not lead from its start to its end.
    #[error("a step's events do not lead from its start to its end")]
    Broken,
    /// It would unbalance the books.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Our fault.
    #[error(transparent)]
    Fault(#[from] LedgerFault),
}

/// The pool's books: redb here, later a database that many machines share.
pub trait Ledger: Send + Sync {
    /// The tip up to which the books are kept.
    fn cursor(&self) -> Result<Option<ChainPoint>, LedgerFault>;
    /// Takes a step, in one durable transaction; once, however often it is asked to.
    fn apply(&self, step: &LedgerStep) -> Result<Applied, LedgerError>;
    /// The accounts behind the one of this name (from the first on where none is given), by name, at most `max`.
    fn balances_after(&self, after: Option<&str>, max: usize) -> Result<Vec<Balance>, LedgerFault>;
    /// All accounts, by name.
    fn balances(&self) -> Result<Vec<Balance>, LedgerFault> {
        self.balances_after(None, usize::MAX)
    }
    /// The pool's blocks, the highest first, at most `max`.
    fn blocks(&self, max: usize) -> Result<Vec<PoolBlock>, LedgerFault>;
    /// How many blocks the pool has found, those that were orphaned among them.
    fn block_count(&self) -> Result<u64, LedgerFault>;
    /// One of the pool's blocks.
    fn block(&self, hash: &BlockHash) -> Result<Option<PoolBlock>, LedgerFault>;
    /// Replays the whole journal and compares.
    fn verify(&self) -> Result<LedgerSummary, AuditError>;
}

/// A block of the pool's, and the journal entry that booked it first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRecord {
    /// The block.
    pub block: PoolBlock,
    /// Its first booking: a block that comes back is owed as it was the first time.
    pub booked: u64,
}

/// The books inside one transaction: what [`apply_step`] needs of a store.
pub trait Books {
    /// Where they stand.
    fn cursor(&self) -> Result<Option<ChainPoint>, LedgerFault>;
    /// Moves them there.
    fn set_cursor(&mut self, cursor: ChainPoint) -> Result<(), LedgerFault>;
    /// One of the pool's blocks.
    fn block(&self, hash: &BlockHash) -> Result<Option<BlockRecord>, LedgerFault>;
    /// All of the pool's blocks at a height.
    fn blocks_at(&self, height: Height) -> Result<Vec<BlockRecord>, LedgerFault>;
    /// Writes or replaces one.
    fn put_block(&mut self, record: &BlockRecord) -> Result<(), LedgerFault>;
    /// An entry by its number.
    fn entry(&self, number: u64) -> Result<Option<JournalEntry>, LedgerFault>;
    /// Appends an entry; its number.
    fn append(&mut self, entry: &JournalEntry) -> Result<u64, LedgerFault>;
    /// What an account has in a column.
    fn amount_sat(&self, account: &Account, column: Column) -> Result<i64, LedgerFault>;
    /// Replaces it.
    fn set_amount_sat(
        &mut self,
        account: &Account,
        column: Column,
        amount_sat: i64,
    ) -> Result<(), LedgerFault>;
}

/// The one way by which books change. What follows from a step is a function of the chain alone: whatever connecting a block
/// does, disconnecting it undoes exactly, with entries of its own.
pub fn apply_step(books: &mut dyn Books, step: &LedgerStep) -> Result<Applied, LedgerError> {
    let cursor = books.cursor()?;
    if cursor == Some(step.to) {
        return Ok(Applied::Before);
    }
    if cursor != step.from {
        return Err(LedgerError::OutOfStep { cursor });
    }
    require_whole(step)?;
    let mut entries = 0u64;
    for event in &step.events {
        let posted = match event {
            ChainEvent::Connected { point, ours } => connect(books, point, ours.as_ref())?,
            ChainEvent::Disconnected { point } => disconnect(books, point)?,
        };
        entries = entries.saturating_add(posted);
    }
    books.set_cursor(step.to)?;
    Ok(Applied::Now { entries })
}

/// A step's events must lead from its start to its end, one block at a time. Its first one may stand anywhere: books that
/// never stood anywhere begin with it.
fn require_whole(step: &LedgerStep) -> Result<(), LedgerError> {
    let mut height = step.from.map(|p| p.height);
    for event in &step.events {
        height = match (event, height) {
            (ChainEvent::Connected { point, .. }, None) => Some(point.height),
            (ChainEvent::Connected { point, .. }, Some(h)) if point.height == h.next() => Some(point.height),
            (ChainEvent::Disconnected { point }, Some(h)) if point.height == h => h.parent(),
            _ => return Err(LedgerError::Broken),
        };
    }
    let starts_right = match (step.events.first(), step.from) {
        (Some(ChainEvent::Disconnected { point }), Some(from)) => *point == from,
        _ => true,
    };
    let ends_right = match step.events.last() {
        Some(ChainEvent::Connected { point, .. }) => *point == step.to,
        Some(ChainEvent::Disconnected { .. }) => height == Some(step.to.height),
        None => step.from.is_none(),
    };
    if starts_right && ends_right { Ok(()) } else { Err(LedgerError::Broken) }
}

fn connect(books: &mut dyn Books, point: &ChainPoint, ours: Option<&Booking>) -> Result<u64, LedgerError> {
    let mut posted = 0u64;
    for record in hundredth(books, point, PoolBlockState::Immature)? {
        let entry = first_booking(books, &record)?.matured()?;
        post(books, &entry)?;
        set_state(books, record, PoolBlockState::Mature)?;
        posted = posted.saturating_add(1);
    }
    // A block that is known is booked again even where the pool's own script has changed since.
    match (books.block(&point.hash)?, ours) {
        (None, None) => return Ok(posted),
        (None, Some(booking)) => {
            let booked = post(books, &JournalEntry::booked(point.hash, &booking.split)?)?;
            books.put_block(&BlockRecord { block: pool_block(point, booking), booked })?;
        }
        (Some(record), _) if record.block.state == PoolBlockState::Orphaned => {
            let entry = first_booking(books, &record)?;
            post(books, &entry)?;
            set_state(books, record, PoolBlockState::Immature)?;
        }
        (Some(_), _) => return Err(LedgerFault::Damaged("a block that joins is booked already").into()),
    }
    Ok(posted.saturating_add(1))
}

fn disconnect(books: &mut dyn Books, point: &ChainPoint) -> Result<u64, LedgerError> {
    let mut posted = 0u64;
    if let Some(record) = books.block(&point.hash)? {
        if record.block.state != PoolBlockState::Immature {
            return Err(LedgerFault::Damaged("a block that leaves is not immature").into());
        }
        let entry = first_booking(books, &record)?.reversed()?;
        post(books, &entry)?;
        set_state(books, record, PoolBlockState::Orphaned)?;
        posted = posted.saturating_add(1);
    }
    for record in hundredth(books, point, PoolBlockState::Mature)? {
        let entry = first_booking(books, &record)?.unmatured()?;
        post(books, &entry)?;
        set_state(books, record, PoolBlockState::Immature)?;
        posted = posted.saturating_add(1);
    }
    Ok(posted)
}

/// The pool's blocks in this state that have their hundredth confirmation by the block at `point`.
fn hundredth(
    books: &dyn Books,
    point: &ChainPoint,
    state: PoolBlockState,
) -> Result<Vec<BlockRecord>, LedgerFault> {
    let below = CONFIRMATIONS_TO_MATURE.saturating_sub(1);
    let Some(height) = point.height.checked_sub(below) else { return Ok(Vec::new()) };
    let mut records = books.blocks_at(height)?;
    records.retain(|r| r.block.state == state);
    Ok(records)
}

fn first_booking(books: &dyn Books, record: &BlockRecord) -> Result<JournalEntry, LedgerFault> {
    books.entry(record.booked)?.ok_or(LedgerFault::Damaged("a block's first booking is missing"))
}

fn set_state(
    books: &mut dyn Books,
    mut record: BlockRecord,
    state: PoolBlockState,
) -> Result<(), LedgerFault> {
    record.block.state = state;
    books.put_block(&record)
}

fn pool_block(point: &ChainPoint, booking: &Booking) -> PoolBlock {
    PoolBlock {
        hash: point.hash,
        height: point.height,
        finder: booking.finder.clone(),
        reward: booking.split.reward(),
        state: PoolBlockState::Immature,
    }
}

fn post(books: &mut dyn Books, entry: &JournalEntry) -> Result<u64, LedgerError> {
    for p in entry.postings() {
        let now = books.amount_sat(&p.account, p.column)?;
        let sum = now.checked_add(p.amount_sat).ok_or(JournalError::Range)?;
        books.set_amount_sat(&p.account, p.column, sum)?;
    }
    Ok(books.append(entry)?)
}

/// What an audit found in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LedgerSummary {
    /// Entries replayed.
    pub entries: u64,
    /// Accounts compared.
    pub accounts: u64,
    /// Blocks compared.
    pub blocks: u64,
}

/// What an audit found wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AuditError {
    /// The journal says otherwise than the account.
    #[error("the balance of {account} is not what the journal makes")]
    Balance {
        /// Whose.
        account: String,
    },
    /// The journal says otherwise than the block's row.
    #[error("the state of block {hash} is not what the journal makes")]
    Block {
        /// Which.
        hash: BlockHash,
    },
    /// An amount leaves its range.
    #[error("a sum leaves its range")]
    Range,
    /// The books could not be read.
    #[error(transparent)]
    Fault(#[from] LedgerFault),
}

/// Replays a journal and compares: balances with their postings' sums, blocks' states with what last happened to them. That
/// all sums to zero follows from each entry's doing so.
pub fn audit(
    journal: impl Iterator<Item = Result<JournalEntry, LedgerFault>>,
    balances: &[Balance],
    blocks: &[PoolBlock],
) -> Result<LedgerSummary, AuditError> {
    let mut sums: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    let mut states: BTreeMap<BlockHash, PoolBlockState> = BTreeMap::new();
    let mut summary = LedgerSummary::default();
    for entry in journal {
        let entry = entry?;
        for p in entry.postings() {
            let row = sums.entry(p.account.as_str().to_owned()).or_default();
            let cell = if p.column == Column::Immature { &mut row.0 } else { &mut row.1 };
            *cell = cell.checked_add(p.amount_sat).ok_or(AuditError::Range)?;
        }
        states.insert(entry.block(), state_after(entry.kind()));
        summary.entries = summary.entries.saturating_add(1);
    }
    for b in balances {
        if sums.remove(&b.account).unwrap_or_default() != (b.immature_sat, b.mature_sat) {
            return Err(AuditError::Balance { account: b.account.clone() });
        }
        summary.accounts = summary.accounts.saturating_add(1);
    }
    if let Some((account, _)) = sums.into_iter().find(|(_, sum)| *sum != (0, 0)) {
        return Err(AuditError::Balance { account });
    }
    for b in blocks {
        if states.remove(&b.hash) != Some(b.state) {
            return Err(AuditError::Block { hash: b.hash });
        }
        summary.blocks = summary.blocks.saturating_add(1);
    }
    match states.into_keys().next() {
        Some(hash) => Err(AuditError::Block { hash }),
        None => Ok(summary),
    }
}

fn state_after(kind: EntryKind) -> PoolBlockState {
    match kind {
        EntryKind::Booked | EntryKind::Unmatured => PoolBlockState::Immature,
        EntryKind::Matured => PoolBlockState::Mature,
        EntryKind::Reversed => PoolBlockState::Orphaned,
    }
}

#[cfg(test)]
#[path = "ledger/tests.rs"]
mod tests;
