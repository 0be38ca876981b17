//! A miner's session as a state machine: a line, a job or a moment comes in, effects go out.
//!
//! Owns: what may be asked when, which jobs a miner was given at which difficulty, who it is. Must not know: the socket, who
//! keeps the books, how a block reaches the network.

mod state;
mod store;

use std::sync::Arc;

use bitcoin::Network;
use thiserror::Error;

use super::codec::{self, Configure, Incoming, LineError, Request, RequestId, Submission};
use super::conduct::Measure;
use super::job::{EXTRANONCE2_BYTES, Job, JobMaker};
use super::share::{
    Accepted, Candidate, IssuedJob, SeenFull, SeenShares, ShareContext, ShareError, check_share,
};
use super::types::SessionInfo;
use super::vardiff::{Vardiff, VardiffConfig};
use super::worker::Worker;
use crate::payout::ShareCredit;
use crate::template::AssembleError;
use crate::units::{Difficulty, UnixMillis};
use crate::wire::ParsedBlock;

pub use state::{NewSession, SessionState};
pub use store::{MemorySessionStore, RETIRED_MAX, RETIRED_MS_MAX, SeenShare, SessionSnapshot, SessionStore};

/// Jobs that a session remembers. A template is renewed every few seconds at most, and a late share comes within 16 s (SRI's
/// measurement): a minute's jobs, and the last parent's, to say "stale" by and to find a block in.
pub const JOBS_MAX: usize = 32;
/// Workers of one connection: a farm's proxy has some dozens; the share path walks them.
pub const WORKERS_MAX: usize = 64;
/// A suggested difficulty is heard this often: each costs a job.
const SUGGESTION_EVERY_MS: u64 = 10_000;
/// The version bits that miners may roll (BIP320).
pub const VERSION_MASK: u32 = 0x1fff_e000;
/// What calls itself so hashes too fast for less than its floor, in whole difficulties (NiceHash asks for its own).
const FLOORS: [(&str, u32); 9] = [
    ("nicehash", 524_288),
    ("bosminer", 1),
    ("bmminer", 1),
    ("btminer", 1),
    ("luxminer", 1),
    ("antminer", 1),
    ("avalon", 1),
    ("cgminer", 1),
    ("bitaxe", 1),
];

/// What an operator chooses, the same for all sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// The network whose addresses are paid.
    pub network: Network,
    /// The version bits that miners may roll.
    pub version_mask: u32,
    /// Difficulty.
    pub vardiff: VardiffConfig,
    /// What `client.get_version` is answered with.
    pub server: String,
}

