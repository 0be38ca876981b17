//! Who a miner says it is: `ADDRESS` or `ADDRESS.worker`.

use bitcoin::Network;
use thiserror::Error;

use crate::units::{AddressError, parse_address};

/// Bytes of a user name at most: Whatsminer overflows beyond 127, and the longest address has 90.
pub const USER_BYTES_MAX: usize = 127;

/// A worker whose address was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// As the miner gave it; its shares name it the same way.
    pub user: String,
    /// The address that is owed, in its canonical spelling.
    pub address: String,
    /// The name after the address's dot; may be empty.
    pub name: String,
}

/// Why a user name is not a worker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WorkerError {
    /// More than [`USER_BYTES_MAX`].
    #[error("username too long")]
    TooLong,
    /// Something other than printable ASCII, or a `%` without two hex digits.
    #[error("bad character in username")]
    BadCharacter,
    /// What stands before the first dot is not an address.
    #[error("username must be ADDRESS.worker")]
    NotAnAddress,
    /// An address of another network: what is paid there is lost.
    #[error("address is for another network")]
    OtherNetwork,
}

impl From<AddressError> for WorkerError {
    fn from(error: AddressError) -> WorkerError {
        match error {
            AddressError::NotAnAddress => WorkerError::NotAnAddress,
            AddressError::OtherNetwork => WorkerError::OtherNetwork,
        }
    }
}

impl Worker {
    /// Checks a user name. `%`-escapes, as some firmware sends them, are undone first.
    pub fn parse(user: &str, network: Network) -> Result<Worker, WorkerError> {
        if user.len() > USER_BYTES_MAX {
            return Err(WorkerError::TooLong);
        }
        let plain = unescaped(user).ok_or(WorkerError::BadCharacter)?;
        let (address, name) = plain.split_once('.').unwrap_or((plain.as_str(), ""));
        let address = parse_address(address, network)?;
        Ok(Worker { user: user.to_owned(), address: address.to_string(), name: name.to_owned() })
    }

    /// `ADDRESS.worker`, or the address alone.
    pub fn full_name(&self) -> String {
        if self.name.is_empty() { self.address.clone() } else { format!("{}.{}", self.address, self.name) }
    }
}

/// Undoes `%XX`; none for what is not printable ASCII afterwards.
fn unescaped(user: &str) -> Option<String> {
    let mut plain = String::with_capacity(user.len());
    let mut bytes = user.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => hex_digit(bytes.next()?)?.checked_mul(16)?.checked_add(hex_digit(bytes.next()?)?)?,
            other => other,
        };
        if !byte.is_ascii_graphic() {
            return None;
        }
        plain.push(char::from(byte));
    }
    Some(plain)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
#[path = "worker/tests.rs"]
mod tests;
