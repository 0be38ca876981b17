//! The book in a file.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `ADITPEER` |
//! | 1 | the form: 1 |
//! | 32 | the key |
//! | 4 | how many addresses, little-endian |
//! | each | time 4, services 8, last try 8, last success 8, attempts 4 (all little-endian), tried 1, the address, who told of it |
//! | 32 | double SHA-256 of all before |
//!
//! An address is its network 1 (BIP-0155), its bytes 4, 16 or 32, its port 2 (big-endian); whoever told of it has port 0.

use bitcoin::hashes::{Hash, sha256d};
use thiserror::Error;

use super::{AddressBook, BUCKET_SIZE, Entry, NEW_BUCKETS, TRIED_BUCKETS};
use crate::peer::address::{Host, KnownNode, NodeAddress};

const MAGIC: &[u8; 8] = b"ADITPEER";
const FORM: u8 = 1;
/// Bytes of a row at most: 33 and two addresses of 35.
const ROW_BYTES_MAX: u64 = 33 + 2 * 35;
/// Bytes of a file at most: a full book, and what stands around it.
pub const FILE_BYTES_MAX: u64 = (NEW_BUCKETS + TRIED_BUCKETS) * BUCKET_SIZE * ROW_BYTES_MAX + 77;

/// Why a file is no book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AddressFileError {
    /// It is something else, or of a later form.
    #[error("not a list of peers' addresses that this version knows")]
    Form,
    /// It is not what was written.
    #[error("the list of peers' addresses is damaged")]
    Damaged,
}

fn put_address(out: &mut Vec<u8>, host: &Host, port: u16) {
    let (network, bytes) = host.numbered();
    out.push(network);
    out.extend(bytes);
    out.extend(port.to_be_bytes());
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn address(&mut self) -> Option<NodeAddress> {
        let [network] = self.take()?;
        let host = match network {
            1 => Host::V4(self.take::<4>()?.into()),
            2 => Host::V6(self.take::<16>()?.into()),
            4 => Host::Onion(self.take()?),
            5 => Host::I2p(self.take()?),
            6 => Host::Cjdns(self.take::<16>()?.into()),
            _ => return None,
        };
        Some(NodeAddress { host, port: u16::from_be_bytes(self.take()?) })
    }
}

impl AddressBook {
    /// What is written to the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(FORM);
        out.extend(self.key);
        out.extend(u32::try_from(self.entries.len()).unwrap_or(u32::MAX).to_le_bytes());
        for entry in self.entries.values() {
            out.extend(entry.node.time_s.to_le_bytes());
            out.extend(entry.node.services.to_le_bytes());
            out.extend(entry.last_try_s.to_le_bytes());
            out.extend(entry.last_success_s.to_le_bytes());
            out.extend(entry.attempts.to_le_bytes());
            out.push(u8::from(entry.tried));
            put_address(&mut out, &entry.node.address.host, entry.node.address.port);
            put_address(&mut out, &entry.source, 0);
        }
        let hash = sha256d::Hash::hash(&out);
        out.extend(hash.to_byte_array());
        out
    }

    /// Reads what [`AddressBook::to_bytes`] wrote. An address has one place each, by whoever told of it first.
    pub fn from_bytes(bytes: &[u8]) -> Result<AddressBook, AddressFileError> {
        let (body, hash) = bytes.split_last_chunk::<32>().ok_or(AddressFileError::Damaged)?;
        let mut rest = Rest(body);
        if rest.take::<8>().as_ref() != Some(MAGIC) || rest.take() != Some([FORM]) {
            return Err(AddressFileError::Form);
        }
        if sha256d::Hash::hash(body).to_byte_array() != *hash {
            return Err(AddressFileError::Damaged);
        }
        let mut read = || {
            let mut book = AddressBook::new(rest.take()?);
            for _ in 0..u32::from_le_bytes(rest.take()?) {
                book.restore(&mut rest)?;
            }
            Some(book)
        };
        read().ok_or(AddressFileError::Damaged)
    }

    fn restore(&mut self, rest: &mut Rest<'_>) -> Option<()> {
        let (time_s, services) = (u32::from_le_bytes(rest.take()?), u64::from_le_bytes(rest.take()?));
        let (last_try_s, last_success_s) =
            (u64::from_le_bytes(rest.take()?), u64::from_le_bytes(rest.take()?));
        let attempts = u32::from_le_bytes(rest.take()?);
        let [tried] = rest.take()?;
        let (address, source) = (rest.address()?, rest.address()?.host);
        if self.ids.contains_key(&address) || !address.host.is_routable() {
            return Some(());
        }
        let id = self.create(KnownNode { time_s, services, address }, source);
        if let Some(entry) = self.entries.get_mut(&id) {
            *entry = Entry { last_try_s, last_success_s, attempts, ..entry.clone() };
        }
        let place = self.tried_place(&address);
        if tried == 1 && !self.tried.contains_key(&place) {
            self.tried.insert(place, id);
            self.entries.entry(id).and_modify(|entry| entry.tried = true);
        } else {
            let place = self.new_place(&address, &source);
            self.take_place(place, id, 0);
        }
        Some(())
    }
}
