//! Who is connected, and who goes when there is no room.
//!
//! Owns: the places, and the order in which strangers leave. Must not know: HTTP, or how somebody proves who he is.
//!
//! A connection takes a place. Until it has shown credentials its other end is a stranger. Where all places are taken and somebody comes, the
//! stranger goes whose last whole request is the longest ago, or who has never sent one and came first: whoever says nothing, or half a
//! thing, keeps nobody out. Whoever has shown a password stays; where all places are taken by such, whoever comes waits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The strangers, by their turn to go.
#[derive(Default)]
struct Strangers {
    next: u64,
    turns: BTreeMap<u64, Arc<Notify>>,
}

impl Strangers {
    /// Puts one behind all others.
    fn push(&mut self, away: &Arc<Notify>) -> u64 {
        let turn = self.next;
        self.next = turn.wrapping_add(1);
        self.turns.insert(turn, Arc::clone(away));
        turn
    }
}

/// Everybody who is connected.
pub(super) struct Guests {
    places: Arc<Semaphore>,
    strangers: Mutex<Strangers>,
}

impl Guests {
    /// With room for so many.
    pub(super) fn new(places: usize) -> Arc<Guests> {
        Arc::new(Guests { places: Arc::new(Semaphore::new(places.max(1))), strangers: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Strangers> {
        // Each change is one step.
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a stranger in, as soon as there is a place; where there is none another stranger goes.
    pub(super) async fn enter(self: &Arc<Guests>) -> Option<Guest> {
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                if let Some((_, away)) = self.lock().turns.pop_first() {
                    away.notify_one();
                }
                Arc::clone(&self.places).acquire_owned().await.ok()?
            }
        };
        let away = Arc::new(Notify::new());
        let turn = Mutex::new(self.lock().push(&away));
        let (is_known, has_spoken) = (AtomicBool::new(false), AtomicBool::new(false));
        let guests = Arc::clone(self);
        Some(Guest(Arc::new(Inside { guests, away, turn, is_known, has_spoken, _place: place })))
    }

    #[cfg(test)]
    fn strangers(&self) -> usize {
        self.lock().turns.len()
    }
}

/// One who is connected, until the last of its clones is dropped.
#[derive(Clone)]
pub(super) struct Guest(Arc<Inside>);

struct Inside {
    guests: Arc<Guests>,
    away: Arc<Notify>,
    /// As a stranger; it means nothing any more once it is known.
    turn: Mutex<u64>,
    is_known: AtomicBool,
    has_spoken: AtomicBool,
    _place: OwnedSemaphorePermit,
}

impl Inside {
    fn turn(&self) -> MutexGuard<'_, u64> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guest {
    /// Credentials were shown: this one stays.
    pub(super) fn prove(&self) {
        if !self.0.is_known.swap(true, Ordering::Relaxed) {
            let turn = self.0.turn();
            self.0.guests.lock().turns.remove(&turn);
        }
    }

    /// A whole request has come: of the strangers this one goes last.
    pub(super) fn speak(&self) {
        if self.0.is_known.load(Ordering::Relaxed) {
            return;
        }
        self.0.has_spoken.store(true, Ordering::Relaxed);
        let mut turn = self.0.turn();
        let mut strangers = self.0.guests.lock();
        // One who has been sent away already is not among them.
        if strangers.turns.remove(&turn).is_some() {
            *turn = strangers.push(&self.0.away);
        }
    }

    /// Whether nothing that it asked for may be on its way.
    pub(super) fn is_silent(&self) -> bool {
        !self.0.is_known.load(Ordering::Relaxed) && !self.0.has_spoken.load(Ordering::Relaxed)
    }

    /// Comes back when this one has to go.
    pub(super) async fn sent_away(&self) {
        self.0.away.notified().await;
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let turn = *self.turn();
        self.guests.lock().turns.remove(&turn);
    }
}

#[cfg(test)]
mod tests;
