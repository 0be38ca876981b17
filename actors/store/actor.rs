use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler};
use adit_chainstate::ChainFault;
use adit_store::Store;

use crate::messages::store::{GetStoreStatus, StoreStatus};
use crate::supervision::{Fault, Rebuild, Role, Supervisor};

/// How often the disk's room is looked at.
const WATCH_EVERY: Duration = Duration::from_secs(10);
/// Below this the process ends while it still can in good order: a flush of a full cache, and a day of blocks.
const FREE_BYTES_MIN: u64 = 512 << 20;

/// Watches over the open store. Its whole state is that handle.
pub struct StoreActor {
    store: Arc<Store>,
    supervisor: Supervisor,
}

impl StoreActor {
    pub(super) fn new(store: Arc<Store>, supervisor: Supervisor) -> StoreActor {
        StoreActor { store, supervisor }
    }

    fn watch(&self) {
        match self.store.free_bytes() {
            Ok(free) if free >= FREE_BYTES_MIN => {}
            Ok(free) => {
                let text = format!("only {} MiB are left on the disk", free >> 20);
                self.supervisor.fault(Role::Store.as_str(), Fault::Storage(text));
            }
            Err(fault) => {
                self.supervisor.fault(Role::Store.as_str(), Fault::Storage(fault.to_string()));
            }
        }
    }
}

impl Actor for StoreActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(WATCH_EVERY, |actor, _| actor.watch());
    }
}

crate::supervised!(StoreActor);

impl Rebuild for StoreActor {
    fn rebuild(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

impl Handler<GetStoreStatus> for StoreActor {
    type Result = Result<StoreStatus, ChainFault>;

    fn handle(&mut self, _msg: GetStoreStatus, _ctx: &mut Self::Context) -> Self::Result {
        let state = self.store.db().state()?;
        Ok(StoreStatus {
            flushed: state.map(|s| (s.tip, s.height)),
            flushes: state.map_or(0, |s| s.flushes),
            tiers: self.store.db().tiers(),
            free_bytes: self.store.free_bytes()?,
        })
    }
}
