use std::sync::Arc;

use bitcoin::BlockHash;
use bitcoin::block::Header;
use bitcoin::p2p::message_blockdata::Inventory;
use thiserror::Error;

use super::{BlockTxsRequest, CompactError, FilterAsk, KnownNode, Message, PeerId};
use crate::units::Height;
use crate::wire::{ParsedBlock, ParsedTx};

/// What is to be done after a message or a tick, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send it.
    Send(Message),
    /// Have the chain judge them; [`super::Session::headers_judged`] hears of it.
    SubmitHeaders(Vec<Header>),
    /// Have the chain judge it; [`super::Session::block_judged`] hears of it.
    SubmitBlock(Arc<ParsedBlock>),
    /// Have the mempool judge it; [`super::Session::tx_judged`] hears of it.
    SubmitTx(Arc<ParsedTx>),
    /// It is held already, and is announced to everybody once more.
    RelayAgain(Arc<ParsedTx>),
    /// Send what was asked for, one after the other: blocks (those that aren't there are left out) and held
    /// transactions (`notfound` for the others).
    Serve {
        /// What was asked for.
        items: Vec<Inventory>,
        /// Transactions that joined the mempool at its change of this number or later have not been announced to the peer: to it they
        /// are not there.
        before: u64,
    },
    /// Send these of a block's transactions; where it has none at one of the places, [`super::Session::asked_beyond`] hears of it.
    ServeBlockTxs(BlockTxsRequest),
    /// Send what was asked for of blocks' filters.
    ServeFilters(FilterRange),
    /// Others are told of an address.
    TellAddress {
        /// It.
        node: KnownNode,
        /// Who.
        to: Vec<PeerId>,
    },
    /// Send it when everything that came before has been judged.
    SendInTurn(Message),
    /// Others look for this in the log.
    Note(String),
    /// The handshake is through.
    Ready,
    /// Close the connection.
    Disconnect(DisconnectReason),
}

/// Filters, or what stands for them, of blocks in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterRange {
    /// What of them.
    pub ask: FilterAsk,
    /// The first block's height.
    pub start: Height,
    /// The last block.
    pub stop: BlockHash,
    /// Its height.
    pub stop_height: Height,
}

/// What stands for a block's filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterRow {
    /// The block.
    pub block: BlockHash,
    /// The filter's hash.
    pub hash: [u8; 32],
    /// The filter's header, which commits to all below.
    pub header: [u8; 32],
}

/// Why a connection is closed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DisconnectReason {
    /// It is ourselves.
    #[error("connected to self")]
    SelfConnection,
    /// It does not offer what it is needed for.
    #[error("peer does not offer the expected services ({offered:08x} offered, {expected:08x} expected)")]
    Services {
        /// What it offers.
        offered: u64,
        /// What is needed.
        expected: u64,
    },
    /// That somebody is there is all that was to be found out.
    #[error("feeler connection completed")]
    FeelerDone,
    /// It has told of addresses, which was all that it was wanted for.
    #[error("addrfetch connection completed")]
    AddrFetchDone,
    /// It has not.
    #[error("addrfetch connection timeout")]
    AddrFetchTimeout,
    /// What it sent is not wanted from it.
    #[error("{0}")]
    Unwanted(Unwanted),
    /// It said nothing, or took nothing, at the beginning.
    #[error("socket no message in first {within_s} seconds,{received}{sent}")]
    Silent {
        /// How long it was waited for.
        within_s: u64,
        /// Said where nothing came.
        received: &'static str,
        /// Said where nothing went.
        sent: &'static str,
    },
    /// It speaks a protocol that is too old.
    #[error("peer using obsolete version {0}")]
    ObsoleteVersion(u32),
    /// The handshake took too long.
    #[error("version handshake timeout")]
    HandshakeTimeout,
    /// So did the exchange of keys before it.
    #[error("V2 handshake timeout")]
    TransportTimeout,
    /// A ping went unanswered.
    #[error("ping timeout: {}.{:03}000s", .0 / 1000, .0 % 1000)]
    PingTimeout(u64),
    /// Headers that were asked for did not come.
    #[error("Timeout downloading headers")]
    HeadersTimeout,
    /// A block that was asked for did not come.
    #[error("Timeout downloading block")]
    BlockTimeout,
    /// It held up the download from everybody else.
    #[error("Peer is stalling block download")]
    Stalling,
    /// It does not follow the best chain.
    #[error("Outbound peer has old chain")]
    OldChain,
    /// Headers that are not each the parent of the next.
    #[error("non-continuous headers sequence")]
    NonContinuousHeaders,
    /// A header that breaks a rule.
    #[error("invalid header: {0}")]
    InvalidHeader(String),
    /// A block that breaks a rule.
    #[error("invalid block: {0}")]
    InvalidBlock(String),
    /// A compact block, or what was asked for of one, that no node sends.
    #[error("{0}")]
    InvalidCompact(CompactError),
    /// Transactions of a block that could not be put together with them before.
    #[error("previous compact block reconstruction attempt failed")]
    CompactAgain,
    /// Asks for transactions that a block does not have.
    #[error("getblocktxn with out-of-bounds tx indices")]
    BlockTxsBeyond,
    /// Says neither that it wants compact blocks at once nor that it does not.
    #[error("invalid sendcmpct announce field")]
    SendCompact,
    /// A message of the handshake after the handshake.
    #[error("{0} received after verack")]
    AfterVerack(&'static str),
    /// More items than a message may have.
    #[error("{command} message size = {count}")]
    Excess {
        /// Which message.
        command: String,
        /// How many.
        count: u64,
    },
}

