use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bitcoin::BlockHash;

use super::state::SessionState;
use crate::stratum::job::EXTRANONCE1_BYTES;
use crate::stratum::share::SeenShares;
use crate::stratum::types::SessionInfo;
use crate::units::UnixMillis;

/// A miner may come back to its session within this time: a router's restart takes two minutes, firmware's five.
pub const RETIRED_MS_MAX: u64 = 600_000;
/// Sessions that are kept for their miners to come back: at 4 kB each, their shares left out, 16 MB. Beyond it the oldest goes.
pub const RETIRED_MAX: usize = 4096;

/// A session as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSnapshot {
    /// All but its shares.
    pub state: SessionState,
    /// Its shares.
    pub seen: SeenShares,
}

/// A share that was accepted: its parent and its hash.
pub type SeenShare = (BlockHash, BlockHash);

/// Where sessions are kept, so that they outlive the actors that work on them.
pub trait SessionStore: Send + Sync {
    /// The session as it was saved last.
    fn load(&self, id: u64) -> Option<SessionSnapshot>;
    /// Keeps a session's state, and adds the share that was accepted since the last time.
    fn save(&self, state: &SessionState, accepted: Option<SeenShare>);
    /// Puts a session, shares and all, in the place of the one of that number.
    fn replace(&self, snapshot: &SessionSnapshot);
    /// The connection ended; its miner may come back.
    fn retire(&self, id: u64, now: UnixMillis);
    /// Takes out the retired session of that token.
    fn resume(&self, token: &str, now: UnixMillis) -> Option<SessionSnapshot>;
    /// Whether a living or retired session has these bytes.
    fn has_extranonce1(&self, extranonce1: [u8; EXTRANONCE1_BYTES]) -> bool;
    /// The living sessions behind the one of this number (from the first on where none is given), by number, at most `max`.
    fn infos_after(&self, after: Option<u64>, max: usize) -> Vec<SessionInfo>;
    /// All living sessions.
    fn infos(&self) -> Vec<SessionInfo> {
        self.infos_after(None, usize::MAX)
    }
}

/// Sessions in this process's memory.
#[derive(Debug, Default)]
pub struct MemorySessionStore {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    living: HashMap<u64, SessionSnapshot>,
    retired: Vec<(UnixMillis, SessionSnapshot)>,
}

impl Inner {
    fn forget_old(&mut self, now: UnixMillis) {
        self.retired.retain(|(at, _)| now.ms_since(*at) < RETIRED_MS_MAX);
        let surplus = self.retired.len().saturating_sub(RETIRED_MAX);
        self.retired.drain(..surplus);
    }
}

impl MemorySessionStore {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Each change is whole before anything in it can unwind, so a poisoned lock hides no half-made one.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionStore for MemorySessionStore {
    fn load(&self, id: u64) -> Option<SessionSnapshot> {
        self.inner().living.get(&id).cloned()
    }

    fn save(&self, state: &SessionState, accepted: Option<SeenShare>) {
        let mut inner = self.inner();
        let kept = inner
            .living
            .entry(state.id())
            .or_insert_with(|| SessionSnapshot { state: state.clone(), seen: SeenShares::default() });
        kept.state.clone_from(state);
        kept.seen.keep_parents(|prev| state.knows_parent(prev));
        if let Some((prev, hash)) = accepted {
            // The session refused it already where there is no room.
            let _ = kept.seen.insert(prev, hash);
        }
    }

    fn replace(&self, snapshot: &SessionSnapshot) {
        self.inner().living.insert(snapshot.state.id(), snapshot.clone());
    }

    fn retire(&self, id: u64, now: UnixMillis) {
        let mut inner = self.inner();
        if let Some(session) = inner.living.remove(&id).filter(|s| s.state.is_ready()) {
            inner.retired.push((now, session));
        }
        inner.forget_old(now);
    }

    fn resume(&self, token: &str, now: UnixMillis) -> Option<SessionSnapshot> {
        let mut inner = self.inner();
        inner.forget_old(now);
        let at = inner.retired.iter().position(|(_, s)| s.state.token() == token)?;
        Some(inner.retired.remove(at).1)
    }

    fn has_extranonce1(&self, extranonce1: [u8; EXTRANONCE1_BYTES]) -> bool {
        let inner = self.inner();
        let mut all = inner.living.values().chain(inner.retired.iter().map(|(_, s)| s));
        all.any(|s| s.state.extranonce1() == extranonce1)
    }

    fn infos_after(&self, after: Option<u64>, max: usize) -> Vec<SessionInfo> {
        let inner = self.inner();
        let behind = inner.living.keys().filter(|id| after.is_none_or(|after| **id > after));
        let mut ids: Vec<u64> = behind.copied().collect();
        ids.sort_unstable();
        let living = ids.iter().take(max).filter_map(|id| inner.living.get(id));
        living.map(|session| session.state.info()).collect()
    }
}
