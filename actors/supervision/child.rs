use actix::{Actor, Context, Handler, Message, Supervised};
use adit_domain::units::UnixMillis;
use thiserror::Error;

use super::Role;

/// Asks an actor whether it lives. Sent by: the supervisor. Handled by: every actor. Reply: nothing, in time.
/// When full: counts as silence.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Ping;

/// Panics in the handler. Sent by: `adit ctl actor panic` on a node that runs with `--chaos`. Handled by: every actor.
/// Reply: none, the mailbox error says it worked. When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Crash;

/// Makes durable what is not, and stops the actor. Sent by: the supervisor, at the end, in the reverse order of the roles.
/// Handled by: every actor. Reply: when it is durable. When full: it waits, for as long as the child's shutdown time.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<(), Fault>")]
pub struct StopNow;

/// Our disk or our bug: never an input's fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The disk failed. Nothing is tried again in this process.
    #[error("storage: {0}")]
    Storage(String),
    /// What is durable does not make sense.
    #[error("state: {0}")]
    State(String),
}

/// Why the process ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// It was asked to.
    Requested,
    /// A child restarted more often than its intensity allows.
    Escalated {
        /// The child.
        child: String,
        /// Its last panic.
        panic: String,
    },
    /// A child did not answer.
    Silent {
        /// The child.
        child: String,
    },
    /// The disk failed, or what is on it.
    Fault {
        /// The child that met it.
        child: String,
        /// What it met.
        fault: Fault,
    },
}

impl ExitReason {
    /// The process's exit code (sysexits.h where it has a name: 70 internal, 74 input/output).
    pub const fn exit_code(&self) -> u8 {
        match self {
            ExitReason::Requested => 0,
            ExitReason::Escalated { .. } => 70,
            ExitReason::Silent { .. } => 71,
            ExitReason::Fault { .. } => 74,
        }
    }
}

/// An actor that can be built again.
pub trait Rebuild {
    /// Replaces everything in memory by what is durable.
    fn rebuild(&mut self) -> Result<(), Fault>;

    /// Makes durable what is not, at the orderly end of the process; the actor hears nothing after it. It may block.
    fn wind_up(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

/// What the supervisor asks of an actor; [`crate::supervised!`] gives all but [`Rebuild`].
pub trait Child:
    Actor<Context = Context<Self>>
    + Supervised
    + Rebuild
    + Handler<Ping>
    + Handler<Crash>
    + Handler<RebuildNow>
    + Handler<StopNow>
    + Unpin
{
}

impl<A> Child for A where
    A: Actor<Context = Context<A>>
        + Supervised
        + Rebuild
        + Handler<Ping>
        + Handler<Crash>
        + Handler<RebuildNow>
        + Handler<StopNow>
        + Unpin
{
}

/// What an operator is shown of a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActorStatus {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub role: Role,
    /// Restarts since it was started, after panics and by an operator.
    pub restarts: u64,
    /// When it started or last restarted.
    pub since: UnixMillis,
    /// When it last answered a heartbeat.
    pub heard: UnixMillis,
    /// The last panic's message.
    pub last_panic: Option<String>,
}

/// Builds the actor again because one that it was built upon was. Sent by: the supervisor. Handled by: every actor.
/// Reply: nothing. When full: dropped, the actor still hears of the new tip as an event.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct RebuildNow;
