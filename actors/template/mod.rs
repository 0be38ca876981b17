//! What is mined next: built anew at once when the tip moves, and better when there are better transactions.
//!
//! Owns: when a template is built, and who hears of it. Must not know: which transactions a block takes, what a coinbase is.

mod actor;
mod sources;

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::{Addr, Arbiter, Recipient};
use adit_domain::template::{BlockTemplate, TemplateSource};
use arc_swap::ArcSwapOption;
use bitcoin::ScriptBuf;

use crate::house::Shared;
use crate::messages::template::TemplateChanged;
use crate::supervision::{ChildSpec, Intensity, Role};

pub use actor::TemplateActor;
pub use sources::{TemplateChain, TemplateMempool};

/// Messages that may wait: a tip a message, and the announcements of transactions, of which any one says it all.
const MAILBOX_MAX: usize = 256;
/// There is nothing to be made durable.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// What a template is built for.
#[derive(Clone, Debug)]
pub struct TemplateConfig {
    /// Where the coinbase pays to.
    pub payout_script: ScriptBuf,
    /// A chain whose tip is older than this, in hours, is still syncing, and gives no work; 0: it gives work in any case.
    pub tip_age_h_max: u64,
    /// How many panics are borne.
    pub intensity: Intensity,
}

/// What templates are built from.
#[derive(Clone)]
pub struct TemplateDeps {
    /// The chain.
    pub chain: Arc<dyn TemplateChain>,
    /// Transactions that wait.
    pub mempool: Arc<dyn TemplateMempool>,
}

/// The newest template and who hears of the next; outlives the actor's panics.
#[derive(Default)]
pub(crate) struct Board {
    newest: ArcSwapOption<BlockTemplate>,
    listener: OnceLock<Recipient<TemplateChanged>>,
    last_id: AtomicU64,
    /// Whether the chain was synced once; it stays so, as a chain that stands still is one to be mined on.
    synced: AtomicBool,
}

impl TemplateSource for Board {
    fn current(&self) -> Option<Arc<BlockTemplate>> {
        self.newest.load_full()
    }
}

/// The builder of templates, started.
pub struct Template {
    /// Where `TipChanged`, `TransactionAccepted` and `GetTemplate` go.
    pub addr: Addr<TemplateActor>,
    /// Its thread.
    pub arbiter: Arbiter,
    board: Arc<Board>,
}

impl Template {
    /// Whoever wants the newest template without asking.
    pub fn source(&self) -> Arc<dyn TemplateSource> {
        Arc::<Board>::clone(&self.board)
    }

    /// Tells the miners' side of every template from now on, and of the present one; the first listener stands.
    pub fn announce_to(&self, listener: Recipient<TemplateChanged>) {
        let _ = self.board.listener.set(listener);
        self.board.announce(true);
    }
}

/// Starts building.
pub fn start(shared: &Shared, deps: TemplateDeps, config: TemplateConfig) -> Template {
    let board = Arc::new(Board::default());
    let (own, own_board) = (shared.clone(), Arc::clone(&board));
    let spec = ChildSpec::of_role(Role::Template, MAILBOX_MAX, SHUTDOWN, config.intensity);
    let arbiter = Arbiter::new();
    let make = move |_: &mut _| TemplateActor::new(own, deps, config, own_board);
    let addr = shared.supervisor.start(spec, &arbiter.handle(), make);
    Template { addr, arbiter, board }
}

#[cfg(test)]
mod tests;
