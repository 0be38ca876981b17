use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::dev::channel::channel;
use actix::{Actor, Addr, ArbiterHandle, Context, Handler, Message, Recipient, Supervised};
use adit_domain::units::{Clock, UnixMillis};
use thiserror::Error;
use tokio::sync::{broadcast, watch};

use super::runner::{Death, Runner, Verdict};
use super::spec::OnExceeded;
use super::{ChildSpec, Role, Strategy};

/// How often each child is asked whether it lives.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// A child that has not answered for this long is dead, and its thread with it: the process ends. Thirty seconds, since a
/// deep reorganisation is the longest that a handler may rightly take.
const HEARTBEAT_SILENCE_MAX: Duration = Duration::from_secs(30);
/// Restarts that a slow listener may fall behind by before it misses one.
const RESTART_EVENTS_MAX: usize = 1024;

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
}

/// What the supervisor asks of an actor; [`crate::supervised!`] gives all but [`Rebuild`].
pub trait Child:
    Actor<Context = Context<Self>>
    + Supervised
    + Rebuild
    + Handler<Ping>
    + Handler<Crash>
    + Handler<RebuildNow>
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
    /// Restarts after a panic, since the process began.
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

struct Record {
    status: ActorStatus,
    spec: ChildSpec,
    recent: VecDeque<UnixMillis>,
    links: Links,
}

/// The ways to reach a child of any type.
struct Links {
    ping: Recipient<Ping>,
    crash: Recipient<Crash>,
    rebuild: Recipient<RebuildNow>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    children: Mutex<BTreeMap<String, Record>>,
    exit: watch::Sender<Option<ExitReason>>,
    restarts: broadcast::Sender<ActorStatus>,
}

/// The root supervisor: knows every child, and ends the process when one cannot be kept alive.
#[derive(Clone)]
pub struct Supervisor {
    inner: Arc<Inner>,
}

/// Why a panic could not be injected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoSuchActor {
    /// No living child has that name or is of that role.
    #[error("no actor is called {0}")]
    Unknown(String),
    /// Its mailbox is full or closed.
    #[error("actor {0} takes no messages now")]
    Busy(String),
}

impl Supervisor {
    /// A supervisor without children.
    pub fn new(clock: Arc<dyn Clock>) -> Supervisor {
        let (exit, _) = watch::channel(None);
        let (restarts, _) = broadcast::channel(RESTART_EVENTS_MAX);
        Supervisor { inner: Arc::new(Inner { clock, children: Mutex::default(), exit, restarts }) }
    }

    /// Starts an actor on `arbiter`; its address outlives its panics.
    ///
    /// `make` runs on the arbiter's thread; its actor keeps whatever handles [`Rebuild::rebuild`] needs.
    pub fn start<A, M>(&self, spec: ChildSpec, arbiter: &ArbiterHandle, make: M) -> Addr<A>
    where
        A: Child,
        M: FnOnce(&mut Context<A>) -> A + Send + 'static,
    {
        let (tx, rx) = channel(spec.mailbox_max);
        let addr = Addr::new(tx);
        let name = spec.name.clone();
        self.enroll(spec, &addr);
        let supervisor = self.clone();
        arbiter.spawn_fn(move || {
            let mut ctx = Context::with_receiver(rx);
            let actor = make(&mut ctx);
            let life = ctx.into_future(actor);
            let (watcher, dying) = (supervisor.clone(), name.clone());
            let runner = Runner::new(life, move |death| watcher.on_death(&dying, death));
            actix::spawn(async move {
                runner.await;
                supervisor.forget(&name);
            });
        });
        addr
    }

    /// Asks every child once a second whether it lives, until the process ends. Runs on the caller's arbiter.
    pub async fn watch_heartbeats(self) {
        loop {
            tokio::time::sleep(HEARTBEAT_EVERY).await;
            self.beat();
        }
    }

    /// Why the process is to end, as soon as there is a reason.
    pub async fn exit_reason(&self) -> ExitReason {
        let mut exit = self.inner.exit.subscribe();
        loop {
            if let Some(reason) = exit.borrow_and_update().clone() {
                return reason;
            }
            if exit.changed().await.is_err() {
                return ExitReason::Requested;
            }
        }
    }

