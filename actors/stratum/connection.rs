use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Addr, Handler, Message};
use adit_domain::stratum::codec;
use adit_domain::stratum::{Effect, Job};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use futures::stream::{FuturesOrdered, StreamExt};
use tokio::io::AsyncRead;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::credit::{self, Settled};
use super::lines::LineReader;
use super::{Links, SessionActor, writer};
use crate::messages::payout::ShareRejected;
use crate::messages::stratum::{
    EndSession, HandleJob, HandleLine, HandleTick, Handled, OpenedSession, Said, UncreditShare,
};
use crate::net::{OpenHere, Stream};

/// The session hears of the time this often.
const TICK: Duration = Duration::from_secs(10);
/// Shares whose credit is waited for; beyond it nothing more is read. A thousand a second with 250 ms each.
const IN_FLIGHT_MAX: usize = 256;
/// Lines that may wait to be written: every share in flight has its answer, and some pushes go between; a notify has up to
/// 4 kB, so that a miner that doesn't read holds about a megabyte at most. Beyond it the miner is dropped.
const WRITE_QUEUE_MAX: usize = 512;
/// What is left in the queue of a closed connection is written for this long.
const DRAIN: Duration = Duration::from_secs(5);

/// The connection ends.
struct Ended;

/// One miner's socket, above its session.
struct Connection {
    id: u64,
    session: Addr<SessionActor>,
    links: Links,
    jobs: watch::Receiver<Option<Arc<Job>>>,
    out: mpsc::Sender<Arc<str>>,
    in_flight: FuturesOrdered<LocalBoxFuture<'static, Settled>>,
    authorized: bool,
    /// Whether there was a job; before the first nobody is idle.
    has_work: bool,
    heard: Instant,
}

/// Serves one miner until either side ends it.
pub(super) async fn run(open: OpenHere<Stream>, opened: OpenedSession, links: Links) {
    let (id, session, ending) = (opened.id, opened.addr.clone(), links.clone());
    if let Ok(stream) = open() {
        serve(stream, opened, links).await;
    }
    if session.send(EndSession).await.is_err() {
        ending.deps.store.retire(id, ending.shared.clock.now());
    }
}

async fn serve(stream: Stream, opened: OpenedSession, links: Links) {
    let Stream { read, write, .. } = stream;
    let (out, lines) = mpsc::channel(WRITE_QUEUE_MAX);
    let mut writer = pin!(writer::write_lines(write, lines, links.config.limits.write));
    let mut jobs = links.jobs.subscribe();
    jobs.mark_changed();
    let mut connection = Connection {
        id: opened.id,
        session: opened.addr,
        links,
        jobs,
        out,
        in_flight: FuturesOrdered::new(),
        authorized: false,
        has_work: false,
        heard: Instant::now(),
    };
    let is_taken = {
        let mut attend = pin!(connection.attend(LineReader::new(read)));
        tokio::select! {
            () = &mut writer => {
                // The miner takes no answer any more. What its session says to the line at hand is still carried out: it may
                // be a block.
                let _ = attend.await;
                false
            }
            _ = &mut attend => true,
        }
    };
    // What was asked before the end is still credited, and answered to whoever takes it.
    let rest = async {
        if is_taken {
            tokio::join!(connection.drain(), writer);
        } else {
            connection.drain().await;
        }
    };
    let _ = tokio::time::timeout(DRAIN, rest).await;
}

impl Connection {
    async fn attend(&mut self, mut lines: LineReader<impl AsyncRead + Unpin>) -> Result<(), Ended> {
        let (limits, opened) = (self.links.config.limits, Instant::now());
        let mut tick = tokio::time::interval_at(opened + TICK, TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let reads = self.in_flight.len() < IN_FLIGHT_MAX && self.out.capacity() > IN_FLIGHT_MAX;
            let deadline = if self.authorized { self.heard + limits.idle } else { opened + limits.handshake };
            tokio::select! {
                // The limits first: a flood of lines must not keep them from being looked at.
                biased;
                () = tokio::time::sleep_until(deadline) => self.overdue()?,
                () = self.out.closed() => return Err(Ended),
                _ = tick.tick() => self.ask_and_do(HandleTick).await?,
                _ = self.jobs.changed() => self.new_job().await?,
                Some(settled) = self.in_flight.next() => self.settle(settled)?,
                line = lines.next_line(), if reads => match line {
                    Ok(Some(line)) => self.line(line).await?,
                    Ok(None) | Err(_) => return Err(Ended),
                },
            }
        }
    }

    /// Waits for the shares in flight, and closes the queue of what is written.
    async fn drain(mut self) {
        while let Some(settled) = self.in_flight.next().await {
            // Where the answer cannot be written any more, the shares behind it are credited all the same.
            let _ = self.settle(settled);
        }
    }