/// What no peer may send us, or ask of us.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unwanted {
    /// Filters are not offered.
    #[error("{0} received despite not offering bloom services")]
    Bloom(String),
    /// What the mempool holds is not told.
    #[error("mempool request with bloom filters disabled")]
    Mempool,
    /// A transaction's announcement where none is wanted.
    #[error("transaction ({0}) inv sent in violation of protocol")]
    TxInv(String),
    /// A transaction where none is wanted.
    #[error("transaction sent in violation of protocol")]
    Tx,
    /// Filters of a type that is not offered.
    #[error("peer requested unsupported block filter type: {0}")]
    FilterType(u8),
    /// Filters up to a block that nobody may ask for.
    #[error("peer requested invalid block hash: {0}")]
    FilterBlock(BlockHash),
    /// Filters that end before they begin.
    #[error("peer sent invalid getcfilters/getcfheaders with start height {start} and stop height {stop}")]
    FilterOrder {
        /// Where they begin.
        start: Height,
        /// Where they end.
        stop: Height,
    },
    /// More filters than one may ask for at once.
    #[error("peer requested too many cfilters/cfheaders: {count} / {most}")]
    FilterCount {
        /// How many.
        count: u32,
        /// How many may be.
        most: u32,
    },
    /// An old block, of a node that offers the last ones alone.
    #[error("block request below NODE_NETWORK_LIMITED threshold")]
    OldBlock,
    /// A locator that is too long.
    #[error("{command} locator size {count} > {}", super::limits::LOCATOR_MAX)]
    Locator {
        /// Which message.
        command: String,
        /// Its hashes.
        count: u64,
    },
}

/// What the chain said of headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadersVerdict {
    /// They are in the tree, the last at this height.
    Accepted {
        /// The last one's height.
        last_height: Height,
    },
    /// One breaks a rule, in Core's words.
    Invalid(String),
    /// One was known before, and known to be invalid.
    KnownInvalid(String),
    /// One is from the future.
    TooEarly(String),
    /// The first one's parent is not known.
    Unconnected,
    /// Our fault, or no answer.
    Failed,
}

/// What the chain said of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockVerdict {
    /// It is kept.
    Accepted,
    /// It was kept already.
    Known,
    /// It breaks a rule, in Core's words.
    Invalid(String),
    /// It was known before, and known to be invalid.
    KnownInvalid(String),
    /// It is from the future.
    TooEarly(String),
    /// Its parent is not known.
    Orphan,
    /// Our fault, or no answer.
    Failed,
}

/// Why a peer is not asked for a block that an operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FetchError {
    /// There is no such peer, or the handshake is not through.
    #[error("no such peer")]
    NoPeer,
    /// It sends no witnesses.
    #[error("the peer has no witnesses")]
    NoWitnesses,
    /// Nothing is known of the block.
    #[error("the block's header is not known")]
    NoHeader,
    /// It has been asked already.
    #[error("the peer has been asked already")]
    Asked,
}
