//! A disk in memory that knows what is durable and what is not, what a power cut leaves of it, and how to fail.

#![allow(dead_code, reason = "the tests of each crate use a part of it")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use adit_store::{Disk, DiskFile};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// Bytes that are shared until they differ.
const PAGE: usize = 4096;

/// Files as they are found after a power cut.
pub(crate) type Image = BTreeMap<PathBuf, Content>;

/// The bytes of a file, in pages: what two of them have alike lies in memory once, so that thousands of images cost little.
#[derive(Clone, Default)]
pub(crate) struct Content {
    pages: Vec<Arc<[u8; PAGE]>>,
    len: usize,
}

impl Content {
    pub(crate) fn of(bytes: &[u8]) -> Content {
        let mut content = Content::default();
        content.write(0, bytes);
        content
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = self.pages.iter().flat_map(|page| page.as_slice()).copied().collect::<Vec<u8>>();
        bytes.truncate(self.len);
        bytes
    }

    /// The same with one bit turned over.
    pub(crate) fn flipped(&self, byte: usize, bit: u32) -> Content {
        let (mut content, mut one) = (self.clone(), [0]);
        assert!(self.read(byte, &mut one));
        content.write(byte, &[one[0] ^ (1 << bit)]);
        content
    }

    fn resize(&mut self, len: usize) {
        self.pages.truncate(len.div_ceil(PAGE));
        if let Some(last) = self.pages.last_mut().filter(|_| len < self.len && !len.is_multiple_of(PAGE)) {
            Arc::make_mut(last)[len % PAGE..].fill(0);
        }
        self.pages.resize(len.div_ceil(PAGE), Arc::new([0; PAGE]));
        self.len = len;
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if end > self.len {
            self.resize(end);
        }
        let mut from = 0;
        while from < bytes.len() {
            let at = (offset + from) % PAGE;
            let to = (from + PAGE - at).min(bytes.len());
            Arc::make_mut(&mut self.pages[(offset + from) / PAGE])[at..at + to - from]
                .copy_from_slice(&bytes[from..to]);
            from = to;
        }
    }

    /// False, with nothing read, where it does not have so many.
    fn read(&self, offset: usize, buf: &mut [u8]) -> bool {
        let is_there = offset + buf.len() <= self.len;
        let mut from = 0;
        while is_there && from < buf.len() {
            let at = (offset + from) % PAGE;
            let to = (from + PAGE - at).min(buf.len());
            buf[from..to].copy_from_slice(&self.pages[(offset + from) / PAGE][at..at + to - from]);
            from = to;
        }
        is_there
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Content) -> bool {
        let alike = |(a, b): (&Arc<[u8; PAGE]>, &Arc<[u8; PAGE]>)| Arc::ptr_eq(a, b) || a == b;
        self.len == other.len && self.pages.iter().zip(&other.pages).all(alike)
    }
}

/// A step of chance that a seed repeats.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }
}

/// What a power cut does to what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nothing of it is there.
    None,
    /// All of it is.
    All,
    /// The first so many writes.
    Prefix,
    /// Any of them.
    Subset,
    /// Of each write any sectors.
    Torn,
    /// All but changes of a file's length.
    LengthLost,
    /// The last write alone, which is where a header goes.
    LastOnly,
}

pub(crate) const CUTS: [Cut; 7] =
    [Cut::None, Cut::All, Cut::Prefix, Cut::Subset, Cut::Torn, Cut::LengthLost, Cut::LastOnly];

#[derive(Clone)]
enum Change {
    Write { offset: usize, bytes: Arc<Vec<u8>> },
    Length(usize),
}

#[derive(Clone, Default)]
struct File {
    durable: Content,
    now: Content,
    /// What is in `now` and not in `durable`, each with its place in the order of all changes.
    pending: Vec<(u64, Change)>,
    /// Whether a sync that failed has forgotten some of what is in `now`.
    has_lost: bool,
}

