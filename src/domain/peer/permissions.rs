//! What an operator lets some peers do that others may not.

use core::net::IpAddr;

use thiserror::Error;

use super::Subnet;

/// A set of permissions, named as Core names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(u8);

/// Each with its name; the later ones of two that say the same are understood only.
const NAMES: [(Permissions, &str); 8] = [
    (Permissions::BLOOM, "bloomfilter"),
    (Permissions::NO_BAN, "noban"),
    (Permissions::FORCE_RELAY, "forcerelay"),
    (Permissions::RELAY, "relay"),
    (Permissions::MEMPOOL, "mempool"),
    (Permissions::DOWNLOAD, "download"),
    (Permissions::ADDR, "addr"),
    (Permissions::BLOOM, "bloom"),
];
/// How many of them are shown.
const SHOWN: usize = 7;

impl Permissions {
    /// None.
    pub const NONE: Permissions = Permissions(0);
    /// It may ask for filtered blocks.
    pub const BLOOM: Permissions = Permissions(1);
    /// It may always ask for blocks and headers.
    pub const DOWNLOAD: Permissions = Permissions(1 << 1);
    /// It isn't punished, nor thrown out for another; it may download too.
    pub const NO_BAN: Permissions = Permissions(1 << 2 | 1 << 1);
    /// Its transactions are taken where no others are.
    pub const RELAY: Permissions = Permissions(1 << 3);
    /// Its transactions are announced again where they are held already.
    pub const FORCE_RELAY: Permissions = Permissions(1 << 4 | 1 << 3);
    /// It may ask what the mempool holds.
    pub const MEMPOOL: Permissions = Permissions(1 << 5);
    /// It is told of addresses afresh.
    pub const ADDR: Permissions = Permissions(1 << 6);
    /// All of them.
    pub const ALL: Permissions = Permissions(0x7f);

    /// Whether it has all of `others`.
    pub fn has(self, others: Permissions) -> bool {
        self.0 & others.0 == others.0
    }

    /// It and `others`.
    pub fn with(self, others: Permissions) -> Permissions {
        Permissions(self.0 | others.0)
    }

    /// Their names, in Core's order.
    pub fn names(self) -> Vec<&'static str> {
        NAMES.iter().take(SHOWN).filter(|(one, _)| self.has(*one)).map(|(_, name)| *name).collect()
    }
}

/// Who has which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whitelisted {
    /// Who.
    pub subnet: Subnet,
    /// Which.
    pub permissions: Permissions,
    /// Whether the permissions are those that a row without names has.
    pub is_implicit: bool,
    /// Whether it holds for those that connect to us.
    pub inbound: bool,
    /// Whether it holds for those that we connect to.
    pub outbound: bool,
}

/// Why a row of a whitelist is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WhitelistError {
    /// No such permission.
    #[error("Invalid P2P permission: '{0}'")]
    Unknown(String),
    /// A direction and nothing that is permitted.
    #[error("Only direction was set, no permissions: '{0}'")]
    DirectionOnly(String),
    /// Not a range of addresses.
    #[error("Invalid netmask specified in -whitelist: '{0}'")]
    Netmask(String),
}

impl Whitelisted {
    /// Reads `noban,relay@127.0.0.1` or `127.0.0.0/8`.
    pub fn parse(text: &str) -> Result<Whitelisted, WhitelistError> {
        let (names, range) = match text.split_once('@') {
            Some((names, range)) => (Some(names), range),
            None => (None, text),
        };
        let (mut permissions, mut inbound, mut outbound) = (Permissions::NONE, false, false);
        for name in names.unwrap_or_default().split(',').filter(|name| !name.is_empty()) {
            match name {
                "in" => inbound = true,
                "out" => outbound = true,
                "all" => permissions = Permissions::ALL,
                _ => {
                    let known = NAMES.iter().find(|(_, known)| *known == name).map(|(one, _)| *one);
                    let one = known.ok_or_else(|| WhitelistError::Unknown(name.to_owned()))?;
                    permissions = permissions.with(one);
                }
            }
        }
        if names.is_some() && (inbound || outbound) && permissions == Permissions::NONE {
            return Err(WhitelistError::DirectionOnly(text.to_owned()));
        }
        let subnet = range.parse().map_err(|_| WhitelistError::Netmask(range.to_owned()))?;
        let inbound = inbound || !outbound;
        Ok(Whitelisted { subnet, permissions, is_implicit: names.is_none(), inbound, outbound })
    }
}

/// The whole list, and what a row without names gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whitelist {
    /// The rows.
    pub rows: Vec<Whitelisted>,
    /// Whether a row without names does not give `relay`.
    pub no_relay: bool,
    /// Whether a row without names gives `forcerelay`.
    pub force_relay: bool,
}

impl Whitelist {
    /// What a peer may do.
    pub fn of(&self, address: Option<IpAddr>, inbound: bool) -> Permissions {
        let Some(address) = address else { return Permissions::NONE };
        let holds = |row: &&Whitelisted| {
            (if inbound { row.inbound } else { row.outbound }) && row.subnet.contains(address)
        };
        self.rows.iter().filter(holds).fold(Permissions::NONE, |sum, row| {
            sum.with(if row.is_implicit { self.implicit() } else { row.permissions })
        })
    }

    fn implicit(&self) -> Permissions {
        let mut given = Permissions::MEMPOOL.with(Permissions::NO_BAN);
        if !self.no_relay {
            given = given.with(Permissions::RELAY);
        }
        if self.force_relay { given.with(Permissions::FORCE_RELAY) } else { given }
    }
}

#[cfg(test)]
#[path = "permissions/tests.rs"]
mod tests;
