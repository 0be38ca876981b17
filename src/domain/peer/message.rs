//! Messages, typed: what is sent and what is understood; everything else is [`Message::Ignored`].

use std::sync::Arc;

use bitcoin::block::Header;
use bitcoin::consensus::encode::{self, Decodable, Encodable, VarInt};
use bitcoin::hashes::Hash;
use bitcoin::p2p::Magic;
use bitcoin::p2p::message_blockdata::Inventory;
use bitcoin::{BlockHash, Txid, Wtxid};
use thiserror::Error;

use super::framing::{Command, Frame, encode_frame};
use super::limits::{HEADERS_MAX, INVENTORY_MAX, LOCATOR_MAX, PROTOCOL_VERSION, USER_AGENT_BYTES_MAX};
use crate::wire::{BlockDecodeError, ParsedBlock, ParsedTx, TxDecodeError};

/// What a node says of itself first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The protocol it speaks.
    pub protocol: u32,
    /// What it offers: the bits of `ServiceFlags`.
    pub services: u64,
    /// Its clock; seconds since 1970. Nothing is decided by it.
    pub time: i64,
    /// Drawn for this connection, so that a connection to oneself is seen.
    pub nonce: u64,
    /// What it calls itself.
    pub user_agent: String,
    /// The height of its chain.
    pub height: u32,
    /// Whether it wants transactions announced (BIP37).
    pub relay: bool,
}

/// Where a chain of headers is asked to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locator {
    /// Hashes of the asker's chain, the tip first.
    pub hashes: Vec<BlockHash>,
    /// Where to stop; all zeros for as far as a message goes.
    pub stop: BlockHash,
}

/// A transaction by one of its ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TxRef {
    /// Without witnesses.
    Txid(Txid),
    /// With witnesses (BIP339).
    Wtxid(Wtxid),
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The first one.
    Version(Version),
    /// The answer to it.
    Verack,
    /// Transactions are announced by wtxid (BIP339).
    WtxidRelay,
    /// New blocks are to be announced by headers (BIP130).
    SendHeaders,
    /// Asks for a sign of life.
    Ping(u64),
    /// The sign of life.
    Pong(u64),
    /// Asks for headers.
    GetHeaders(Locator),
    /// Asks for an inventory of blocks.
    GetBlocks(Locator),
    /// Headers, each the parent of the next.
    Headers(Vec<Header>),
    /// Announces.
    Inv(Vec<Inventory>),
    /// Asks for what was announced.
    GetData(Vec<Inventory>),
    /// What was asked for is not there.
    NotFound(Vec<Inventory>),
    /// A transaction.
    Tx(Arc<ParsedTx>),
    /// A block.
    Block(Arc<ParsedBlock>),
    /// Asks for an inventory of held transactions (BIP35).
    Mempool,
    /// A command that asks nothing of us: addresses, fee filters, what we do not know.
    Ignored,
}

