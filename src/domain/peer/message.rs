//! Messages, typed: what is sent and what is understood; everything else is [`Message::Ignored`].

use std::sync::Arc;

use bitcoin::block::Header;
use bitcoin::consensus::encode::{self, Decodable, Encodable, VarInt};
use bitcoin::hashes::Hash;
use bitcoin::p2p::Magic;
use bitcoin::p2p::message_blockdata::Inventory;
use bitcoin::{BlockHash, Txid, Wtxid};
use thiserror::Error;

use super::compact::{BlockTxs, BlockTxsRequest, CompactBlock};
use super::framing::{Command, Frame, encode_frame};
use super::limits::{
    ADDRESS_BYTES_MAX, HEADERS_MAX, INVENTORY_MAX, LOCATOR_MAX, PROTOCOL_VERSION, USER_AGENT_BYTES_MAX,
};
use crate::units::Height;
use crate::wire::{BlockDecodeError, DecodeError, ParsedBlock, ParsedTx, TxDecodeError};

mod addresses;
mod compact;

use addresses::put_addresses;
use compact::{put_block_txs, put_block_txs_request, put_compact_block};

pub use addresses::AddressList;

/// The type of the filters that are sent. BIP-0158
const BASIC_FILTER: u8 = 0;

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

/// What of blocks' filters is asked for. BIP-0157
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterAsk {
    /// The filters.
    Filters,
    /// Their hashes, and the header that those stand on.
    Headers,
    /// The header of each thousandth.
    Checkpoints,
}

/// Asks for filters, or for what stands for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterRequest {
    /// What of them.
    pub ask: FilterAsk,
    /// Their type.
    pub kind: u8,
    /// The first block's height; the first of all for [`FilterAsk::Checkpoints`].
    pub start: Height,
    /// The last block.
    pub stop: BlockHash,
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
    /// New blocks may be announced as compact ones (BIP152).
    SendCompact {
        /// 1: at once, before they are verified; 0: not. There is nothing else.
        announce: u8,
        /// How they are written; 2 is with witnesses.
        version: u64,
    },
    /// Addresses may be longer than 16 bytes (BIP155).
    SendAddrV2,
    /// No transaction below this feerate is wanted; satoshis per 1,000 virtual bytes (BIP133).
    FeeFilter(u64),
    /// Asks for a sign of life.
    Ping(u64),
    /// The sign of life. Nothing where it is too short to be one.
    Pong(Option<u64>),
    /// Asks for addresses.
    GetAddr,
    /// Tells of addresses.
    Addresses(AddressList),
    /// Asks for what a filter lets through (BIP37), which is not offered.
    Bloom(Command),
    /// A block's header, and what stands for its transactions (BIP152).
    CompactBlock(Arc<CompactBlock>),
    /// Asks for transactions of a block (BIP152).
    GetBlockTxs(BlockTxsRequest),
    /// Transactions of a block (BIP152).
    BlockTxs(BlockTxs),
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
    /// Asks for filters of blocks (BIP157).
    GetFilters(FilterRequest),
    /// A block's filter.
    Filter {
        /// The block.
        block: BlockHash,
        /// The filter.
        filter: Vec<u8>,
    },
    /// Hashes of filters in a row.
    FilterHeaders {
        /// The last one's block.
        stop: BlockHash,
        /// The header of the filter before the first; zeros before the first of all.
        previous: [u8; 32],
        /// They.
        hashes: Vec<[u8; 32]>,
    },
    /// The header of each thousandth filter.
    FilterCheckpoints {
        /// The block up to which.
        stop: BlockHash,
        /// They.
        headers: Vec<[u8; 32]>,
    },
    /// A command that asks nothing of us.
    Ignored(Command),
    /// A payload of so many bytes that is not what its command says.
    Malformed(Command, Flaw, usize),
    /// More items than a message may have.
    Excess(Command, u64),
}

