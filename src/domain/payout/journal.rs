use bitcoin::{Amount, BlockHash};
use thiserror::Error;

use super::{Account, Split};

/// The two columns of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// From blocks with fewer than 100 confirmations.
    Immature,
    /// Owed and payable.
    Mature,
}

/// One side of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// Whose.
    pub account: Account,
    /// Which of the account's columns.
    pub column: Column,
    /// What it gains; negative where it loses.
    pub amount_sat: i64,
}

/// What happened to a block of the pool's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// It joined the best chain.
    Booked,
    /// It reached its hundredth confirmation.
    Matured,
    /// It lost its hundredth confirmation again.
    Unmatured,
    /// It left the best chain.
    Reversed,
}

/// Postings that belong together. Sums to zero in each column; there is no way to make one that does not. There are none
/// where a block pays nothing: what happens to it is kept all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    kind: EntryKind,
    block: BlockHash,
    postings: Vec<Posting>,
}

/// Why postings are no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum JournalError {
    /// Money would appear or vanish.
    #[error("an entry's {column:?} postings sum to {sum_sat} and not to zero")]
    Unbalanced {
        /// In which column.
        column: Column,
        /// What is left.
        sum_sat: i128,
    },
    /// A posting of nothing.
    #[error("a posting of zero")]
    Zero,
    /// Beyond what an amount can be.
    #[error("an amount leaves its range")]
    Range,
    /// Only what was booked matures or is reversed.
    #[error("made from an entry that books no block")]
    NotBooked,
}

impl JournalEntry {
    /// From postings that balance.
    pub fn new(
        kind: EntryKind,
        block: BlockHash,
        postings: Vec<Posting>,
    ) -> Result<JournalEntry, JournalError> {
        if postings.iter().any(|p| p.amount_sat == 0) {
            return Err(JournalError::Zero);
        }
        for column in [Column::Immature, Column::Mature] {
            let amounts = postings.iter().filter(|p| p.column == column).map(|p| i128::from(p.amount_sat));
            let sum_sat = amounts.fold(0i128, i128::saturating_add);
            if sum_sat != 0 {
                return Err(JournalError::Unbalanced { column, sum_sat });
            }
        }
        Ok(JournalEntry { kind, block, postings })
    }

    /// A reward comes in, immature, and is owed as `split` says. A reward of zero moves nothing.
    pub fn booked(block: BlockHash, split: &Split) -> Result<JournalEntry, JournalError> {
        if split.reward() == Amount::ZERO {
            return JournalEntry::new(EntryKind::Booked, block, Vec::new());
        }
        let column = Column::Immature;
        let source = Posting {
            account: Account::chain_coinbase(),
            column,
            amount_sat: to_sat(split.reward())?.checked_neg().ok_or(JournalError::Range)?,
        };
        let mut postings = vec![source];
        for payee in split.payees() {
            let amount_sat = to_sat(payee.amount)?;
            postings.push(Posting { account: payee.account.clone(), column, amount_sat });
        }
        JournalEntry::new(EntryKind::Booked, block, postings)
    }

    /// What this booking becomes at its hundredth confirmation.
    pub fn matured(&self) -> Result<JournalEntry, JournalError> {
        self.moved(EntryKind::Matured, Column::Immature, Column::Mature)
    }

    /// The opposite of [`JournalEntry::matured`].
    pub fn unmatured(&self) -> Result<JournalEntry, JournalError> {
        self.moved(EntryKind::Unmatured, Column::Mature, Column::Immature)
    }

    /// This booking, taken back.
    pub fn reversed(&self) -> Result<JournalEntry, JournalError> {
        self.require_booked()?;
        let negated = self.postings.iter().map(|p| posting(p, p.column, p.amount_sat.checked_neg()));
        JournalEntry::new(EntryKind::Reversed, self.block, negated.collect::<Result<_, _>>()?)
    }

    fn moved(&self, kind: EntryKind, from: Column, to: Column) -> Result<JournalEntry, JournalError> {
        self.require_booked()?;
        let mut postings = Vec::with_capacity(self.postings.len().saturating_mul(2));
        for p in &self.postings {
            postings.push(posting(p, from, p.amount_sat.checked_neg())?);
            postings.push(posting(p, to, Some(p.amount_sat))?);
        }
        JournalEntry::new(kind, self.block, postings)
    }

    fn require_booked(&self) -> Result<(), JournalError> {
        if self.kind == EntryKind::Booked { Ok(()) } else { Err(JournalError::NotBooked) }
    }

    /// What happened.
    pub fn kind(&self) -> EntryKind {
        self.kind
    }

    /// To which block.
    pub fn block(&self) -> BlockHash {
        self.block
    }

    /// Its sides.
    pub fn postings(&self) -> &[Posting] {
        &self.postings
    }
}

fn posting(of: &Posting, column: Column, amount_sat: Option<i64>) -> Result<Posting, JournalError> {
    let amount_sat = amount_sat.ok_or(JournalError::Range)?;
    Ok(Posting { account: of.account.clone(), column, amount_sat })
}

fn to_sat(amount: Amount) -> Result<i64, JournalError> {
    i64::try_from(amount.to_sat()).map_err(|_| JournalError::Range)
}

#[cfg(test)]
#[path = "journal/tests.rs"]
mod tests;
