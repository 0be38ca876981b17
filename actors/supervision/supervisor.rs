use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::dev::channel::channel;
use actix::{Addr, ArbiterHandle, Context, Recipient};
use adit_domain::units::{Clock, UnixMillis};
use futures::future::join_all;
use thiserror::Error;
use tokio::sync::{broadcast, watch};

use super::runner::{Death, Runner, Verdict, death_of};
use super::spec::OnExceeded;
use super::{
    ActorStatus, Child, ChildSpec, Crash, ExitReason, Fault, Ping, RebuildNow, Role, StopNow, Strategy,
};

/// How often each child is asked whether it lives.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// A child that has not answered for so many beats is dead, and its thread with it: the process ends. Thirty (seconds),
/// since a deep reorganisation is the longest that a handler may rightly take. Counted in beats and not by the clock, which
/// jumps when a machine wakes up or its clock is set.
const SILENT_BEATS_MAX: u32 = 30;
/// Restarts that a slow listener may fall behind by before it misses one.
const RESTART_EVENTS_MAX: usize = 1024;

struct Record {
    status: ActorStatus,
    spec: ChildSpec,
    recent: VecDeque<UnixMillis>,
    links: Links,
    /// Beats since the last answer.
    unanswered: u32,
    /// Whether a ping waits for its answer: there is never a second one in the mailbox.
    pinged: bool,
}

/// The ways to reach a child of any type.
struct Links {
    ping: Recipient<Ping>,
    crash: Recipient<Crash>,
    rebuild: Recipient<RebuildNow>,
    stop: Recipient<StopNow>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    children: Mutex<BTreeMap<String, Record>>,
    exit: watch::Sender<Option<ExitReason>>,
    restarts: broadcast::Sender<ActorStatus>,
    stopping: AtomicBool,
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
        let (children, stopping) = (Mutex::default(), AtomicBool::new(false));
        Supervisor { inner: Arc::new(Inner { clock, children, exit, restarts, stopping }) }
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
        let (supervisor, starting) = (self.clone(), name.clone());
        let sent = arbiter.spawn_fn(move || {
            let mut ctx = Context::with_receiver(rx);
            let actor = match catch_unwind(AssertUnwindSafe(|| make(&mut ctx))) {
                Ok(actor) => actor,
                Err(payload) => return supervisor.stillborn(&starting, death_of(payload)),
            };
            let life = ctx.into_future(actor);
            let (watcher, dying) = (supervisor.clone(), starting.clone());
            let runner = Runner::new(&starting, life, move |death| watcher.on_death(&dying, death));
            actix::spawn(async move {
                runner.await;
                supervisor.bury(&starting);
            });
        });
        if !sent {
            self.stillborn(&name, Death::Panic("its arbiter is gone".to_owned()));
        }
        addr
    }

    /// Asks every child once a second whether it lives, until the process ends. Runs on the caller's arbiter.
    pub async fn watch_heartbeats(self) {
        loop {
            tokio::time::sleep(HEARTBEAT_EVERY).await;
            self.beat();
        }
    }

    /// Stops every child, the roles in reverse order and those of one role side by side; each has its shutdown time to make
    /// durable what is not. Returns the first fault that one met.
    pub async fn stop_all(&self) -> Option<ExitReason> {
        self.inner.stopping.store(true, Ordering::SeqCst);
        let mut first = None;
        for role in Role::ALL.into_iter().rev() {
            let stops: Vec<_> = self.children().values().filter(|r| r.spec.role == role).map(stop).collect();
            first = join_all(stops).await.into_iter().flatten().fold(first, |a, b| a.or(Some(b)));
        }
        first
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

    /// Builds the child of this name, or every child of this role, again. Returns the names. It shows as a restart, and does not
    /// count against the intensity.
    pub fn restart(&self, name_or_role: &str) -> Result<Vec<String>, NoSuchActor> {
        let told = self.tell(name_or_role, |links| links.rebuild.try_send(RebuildNow).is_ok())?;
        let now = self.inner.clock.now();
        for name in &told {
            if let Some(record) = self.children().get_mut(name) {
                record.status.restarts = record.status.restarts.saturating_add(1);
                record.status.since = now;
                // No panic caused it; nobody listening is no loss.
                let _ = self.inner.restarts.send(ActorStatus { last_panic: None, ..record.status.clone() });
            }
        }
        Ok(told)
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
            stop: addr.clone().recipient(),
        };
        let recent = VecDeque::new();
        let record = Record { status, spec, recent, links, unanswered: 0, pinged: false };
        self.children().insert(record.spec.name.clone(), record);
    }

    /// A child that ended: one of many may, but a child that the node does not work without must not unless all stop.
    fn bury(&self, name: &str) {
        let Some(record) = self.children().remove(name) else { return };
        let stopping = self.inner.stopping.load(Ordering::SeqCst);
        if record.spec.on_exceeded == OnExceeded::EndProcess && !stopping {
            self.end(ExitReason::Escalated { child: name.to_owned(), panic: "stopped by itself".to_owned() });
        }
    }

    fn stillborn(&self, name: &str, death: Death) {
        match death {
            Death::Fault(fault) => self.fault(name, fault),
            Death::Panic(panic) => self.end(ExitReason::Escalated { child: name.to_owned(), panic }),
        }
        self.bury(name);
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

    pub(super) fn beat(&self) {
        let mut silent = None;
        for (name, record) in self.children().iter_mut() {
            record.unanswered = record.unanswered.saturating_add(1);
            if record.unanswered > SILENT_BEATS_MAX {
                silent = Some(name.clone());
            }
            if !record.pinged {
                record.pinged = true;
                let (supervisor, name, ping) = (self.clone(), name.clone(), record.links.ping.clone());
                actix::spawn(async move {
                    let answered = ping.send(Ping).await.is_ok();
                    supervisor.heard(&name, answered);
                });
            }
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

    fn heard(&self, name: &str, answered: bool) {
        let now = self.inner.clock.now();
        if let Some(record) = self.children().get_mut(name) {
            record.pinged = false;
            if answered {
                record.status.heard = now;
                record.unanswered = 0;
            }
        }
    }
}

/// Stops one child within its shutdown time; what it returns is a fault that must be the process's exit code.
fn stop(record: &Record) -> impl Future<Output = Option<ExitReason>> + use<> {
    let (child, within) = (record.spec.name.clone(), record.spec.shutdown);
    let stop = record.links.stop.clone();
    async move {
        match tokio::time::timeout(within, stop.send(StopNow)).await {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(fault))) => {
                tracing::error!(actor = child, %fault, "could not wind up");
                Some(ExitReason::Fault { child, fault })
            }
            Ok(Err(error)) => {
                tracing::warn!(actor = child, %error, "was dead before it was stopped");
                None
            }
            Err(_) => {
                tracing::warn!(actor = child, ?within, "did not stop in time");
                None
            }
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
        self.unanswered = 0;
        self.status.last_panic = Some(panic.to_owned());
        let in_period = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        if in_period > self.spec.intensity.restarts_max {
            Count::Exceeded(self.spec.on_exceeded)
        } else {
            Count::Borne
        }
    }
}
