use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use adit_domain::consensus::Params;
use adit_domain::script::Interpreter;
use adit_store::{DataDir, Disk, DiskFile, MachineDisk, Store};

use super::*;
use crate::{ChainConfig, Chainstate};

/// What a sync of the flat files and the database does, from when it is said.
#[derive(Clone, Copy)]
enum Then {
    Fails,
    Panics,
}

/// A disk whose syncs go wrong once `armed` is not 0, and are counted in it.
struct BadDisk {
    then: Then,
    armed: Arc<AtomicUsize>,
}

struct BadFile(Arc<dyn DiskFile>, Then, Arc<AtomicUsize>);

impl Disk for BadDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(BadFile(MachineDisk.open(path)?, self.then, Arc::clone(&self.armed))))
    }
    fn len_of(&self, path: &Path) -> io::Result<Option<u64>> {
        MachineDisk.len_of(path)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        MachineDisk.remove(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        MachineDisk.rename(from, to)
    }
    fn names(&self, folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
        MachineDisk.names(folder)
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        MachineDisk.read(path)
    }
}

impl DiskFile for BadFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_at(buf, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset)
    }
    fn sync(&self) -> io::Result<()> {
        if self.2.load(Ordering::SeqCst) == 0 {
            return self.0.sync();
        }
        self.2.fetch_add(1, Ordering::SeqCst);
        match self.1 {
            Then::Fails => Err(io::Error::other("on purpose")),
            Then::Panics => panic!("on purpose"),
        }
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

/// A flush that fails or panics is told to whoever asks, again and again, and is not tried again.
#[test]
fn what_goes_wrong_in_the_background_is_told_and_not_tried_again() {
    let check = |then, wanted: &str| {
        let dir = tempfile::tempdir().unwrap();
        let armed = Arc::new(AtomicUsize::new(0));
        let disk = Arc::new(BadDisk { then, armed: Arc::clone(&armed) });
        let store = Store::with_disk(DataDir::open(dir.path(), "regtest").unwrap(), disk).unwrap();
        let config = ChainConfig { script_threads: 1, ..ChainConfig::new(Arc::new(Params::regtest())) };
        let mut chain = Chainstate::open(config, Arc::new(store), Arc::new(Interpreter)).unwrap();
        chain.flush().unwrap();
        chain.wait_for_merges().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let tell_again = tell.clone();
        chain.on_fault(move |fault| tell.send(fault.to_string()).unwrap());
        armed.store(1, Ordering::SeqCst);
        // Nobody asks for anything: who listens hears of it.
        chain.begin_flush().unwrap();
        assert_eq!(told.recv().unwrap(), wanted);
        chain.on_fault(move |fault| tell_again.send(fault.to_string()).unwrap());
        assert_eq!(told.recv().unwrap(), wanted);
        let said = |fault: ChainFault| fault.to_string();
        assert_eq!(chain.flush().map_err(said), Err(wanted.to_owned()));
        let syncs = armed.load(Ordering::SeqCst);
        assert!(syncs > 1);
        assert_eq!(chain.flush().map_err(said), Err(wanted.to_owned()));
        assert_eq!(chain.maintain().map_err(said), Err(wanted.to_owned()));
        assert_eq!(chain.wait_for_merges().map_err(said), Err(wanted.to_owned()));
        assert_eq!(armed.load(Ordering::SeqCst), syncs);
        // The process ends here: a database that was left in a panic cannot be closed.
        std::mem::forget(chain);
    };
    check(Then::Panics, "state: the writing of coins panicked");
    check(Then::Fails, "storage: database: I/O error: on purpose");
}

#[test]
fn a_cache_that_another_one_follows_is_not_written_any_more() {
    let status = Status::default();
    assert!(status.begin());
    status.change(|now| now.flushing = false);
    assert_eq!(status.retire(), Ok(()));
    assert!(!status.begin());
}