/// From which operation on which error is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    pub(crate) at: u64,
    pub(crate) kind: ErrorKind,
    /// Whether every operation after it fails too. Where not, a sync that comes after says that all is well, as
    /// systems do that have forgotten what they could not write.
    pub(crate) stays: bool,
}

struct World {
    names: BTreeMap<PathBuf, usize>,
    files: Vec<File>,
    order: u64,
    operations: u64,
    failure: Option<Failure>,
    failed: bool,
    /// Images are taken at each sync.
    capturing: Option<Chance>,
    images: Vec<(Cut, Image)>,
}

/// The disk. Clones are the same disk.
#[derive(Clone)]
pub(crate) struct Sim(Arc<Mutex<World>>);

struct SimFile {
    world: Arc<Mutex<World>>,
    number: usize,
}

impl Sim {
    pub(crate) fn new() -> Sim {
        Sim::of(&Image::new())
    }

    /// The disk as it is found again.
    pub(crate) fn of(image: &Image) -> Sim {
        let mut world = World {
            names: BTreeMap::new(),
            files: Vec::new(),
            order: 0,
            operations: 0,
            failure: None,
            failed: false,
            capturing: None,
            images: Vec::new(),
        };
        for (path, bytes) in image {
            world.names.insert(path.clone(), world.files.len());
            let (durable, now) = (bytes.clone(), bytes.clone());
            world.files.push(File { durable, now, pending: Vec::new(), has_lost: false });
        }
        Sim(Arc::new(Mutex::new(world)))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    pub(crate) fn fail(&self, failure: Option<Failure>) {
        let mut world = self.world();
        (world.failure, world.failed) = (failure, false);
    }

    /// Operations so far, of any kind.
    pub(crate) fn operations(&self) -> u64 {
        self.world().operations
    }

    /// Whether an operation has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.world().failed
    }

    /// Takes images at each sync from now on.
    pub(crate) fn capture(&self, seed: u64) {
        self.world().capturing = Some(Chance::new(seed));
    }

    pub(crate) fn stop_capturing(&self) {
        self.world().capturing = None;
    }

    /// The images since the last call, each once.
    pub(crate) fn take_images(&self) -> Vec<(Cut, Image)> {
        std::mem::take(&mut self.world().images)
    }

    /// What a power cut now would leave.
    pub(crate) fn image(&self, cut: Cut, chance: &mut Chance) -> Image {
        self.world().image(cut, chance)
    }
}

impl World {
    fn operation(&mut self) -> io::Result<()> {
        self.operations += 1;
        let Some(failure) = self.failure else { return Ok(()) };
        let fails = self.operations == failure.at || (failure.stays && self.operations > failure.at);
        self.failed |= fails;
        if fails { Err(io::Error::from(failure.kind)) } else { Ok(()) }
    }

    fn change(&mut self, number: usize, change: Change) {
        self.order += 1;
        let file = &mut self.files[number];
        apply(&mut file.now, &change);
        file.pending.push((self.order, change));
    }

    fn image(&self, cut: Cut, chance: &mut Chance) -> Image {
        let first = self.files.iter().flat_map(|f| f.pending.first()).map(|(order, _)| *order).min();
        let first = first.unwrap_or(self.order);
        let end = first + chance.below(self.order - first + 1);
        let last = self.order;
        let mut image = Image::new();
        for (path, number) in &self.names {
            let file = &self.files[*number];
            let bytes = match cut {
                Cut::None => file.durable.clone(),
                _ if file.pending.is_empty() => file.durable.clone(),
                Cut::All if !file.has_lost => file.now.clone(),
                _ => {
                    let mut bytes = file.durable.clone();
                    for (order, change) in &file.pending {
                        match cut {
                            Cut::Prefix if *order > end => {}
                            Cut::Subset if chance.below(2) == 0 => {}
                            Cut::LastOnly if *order != last => {}
                            Cut::LengthLost if matches!(change, Change::Length(_)) => {}
                            Cut::Torn => tear(&mut bytes, change, chance),
                            _ => apply(&mut bytes, change),
                        }
                    }
                    bytes
                }
            };
            image.insert(path.clone(), bytes);
        }
        image
    }

