//! Which session gets which extranonce1.
//!
//! A byte names the server, three count its sessions. The count goes on after a restart, since its numbers are leased durably,
//! a range at a time, before one of them is used: what is left of a range at the end of a process is never given out.

use std::sync::Mutex;

use thiserror::Error;

use super::job::EXTRANONCE1_BYTES;

/// Numbers of one lease: a durable write every 4,096 connections, and at most so many numbers lost by a restart.
pub const LEASE_NUMBERS: u64 = 4096;
/// The count's bytes: after 2^24 sessions a number comes again, unless a session still has it.
const COUNT_MODULUS: u64 = 1 << 24;

/// The lease could not be made durable: our disk's fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("extranonce lease: {0}")]
pub struct LeaseFault(pub String);

/// Gives out ranges of numbers; a number is given out once, whatever happens to the process.
pub trait NumberLease: Send + Sync {
    /// The first of `count` numbers that nobody else gets, durable when it returns.
    fn lease(&self, count: u64) -> Result<u64, LeaseFault>;
}

/// Numbers from memory: for tests, and where a restart need not be survived.
#[derive(Debug, Default)]
pub struct MemoryLease(Mutex<u64>);

impl NumberLease for MemoryLease {
    fn lease(&self, count: u64) -> Result<u64, LeaseFault> {
        let mut next = self.0.lock().map_err(|e| LeaseFault(e.to_string()))?;
        let first = *next;
        *next = first.saturating_add(count);
        Ok(first)
    }
}

/// Gives each session its extranonce1.
#[derive(Debug, Default)]
pub struct ExtranonceAllocator {
    server: u8,
    next: u64,
    end: u64,
}

impl ExtranonceAllocator {
    /// For the server of this number; two servers with one ledger must have two.
    pub fn new(server: u8) -> ExtranonceAllocator {
        ExtranonceAllocator { server, next: 0, end: 0 }
    }

    /// The next one that no living or retired session has.
    pub fn allocate(
        &mut self,
        lease: &dyn NumberLease,
        in_use: impl Fn([u8; EXTRANONCE1_BYTES]) -> bool,
    ) -> Result<[u8; EXTRANONCE1_BYTES], LeaseFault> {
        for _ in 0..COUNT_MODULUS {
            let number = self.take(lease)?;
            let extranonce1 = self.number(number);
            if !in_use(extranonce1) {
                return Ok(extranonce1);
            }
        }
        Err(LeaseFault("every number is in use".to_owned()))
    }

    fn take(&mut self, lease: &dyn NumberLease) -> Result<u64, LeaseFault> {
        if self.next >= self.end {
            self.next = lease.lease(LEASE_NUMBERS)?;
            self.end = self.next.saturating_add(LEASE_NUMBERS);
        }
        let number = self.next;
        self.next = number.saturating_add(1);
        Ok(number)
    }

    fn number(&self, number: u64) -> [u8; EXTRANONCE1_BYTES] {
        let count = u32::try_from(number % COUNT_MODULUS).unwrap_or(0);
        let [_, high, middle, low] = count.to_be_bytes();
        [self.server, high, middle, low]
    }
}

#[cfg(test)]
#[path = "extranonce/tests.rs"]
mod tests;
