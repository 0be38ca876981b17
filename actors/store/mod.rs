//! The store: the actor that opens the datadir, and ends the process before the disk is full.
//!
//! Owns: the datadir's lock, the open databases, the watch over the room that is left. Must not know: what is in them.

mod actor;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Arbiter};
use adit_store::{DataDir, DataDirError, Layout, Store, StoreFault, XorKey};
use thiserror::Error;

use crate::house::Shared;
use crate::supervision::{ChildSpec, Intensity, Role};

pub use actor::StoreActor;

/// The mailbox: questions of operators.
const MAILBOX_MAX: usize = 16;
/// It has nothing to write.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// Which datadir.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The base of all networks' folders; the network's own where it is laid out as Core's.
    pub base: PathBuf,
    /// The network's word.
    pub network: String,
    /// Bytes of the chain database's pages that are kept in memory.
    pub page_bytes: usize,
    /// How the files lie.
    pub layout: Layout,
    /// How many panics are borne.
    pub intensity: Intensity,
}

/// Why the store could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The folder cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// What is in it cannot be read.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// The store, opened.
pub struct OpenStore {
    /// `GetStoreStatus` goes here.
    pub addr: Addr<StoreActor>,
    /// The databases and files.
    pub store: Arc<Store>,
    /// The actor's thread; it ends with it.
    pub arbiter: Arbiter,
}

/// Opens the datadir and its chain database, and starts the actor that watches over them.
pub fn start(shared: &Shared, config: StoreConfig) -> Result<OpenStore, OpenError> {
    let dir = match config.layout {
        Layout::Own => DataDir::open(&config.base, &config.network)?,
        core => DataDir::open_as(config.base, &config.network, core)?,
    };
    let fresh = XorKey::new(shared.entropy.next_u64().to_le_bytes());
    let store = Arc::new(Store::open_with_key(dir, fresh, config.page_bytes)?);
    let arbiter = Arbiter::new();
    let spec = ChildSpec::of_role(Role::Store, MAILBOX_MAX, SHUTDOWN, config.intensity);
    let (own, supervisor) = (Arc::clone(&store), shared.supervisor.clone());
    let make = move |_: &mut _| StoreActor::new(own, supervisor);
    let addr = shared.supervisor.start(spec, &arbiter.handle(), make);
    Ok(OpenStore { addr, store, arbiter })
}