    /// Nothing came for too long. While there is no work, whoever waits for it is not idle.
    fn overdue(&mut self) -> Result<(), Ended> {
        let waits = self.authorized && !self.has_work;
        self.heard = Instant::now();
        if waits { Ok(()) } else { Err(Ended) }
    }

    async fn new_job(&mut self) -> Result<(), Ended> {
        let Some(job) = self.jobs.borrow_and_update().clone() else { return Ok(()) };
        if !std::mem::replace(&mut self.has_work, true) {
            // From now on its silence counts.
            self.heard = Instant::now();
        }
        self.ask_and_do(HandleJob { job }).await
    }

    async fn line(&mut self, line: Arc<[u8]>) -> Result<(), Ended> {
        self.heard = Instant::now();
        let said = Said::default();
        let asked = self.ask(HandleLine { line: Arc::clone(&line), said: said.clone() }).await;
        if let Ok(Some(handled)) = asked {
            return self.execute(handled);
        }
        // The session panicked over this line, and is built again or given up; the miner hears so, unless its share stands.
        let is_credited = self.salvage(said.take())?;
        asked?;
        if is_credited { Ok(()) } else { self.answer(codec::reply_internal_error(&failed_id(&line))) }
    }

    /// A found block and a share, which were checked before the panic, are carried out: the books know the share again by its
    /// hash. The rest spoke of a state that is gone. Says whether a share was among it, whose credit is its answer.
    fn salvage(&mut self, said: Vec<Effect>) -> Result<bool, Ended> {
        let mut is_credited = false;
        for effect in said {
            is_credited |= matches!(effect, Effect::Credit { .. });
            if matches!(effect, Effect::Block(_) | Effect::Credit { .. }) {
                self.effect(effect)?;
            }
        }
        Ok(is_credited)
    }

    /// What is lost to a panic of the session is asked once more, as it was not the miner's doing.
    async fn ask_and_do<M>(&mut self, message: M) -> Result<(), Ended>
    where
        M: Message<Result = Handled> + Clone + Send + 'static,
        SessionActor: Handler<M>,
        actix::Context<SessionActor>: ToEnvelope<SessionActor, M>,
    {
        let handled = match self.ask(message.clone()).await? {
            Some(handled) => Some(handled),
            None => self.ask(message).await?,
        };
        handled.map_or(Ok(()), |h| self.execute(h))
    }

    /// None where the session panicked over it.
    async fn ask<M>(&mut self, message: M) -> Result<Option<Handled>, Ended>
    where
        M: Message<Result = Handled> + Send + 'static,
        SessionActor: Handler<M>,
        actix::Context<SessionActor>: ToEnvelope<SessionActor, M>,
    {
        match self.session.send(message).await {
            Ok(handled) => Ok(Some(handled)),
            Err(_) if self.session.connected() => Ok(None),
            Err(_) => Err(Ended),
        }
    }

    fn execute(&mut self, handled: Handled) -> Result<(), Ended> {
        self.authorized |= handled.authorized;
        for effect in handled.effects {
            self.effect(effect)?;
        }
        Ok(())
    }

    fn effect(&mut self, effect: Effect) -> Result<(), Ended> {
        match effect {
            Effect::Block(block) => self.links.deps.sink.submit(block),
            Effect::Reply(line) => return self.answer(line),
            Effect::Push(line) => return self.write(line),
            Effect::Credit { id, share } => {
                let books = self.links.deps.credit.clone();
                self.in_flight.push_back(credit::credit(books, id, share).boxed_local());
            }
            // For the figures only: where the books are busy it is left out.
            Effect::Refused { worker } => drop(self.links.deps.rejected.try_send(ShareRejected { worker })),
            Effect::Fault(error) => tracing::error!(session = self.id, %error, "session"),
            Effect::Close(reason) => {
                tracing::info!(session = self.id, %reason, "connection closed");
                return Err(Ended);
            }
        }
        Ok(())
    }

    /// Answers leave in the order of the requests: behind the shares whose credit is waited for.
    fn answer(&mut self, line: String) -> Result<(), Ended> {
        if self.in_flight.is_empty() {
            return self.write(line.into());
        }
        self.in_flight.push_back(std::future::ready(Settled::answer(line)).boxed_local());
        Ok(())
    }

    fn settle(&mut self, settled: Settled) -> Result<(), Ended> {
        if !settled.credited {
            // For the figures only.
            let _ = self.session.try_send(UncreditShare);
        }
        self.write(settled.line.into())
    }

    fn write(&mut self, line: Arc<str>) -> Result<(), Ended> {
        self.out.try_send(line).map_err(|_| Ended)
    }
}

/// The id of the line over which the session panicked; null where even that panics.
fn failed_id(line: &[u8]) -> codec::RequestId {
    std::panic::catch_unwind(|| codec::id_for_failure(line)).unwrap_or(codec::RequestId::NULL)
}
