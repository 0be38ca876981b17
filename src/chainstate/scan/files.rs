//! Many files at once: each is walked over on a thread of its own, and what is found is heard of in the files' order.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use adit_domain::consensus::{HeaderError, Params, check_proof_of_work};
use bitcoin::BlockHash;
use bitcoin::block::Header;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::{BlockFile, Extent, Skipped, Verdict, Wanted, scan_file};

/// Headers that are handed over at once: of 150 bytes each, 150 kB.
const BATCH_HEADERS: usize = 1024;
/// Batches that may wait for their turn, a file: with the one in the making, 450 kB a thread.
const BATCHES_MAX: usize = 2;

/// A header that stands before a block, and where.
#[derive(Clone, Debug)]
pub(crate) struct FoundHeader {
    pub(crate) header: Header,
    pub(crate) hash: BlockHash,
    pub(crate) extent: Extent,
    /// Nobody worked for it: no block, most likely.
    pub(crate) refused: Option<HeaderError>,
}

/// What a thread says of its file.
enum Word {
    Headers(Vec<FoundHeader>),
    End(io::Result<Skipped>),
}

/// Whom the findings are for. All is called on the caller's thread.
pub(crate) trait Finder {
    type Error;
    /// A header of the file of that number.
    fn header(&mut self, file: usize, found: FoundHeader) -> Result<(), Self::Error>;
    /// Such a file is done with; whether to go on.
    fn end(&mut self, file: usize, ended: io::Result<Skipped>) -> Result<bool, Self::Error>;
}

/// Walks over all files on `threads` threads and tells `finder`, file by file in their order.
pub(crate) fn scan_files<F: Finder>(
    files: &[impl AsRef<BlockFile> + Sync],
    threads: usize,
    (wanted, params): (&Wanted<'_>, &Params),
    finder: &mut F,
) -> Result<(), F::Error> {
    let (jobs, todo) = unbounded();
    let mut receivers = Vec::with_capacity(files.len());
    for file in files {
        let (to, from) = bounded(BATCHES_MAX);
        receivers.push(from);
        // Its other end is below: it cannot be closed.
        let _ = jobs.send((file, to));
    }
    drop(jobs);
    let stop = AtomicBool::new(false);
    // The first file that is not done is always in somebody's hands, so that its batches come and nobody waits for ever.
    let work = || {
        for (file, to) in todo.iter().take_while(|_| !stop.load(Ordering::Relaxed)) {
            scan_into(file.as_ref(), (wanted, params), &to);
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, files.len().max(1)) {
            scope.spawn(work);
        }
        let heard = hear(receivers, finder);
        // Whoever still walks finds its channel closed.
        stop.store(true, Ordering::Relaxed);
        heard
    })
}

fn scan_into(file: &BlockFile, (wanted, params): (&Wanted<'_>, &Params), to: &Sender<Word>) {
    let (mut batch, mut skipped) = (Vec::with_capacity(BATCH_HEADERS), Skipped::default());
    let scanned = scan_file(file, wanted, &mut skipped, |header, extent| {
        let hash = header.block_hash();
        let refused = check_proof_of_work(hash, header.bits, params).err();
        let verdict = if refused.is_some() { Verdict::NoBlock } else { Verdict::Block };
        batch.push(FoundHeader { header, hash, extent, refused });
        let is_full = batch.len() >= BATCH_HEADERS;
        match is_full && to.send(Word::Headers(std::mem::take(&mut batch))).is_err() {
            true => Verdict::Stop,
            false => verdict,
        }
    });
    // Nobody may listen any more.
    let _ = to.send(Word::Headers(batch)).and_then(|()| to.send(Word::End(scanned.map(|()| skipped))));
}

fn hear<F: Finder>(receivers: Vec<Receiver<Word>>, finder: &mut F) -> Result<(), F::Error> {
    for (number, receiver) in receivers.into_iter().enumerate() {
        loop {
            let lost = || Word::End(Err(io::Error::other("the thread that read it is gone")));
            match receiver.recv().unwrap_or_else(|_| lost()) {
                Word::Headers(batch) => {
                    batch.into_iter().try_for_each(|found| finder.header(number, found))?
                }
                Word::End(ended) => {
                    if !finder.end(number, ended)? {
                        return Ok(());
                    }
                    break;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "files/tests.rs"]
mod tests;
