//! What outlives the process: read at the start and on demand, written at the end and on demand.

use std::path::{Path, PathBuf};

use adit_domain::mempool::{Archive, ArchivedTx};
use adit_domain::units::UnixMillis;
use bitcoin::Txid;
use tokio::sync::oneshot;

use super::actor::{Job, MempoolActor, Task};
use super::file;
use crate::messages::mempool::{ImportOptions, SaveFailed};

/// What is done once everything that was kept has been judged.
pub(super) struct Kept {
    unbroadcast: Vec<Txid>,
    reply: Option<oneshot::Sender<()>>,
}

/// At the start the file is our own: all that it says holds.
const OWN: ImportOptions =
    ImportOptions { use_current_time: false, apply_deltas: true, apply_unbroadcast: true };

impl MempoolActor {
    /// The transactions of the last run wait to be judged before any other.
    pub(super) fn load(&mut self) {
        let file = self.config.file.clone().filter(|_| self.config.is_kept);
        let archive = file.and_then(|path| file::load(&path)).unwrap_or_default();
        self.enqueue(archive, OWN, None);
    }

    /// Lets what a file holds wait to be judged; tells when it has been.
    pub(super) fn enqueue(
        &mut self,
        archive: Archive,
        options: ImportOptions,
        reply: Option<oneshot::Sender<()>>,
    ) {
        let now = self.clock.now();
        let deltas = archive.txs.iter().map(|row| (row.tx.txid(), row.delta_sat)).chain(archive.deltas);
        for (txid, delta_sat) in deltas.filter(|(_, delta_sat)| options.apply_deltas && *delta_sat != 0) {
            // What is held and has dust is not preferred: then it is not.
            let _ = self.pool.prioritise(txid, delta_sat);
        }
        let added_at = |row: &ArchivedTx| if options.use_current_time { now } else { row.added_at };
        let is_young = |added_at: UnixMillis| now.ms_since(added_at) < self.config.pool.expiry_ms;
        let rows = archive.txs.into_iter().map(|row| (added_at(&row), row.tx));
        let jobs = rows.filter(|(added_at, _)| is_young(*added_at));
        let jobs =
            jobs.map(|(added_at, tx)| Task::One(Job { tx, added_at, tries: 0, from: None, reply: None }));
        self.queue.extend(jobs);
        let unbroadcast = if options.apply_unbroadcast { archive.unbroadcast } else { Vec::new() };
        self.queue.push_back(Task::Loaded(Kept { unbroadcast, reply }));
    }

    /// All that came before has been judged.
    pub(super) fn loaded(&mut self, kept: Kept) {
        self.loaded = true;
        self.reader.await_broadcast(&kept.unbroadcast);
        if let Some(reply) = kept.reply {
            // Whoever asked may be gone.
            let _ = reply.send(());
        }
    }

    /// What there is to keep, where to, and under which key.
    pub(super) fn to_keep(&self) -> Result<Save, SaveFailed> {
        let path = self.config.file.clone().ok_or(SaveFailed::Unwritable)?;
        let deltas = self.pool.prioritised();
        let row = |(tx, added_at): (_, UnixMillis)| ArchivedTx { tx, added_at, delta_sat: 0 };
        let mut txs: Vec<ArchivedTx> = self.reader.all().into_iter().map(row).collect();
        for row in &mut txs {
            row.delta_sat = self.pool.delta_sat(&row.tx.txid());
        }
        let of_others = deltas.iter().filter(|delta| delta.modified_fee_sat.is_none());
        let archive = Archive {
            txs,
            deltas: of_others.map(|delta| (delta.txid, delta.delta_sat)).collect(),
            unbroadcast: self.reader.unbroadcast(),
        };
        let key = (!self.config.is_plain).then(|| self.entropy.next_u64().to_le_bytes());
        Ok(Save { archive, path, key })
    }

    /// Keeps it now.
    pub(super) fn write(&self) -> Result<PathBuf, SaveFailed> {
        self.to_keep()?.write()
    }
}

/// A file that is to be written: any thread may do it.
pub(super) struct Save {
    archive: Archive,
    path: PathBuf,
    key: Option<[u8; 8]>,
}

impl Save {
    pub(super) fn write(self) -> Result<PathBuf, SaveFailed> {
        let Save { archive, path, key } = self;
        file::save(&path, &archive.encode(key)).map_err(|error| unwritable(&path, &error))?;
        Ok(path)
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> SaveFailed {
    tracing::error!(path = %path.display(), %error, "the mempool's file cannot be written");
    SaveFailed::Unwritable
}
