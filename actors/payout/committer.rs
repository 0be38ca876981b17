use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use adit_domain::payout::{CreditError, ShareCredit, ShareLog, StatsSink};
use adit_store::share_log::GROUP_SHARES_MAX;
use tokio::sync::{mpsc, oneshot};

use super::booker::log_fault;
use crate::supervision::Fault;

/// Shares that wait while a group is written: sixteen groups, some tens of milliseconds of the disk. What comes beyond waits
/// with its sender.
const QUEUE_SHARES_MAX: usize = 16 * GROUP_SHARES_MAX;

struct Waiting {
    share: ShareCredit,
    reply: oneshot::Sender<Result<(), CreditError>>,
}

/// Shares on their way to the log: whatever has come while one group was written makes the next, with one sync for all.
///
/// Its thread lives as long as any clone of it, and answers for itself: a panic of the actor loses no share that waits.
#[derive(Clone)]
pub(super) struct Committer {
    queue: mpsc::Sender<Waiting>,
}

impl Committer {
    pub(super) fn start<S: StatsSink + 'static>(
        log: Arc<dyn ShareLog>,
        stats: Arc<S>,
        on_fault: impl Fn(Fault) + Send + 'static,
    ) -> io::Result<Committer> {
        let (queue, waiting) = mpsc::channel(QUEUE_SHARES_MAX);
        std::thread::Builder::new().name("share-log".to_owned()).spawn(move || {
            let life = AssertUnwindSafe(|| commit_groups(waiting, &*log, &*stats));
            match catch_unwind(life) {
                Ok(Ok(())) => {}
                Ok(Err(fault)) => on_fault(fault),
                Err(_) => on_fault(Fault::State("the share log's thread panicked".to_owned())),
            }
        })?;
        Ok(Committer { queue })
    }

    /// Returns when the share is durable, or why it is not credited.
    pub(super) async fn credit(self, share: ShareCredit) -> Result<(), CreditError> {
        let stopped = || CreditError::Storage("the share log has stopped".to_owned());
        let (reply, answer) = oneshot::channel();
        self.queue.send(Waiting { share, reply }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

fn commit_groups(
    mut queue: mpsc::Receiver<Waiting>,
    log: &dyn ShareLog,
    stats: &dyn StatsSink,
) -> Result<(), Fault> {
    let mut group = Vec::with_capacity(GROUP_SHARES_MAX);
    while queue.blocking_recv_many(&mut group, GROUP_SHARES_MAX) > 0 {
        let (shares, replies): (Vec<_>, Vec<_>) = group.drain(..).map(|w| (w.share, w.reply)).unzip();
        let before = log.last().unwrap_or_default();
        let answers = log.append_batch(&shares).map_err(log_fault)?;
        for ((share, reply), answer) in shares.iter().zip(replies).zip(answers) {
            if answer.as_ref().is_ok_and(|seq| *seq > before) {
                stats.credited(share);
            }
            // A sender that went away asks again, and is answered as the first time.
            let _ = reply.send(answer.map(|_| ()));
        }
    }
    Ok(())
}
