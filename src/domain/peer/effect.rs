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
    /// Have the mempool judge it.
    SubmitTx(Arc<ParsedTx>),
    /// Send what was asked for, one after the other: blocks (those that aren't there are left out) and held
    /// transactions (`notfound` for the others).
    Serve(Vec<Inventory>),
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
    /// It speaks a protocol that is too old.
    #[error("obsolete protocol version {0}")]
    ObsoleteVersion(u32),
    /// The handshake took too long.
    #[error("handshake timed out")]
    HandshakeTimeout,
    /// A ping went unanswered.
    #[error("ping timed out")]
    PingTimeout,
    /// Headers that were asked for did not come.
    #[error("headers timed out")]
    HeadersTimeout,
    /// A block that was asked for did not come.
    #[error("block download timed out")]
    BlockTimeout,
    /// It held up the download from everybody else.
    #[error("stalled the block download")]
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
    #[error("{0} after verack")]
    AfterVerack(&'static str),
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
    /// It breaks a rule, in Core's words.
    Invalid(String),
    /// Its parent is not known.
    Orphan,
    /// Our fault, or no answer.
    Failed,
}