/// What was wrong with a payload, as far as anybody looks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Flaw {
    /// It ended too early, or was something else.
    #[error("DataStream::read(): end of data")]
    Cut,
    /// A transaction's marker of a future kind.
    #[error("Unknown transaction optional data")]
    UnknownMarker,
    /// An address that no network has.
    #[error("Address too long: {0} > {max}", max = ADDRESS_BYTES_MAX)]
    LongAddress(u64),
    /// A transaction marked to have witnesses has none.
    #[error("Superfluous witness record")]
    NoWitness,
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
    /// An address of more bytes than any network's has.
    #[error("an address of {0} bytes")]
    LongAddress(u64),
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
    /// What a frame says, whatever it is.
    pub fn of_frame(frame: &Frame) -> Message {
        match Message::decode(frame) {
            Ok(message) => message,
            Err(MessageError::TooMany { count, .. }) => Message::Excess(frame.command, count),
            Err(error) => Message::Malformed(frame.command, flaw(&error), frame.payload.len()),
        }
    }

    /// What a frame says. A block's hashes are computed here, so this belongs where it keeps nobody waiting.
    pub fn decode(frame: &Frame) -> Result<Message, MessageError> {
        let mut bytes = Bytes { command: "", rest: &frame.payload };
        Ok(match frame.command.name() {
            Some("version") => Message::Version(bytes.of("version").version()?),
            Some("verack") => Message::Verack,
            Some("wtxidrelay") => Message::WtxidRelay,
            Some("sendheaders") => Message::SendHeaders,
            Some("sendcmpct") => {
                let bytes = bytes.of("sendcmpct");
                Message::SendCompact { announce: bytes.take()?, version: bytes.take()? }
            }
            Some("sendaddrv2") => Message::SendAddrV2,
            Some("feefilter") => Message::FeeFilter(bytes.of("feefilter").take()?),
            Some("ping") => Message::Ping(bytes.of("ping").take()?),
            Some("pong") => Message::Pong(bytes.of("pong").take().ok()),
            Some("getaddr") => Message::GetAddr,
            Some("addr") => Message::Addresses(bytes.of("addr").addresses(false)?),
            Some("addrv2") => Message::Addresses(bytes.of("addrv2").addresses(true)?),
            Some("filterload" | "filteradd" | "filterclear") => Message::Bloom(frame.command),
            Some("cmpctblock") => Message::CompactBlock(Arc::new(bytes.of("cmpctblock").compact_block()?)),
            Some("getblocktxn") => Message::GetBlockTxs(bytes.of("getblocktxn").block_txs_request()?),
            Some("blocktxn") => Message::BlockTxs(bytes.of("blocktxn").block_txs()?),
            Some("getheaders") => Message::GetHeaders(bytes.of("getheaders").locator()?),
            Some("getblocks") => Message::GetBlocks(bytes.of("getblocks").locator()?),
            Some("headers") => Message::Headers(bytes.of("headers").headers()?),
            Some("inv") => Message::Inv(bytes.of("inv").list(INVENTORY_MAX)?),
            Some("getdata") => Message::GetData(bytes.of("getdata").list(INVENTORY_MAX)?),
            Some("notfound") => Message::NotFound(bytes.of("notfound").list(INVENTORY_MAX)?),
            Some("tx") => Message::Tx(Arc::new(ParsedTx::decode(&frame.payload)?)),
            Some("block") => Message::Block(Arc::new(ParsedBlock::decode(&frame.payload)?)),
            Some("mempool") => Message::Mempool,
            Some("getcfilters") => bytes.of("getcfilters").filter_request(FilterAsk::Filters)?,
            Some("getcfheaders") => bytes.of("getcfheaders").filter_request(FilterAsk::Headers)?,
            Some("getcfcheckpt") => bytes.of("getcfcheckpt").filter_request(FilterAsk::Checkpoints)?,
            _ => Message::Ignored(frame.command),
        })
    }

    /// Its command's name; empty where it is not printable.
    pub fn name(&self) -> &str {
        match self {
            Message::Bloom(command)
            | Message::Ignored(command)
            | Message::Malformed(command, ..)
            | Message::Excess(command, _) => command.name().unwrap_or_default(),
            sent => sent.command().unwrap_or_default(),
        }
    }

    /// The command under which it goes; none for one that is never sent.
    pub fn command(&self) -> Option<&'static str> {
        Some(match self {
            Message::Version(_) => "version",
            Message::Verack => "verack",
            Message::WtxidRelay => "wtxidrelay",
            Message::SendHeaders => "sendheaders",
            Message::SendCompact { .. } => "sendcmpct",
            Message::SendAddrV2 => "sendaddrv2",
            Message::FeeFilter(_) => "feefilter",
            Message::GetAddr => "getaddr",
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
            Message::GetFilters(request) => match request.ask {
                FilterAsk::Filters => "getcfilters",
                FilterAsk::Headers => "getcfheaders",
                FilterAsk::Checkpoints => "getcfcheckpt",
            },
            Message::Filter { .. } => "cfilter",
            Message::FilterHeaders { .. } => "cfheaders",
            Message::FilterCheckpoints { .. } => "cfcheckpt",
            Message::Addresses(list) => list.name(),
            Message::CompactBlock(_) => "cmpctblock",
            Message::GetBlockTxs(_) => "getblocktxn",
            Message::BlockTxs(_) => "blocktxn",
            Message::Bloom(_) | Message::Ignored(_) | Message::Malformed(..) | Message::Excess(..) => {
                return None;
            }
        })
    }

    /// The whole frame; none for one that is never sent.
    pub fn encode(&self, magic: Magic) -> Option<Vec<u8>> {
        let mut payload = Vec::new();
        match self {
            Message::Version(version) => version.put(&mut payload),
            Message::Ping(nonce) | Message::Pong(Some(nonce)) => put(&mut payload, nonce),
            Message::FeeFilter(rate) => put(&mut payload, rate),
            Message::SendCompact { announce, version } => {
                put(&mut payload, announce);
                put(&mut payload, version);
            }
            Message::GetHeaders(locator) | Message::GetBlocks(locator) => locator.put(&mut payload),
            Message::Headers(headers) => put_headers(&mut payload, headers),
            Message::Addresses(list) => put_addresses(&mut payload, list),
            Message::CompactBlock(compact) => put_compact_block(&mut payload, compact),
            Message::GetBlockTxs(request) => put_block_txs_request(&mut payload, request),
            Message::BlockTxs(answer) => put_block_txs(&mut payload, answer),
            Message::Inv(items) | Message::GetData(items) | Message::NotFound(items) => {
                put_list(&mut payload, items);
            }
            Message::GetFilters(request) => request.put(&mut payload),
            Message::Filter { block, filter } => {
                payload.push(BASIC_FILTER);
                put(&mut payload, block);
                put(&mut payload, filter);
            }
            Message::FilterHeaders { stop, previous, hashes } => {
                payload.push(BASIC_FILTER);
                put(&mut payload, stop);
                payload.extend(previous);
                put_count(&mut payload, hashes.len());
                payload.extend(hashes.as_flattened());
            }
            Message::FilterCheckpoints { stop, headers } => {
                payload.push(BASIC_FILTER);
                put(&mut payload, stop);
                put_count(&mut payload, headers.len());
                payload.extend(headers.as_flattened());
            }
            Message::Tx(tx) => payload.extend_from_slice(tx.raw()),
            Message::Block(block) => payload.extend_from_slice(block.raw()),
            _ => {}
        }
        Some(encode_frame(magic, Command::new(self.command()?), &payload))
    }
}

impl TxRef {
    /// How it is asked for, with its witnesses; of who has none, as it is announced.
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

fn flaw(error: &MessageError) -> Flaw {
    match error {
        MessageError::Tx(TxDecodeError(why)) | MessageError::Block(BlockDecodeError(why)) => match why {
            DecodeError::UnknownFlag => Flaw::UnknownMarker,
            DecodeError::SuperfluousWitness => Flaw::NoWitness,
            _ => Flaw::Cut,
        },
        MessageError::LongAddress(bytes) => Flaw::LongAddress(*bytes),
        _ => Flaw::Cut,
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

    /// Type 1, the first height 4 (little-endian; not for checkpoints), the last block's hash 32.
    fn filter_request(&mut self, ask: FilterAsk) -> Result<Message, MessageError> {
        let kind = self.take()?;
        let start = if ask == FilterAsk::Checkpoints { 0 } else { self.take()? };
        Ok(Message::GetFilters(FilterRequest { ask, kind, start: Height::new(start), stop: self.take()? }))
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

impl FilterRequest {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(self.kind);
        if self.ask != FilterAsk::Checkpoints {
            put(out, &self.start.to_u32());
        }
        put(out, &self.stop);
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
