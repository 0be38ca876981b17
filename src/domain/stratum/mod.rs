//! Stratum V1.
//!
//! Owns: lines into typed requests, the session as a state machine, the ladder of share checks, vardiff. Must not know:
//! sockets, actors, the clock; time comes in with each call.

pub mod codec;
pub mod conduct;
pub mod extranonce;
#[cfg(test)]
mod fixtures;
pub mod job;
pub mod session;
pub mod share;
mod types;
pub mod vardiff;
pub mod worker;

pub use codec::LINE_BYTES_MAX;
pub use extranonce::{ExtranonceAllocator, LeaseFault, MemoryLease, NumberLease};
pub use job::{EXTRANONCE1_BYTES, EXTRANONCE2_BYTES, Job, JobMaker};
pub use session::{
    CloseReason, Effect, MemorySessionStore, NewSession, Session, SessionConfig, SessionFault,
    SessionSnapshot, SessionState, SessionStore, VERSION_MASK,
};
pub use share::{ShareError, check_share};
pub use types::SessionInfo;
pub use vardiff::VardiffConfig;
