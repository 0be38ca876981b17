//! The P2P protocol as a state machine.
//!
//! Owns: framing, the handshake, headers-first sync, what is asked of whom, what is answered. Must not know: sockets,
//! actors, how the chain keeps its blocks.

mod downloads;
mod effect;
mod framing;
pub mod limits;
mod message;
mod recent;
mod session;
#[cfg(test)]
mod testing;
mod tx_board;
mod types;
mod view;

pub use downloads::{Downloads, PeerId};
pub use effect::{BlockVerdict, DisconnectReason, Effect, HeadersVerdict};
pub use framing::{Command, Frame, FrameDecoder, FrameError, HEADER_BYTES, encode_frame};
pub use message::{Locator, Message, MessageError, TxRef, Version};
pub use recent::Recent;
pub use session::{Session, SessionConfig, Turn};
pub use tx_board::TxBoard;
pub use types::PeerInfo;
pub use view::NodeView;
