use bitcoin::BlockHash;
use bitcoin::hashes::Hash;

use super::*;
use crate::{FileEnd, Flush, FlushState};

fn open(base: &std::path::Path) -> Arc<Store> {
    Arc::new(Store::open(DataDir::open(base, "regtest").unwrap()).unwrap())
}

/// Writes a state that tells one database from another.
fn mark(db: &ChainDb, height: u32) {
    let state = FlushState {
        tip: BlockHash::all_zeros(),
        height: adit_domain::units::Height::new(height),
        flushes: 1,
        blocks_end: FileEnd::default(),
    };
    db.flush(Flush { state, nodes: Vec::new(), coins: &mut std::iter::empty() }).unwrap();
}

fn height(db: &ChainDb) -> Option<u32> {
    db.state().unwrap().map(|state| state.height.to_u32())
}

/// The heights of the database that the chain stands on, and of the one behind.
fn heights(store: &Store) -> (Option<u32>, Option<Option<u32>>) {
    (height(&store.db()), store.db_behind().map(|db| height(&db)))
}

#[test]
fn a_snapshot_goes_before_what_was_verified_and_then_takes_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    mark(&store.db(), 10);
    let loading = LoadingDb::begin(&store).unwrap().unwrap();
    mark(loading.db().unwrap(), 200);
    assert!(LoadingDb::begin(&store).unwrap().is_none(), "one at a time");
    assert_eq!(heights(&store), (Some(10), None));
    loading.activate().unwrap();
    assert_eq!(heights(&store), (Some(200), Some(Some(10))));
    assert!(LoadingDb::begin(&store).unwrap().is_none(), "one is there");
    drop(store);
    let store = open(dir.path());
    assert_eq!(heights(&store), (Some(200), Some(Some(10))));
    let folder = store.dir().path().to_owned();
    store.confirm_snapshot().unwrap();
    assert_eq!(heights(&store), (Some(200), None));
    drop(store);
    let store = open(dir.path());
    assert_eq!(heights(&store), (Some(200), None));
    assert!(LoadingDb::begin(&store).unwrap().is_some());
    let left = |name: &str| folder.join(name).exists();
    let names = ["chainstate.redb", "chainstate.snapshot.redb", "chainstate.loading.redb"].map(left);
    assert_eq!(names, [true, false, false]);
}

#[test]
fn a_snapshot_that_is_refused_is_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    mark(&store.db(), 10);
    let loading = LoadingDb::begin(&store).unwrap().unwrap();
    mark(loading.db().unwrap(), 200);
    loading.activate().unwrap();
    let kept = store.refuse_snapshot().unwrap();
    drop(store);
    assert_eq!(heights(&open(dir.path())), (Some(10), None));
    assert_eq!(height(&ChainDb::open(&kept).unwrap()), Some(200));
}

#[test]
fn what_was_not_read_to_its_end_is_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let loading = LoadingDb::begin(&store).unwrap().unwrap();
    let path = store.dir().loading();
    assert!(path.exists());
    drop(loading);
    assert!(!path.exists());
    drop(store);
    std::fs::write(&path, b"left by a process that was killed").unwrap();
    assert_eq!(heights(&open(dir.path())), (None, None));
    assert!(!path.exists());
}

#[test]
fn a_rebuilt_database_takes_the_place_of_both() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let loading = LoadingDb::begin(&store).unwrap().unwrap();
    loading.activate().unwrap();
    drop(store);
    let rebuilt = Store::rebuild(DataDir::open(dir.path(), "regtest").unwrap()).unwrap();
    mark(&rebuilt.db(), 5);
    rebuilt.finish_rebuild().unwrap();
    drop(rebuilt);
    assert_eq!(heights(&open(dir.path())), (Some(5), None));
}

#[test]
fn a_database_says_of_which_block_it_is_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert_eq!(store.db().snapshot_base().unwrap(), None);
    let base = BlockHash::from_byte_array([5; 32]);
    store.db().set_snapshot_base(&base).unwrap();
    assert_eq!(store.db().snapshot_base().unwrap(), Some(base));
}
