//! Threads for what takes time: scripts, and reading and parsing blocks ahead of the engine.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded, select_biased, unbounded};

use crate::types::ChainFault;

type Job = Box<dyn FnOnce() + Send>;

/// A pool of threads with two queues. Neither is bounded here: the engine stages a bounded number of blocks.
pub(crate) struct Workers {
    urgent: Option<Sender<Job>>,
    scripts: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts `threads` threads, one at least.
    pub(crate) fn start(threads: usize) -> Result<Workers, ChainFault> {
        let (urgent, urgent_jobs) = unbounded::<Job>();
        let (scripts, script_jobs) = unbounded::<Job>();
        let mut running = Vec::new();
        for number in 0..threads.max(1) {
            let (urgent_jobs, script_jobs) = (urgent_jobs.clone(), script_jobs.clone());
            let thread = thread::Builder::new().name(format!("adit-worker-{number}"));
            let handle = thread.spawn(move || work(&urgent_jobs, &script_jobs));
            running.push(handle.map_err(|e| ChainFault::State(format!("no thread: {e}")))?);
        }
        Ok(Workers { urgent: Some(urgent), scripts: Some(scripts), threads: running })
    }

    /// Runs `job` before any script; its result comes through the channel, which is closed where it panicked.
    pub(crate) fn urgent<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
        let (tx, rx) = bounded(1);
        let job: Job = Box::new(move || {
            // Nobody may wait for it any more.
            let _ = tx.send(job());
        });
        send(self.urgent.as_ref(), job);
        rx
    }

    /// Where jobs wait that run when no other one is before them.
    pub(crate) fn scripts(&self) -> ScriptQueue {
        ScriptQueue(self.scripts.clone())
    }
}

/// The queue of scripts. One that is held by a job does not keep the pool alive: that ends with its urgent jobs.
pub(crate) struct ScriptQueue(Option<Sender<Job>>);

impl ScriptQueue {
    /// Runs `job` after all that were pushed before.
    pub(crate) fn push(&self, job: impl FnOnce() + Send + 'static) {
        send(self.0.as_ref(), Box::new(job));
    }
}

fn send(queue: Option<&Sender<Job>>, job: Job) {
    // The queues close with the pool only: a job that is lost then has nobody to wait for it.
    if let Some(queue) = queue {
        let _ = queue.send(job);
    }
}

fn work(urgent: &Receiver<Job>, scripts: &Receiver<Job>) {
    loop {
        let job = select_biased! {
            recv(urgent) -> job => job,
            recv(scripts) -> job => job,
        };
        let Ok(job) = job else { return };
        // A job that panics is noticed by whoever waits for it; the thread is not lost with it.
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a worker's job panicked");
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        (self.urgent, self.scripts) = (None, None);
        for thread in self.threads.drain(..) {
            // Its panics are caught inside.
            let _ = thread.join();
        }
    }
}
