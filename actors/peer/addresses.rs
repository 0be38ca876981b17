use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use adit_domain::peer::{ADDRESS_FILE_BYTES_MAX, AddressBoard, AddressBook, HostNetwork, KnownNode, Listed};
use adit_domain::units::{Clock, Entropy};

use super::board::Board;

/// The addresses of other nodes, for an operator: what is known, and one more. They are in memory.
#[derive(Clone)]
pub struct AddressDesk {
    board: Arc<Board>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// What became of an address that an operator added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddedAddress {
    /// It is where it was to be.
    Added,
    /// It found no place, or has one.
    NotNew,
    /// It is new, and its place among the tried ones is taken.
    NotTried,
}

impl AddressDesk {
    pub(super) fn new(board: Arc<Board>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> AddressDesk {
        AddressDesk { board, clock, entropy }
    }

    /// At most `most` of those that are known (0: all), drawn by chance; of one network where one is named.
    pub fn draw(&self, most: usize, network: Option<HostNetwork>) -> Vec<KnownNode> {
        let times = (self.clock.now().to_seconds_floor(), self.entropy.next_u64());
        self.with(|board| board.book.draw((most, 0), network, false, times))
    }

    /// Adds one as if it had told of itself now; to those that were reached, if it is `tried`.
    pub fn add(&self, node: KnownNode, tried: bool) -> AddedAddress {
        let (now_s, chance) = (self.clock.now().to_seconds_floor(), self.entropy.next_u64());
        self.with(|board| {
            let node = board.seen_from_here(node);
            if board.book.add(&[node], &node.address.host, (0, now_s), chance) == 0 {
                return AddedAddress::NotNew;
            }
            if tried && !board.book.good(&node.address, now_s) {
                return AddedAddress::NotTried;
            }
            AddedAddress::Added
        })
    }

    /// Every place that is taken.
    pub fn places(&self) -> Vec<Listed> {
        self.with(|board| board.book.places())
    }

    /// Of each network how many are new, and how many are tried.
    pub fn counts(&self) -> Vec<(HostNetwork, usize, usize)> {
        let counts = self.with(|board| board.book.counts());
        let of = |network| counts.get(&network).copied().unwrap_or_default();
        HostNetwork::ALL.into_iter().map(|network| (network, of(network).0, of(network).1)).collect()
    }

    fn with<T>(&self, look: impl FnOnce(&mut AddressBoard) -> T) -> T {
        look(&mut self.board.boards().addresses)
    }
}

/// The addresses that are known since before. A file that is not there is begun; what is none is left as it is until the next is written.
pub(super) fn load(path: &Path, key: [u8; 32]) -> io::Result<AddressBook> {
    let size = match fs::metadata(path) {
        Ok(meta) => meta.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::info!("Creating peers.dat because the file was not found ({})", path.display());
            let book = AddressBook::new(key);
            save(path, &book.to_bytes())?;
            return Ok(book);
        }
        Err(error) => return Err(error),
    };
    let read =
        if size <= ADDRESS_FILE_BYTES_MAX { AddressBook::from_bytes(&fs::read(path)?).ok() } else { None };
    let book = read.unwrap_or_else(|| {
        tracing::warn!(path = %path.display(), "the list of nodes' addresses is not used: it is none of ours");
        AddressBook::new(key)
    });
    tracing::info!("Loaded {} addresses from peers.dat", book.len());
    Ok(book)
}

/// Writes beside the old file and then takes its place.
pub(super) fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("dat.new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)
}
