//! What others wait for until the coins are durable, without the engine's thread waiting for it.

use adit_store::Store;

use super::Chainstate;
use crate::coins::{FlushEnd, Then};
use crate::stats::StatsJob;
use crate::types::ChainFault;

impl Chainstate {
    /// Calls `reply` when every coin, header and the tip as they are now are durable, on the thread that writes them. Where an earlier
    /// flush is still being written, gives its end: then somebody is to wait for it, and to have [`Chainstate::maintain`] called. Where
    /// writing fails, `reply` is dropped.
    pub fn ask_flush(
        &mut self,
        reply: impl FnOnce() + Send + 'static,
    ) -> Result<Option<FlushEnd>, ChainFault> {
        self.when_durable(Box::new(move |_: &Store, _| {
            reply();
            Ok(())
        }))
    }

    /// As [`Chainstate::ask_flush`], with a job that computes the size and the hashes of the coins that the flush wrote, on any thread.
    pub fn ask_stats(
        &mut self,
        reply: impl FnOnce(StatsJob) + Send + 'static,
    ) -> Result<Option<FlushEnd>, ChainFault> {
        let threads = self.config.threads();
        self.when_durable(Box::new(move |store: &Store, tip| {
            reply(StatsJob::new(store.db().snapshot()?, tip, threads));
            Ok(())
        }))
    }

    fn when_durable(&mut self, then: Then) -> Result<Option<FlushEnd>, ChainFault> {
        self.then.push(then);
        self.maintain()?;
        Ok((!self.then.is_empty()).then(|| self.flusher.end()))
    }

    /// Tells what failed in the background, and begins a flush that somebody waits for; whether there was one. Tiers of coins are
    /// merged in the background: nothing is left for the caller to do.
    pub fn maintain(&mut self) -> Result<bool, ChainFault> {
        let is_due = !self.flusher.is_flushing()? && !self.then.is_empty();
        if is_due {
            self.begin_flush_and_prune()?;
        }
        Ok(is_due)
    }
}