    fn capture(&mut self) {
        let Some(mut chance) = self.capturing.take() else { return };
        for cut in CUTS {
            let image = self.image(cut, &mut chance);
            if !self.images.iter().any(|(_, known)| *known == image) {
                self.images.push((cut, image));
            }
        }
        self.capturing = Some(chance);
    }
}

fn apply(bytes: &mut Content, change: &Change) {
    match change {
        Change::Length(len) => bytes.resize(*len),
        Change::Write { offset, bytes: new } => bytes.write(*offset, new),
    }
}

/// Any of the sectors that a change touches.
fn tear(bytes: &mut Content, change: &Change, chance: &mut Chance) {
    let Change::Write { offset, bytes: new } = change else { return apply(bytes, change) };
    let mut from = 0;
    while from < new.len() {
        let to = (((offset + from) / SECTOR + 1) * SECTOR - offset).min(new.len());
        if chance.below(2) == 0 {
            bytes.write(offset + from, &new[from..to]);
        }
        from = to;
    }
}

impl Disk for Sim {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.world();
        world.operation()?;
        let number = match world.names.get(path) {
            Some(number) => *number,
            None => {
                let number = world.files.len();
                world.files.push(File::default());
                world.names.insert(path.to_owned(), number);
                number
            }
        };
        drop(world);
        Ok(Arc::new(SimFile { world: Arc::clone(&self.0), number }))
    }

    fn len_of(&self, path: &Path) -> io::Result<Option<u64>> {
        let mut world = self.world();
        world.operation()?;
        Ok(world.names.get(path).map(|number| world.files[*number].now.len() as u64))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.operation()?;
        world.names.remove(path);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.operation()?;
        world.capture();
        let number = world.names.remove(from).ok_or(ErrorKind::NotFound)?;
        world.names.insert(to.to_owned(), number);
        world.capture();
        Ok(())
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let mut world = self.world();
        world.operation()?;
        let here = world.names.keys().filter(|path| path.parent() == Some(folder));
        Ok(here.filter_map(|path| path.file_name()).map(ToOwned::to_owned).collect())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut world = self.world();
        world.operation()?;
        let number = *world.names.get(path).ok_or(ErrorKind::NotFound)?;
        Ok(world.files[number].now.to_vec())
    }
}

impl SimFile {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let mut world = self.world();
        world.operation()?;
        let is_there = world.files[self.number].now.read(usize::try_from(offset).unwrap(), buf);
        if is_there { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut world = self.world();
        let offset = usize::try_from(offset).unwrap();
        let done = world.operation();
        // A write that fails has come half-way.
        let len = if done.is_ok() { bytes.len() } else { bytes.len() / 2 };
        world.change(self.number, Change::Write { offset, bytes: Arc::new(bytes[..len].to_vec()) });
        done
    }

    fn sync(&self) -> io::Result<()> {
        let mut world = self.world();
        world.capture();
        let done = world.operation();
        let file = &mut world.files[self.number];
        let pending = std::mem::take(&mut file.pending);
        match &done {
            // What could not be written is forgotten, and the next sync knows nothing of it.
            Err(_) => file.has_lost |= !pending.is_empty(),
            Ok(()) if file.has_lost => {
                pending.iter().for_each(|(_, change)| apply(&mut file.durable, change))
            }
            Ok(()) => file.durable = file.now.clone(),
        }
        done
    }

    fn len(&self) -> io::Result<u64> {
        let mut world = self.world();
        world.operation()?;
        Ok(world.files[self.number].now.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut world = self.world();
        world.operation()?;
        world.change(self.number, Change::Length(usize::try_from(len).unwrap()));
        Ok(())
    }
}
