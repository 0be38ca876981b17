use std::sync::{Arc, PoisonError, RwLock};

use actix::Recipient;
use actix::prelude::SendError;

use crate::messages::chain::TipChanged;

/// Its name in the log, and its mailbox.
type Listener = (&'static str, Recipient<TipChanged>);

/// Who hears of each new tip. It outlives the actor and the engine.
#[derive(Clone, Default)]
pub struct TipListeners {
    listeners: Arc<RwLock<Vec<Listener>>>,
}

impl TipListeners {
    /// From now on `listener` hears of each new tip, in the order in which listeners were added.
    pub fn add(&self, name: &'static str, listener: Recipient<TipChanged>) {
        // Both uses of the lock are one step each, so a poisoned one hides nothing.
        self.listeners.write().unwrap_or_else(PoisonError::into_inner).push((name, listener));
    }

    /// Tells all, and waits for none: who is too busy catches up from the reader with the next tip.
    pub(super) fn tell(&self, changed: &TipChanged) {
        for (name, listener) in self.listeners.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if let Err(SendError::Full(_)) = listener.try_send(changed.clone()) {
                tracing::warn!(listener = name, height = %changed.tip.height, "too busy to hear of a new tip");
            }
        }
    }
}
