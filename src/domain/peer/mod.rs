//! The P2P protocol as a state machine.
//!
//! Owns: framing, the handshake, headers-first sync, what is asked of whom, what is answered. Must not know: sockets,
//! actors, how the chain keeps its blocks.

mod types;

pub use types::PeerInfo;