/// Why a payload is not what its command says.
#[derive(Debug, Error)]
pub enum MessageError {
    /// Not the encoding.
    #[error("{command} does not decode: {source}")]
    Malformed {
        /// Which message.
        command: &'static str,
        /// What its decoder met.
        source: encode::Error,
    },
    /// A block that does not decode.
    #[error(transparent)]
    Block(#[from] BlockDecodeError),
    /// A transaction that does not decode.
    #[error(transparent)]
    Tx(#[from] TxDecodeError),
    /// More items than the message may have.
    #[error("{command} with {count} items")]
    TooMany {
        /// Which message.
        command: &'static str,
        /// How many it claims.
        count: u64,
    },
}

impl Message {
    /// What a frame says. A block's hashes are computed here, so this belongs where it keeps nobody waiting.
    pub fn decode(frame: &Frame) -> Result<Message, MessageError> {
        let mut bytes = Bytes { command: "", rest: &frame.payload };
        Ok(match frame.command.name() {
            Some("version") => Message::Version(bytes.of("version").version()?),
            Some("verack") => Message::Verack,
            Some("wtxidrelay") => Message::WtxidRelay,
            Some("sendheaders") => Message::SendHeaders,
            Some("ping") => Message::Ping(bytes.of("ping").take()?),
            Some("pong") => Message::Pong(bytes.of("pong").take()?),
            Some("getheaders") => Message::GetHeaders(bytes.of("getheaders").locator()?),
            Some("getblocks") => Message::GetBlocks(bytes.of("getblocks").locator()?),
            Some("headers") => Message::Headers(bytes.of("headers").headers()?),
            Some("inv") => Message::Inv(bytes.of("inv").list(INVENTORY_MAX)?),
            Some("getdata") => Message::GetData(bytes.of("getdata").list(INVENTORY_MAX)?),
            Some("notfound") => Message::NotFound(bytes.of("notfound").list(INVENTORY_MAX)?),
            Some("tx") => Message::Tx(Arc::new(ParsedTx::decode(&frame.payload)?)),
            Some("block") => Message::Block(Arc::new(ParsedBlock::decode(&frame.payload)?)),
            Some("mempool") => Message::Mempool,
            _ => Message::Ignored,
        })
    }

    /// The command under which it goes; none for one that is never sent.
    pub fn command(&self) -> Option<&'static str> {
        Some(match self {
            Message::Version(_) => "version",
            Message::Verack => "verack",
            Message::WtxidRelay => "wtxidrelay",
            Message::SendHeaders => "sendheaders",
            Message::Ping(_) => "ping",
            Message::Pong(_) => "pong",
            Message::GetHeaders(_) => "getheaders",
            Message::GetBlocks(_) => "getblocks",
            Message::Headers(_) => "headers",
            Message::Inv(_) => "inv",
            Message::GetData(_) => "getdata",
            Message::NotFound(_) => "notfound",
            Message::Tx(_) => "tx",
            Message::Block(_) => "block",
            Message::Mempool => "mempool",
            Message::Ignored => return None,
        })
    }

    /// The whole frame; none for one that is never sent.
    pub fn encode(&self, magic: Magic) -> Option<Vec<u8>> {
        let mut payload = Vec::new();
        match self {
            Message::Version(version) => version.put(&mut payload),
            Message::Ping(nonce) | Message::Pong(nonce) => put(&mut payload, nonce),
            Message::GetHeaders(locator) | Message::GetBlocks(locator) => locator.put(&mut payload),
            Message::Headers(headers) => put_headers(&mut payload, headers),
            Message::Inv(items) | Message::GetData(items) | Message::NotFound(items) => {
                put_list(&mut payload, items);
            }
            Message::Tx(tx) => payload.extend_from_slice(tx.raw()),
            Message::Block(block) => payload.extend_from_slice(block.raw()),
            Message::Verack | Message::WtxidRelay | Message::SendHeaders | Message::Mempool => {}
            Message::Ignored => return None,
        }
        Some(encode_frame(magic, Command::new(self.command()?), &payload))
    }
}

impl TxRef {
    /// How it is asked for: always with its witnesses.
    pub fn wanted(self) -> Inventory {
        match self {
            TxRef::Txid(txid) => Inventory::WitnessTransaction(txid),
            TxRef::Wtxid(wtxid) => Inventory::WTx(wtxid),
        }
    }

    /// How it is announced.
    pub fn announced(self) -> Inventory {
        match self {
            TxRef::Txid(txid) => Inventory::Transaction(txid),
            TxRef::Wtxid(wtxid) => Inventory::WTx(wtxid),
        }
    }

    /// The transaction that an item means; none for a block, or for what is not known.
    pub fn of(item: &Inventory) -> Option<TxRef> {
        match item {
            Inventory::Transaction(txid) | Inventory::WitnessTransaction(txid) => Some(TxRef::Txid(*txid)),
            Inventory::WTx(wtxid) => Some(TxRef::Wtxid(*wtxid)),
            _ => None,
        }
    }
}

struct Bytes<'a> {
    command: &'static str,
    rest: &'a [u8],
}

