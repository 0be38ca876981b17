//! The P2P protocol as a state machine.
//!
//! Owns: framing, the handshake, headers-first sync, what is asked of whom, what is answered. Must not know: sockets,
//! actors, how the chain keeps its blocks.

mod framing;
pub mod limits;
mod message;
mod recent;
mod types;

pub use framing::{Command, Frame, FrameDecoder, FrameError, HEADER_BYTES, encode_frame};
pub use message::{Locator, Message, MessageError, TxRef, Version};
pub use recent::Recent;
pub use types::PeerInfo;
