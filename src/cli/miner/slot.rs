use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::work::Work;

/// The newest work, for all hashing threads.
#[derive(Debug, Default)]
pub(super) struct WorkSlot {
    state: Mutex<State>,
    changed: Condvar,
    newest: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    work: Option<Arc<Work>>,
    closed: bool,
}

impl WorkSlot {
    /// Newer work, or none while there is no connection. The work's number is set here.
    pub(super) fn put(&self, work: Option<Work>) {
        let mut state = self.state();
        let number = self.newest.load(Ordering::Relaxed).wrapping_add(1);
        state.work = work.map(|w| Arc::new(Work { number, ..w }));
        self.newest.store(number, Ordering::Relaxed);
        self.changed.notify_all();
    }

    /// Lets the threads end.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.put(None);
    }

    /// Waits for work; none when it is closed.
    pub(super) fn wait(&self) -> Option<Arc<Work>> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            if let Some(work) = &state.work {
                return Some(Arc::clone(work));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether there is nothing newer.
    pub(super) fn is_newest(&self, work: &Work) -> bool {
        self.newest.load(Ordering::Relaxed) == work.number
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
