//! The P2P protocol as a state machine.
//!
//! Owns: framing, the handshake, headers-first sync, what is asked of whom, what is answered. Must not know: sockets,
//! actors, how the chain keeps its blocks.

mod bans;
mod downloads;
mod effect;
mod framing;
pub mod limits;
mod message;
mod offence;
mod permissions;
mod recent;
mod session;
mod subnet;
#[cfg(test)]
mod testing;
mod tx_board;
mod types;
mod view;

pub use bans::{BANS_MAX, Ban, BanError, BanList};
pub use downloads::{Downloads, PeerId};
pub use effect::{BlockVerdict, DisconnectReason, Effect, HeadersVerdict, Unwanted};
pub use framing::{Command, Frame, FrameDecoder, FrameError, HEADER_BYTES, encode_frame};
pub use message::{Flaw, Locator, Message, MessageError, TxRef, Version};
pub use offence::Offence;
pub use permissions::{Permissions, Whitelist, WhitelistError, Whitelisted};
pub use recent::Recent;
pub use session::{Session, SessionConfig, SessionRules, Turn};
pub use subnet::{Subnet, SubnetError};
pub use tx_board::TxBoard;
pub use types::{ConnectionKind, PeerInfo};
pub use view::NodeView;