    /// Ends the process for this reason; the first one stands.
    pub fn end(&self, reason: ExitReason) {
        self.inner.exit.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(reason);
            }
            first
        });
    }

    /// An actor met a fault that it must not survive.
    pub fn fault(&self, child: &str, fault: Fault) {
        tracing::error!(actor = child, %fault, "fault: the process ends");
        self.end(ExitReason::Fault { child: child.to_owned(), fault });
    }

    /// All living children, by name.
    pub fn actors(&self) -> Vec<ActorStatus> {
        self.children().values().map(|r| r.status.clone()).collect()
    }

    /// Each restart as it happens.
    pub fn restarts(&self) -> broadcast::Receiver<ActorStatus> {
        self.inner.restarts.subscribe()
    }

    /// Injects a panic into the child of this name, or into every child of this role. Returns the names.
    pub fn crash(&self, name_or_role: &str) -> Result<Vec<String>, NoSuchActor> {
        self.tell(name_or_role, |links| links.crash.try_send(Crash).is_ok())
    }

    /// Builds the child of this name, or every child of this role, again. Returns the names.
    pub fn restart(&self, name_or_role: &str) -> Result<Vec<String>, NoSuchActor> {
        self.tell(name_or_role, |links| links.rebuild.try_send(RebuildNow).is_ok())
    }

    fn tell(&self, wanted: &str, send: impl Fn(&Links) -> bool) -> Result<Vec<String>, NoSuchActor> {
        let children = self.children();
        let exact = children.get(wanted).filter(|r| r.spec.role.as_str() != wanted);
        let chosen: Vec<&Record> = match exact {
            Some(record) => vec![record],
            None => children.values().filter(|r| r.spec.role.as_str() == wanted).collect(),
        };
        // One of many before the manager of the many: `stratum` means the sessions where there are any.
        let many: Vec<&Record> = chosen.iter().copied().filter(|r| r.spec.name != wanted).collect();
        let chosen = if many.is_empty() { chosen } else { many };
        if chosen.is_empty() {
            return Err(NoSuchActor::Unknown(wanted.to_owned()));
        }
        let told: Vec<String> =
            chosen.iter().filter(|r| send(&r.links)).map(|r| r.spec.name.clone()).collect();
        if told.is_empty() { Err(NoSuchActor::Busy(wanted.to_owned())) } else { Ok(told) }
    }

    fn children(&self) -> MutexGuard<'_, BTreeMap<String, Record>> {
        // Every update of the table is a single assignment, so a poisoned lock hides no half-made change.
        self.inner.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enroll<A: Child>(&self, spec: ChildSpec, addr: &Addr<A>) {
        let now = self.inner.clock.now();
        let status = ActorStatus {
            name: spec.name.clone(),
            role: spec.role,
            restarts: 0,
            since: now,
            heard: now,
            last_panic: None,
        };
        let links = Links {
            ping: addr.clone().recipient(),
            crash: addr.clone().recipient(),
            rebuild: addr.clone().recipient(),
        };
        let record = Record { status, spec, recent: VecDeque::new(), links };
        self.children().insert(record.spec.name.clone(), record);
    }

    fn forget(&self, name: &str) {
        self.children().remove(name);
    }

    fn on_death(&self, name: &str, death: Death) -> Verdict {
        let panic = match death {
            Death::Fault(fault) => {
                self.fault(name, fault);
                return Verdict::GiveUp;
            }
            Death::Panic(text) => text,
        };
        let now = self.inner.clock.now();
        let (verdict, status, dependents) = {
            let mut children = self.children();
            let Some(record) = children.get_mut(name) else { return Verdict::GiveUp };
            let verdict = record.count(now, &panic);
            let (status, spec) = (record.status.clone(), record.spec.clone());
            let later = |r: &&Record| r.spec.role > spec.role && r.spec.strategy == Strategy::RestForOne;
            let dependents: Vec<Recipient<RebuildNow>> = match spec.strategy {
                Strategy::OneForOne => Vec::new(),
                Strategy::RestForOne => {
                    children.values().filter(later).map(|r| r.links.rebuild.clone()).collect()
                }
            };
            (verdict, status, dependents)
        };
        tracing::warn!(actor = name, restarts = status.restarts, panic, "actor panicked");
        match verdict {
            Count::Borne => {
                for dependent in dependents {
                    if dependent.try_send(RebuildNow).is_err() {
                        tracing::warn!(actor = name, "a dependent's mailbox is full: it is not built again");
                    }
                }
                // Nobody listening is no loss: the table keeps the count.
                let _ = self.inner.restarts.send(status);
                Verdict::Restart
            }
            Count::Exceeded(OnExceeded::EndProcess) => {
                self.end(ExitReason::Escalated { child: name.to_owned(), panic });
                Verdict::GiveUp
            }
            Count::Exceeded(OnExceeded::StopChild) => Verdict::GiveUp,
        }
    }

    fn beat(&self) {
        let now = self.inner.clock.now();
        let silence_ms_max = u64::try_from(HEARTBEAT_SILENCE_MAX.as_millis()).unwrap_or(u64::MAX);
        let mut silent = None;
        for (name, record) in self.children().iter() {
            if now.ms_since(record.status.heard) > silence_ms_max {
                silent = Some(name.clone());
            }
            let (supervisor, name, ping) = (self.clone(), name.clone(), record.links.ping.clone());
            actix::spawn(async move {
                if ping.send(Ping).await.is_ok() {
                    supervisor.heard(&name);
                }
            });
        }
        if let Some(child) = silent {
            tracing::error!(actor = child, "no heartbeat: the process ends");
            self.end(ExitReason::Silent { child });
        }
    }

    #[cfg(test)]
    pub(super) fn inner_exit_is_none(&self) -> bool {
        self.inner.exit.borrow().is_none()
    }

    fn heard(&self, name: &str) {
        let now = self.inner.clock.now();
        if let Some(record) = self.children().get_mut(name) {
            record.status.heard = now;
        }
    }
}

enum Count {
    Borne,
    Exceeded(OnExceeded),
}

impl Record {
    fn count(&mut self, now: UnixMillis, panic: &str) -> Count {
        let period_ms = u64::try_from(self.spec.intensity.period.as_millis()).unwrap_or(u64::MAX);
        while self.recent.front().is_some_and(|t| now.ms_since(*t) > period_ms) {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        self.status.restarts = self.status.restarts.saturating_add(1);
        self.status.since = now;
        self.status.heard = now;
        self.status.last_panic = Some(panic.to_owned());
        let in_period = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        if in_period > self.spec.intensity.restarts_max {
            Count::Exceeded(self.spec.on_exceeded)
        } else {
            Count::Borne
        }
    }
}
