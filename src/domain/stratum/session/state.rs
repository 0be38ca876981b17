use std::collections::VecDeque;
use std::sync::Arc;

use bitcoin::BlockHash;

use crate::stratum::conduct::Conduct;
use crate::stratum::job::{EXTRANONCE1_BYTES, Job};
use crate::stratum::share::IssuedJob;
use crate::stratum::types::SessionInfo;
use crate::stratum::vardiff::Vardiff;
use crate::stratum::worker::Worker;
use crate::units::{Difficulty, UnixMillis};

/// What a connection is given when it is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// Unique in this process.
    pub id: u64,
    /// `address:port`.
    pub remote: String,
    /// Unique among the living and the retired.
    pub extranonce1: [u8; EXTRANONCE1_BYTES],
    /// By which a miner that comes back names its session; nobody can guess it.
    pub token: String,
    /// The high half of its submissions' numbers; drawn by chance, so that no two sessions of any process share it.
    pub submission_base: u64,
}

/// All that a session is, but the shares that it has seen: what a session that panicked goes on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionState {
    pub(super) id: u64,
    pub(super) extranonce1: [u8; EXTRANONCE1_BYTES],
    pub(super) submission_base: u64,
    pub(super) submissions: u64,
    pub(super) profile: Arc<Profile>,
    pub(super) subscribed: bool,
    pub(super) version_mask: Option<u32>,
    pub(super) vardiff: Vardiff,
    pub(super) announced: Option<Difficulty>,
    pub(super) suggested_at: Option<UnixMillis>,
    pub(super) jobs: VecDeque<IssuedJob>,
    pub(super) latest: Option<Arc<Job>>,
    pub(super) conduct: Conduct,
    pub(super) accepted: u64,
    pub(super) rejected: u64,
}

/// What rarely changes; shared by the copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) token: String,
    pub(super) remote: String,
    pub(super) user_agent: String,
    pub(super) workers: Vec<Worker>,
    pub(super) connected_at: UnixMillis,
}

impl SessionState {
    pub(super) fn new(new: NewSession, vardiff: Vardiff, now: UnixMillis) -> SessionState {
        let profile = Profile {
            token: new.token,
            remote: new.remote,
            user_agent: String::new(),
            workers: Vec::new(),
            connected_at: now,
        };
        SessionState {
            id: new.id,
            extranonce1: new.extranonce1,
            submission_base: new.submission_base,
            submissions: 0,
            profile: Arc::new(profile),
            subscribed: false,
            version_mask: None,
            vardiff,
            announced: None,
            suggested_at: None,
            jobs: VecDeque::new(),
            latest: None,
            conduct: Conduct::default(),
            accepted: 0,
            rejected: 0,
        }
    }

    /// Its number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// By which its miner may come back.
    pub fn token(&self) -> &str {
        &self.profile.token
    }

    /// Its bytes of the coinbase.
    pub fn extranonce1(&self) -> [u8; EXTRANONCE1_BYTES] {
        self.extranonce1
    }

    /// Whether it knows a job on this parent.
    pub fn knows_parent(&self, prev: &BlockHash) -> bool {
        self.jobs.iter().any(|j| j.job.prev() == *prev)
    }

    /// Whether a miner can be told of jobs.
    pub fn is_ready(&self) -> bool {
        self.subscribed && self.is_authorized()
    }

    /// Whether a worker was authorised.
    pub fn is_authorized(&self) -> bool {
        !self.profile.workers.is_empty()
    }

    /// What an operator is shown.
    pub fn info(&self) -> SessionInfo {
        SessionInfo {
            id: self.id,
            remote: self.profile.remote.clone(),
            user_agent: self.profile.user_agent.clone(),
            workers: self.profile.workers.iter().map(Worker::full_name).collect(),
            difficulty: self.vardiff.difficulty(),
            connected_at: self.profile.connected_at,
            shares_accepted: self.accepted,
            shares_rejected: self.rejected,
        }
    }

    /// Goes on where `before`, the session of the same miner, ended.
    pub(super) fn resume(&mut self, before: SessionState) {
        self.extranonce1 = before.extranonce1;
        self.version_mask = before.version_mask;
        self.vardiff = before.vardiff;
        self.jobs = before.jobs;
        Arc::make_mut(&mut self.profile).token = before.profile.token.clone();
    }

    /// The number of the next submission.
    pub(super) fn next_submission(&mut self) -> u128 {
        self.submissions = self.submissions.saturating_add(1);
        (u128::from(self.submission_base) << 64) | u128::from(self.submissions)
    }
}
