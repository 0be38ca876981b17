//! Stratum V1.
//!
//! Owns: lines into typed requests, the session as a state machine, the ladder of share checks, vardiff. Must not know:
//! sockets, actors, the clock; time comes in with each call.

mod types;

pub use types::SessionInfo;
