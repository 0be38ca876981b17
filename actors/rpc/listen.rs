use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

/// Bytes of a socket's path: what `sockaddr_un` holds, less its final zero.
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// The folder, for this process alone, in which the socket is made before it gets its name.
const NURSERY: &str = ".sock";

/// Why the control interface cannot listen.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Somebody listens there.
    #[error("{0} is in use: another node runs here")]
    InUse(PathBuf),
    /// A file that is no socket has the socket's name.
    #[error("{0} is in the way: it is no socket")]
    NotASocket(PathBuf),
    /// The system has no room for the name.
    #[error("{0} is too long for a socket: {SOCKET_PATH_BYTES_MAX} bytes at most")]
    PathTooLong(PathBuf),
    /// The system refused.
    #[error("{at}: {source}")]
    Io {
        /// What was touched.
        at: String,
        /// What the system said.
        source: io::Error,
    },
}

/// A unix socket with its name; the name goes when the last owner does.
#[derive(Debug)]
pub(super) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    inode: (u64, u64),
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Only our own: somebody else may have taken the name since.
        if inode(&self.path).is_ok_and(|found| found == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Where the interface listens. Outlives the server, so that a restart refuses nobody.
#[derive(Clone, Debug)]
pub(super) enum Listener {
    Unix(Arc<Socket>),
    Tcp(Arc<TcpListener>),
}

impl Listener {
    /// Listens on a unix socket that only its owner can open, from its first moment on: it is made in a folder that only the
    /// owner can enter, and gets its name afterwards. The socket of a killed process is replaced.
    pub(super) fn unix(path: &Path) -> Result<Listener, ListenError> {
        refuse_living(path)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let nursery = folder.join(NURSERY);
        let cradle = nursery.join("s");
        if cradle.as_os_str().len().max(path.as_os_str().len()) > SOCKET_PATH_BYTES_MAX {
            return Err(ListenError::PathTooLong(path.to_owned()));
        }
        // What a killed process left; the folder is ours by the lock on the datadir.
        let _ = fs::remove_file(&cradle);
        let _ = fs::remove_dir(&nursery);
        DirBuilder::new().mode(0o700).create(&nursery).map_err(named(&nursery))?;
        let listener = UnixListener::bind(&cradle).map_err(named(&cradle))?;
        fs::set_permissions(&cradle, Permissions::from_mode(0o600)).map_err(named(&cradle))?;
        listener.set_nonblocking(true).map_err(named(&cradle))?;
        fs::rename(&cradle, path).map_err(named(path))?;
        let _ = fs::remove_dir(&nursery);
        let inode = inode(path).map_err(named(path))?;
        Ok(Listener::Unix(Arc::new(Socket { listener, path: path.to_owned(), inode })))
    }

    /// Listens on TCP.
    pub(super) fn tcp(at: SocketAddr) -> Result<Listener, ListenError> {
        let named = |source| ListenError::Io { at: at.to_string(), source };
        let listener = TcpListener::bind(at).map_err(named)?;
        listener.set_nonblocking(true).map_err(named)?;
        Ok(Listener::Tcp(Arc::new(listener)))
    }

    /// The address that TCP got.
    pub(super) fn tcp_addr(&self) -> Option<SocketAddr> {
        match self {
            Listener::Unix(_) => None,
            Listener::Tcp(listener) => listener.local_addr().ok(),
        }
    }

    /// The same socket for the runtime of this thread.
    pub(super) fn attach(&self) -> io::Result<Attached> {
        match self {
            Listener::Unix(socket) => {
                tokio::net::UnixListener::from_std(socket.listener.try_clone()?).map(Attached::Unix)
            }
            Listener::Tcp(listener) => {
                tokio::net::TcpListener::from_std(listener.try_clone()?).map(Attached::Tcp)
            }
        }
    }
}

/// A listener that a runtime watches.
pub(super) enum Attached {
    Unix(tokio::net::UnixListener),
    Tcp(tokio::net::TcpListener),
}

fn refuse_living(path: &Path) -> Result<(), ListenError> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(named(path)(e)),
    };
    if !meta.file_type().is_socket() {
        return Err(ListenError::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(ListenError::InUse(path.to_owned())),
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(e) => Err(named(path)(e)),
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

fn named(path: &Path) -> impl FnOnce(io::Error) -> ListenError + '_ {
    move |source| ListenError::Io { at: path.display().to_string(), source }
}

#[cfg(test)]
#[path = "listen/tests.rs"]
mod tests;