impl Bytes<'_> {
    fn of(&mut self, command: &'static str) -> &mut Self {
        self.command = command;
        self
    }

    fn take<T: Decodable>(&mut self) -> Result<T, MessageError> {
        let command = self.command;
        T::consensus_decode_from_finite_reader(&mut self.rest)
            .map_err(|source| MessageError::Malformed { command, source })
    }

    fn count(&mut self, most: usize) -> Result<usize, MessageError> {
        let VarInt(count) = self.take()?;
        match usize::try_from(count) {
            Ok(n) if n <= most => Ok(n),
            _ => Err(MessageError::TooMany { command: self.command, count }),
        }
    }

    fn list<T: Decodable>(&mut self, most: usize) -> Result<Vec<T>, MessageError> {
        let count = self.count(most)?;
        (0..count).map(|_| self.take()).collect()
    }

    fn headers(&mut self) -> Result<Vec<Header>, MessageError> {
        let count = self.count(HEADERS_MAX)?;
        (0..count)
            .map(|_| {
                let header = self.take()?;
                // A count of transactions, always zero, that nobody reads.
                self.take::<VarInt>().map(|_| header)
            })
            .collect()
    }

    fn locator(&mut self) -> Result<Locator, MessageError> {
        let _protocol: u32 = self.take()?;
        Ok(Locator { hashes: self.list(LOCATOR_MAX)?, stop: self.take()? })
    }

    fn version(&mut self) -> Result<Version, MessageError> {
        let (protocol, services, time) = (self.take()?, self.take()?, self.take()?);
        let _addresses: ([u8; 26], [u8; 26]) = (self.address()?, self.address()?);
        let nonce = self.take()?;
        let name_bytes = self.count(USER_AGENT_BYTES_MAX)?;
        let name: Vec<u8> = (0..name_bytes).map(|_| self.take()).collect::<Result<_, _>>()?;
        let height: u32 = self.take()?;
        // Older nodes leave it out (BIP37).
        let relay = self.rest.first().is_none_or(|b| *b != 0);
        Ok(Version { protocol, services, time, nonce, user_agent: printable(&name), height, relay })
    }

    fn address(&mut self) -> Result<[u8; 26], MessageError> {
        let (services, ip, port): (u64, [u8; 16], [u8; 2]) = (self.take()?, self.take()?, self.take()?);
        let mut bytes = [0; 26];
        let all = services.to_le_bytes().into_iter().chain(ip).chain(port);
        bytes.iter_mut().zip(all).for_each(|(to, from)| *to = from);
        Ok(bytes)
    }
}

/// A name that can be shown and logged: printable ASCII stays, the rest becomes `?`.
fn printable(name: &[u8]) -> String {
    name.iter().map(|b| if (0x20..0x7f).contains(b) { char::from(*b) } else { '?' }).collect()
}

impl Version {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, &self.protocol);
        put(out, &self.services);
        put(out, &self.time);
        // Two addresses that nobody reads any more: theirs and ours.
        out.extend_from_slice(&[0; 26 + 26]);
        put(out, &self.nonce);
        put(out, &self.user_agent);
        put(out, &self.height);
        put(out, &self.relay);
    }
}

impl Locator {
    /// A locator that asks for as much as a message holds.
    pub fn from_hashes(hashes: Vec<BlockHash>) -> Locator {
        Locator { hashes, stop: BlockHash::all_zeros() }
    }

    fn put(&self, out: &mut Vec<u8>) {
        put(out, &PROTOCOL_VERSION);
        put_list(out, &self.hashes);
        put(out, &self.stop);
    }
}

fn put_headers(out: &mut Vec<u8>, headers: &[Header]) {
    put_count(out, headers.len());
    for header in headers {
        put(out, header);
        put_count(out, 0);
    }
}

fn put_list<T: Encodable>(out: &mut Vec<u8>, items: &[T]) {
    put_count(out, items.len());
    items.iter().for_each(|item| put(out, item));
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    put(out, &VarInt(u64::try_from(count).unwrap_or(u64::MAX)));
}

fn put<T: Encodable + ?Sized>(out: &mut Vec<u8>, value: &T) {
    // Writing to memory does not fail.
    let _ = value.consensus_encode(out);
}

#[cfg(test)]
#[path = "message/tests.rs"]
mod tests;
