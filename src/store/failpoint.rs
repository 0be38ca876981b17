//! Places where a process can be made to end as by `kill -9`, before or after each durable write, so that tests hit every one.
//!
//! Owns: the list of these places, and `ADIT_FAILPOINT`, which is read once. Must not know: what is written there.
//!
//! It is there in debug builds only: a release has no such code, and the variable does nothing.
//!
//! | `ADIT_FAILPOINT` | what happens |
//! |---|---|
//! | `flush-commit.before:3` | the process is killed when it comes there for the third time |
//! | `any:70` | the same, whatever the place |
//! | `disk:70` | the same at a write, sync or change of length, wherever it is |
//! | `io:70` | from that write, sync or change of length on each fails |
//! | `trace=FILE` | each place that is come by is a line of the file, and `disk` each write, sync or change of length |

/// What is made durable at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A block's body is appended.
    BlockAppend,
    /// A block's undo data is appended.
    UndoAppend,
    /// A block or undo file is taken away.
    FileRemove,
    /// Block or undo files are synced.
    FileSync,
    /// A database takes its name when it is whole.
    DatabaseName,
    /// Coins, headers and tip are flushed.
    FlushCommit,
    /// A slice of a merge.
    MergeSlice,
    /// A merged tier takes the place of its sources.
    MergeFinish,
    /// A snapshot's coins become what the chain stands on.
    SnapshotActivate,
    /// They take the place of those that were verified.
    SnapshotConfirm,
    /// They are put aside.
    SnapshotRefuse,
    /// The format file takes its name.
    DatadirFormat,
    /// A found block takes its name.
    FoundBlock,
    /// A group of shares.
    ShareGroup,
    /// A step of the books.
    LedgerCommit,
    /// Blocks of an index, or those that it takes back.
    IndexCommit,
    /// Runs of an index become one.
    IndexMerge,
    /// The list of the files that pruning is about to take away.
    PruneList,
    /// The records of headers whose blocks lie in these files, with the flush that they go with.
    PruneRecords,
    /// The list is empty again: the files are gone.
    PruneDone,
}

impl Place {
    /// All of them.
    pub const ALL: [Place; 20] = [
        Place::BlockAppend,
        Place::UndoAppend,
        Place::FileRemove,
        Place::FileSync,
        Place::DatabaseName,
        Place::FlushCommit,
        Place::MergeSlice,
        Place::MergeFinish,
        Place::SnapshotActivate,
        Place::SnapshotConfirm,
        Place::SnapshotRefuse,
        Place::DatadirFormat,
        Place::FoundBlock,
        Place::ShareGroup,
        Place::LedgerCommit,
        Place::IndexCommit,
        Place::IndexMerge,
        Place::PruneList,
        Place::PruneRecords,
        Place::PruneDone,
    ];

    /// Its word in `ADIT_FAILPOINT`.
    pub fn name(self) -> &'static str {
        match self {
            Place::BlockAppend => "block-append",
            Place::UndoAppend => "undo-append",
            Place::FileRemove => "file-remove",
            Place::FileSync => "file-sync",
            Place::DatabaseName => "database-name",
            Place::FlushCommit => "flush-commit",
            Place::MergeSlice => "merge-slice",
            Place::MergeFinish => "merge-finish",
            Place::SnapshotActivate => "snapshot-activate",
            Place::SnapshotConfirm => "snapshot-confirm",
            Place::SnapshotRefuse => "snapshot-refuse",
            Place::DatadirFormat => "datadir-format",
            Place::FoundBlock => "found-block",
            Place::ShareGroup => "share-group",
            Place::LedgerCommit => "ledger-commit",
            Place::IndexCommit => "index-commit",
            Place::IndexMerge => "index-merge",
            Place::PruneList => "prune-list",
            Place::PruneRecords => "prune-records",
            Place::PruneDone => "prune-done",
        }
    }
}

/// Nothing of what is written at the place is there yet.
pub fn before(place: Place) {
    armed::pass(place, "before");
}

/// All of it is.
pub fn after(place: Place) {
    armed::pass(place, "after");
}

/// A write, a sync or a change of length.
pub(crate) fn disk() -> std::io::Result<()> {
    armed::disk()
}

#[cfg(not(debug_assertions))]
mod armed {
    pub(super) fn pass(_: super::Place, _: &str) {}

    pub(super) fn disk() -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(debug_assertions)]
mod armed {
    use std::io::{self, Write};
    use std::path::PathBuf;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    use super::Place;

    /// What was asked for.
    #[derive(Debug, PartialEq, Eq)]
    pub(super) enum Plan {
        /// The place and the moment, with how often it is come by.
        Kill(String, u64),
        Disk(u64),
        Fail(u64),
        Trace(PathBuf),
    }

    struct Armed {
        plan: Plan,
        passes: AtomicU64,
    }

    impl Plan {
        /// None where it does not read: then nothing is done.
        pub(super) fn parse(text: &str) -> Option<Plan> {
            if let Some(file) = text.strip_prefix("trace=") {
                return Some(Plan::Trace(PathBuf::from(file)));
            }
            let (name, passes) = text.split_once(':').unwrap_or((text, "1"));
            let passes = passes.parse().ok()?;
            Some(match name {
                "disk" => Plan::Disk(passes),
                "io" => Plan::Fail(passes),
                _ => Plan::Kill(name.to_owned(), passes),
            })
        }

        pub(super) fn names(&self, place: Place, moment: &str) -> bool {
            let Plan::Kill(name, _) = self else { return false };
            let is_it = |(word, when): (&str, &str)| word == place.name() && when == moment;
            name == "any" || name.split_once('.').is_some_and(is_it)
        }
    }

    fn armed() -> Option<&'static Armed> {
        static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
        let read = || {
            let plan = Plan::parse(&std::env::var("ADIT_FAILPOINT").ok()?)?;
            Some(Armed { plan, passes: AtomicU64::new(0) })
        };
        ARMED.get_or_init(read).as_ref()
    }

    impl Armed {
        /// How often it was come by, with this time.
        fn count(&self) -> u64 {
            self.passes.fetch_add(1, Ordering::SeqCst).saturating_add(1)
        }
    }

    pub(super) fn pass(place: Place, moment: &str) {
        let Some(armed) = armed() else { return };
        match &armed.plan {
            Plan::Kill(_, at) if armed.plan.names(place, moment) && armed.count() == *at => die(),
            Plan::Trace(file) => trace(file, &format!("{}.{moment}", place.name())),
            _ => {}
        }
    }

    pub(super) fn disk() -> io::Result<()> {
        let Some(armed) = armed() else { return Ok(()) };
        match &armed.plan {
            Plan::Trace(file) => trace(file, "disk"),
            Plan::Disk(at) if armed.count() == *at => die(),
            Plan::Fail(at) if armed.count() >= *at => {
                return Err(io::Error::other("a failure that was asked for"));
            }
            _ => {}
        }
        Ok(())
    }

    /// What cannot be written is missed by whoever reads it.
    fn trace(file: &PathBuf, line: &str) {
        let opened = std::fs::File::options().append(true).create(true).open(file);
        let _ = opened.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    }

    /// As by `kill -9`, and not a step further.
    fn die() {
        while kill_process(getpid(), Signal::KILL).is_ok() {
            std::thread::park();
        }
    }
}

#[cfg(test)]
#[path = "failpoint/tests.rs"]
mod tests;
