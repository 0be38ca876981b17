use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use actix::dev::ContextFut;
use actix::{Actor, Context, Supervised};

use super::Fault;

thread_local! {
    /// The actor whose code runs on this thread now.
    static CURRENT: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// The actor whose code runs on this thread now; for the line that a panic leaves in the log.
pub fn current_actor() -> Option<Arc<str>> {
    CURRENT.with_borrow(Clone::clone)
}

/// What the runner tells its supervisor of.
pub(super) enum Verdict {
    /// Build the actor again.
    Restart,
    /// Leave it dead.
    GiveUp,
}

/// Why an actor unwound.
pub(super) enum Death {
    /// A panic, with its message.
    Panic(String),
    /// It could not be built again.
    Fault(Fault),
}

/// An actor's life, with its panics caught: the address and the mailbox outlive them.
pub(super) struct Runner<A, F>
where
    A: Actor<Context = Context<A>> + Supervised,
    F: FnMut(Death) -> Verdict,
{
    name: Arc<str>,
    life: Pin<Box<ContextFut<A, Context<A>>>>,
    on_death: F,
}

impl<A, F> Runner<A, F>
where
    A: Actor<Context = Context<A>> + Supervised,
    F: FnMut(Death) -> Verdict,
{
    pub(super) fn new(name: &str, life: ContextFut<A, Context<A>>, on_death: F) -> Self {
        Runner { name: Arc::from(name), life: Box::pin(life), on_death }
    }
}

impl<A, F> Future for Runner<A, F>
where
    A: Actor<Context = Context<A>> + Supervised,
    F: FnMut(Death) -> Verdict + Unpin,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let this = self.get_mut();
        let outer = CURRENT.replace(Some(this.name.clone()));
        let poll = this.live(cx);
        CURRENT.set(outer);
        poll
    }
}

impl<A, F> Runner<A, F>
where
    A: Actor<Context = Context<A>> + Supervised,
    F: FnMut(Death) -> Verdict,
{
    fn live(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        let mut dead = match catch_unwind(AssertUnwindSafe(|| self.life.as_mut().poll(cx))) {
            Ok(poll) => return poll,
            Err(payload) => payload,
        };
        // A rebuild may unwind too: each try is counted, so the loop ends where the intensity does.
        loop {
            match (self.on_death)(death_of(dead)) {
                Verdict::GiveUp => return Poll::Ready(()),
                Verdict::Restart => {}
            }
            match catch_unwind(AssertUnwindSafe(|| self.life.as_mut().get_mut().restart())) {
                Ok(true) => break,
                Ok(false) => return Poll::Ready(()),
                Err(payload) => dead = payload,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

pub(super) fn death_of(payload: Box<dyn Any + Send>) -> Death {
    let payload = match payload.downcast::<Fault>() {
        Ok(fault) => return Death::Fault(*fault),
        Err(other) => other,
    };
    let text = payload
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned());
    Death::Panic(text)
}
