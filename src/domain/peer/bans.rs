//! Who may not connect, until when.
//!
//! Kept as Core keeps it, so that either reads the other's `banlist.json`:
//! `{"banned_nets": [{"version": 1, "ban_created": 1, "banned_until": 2, "address": "1.2.3.0/24"}]}`, times in seconds since 1970.

use core::net::IpAddr;
use std::collections::BTreeMap;

use serde_json::{Value, json};
use thiserror::Error;

use super::Subnet;
use crate::units::UnixMillis;

/// Ranges that may be listed: at 200 bytes each 20 MB. An operator lists them; a peer cannot.
pub const BANS_MAX: usize = 100_000;
/// The form of a row.
const VERSION: u64 = 1;

/// From when until when, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// When it was said.
    pub created_s: u64,
    /// When it is over.
    pub until_s: u64,
}

/// The list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BanList {
    rows: BTreeMap<Subnet, Ban>,
}

/// Why nothing was listed, or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BanError {
    /// It is banned already.
    #[error("already banned")]
    AlreadyBanned,
    /// The list is full.
    #[error("the list of bans is full")]
    Full,
    /// Not the form in which bans are kept.
    #[error("not a list of bans")]
    Malformed,
}

impl BanList {
    /// Lists a range. One address alone may not be listed where a range that it is in is: it would change nothing. A range may, unless it is
    /// itself listed (`as_range`).
    pub fn add(&mut self, subnet: Subnet, as_range: bool, ban: Ban, now: UnixMillis) -> Result<(), BanError> {
        self.sweep(now);
        let covered = !as_range && subnet.as_host().is_some_and(|host| self.is_banned(host, now));
        if covered || self.rows.contains_key(&subnet) {
            return Err(BanError::AlreadyBanned);
        }
        if self.rows.len() >= BANS_MAX {
            return Err(BanError::Full);
        }
        self.rows.insert(subnet, ban);
        Ok(())
    }

    /// Takes a range off; says whether it was listed.
    pub fn remove(&mut self, subnet: &Subnet) -> bool {
        self.rows.remove(subnet).is_some()
    }

    /// Takes all off.
    pub fn clear(&mut self) {
        self.rows.clear();
    }

    /// Takes those off that are over; says whether there were any.
    pub fn sweep(&mut self, now: UnixMillis) -> bool {
        let before = self.rows.len();
        self.rows.retain(|_, ban| ban.until_s >= now.to_seconds_floor());
        self.rows.len() != before
    }

    /// Whether an address may not connect now.
    pub fn is_banned(&self, address: IpAddr, now: UnixMillis) -> bool {
        let now_s = now.to_seconds_floor();
        self.rows.iter().any(|(subnet, ban)| ban.until_s >= now_s && subnet.contains(address))
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Subnet, &Ban)> {
        self.rows.iter()
    }

    /// As it is kept.
    pub fn to_json(&self) -> String {
        let row = |(subnet, ban): (&Subnet, &Ban)| {
            json!({
                "version": VERSION,
                "ban_created": ban.created_s,
                "banned_until": ban.until_s,
                "address": subnet.to_string(),
            })
        };
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        format!("{:#}\n", json!({ "banned_nets": rows }))
    }

    /// Reads it again; a row that says nothing to us (of another version, of a network that we do not know) is left out.
    pub fn from_json(text: &[u8]) -> Result<BanList, BanError> {
        let read: Value = serde_json::from_slice(text).map_err(|_| BanError::Malformed)?;
        let rows = read.get("banned_nets").and_then(Value::as_array).ok_or(BanError::Malformed)?;
        let rows = rows.iter().take(BANS_MAX).filter_map(row).collect();
        Ok(BanList { rows })
    }
}

fn row(row: &Value) -> Option<(Subnet, Ban)> {
    let number = |name: &str| row.get(name).and_then(Value::as_u64);
    if number("version") != Some(VERSION) {
        return None;
    }
    let subnet = row.get("address")?.as_str()?.parse().ok()?;
    Some((subnet, Ban { created_s: number("ban_created")?, until_s: number("banned_until")? }))
}

#[cfg(test)]
#[path = "bans/tests.rs"]
mod tests;