/// Why a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CloseReason {
    /// A line that is no message.
    #[error("{0}")]
    Line(#[from] LineError),
    /// Nothing valid came for too long, or too much that is invalid.
    #[error("too many invalid requests")]
    Invalid,
    /// It is not in the store any more.
    #[error("session ended")]
    Gone,
    /// Its shares no longer fit in memory.
    #[error("{0}")]
    Seen(#[from] SeenFull),
}

/// Our own bug, met on the way; never the miner's fault.
#[derive(Debug, Error)]
pub enum SessionFault {
    /// A found block could not be put together.
    #[error("a found block is lost: {0}")]
    Block(#[from] AssembleError),
}

/// What is to be done, in this order.
#[derive(Debug)]
pub enum Effect {
    /// A found block: out with it before all else.
    Block(Arc<ParsedBlock>),
    /// An answer; answers leave in the order of the requests.
    Reply(String),
    /// A notification.
    Push(Arc<str>),
    /// To be credited; the answer to `id` follows from the outcome.
    Credit {
        /// The request.
        id: RequestId,
        /// The share.
        share: ShareCredit,
    },
    /// A refused share, for the worker's figures.
    Refused {
        /// `ADDRESS.worker`.
        worker: String,
    },
    /// To be logged.
    Fault(SessionFault),
    /// The connection ends after what stands before this.
    Close(CloseReason),
}

/// A miner's session.
pub struct Session {
    config: Arc<SessionConfig>,
    maker: Arc<JobMaker>,
    store: Arc<dyn SessionStore>,
    state: SessionState,
    seen: SeenShares,
    remember: Option<SeenShare>,
}

impl Session {
    /// A new connection's.
    pub fn open(
        config: Arc<SessionConfig>,
        maker: Arc<JobMaker>,
        store: Arc<dyn SessionStore>,
        new: NewSession,
        now: UnixMillis,
    ) -> Session {
        let state = SessionState::new(new, Vardiff::new(config.vardiff, now), now);
        store.save(&state, None);
        Session { config, maker, store, state, seen: SeenShares::default(), remember: None }
    }

    /// Forgets what is in memory and goes on from what the store has. False where it has nothing.
    pub fn restore(&mut self) -> bool {
        let Some(snapshot) = self.store.load(self.state.id()) else { return false };
        self.state = snapshot.state;
        self.seen = snapshot.seen;
        self.remember = None;
        true
    }

    /// One line, its end left out. Its effects are added to `out` as they become known, a found block before all else, so
    /// that whoever holds `out` still has them should this panic.
    pub fn handle_line(&mut self, line: &[u8], now: UnixMillis, out: &mut Vec<Effect>) {
        match codec::decode(line) {
            Ok(Incoming::Answer) => {}
            Ok(Incoming::Request { id, request: Ok(request) }) => self.request(&id, request, now, out),
            Ok(Incoming::Request { id, request: Err(error) }) => {
                out.push(Effect::Reply(codec::reply_error(&id, 20, &error.to_string())));
                self.invalid(now, out);
            }
            Err(error) => {
                out.push(Effect::Reply(codec::reply_error(&RequestId::NULL, 20, &error.to_string())));
                out.push(Effect::Close(error.into()));
            }
        }
        self.save();
    }

    /// There is a new job.
    pub fn handle_job(&mut self, job: &Arc<Job>) -> Vec<Effect> {
        let mut out = Vec::new();
        self.state.latest = Some(Arc::clone(job));
        self.issue(Arc::clone(job), &mut out);
        self.save();
        out
    }

    /// Time passed.
    pub fn handle_tick(&mut self, now: UnixMillis) -> Vec<Effect> {
        let mut out = Vec::new();
        if self.state.is_ready() {
            let moved = if self.state.jobs.is_empty() {
                self.state.vardiff.wait(now);
                None
            } else {
                self.state.vardiff.tick(now)
            };
            self.difficulty_moved(moved, &mut out);
            self.save();
        }
        out
    }

    /// An accepted share was refused by the books: it was credited before.
    pub fn handle_uncredited(&mut self) {
        self.state.accepted = self.state.accepted.saturating_sub(1);
        self.state.rejected = self.state.rejected.saturating_add(1);
        self.save();
    }

    /// The connection ended; its miner may come back.
    pub fn handle_end(&mut self, now: UnixMillis) {
        self.store.retire(self.state.id(), now);
    }

    /// Whether a worker was authorised.
    pub fn is_authorized(&self) -> bool {
        self.state.is_authorized()
    }

    /// What an operator is shown.
    pub fn info(&self) -> SessionInfo {
        self.state.info()
    }

    fn save(&mut self) {
        self.store.save(&self.state, self.remember.take());
    }

    fn request(&mut self, id: &RequestId, request: Request, now: UnixMillis, out: &mut Vec<Effect>) {
        match request {
            Request::Subscribe { user_agent, resume } => self.subscribe(id, user_agent, resume, now, out),
            Request::Authorize { user, difficulty } => self.authorize(id, &user, difficulty, now, out),
            Request::Configure(asked) => self.configure(id, &asked, now, out),
            Request::SuggestDifficulty(wanted) => {
                out.push(Effect::Reply(codec::reply_true(id)));
                self.suggest(wanted, now, out);
            }
            Request::Submit(submission) => self.submit(id, &submission, now, out),
            Request::Ping => out.push(Effect::Reply(codec::reply(id, &"pong".into()))),
            Request::GetVersion => {
                out.push(Effect::Reply(codec::reply(id, &self.config.server.as_str().into())));
            }
        }
    }

    fn subscribe(
        &mut self,
        id: &RequestId,
        user_agent: String,
        resume: Option<String>,
        now: UnixMillis,
        out: &mut Vec<Effect>,
    ) {
        if !self.state.subscribed {
            self.resume(resume.as_deref(), now);
        }
        let floor = floor_of(&user_agent);
        Arc::make_mut(&mut self.state.profile).user_agent = user_agent;
        let (token, extranonce1) = (self.state.token(), self.state.extranonce1());
        out.push(Effect::Reply(codec::reply_subscribed(id, token, extranonce1, EXTRANONCE2_BYTES)));
        let moved = floor.and_then(|f| self.state.vardiff.raise_floor(f, now));
        let first = !self.state.subscribed;
        self.state.subscribed = true;
        self.begin_or_move(first, moved, out);
    }

    fn resume(&mut self, token: Option<&str>, now: UnixMillis) {
        if let Some(before) = token.and_then(|t| self.store.resume(t, now)) {
            self.state.resume(before.state);
            self.seen = before.seen;
            let snapshot = SessionSnapshot { state: self.state.clone(), seen: self.seen.clone() };
            self.store.replace(&snapshot);
        }
    }

    fn authorize(
        &mut self,
        id: &RequestId,
        user: &str,
        difficulty: Option<Difficulty>,
        now: UnixMillis,
        out: &mut Vec<Effect>,
    ) {
        let first = !self.state.is_authorized();
        if let Err(text) = self.admit(user) {
            out.push(Effect::Reply(codec::reply_error(id, ShareError::UnauthorizedWorker.code(), &text)));
            return self.invalid(now, out);
        }
        out.push(Effect::Reply(codec::reply_true(id)));
        let moved = difficulty.and_then(|d| self.state.vardiff.suggest(d, now));
        self.begin_or_move(first, moved, out);
    }

    /// Adds a worker; says why not.
    fn admit(&mut self, user: &str) -> Result<(), String> {
        let worker = Worker::parse(user, self.config.network).map_err(|e| e.to_string())?;
        let workers = &mut Arc::make_mut(&mut self.state.profile).workers;
        if workers.iter().any(|w| w.user == worker.user) {
            return Ok(());
        }
        if workers.len() >= WORKERS_MAX {
            return Err("too many workers on one connection".to_owned());
        }
        workers.push(worker);
        Ok(())
    }

    fn configure(&mut self, id: &RequestId, asked: &Configure, now: UnixMillis, out: &mut Vec<Effect>) {
        let mask = asked.version_rolling.map(|m| m & self.config.version_mask).filter(|m| *m != 0);
        if asked.version_rolling.is_some() {
            self.state.version_mask = mask;
        }
        out.push(Effect::Reply(codec::reply_configured(id, asked, mask)));
        let moved = asked.minimum_difficulty.flatten().and_then(|d| self.state.vardiff.raise_floor(d, now));
        self.difficulty_moved(moved, out);
    }

    fn suggest(&mut self, wanted: Difficulty, now: UnixMillis, out: &mut Vec<Effect>) {
        if self.state.suggested_at.is_some_and(|at| now.ms_since(at) < SUGGESTION_EVERY_MS) {
            return;
        }
        self.state.suggested_at = Some(now);
        let moved = self.state.vardiff.suggest(wanted, now);
        self.difficulty_moved(moved, out);
    }

    fn submit(&mut self, id: &RequestId, submission: &Submission, now: UnixMillis, out: &mut Vec<Effect>) {
        // Version bits without `mining.configure`: judged as if it had been asked for.
        if submission.version_bits.is_some() && self.state.version_mask.is_none() {
            self.state.version_mask = Some(self.config.version_mask);
        }
        let verdict = check_share(submission, &self.context(submission, now));
        let height = verdict.block.as_ref().map(|b| b.job.template().height);
        if let Some(candidate) = &verdict.block {
            out.push(block_effect(candidate));
        }
        match verdict.share {
            Ok(accepted) => self.accept(id, accepted, height, now, out),
            Err(error) => self.refuse(id, submission, error, now, out),
        }
    }

    fn context(&self, submission: &Submission, now: UnixMillis) -> ShareContext<'_> {
        let state = &self.state;
        ShareContext {
            subscribed: state.subscribed,
            worker: state.profile.workers.iter().find(|w| w.user == submission.user),
            issued: submission.job.and_then(|n| state.jobs.iter().rev().find(|j| j.job.number() == n)),
            current_prev: state.jobs.back().map(|j| j.job.prev()),
            extranonce1: state.extranonce1,
            version_mask: state.version_mask.unwrap_or(0),
            seen: &self.seen,
            now,
        }
    }

    fn accept(
        &mut self,
        id: &RequestId,
        accepted: Accepted,
        block_height: Option<crate::units::Height>,
        now: UnixMillis,
        out: &mut Vec<Effect>,
    ) {
        if let Err(full) = self.seen.insert(accepted.prev, accepted.hash) {
            out.push(Effect::Reply(codec::reply_error(id, 20, &full.to_string())));
            out.push(Effect::Close(full.into()));
            return;
        }
        self.remember = Some((accepted.prev, accepted.hash));
        self.state.accepted = self.state.accepted.saturating_add(1);
        self.state.conduct.valid();
        let share = ShareCredit {
            share_hash: accepted.hash,
            prev: accepted.prev,
            submission: self.state.next_submission(),
            address: accepted.worker.address,
            worker: accepted.worker.name,
            difficulty: accepted.difficulty,
            at: now,
            block_height,
        };
        out.push(Effect::Credit { id: id.clone(), share });
        let moved = self.state.vardiff.accepted(accepted.difficulty, now);
        self.difficulty_moved(moved, out);
    }

    fn refuse(
        &mut self,
        id: &RequestId,
        submission: &Submission,
        error: ShareError,
        now: UnixMillis,
        out: &mut Vec<Effect>,
    ) {
        out.push(Effect::Reply(codec::reply_refused(id, error)));
        if let Some(worker) = self.state.profile.workers.iter().find(|w| w.user == submission.user) {
            out.push(Effect::Refused { worker: worker.full_name() });
        }
        self.state.rejected = self.state.rejected.saturating_add(1);
        self.state.vardiff.refused(now);
        self.invalid(now, out);
    }

    fn invalid(&mut self, now: UnixMillis, out: &mut Vec<Effect>) {
        match self.state.conduct.invalid(now) {
            Measure::Bear => {}
            Measure::Resend => self.issue_again(out),
            Measure::Close => out.push(Effect::Close(CloseReason::Invalid)),
        }
    }

    /// The first job, once there is someone to tell; later on a move of the difficulty.
    fn begin_or_move(&mut self, first: bool, moved: Option<Difficulty>, out: &mut Vec<Effect>) {
        if first && let Some(job) = self.state.latest.clone() {
            return self.issue(job, out);
        }
        self.difficulty_moved(moved, out);
    }

    /// A new difficulty begins with a new job. Jobs that are out take a lower one at once, as many miners do.
    fn difficulty_moved(&mut self, moved: Option<Difficulty>, out: &mut Vec<Effect>) {
        let Some(difficulty) = moved else { return };
        for issued in &mut self.state.jobs {
            issued.difficulty = issued.difficulty.min(difficulty);
        }
        self.issue_again(out);
    }

    /// The newest work as another job.
    fn issue_again(&mut self, out: &mut Vec<Effect>) {
        let Some(latest) = self.state.latest.clone() else { return };
        // The template made a job before; it makes another one.
        if let Ok(job) = self.maker.make(latest.template()) {
            self.issue(job, out);
        }
    }

    fn issue(&mut self, job: Arc<Job>, out: &mut Vec<Effect>) {
        if !self.state.is_ready() {
            return;
        }
        let difficulty = self.state.vardiff.difficulty();
        if self.state.announced != Some(difficulty) {
            self.state.announced = Some(difficulty);
            out.push(Effect::Push(codec::set_difficulty(difficulty).into()));
        }
        let clean = self.state.jobs.back().is_none_or(|last| last.job.prev() != job.prev());
        out.push(Effect::Push(job.notify(clean)));
        if self.state.jobs.len() >= JOBS_MAX {
            self.state.jobs.pop_front();
        }
        self.state.jobs.push_back(IssuedJob { job, difficulty });
        let state = &self.state;
        self.seen.keep_parents(|prev| state.knows_parent(prev));
    }
}

fn block_effect(candidate: &Candidate) -> Effect {
    match candidate.job.block(&candidate.solution) {
        Ok(block) => Effect::Block(Arc::new(block)),
        Err(error) => Effect::Fault(error.into()),
    }
}

fn floor_of(user_agent: &str) -> Option<Difficulty> {
    let name = user_agent.to_ascii_lowercase();
    let (_, floor) = FLOORS.iter().find(|(word, _)| name.contains(word))?;
    Difficulty::from_raw(u64::from(*floor) << 32).ok()
}

#[cfg(test)]
mod tests;
