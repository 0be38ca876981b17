use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use adit_chainstate::{ChainConfig, IndexConfig, IndexKind, Indexes};
use adit_domain::consensus::Params;
use adit_domain::script::Interpreter;
use adit_domain::units::Height;

use crate::chain::{ChainDeps, ChainSetup};
use crate::clock::{SystemClock, SystemEntropy};
use crate::house::Shared;
use crate::messages::index::IndexerDied;
use crate::net::MachineNet;
use crate::store::StoreConfig;
use crate::supervision::{ExitReason, Intensity, Role, Supervisor};

fn shared() -> Shared {
    let clock = Arc::new(SystemClock);
    let supervisor = Supervisor::new(clock.clone());
    Shared { clock, entropy: Arc::new(SystemEntropy), net: Arc::new(MachineNet), supervisor }
}

/// The indexes of a new chain.
fn indexes(shared: &Shared, base: &Path) -> Indexes {
    let intensity = Intensity::default();
    let config = StoreConfig {
        base: base.to_owned(),
        network: "regtest".to_owned(),
        layout: adit_store::Layout::Own,
        page_bytes: 1 << 20,
        intensity,
    };
    let store = crate::store::start(shared, config).unwrap().store;
    let deps = ChainDeps { store: Arc::clone(&store), verifier: Arc::new(Interpreter) };
    let setup = ChainSetup { chain: ChainConfig::new(Arc::new(Params::regtest())), intensity };
    let chain = crate::chain::start(shared, deps, setup).unwrap();
    let config = IndexConfig { transactions: true, filters: true, coin_stats: true, spenders: true };
    Indexes::open(&chain.reader, &store, config).unwrap()
}

#[actix::test]
async fn a_panic_of_a_builder_is_counted_and_the_threads_end_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared();
    let indexes = indexes(&shared, dir.path());
    let (index, _arbiter) = super::start(&shared, &indexes, Intensity::default()).unwrap();
    let mut restarts = shared.supervisor.restarts();
    index.send(IndexerDied { kind: IndexKind::Filters }).await.unwrap_err();
    let restart = restarts.recv().await.unwrap();
    assert_eq!(restart.role, Role::Index);
    assert_eq!(restart.last_panic.unwrap(), "the builder of the index of filters panicked");
    while !indexes.status().iter().all(|status| status.synced) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(indexes.status()[0].best.unwrap().0, Height::GENESIS);
    shared.supervisor.end(ExitReason::Requested);
    assert_eq!(shared.supervisor.stop_all().await, None);
}
