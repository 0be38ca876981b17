use actix::{Actor, Context, Handler};

use super::worker::Worker;
use crate::messages::chain::TipChanged;
use crate::messages::index::IndexerDied;
use crate::supervision::{Fault, Rebuild};

/// Wakes the threads. It keeps nothing but the ways to them.
pub struct IndexActor {
    workers: Vec<Worker>,
}

impl IndexActor {
    pub(super) fn new(workers: Vec<Worker>) -> IndexActor {
        IndexActor { workers }
    }
}

impl Actor for IndexActor {
    type Context = Context<Self>;
}

crate::supervised!(IndexActor);

impl Rebuild for IndexActor {
    fn rebuild(&mut self) -> Result<(), Fault> {
        self.workers.iter().for_each(Worker::rebuild);
        Ok(())
    }

    fn wind_up(&mut self) -> Result<(), Fault> {
        // All are told before the first is waited for.
        self.workers.iter().for_each(Worker::ask_to_end);
        self.workers.drain(..).for_each(Worker::join);
        Ok(())
    }
}

impl Handler<TipChanged> for IndexActor {
    type Result = ();

    fn handle(&mut self, _msg: TipChanged, _ctx: &mut Self::Context) {
        self.workers.iter().for_each(Worker::wake);
    }
}

impl Handler<IndexerDied> for IndexActor {
    type Result = ();

    #[expect(clippy::panic, reason = "the thread's panic is passed on, so that the supervisor counts it")]
    fn handle(&mut self, msg: IndexerDied, _ctx: &mut Self::Context) {
        panic!("the builder of the index of {} panicked", msg.kind.as_str());
    }
}
