use std::fmt;

use thiserror::Error;

use super::ADDRESS_BYTES_MAX;

/// Who owes or is owed: a miner's address, or one of the pool's own, which carry a colon that no address has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account(String);

/// Why a text names no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AccountError {
    /// Empty, or longer than any address.
    #[error("an account's name has 1 to {ADDRESS_BYTES_MAX} bytes")]
    Length,
    /// Not printable ASCII, as every address is.
    #[error("an account's name is printable ASCII without spaces")]
    Characters,
    /// A colon, but not one of the pool's own.
    #[error("no such account of the pool's own")]
    NotOurs,
}

const POOL_FEE: &str = "pool:fee";
const POOL_UNCLAIMED: &str = "pool:unclaimed";
const CHAIN_COINBASE: &str = "chain:coinbase";

impl Account {
    /// What the pool keeps of each reward.
    pub fn pool_fee() -> Account {
        Account(POOL_FEE.to_owned())
    }

    /// Rewards for which nobody had a share in the window.
    pub fn pool_unclaimed() -> Account {
        Account(POOL_UNCLAIMED.to_owned())
    }

    /// Where rewards come from: the chain's side of every entry, so always negative.
    pub fn chain_coinbase() -> Account {
        Account(CHAIN_COINBASE.to_owned())
    }

    /// A miner's.
    pub fn address(address: &str) -> Result<Account, AccountError> {
        if address.contains(':') { Err(AccountError::NotOurs) } else { Account::parse(address) }
    }

    /// Any, by its name.
    pub fn parse(name: &str) -> Result<Account, AccountError> {
        if name.is_empty() || name.len() > ADDRESS_BYTES_MAX {
            return Err(AccountError::Length);
        }
        if !name.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(AccountError::Characters);
        }
        let own = matches!(name, POOL_FEE | POOL_UNCLAIMED | CHAIN_COINBASE);
        if name.contains(':') && !own {
            return Err(AccountError::NotOurs);
        }
        Ok(Account(name.to_owned()))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
#[path = "account/tests.rs"]
mod tests;
