//! The P2P protocol as a state machine.
//!
//! Owns: framing, the handshake, headers-first sync, what is asked of whom, what is answered. Must not know: sockets,
//! actors, how the chain keeps its blocks.

mod address;
mod addresses;
mod bans;
mod compact;
mod downloads;
mod effect;
mod eviction;
mod framing;
mod gossip;
pub mod limits;
mod message;
mod offence;
mod permissions;
mod recent;
mod session;
mod subnet;
#[cfg(test)]
mod testing;
mod transport;
mod tx_board;
mod types;
mod view;

pub use address::{Host, HostError, HostNetwork, KnownNode, NodeAddress};
pub use addresses::{AddressBook, AddressFileError, FILE_BYTES_MAX as ADDRESS_FILE_BYTES_MAX, Listed, Place};
pub use bans::{BANS_MAX, Ban, BanError, BanList};
pub use compact::{BlockTxs, BlockTxsRequest, CompactBlock, CompactError, Rebuilding};
pub use downloads::{Downloads, PeerId};
pub use effect::{
    BlockVerdict, DisconnectReason, Effect, FetchError, FilterRange, FilterRow, HeadersVerdict, Unwanted,
};
pub use eviction::{Candidate, choose_evicted};
pub use framing::{Command, Frame, FrameDecoder, FrameError, HEADER_BYTES, Skipped, encode_frame};
pub use gossip::AddressBoard;
pub use message::{
    AddressList, FilterAsk, FilterRequest, Flaw, Locator, Message, MessageError, TxRef, Version,
};
pub use offence::Offence;
pub use permissions::{Permissions, Whitelist, WhitelistError, Whitelisted};
pub use recent::Recent;
pub use session::{Session, SessionConfig, SessionRules, Turn};
pub use subnet::{Subnet, SubnetError};
pub use transport::{
    Dropped, Heard, Incoming, Outgoing, Packets, Transport, TransportError, TransportSecrets,
};
pub use tx_board::{TxBoard, TxSource};
pub use types::{ConnectionKind, PeerInfo};
pub use view::NodeView;
