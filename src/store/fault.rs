use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::codec::CodecError;

/// Our disk or our bug. Nothing is tried again in this process: after a failed sync, what was written is unknown.
#[derive(Debug, Error)]
pub enum StoreFault {
    /// A file could not be opened, read, written or synced.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database failed.
    #[error("database: {0}")]
    Database(#[source] Box<redb::Error>),
    /// Stored bytes are not what was written.
    #[error("{what} is damaged: {source}")]
    Damaged {
        /// What was read.
        what: &'static str,
        /// How it fails to decode.
        source: CodecError,
    },
    /// A place in a block or undo file does not hold what was written there.
    #[error(
        "{path}: {what} at byte {offset} is damaged: {source}; look at the disk and the memory, then run `adit db reindex`"
    )]
    DamagedFile {
        /// The file.
        path: PathBuf,
        /// The bytes before it.
        offset: u32,
        /// What was read.
        what: &'static str,
        /// How it fails to decode.
        source: CodecError,
    },
    /// The datadir is being built again, by a process that did not come to its end.
    #[error(
        "{path}: a reindex was begun here and is not done; `adit db reindex` goes on with it, and without that file all is as before it"
    )]
    Unfinished {
        /// The database that is not done.
        path: PathBuf,
    },
    /// A record that must be there is not.
    #[error("{what} is missing")]
    Missing {
        /// What was looked for.
        what: &'static str,
    },
}

impl StoreFault {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> StoreFault + '_ {
        move |source| StoreFault::Io { path: path.to_owned(), source }
    }

    pub(crate) fn damaged(what: &'static str) -> impl FnOnce(CodecError) -> StoreFault {
        move |source| StoreFault::Damaged { what, source }
    }
}

/// Lets `?` turn each of redb's error types into [`StoreFault::Database`].
macro_rules! from_redb {
    ($($error:ty),*) => {
        $(impl From<$error> for StoreFault {
            fn from(e: $error) -> StoreFault {
                StoreFault::Database(Box::new(e.into()))
            }
        })*
    };
}
from_redb!(
    redb::DatabaseError,
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError,
    redb::CursorError,
    redb::SetDurabilityError
);
