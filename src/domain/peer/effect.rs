use std::sync::Arc;

use bitcoin::block::Header;
use bitcoin::p2p::message_blockdata::Inventory;
use thiserror::Error;

use super::Message;
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
    /// Send it when everything that came before has been judged.
    SendInTurn(Message),
    /// Others look for this in the log.
    Note(String),
    /// The handshake is through.
    Ready,
    /// Close the connection.
    Disconnect(DisconnectReason),
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
    /// Headers that are not each the parent of the next.
    #[error("non-continuous headers sequence")]
    NonContinuousHeaders,
    /// A header that breaks a rule.
    #[error("invalid header: {0}")]
    InvalidHeader(String),
    /// A block that breaks a rule.
    #[error("invalid block: {0}")]
    InvalidBlock(String),
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
