//! What the stratum manager and the sessions are told and asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::{Addr, Message};
use adit_domain::stratum::{Effect, Job, LeaseFault, SessionInfo};

use crate::stratum::SessionActor;

/// Which miners are connected. Sent by: rpc. Handled by: stratum. Reply: a row a connection, by number. When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Vec<SessionInfo>")]
pub struct GetSessions {
    /// Those behind this one; none: from the first on.
    pub after: Option<u64>,
    /// At most so many.
    pub rows_max: usize,
}

impl GetSessions {
    /// All of them.
    pub const ALL: GetSessions = GetSessions { after: None, rows_max: usize::MAX };
}

/// A miner connected. Sent by: the listener. Handled by: stratum. Reply: its session, started. When full: it waits.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<OpenedSession, LeaseFault>")]
pub struct OpenSession {
    /// Where it comes from.
    pub remote: SocketAddr,
    /// On which of the sessions' threads its connection lives.
    pub thread: usize,
}

/// A session that was started.
#[derive(Clone, Debug)]
pub struct OpenedSession {
    /// Its number, unique in this process.
    pub id: u64,
    /// Its actor.
    pub addr: Addr<SessionActor>,
}

/// What a session makes of something.
#[derive(Debug, Default)]
pub struct Handled {
    /// To be done, in this order.
    pub effects: Vec<Effect>,
    /// Whether the miner has an authorised worker.
    pub authorized: bool,
}

/// What a session has made of a line so far. The connection holds it too: a panic of the session over the line doesn't take it
/// away.
#[derive(Clone, Debug, Default)]
pub struct Said(Arc<Mutex<Vec<Effect>>>);

impl Said {
    /// To add to it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Vec<Effect>> {
        // An effect is added in one step, so those that a panic left behind are whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is there.
    pub(crate) fn take(&self) -> Vec<Effect> {
        std::mem::take(&mut *self.lock())
    }
}

/// A line came from the miner. Sent by: its connection. Handled by: its session. Reply: what is to be done. When full: the
/// connection waits, and reads no further.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Handled")]
pub struct HandleLine {
    /// At most `LINE_BYTES_MAX` bytes, its end left out; one more where it was longer.
    pub line: Arc<[u8]>,
    /// Where its effects are gathered; taken into the reply where there is one.
    pub said: Said,
}

/// There is new work. Sent by: its connection. Handled by: its session. Reply: what is to be done. When full: the connection
/// waits; meanwhile only the newest job counts.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Handled")]
pub struct HandleJob {
    /// The work.
    pub job: Arc<Job>,
}

/// Time passed. Sent by: its connection. Handled by: its session. Reply: what is to be done. When full: the connection waits.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Handled")]
pub struct HandleTick;

/// The books refused a share that the session had accepted: it was credited before. Sent by: its connection. Handled by: its
/// session. Reply: nothing. When full: dropped, it is for the figures only.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct UncreditShare;

/// The connection ended. Sent by: the connection. Handled by: its session, which stops. Reply: nothing. When full: waits.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct EndSession;
