//! Looking at tiers of coins as they lie, for whoever does not believe them.

use std::ops::Bound;

use redb::ReadableDatabase;

use super::{ChainDb, OUTPOINT_BYTES, coin_table, table_name};
use crate::coin::PackedCoin;
use crate::fault::StoreFault;
use crate::filter::KeyBits;

/// A tier of coins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierInfo {
    /// Which eighth of the keys it is of.
    pub partition: u8,
    /// Higher is newer.
    pub age: u64,
    /// The number of its table.
    pub table: u64,
    /// Records in it by its own account, tombstones among them.
    pub records: u64,
}

/// What a walk over a part of a tier found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TierCheck {
    /// Records.
    pub rows: u64,
    /// Of these, tombstones.
    pub spent: u64,
    /// Coins whose checksum or encoding is wrong.
    pub damaged: u64,
    /// Records that a lookup would not find, since the filter says "no".
    pub hidden: u64,
}

impl ChainDb {
    /// The tiers of all partitions, the newest of each first.
    pub fn tier_infos(&self) -> Vec<TierInfo> {
        let known = self.known();
        let info = |((partition, age), tier): (&(u8, u64), &super::Tier)| TierInfo {
            partition: *partition,
            age: *age,
            table: tier.table,
            records: tier.records,
        };
        known.tiers.iter().rev().map(info).collect()
    }

    /// Walks over the records of a tier whose txid begins with a byte from `first` to `last`.
    pub fn check_tier(&self, tier: &TierInfo, first: u8, last: u8) -> Result<TierCheck, StoreFault> {
        let (mut from, mut to) = ([0; OUTPOINT_BYTES], [0xff; OUTPOINT_BYTES]);
        (from[0], to[0]) = (first, last);
        let filter = self.known().filters.get(&tier.table).cloned();
        let filter = filter.ok_or(StoreFault::Missing { what: "a tier's filter" })?;
        let table = self.db.begin_read()?.open_table(coin_table(&table_name(tier.table)))?;
        let mut check = TierCheck::default();
        let add = |count: &mut u64, yes: bool| *count = count.saturating_add(u64::from(yes));
        for row in table.range::<&[u8; OUTPOINT_BYTES]>((Bound::Included(&from), Bound::Included(&to)))? {
            let (key, value) = row?;
            let (key, value) = (key.value(), value.value());
            add(&mut check.rows, true);
            add(&mut check.spent, value.is_empty());
            add(&mut check.damaged, !value.is_empty() && PackedCoin::decode(key, value).is_err());
            add(&mut check.hidden, !filter.may_contain(KeyBits::from(key)));
        }
        Ok(check)
    }
}
