//! What transactions paid until a block took them: fed by what happens to the pool, asked by operators, kept in a file of its own.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use actix::{Handler, MessageResult};
use adit_domain::fees::{Arrival, FeeEstimator, Memory};
use adit_domain::mempool::Accepted;
use adit_domain::units::UnixMillis;
use bitcoin::{BlockHash, Txid};

use super::actor::MempoolActor;
use super::file;
use crate::messages::mempool::{EstimateFee, EstimateRawFee, FeesOff};
use crate::supervision::Fault;

/// How often what is remembered is kept.
const KEEP_EVERY_MS: u64 = 60 * 60 * 1_000;
/// A file that nobody has written to for so long says nothing of what is paid now.
const FILE_AGE_MS_MAX: u64 = 60 * 60 * 60 * 1_000;
/// With a tip that is older than this the chain is not followed, and nobody can say how long a transaction waits.
const TIP_AGE_MS_MAX: u64 = 3 * 60 * 60 * 1_000;

/// Whether fees are estimated, and where what is remembered is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeConfig {
    /// None: nowhere.
    pub file: Option<PathBuf>,
    /// Whether a file is read however old it is, for tests.
    pub takes_old: bool,
}

/// The estimator, and when it is kept again.
pub(super) struct Fees {
    estimator: FeeEstimator,
    config: FeeConfig,
    keep_at: UnixMillis,
    /// Held by who writes the file: one at a time.
    writes: Arc<Mutex<()>>,
}

impl Fees {
    /// With what the file remembers, if it is not too old.
    pub(super) fn open(config: FeeConfig, now: UnixMillis) -> Fees {
        let read = config.file.as_deref().and_then(|path| read(path, config.takes_old, now));
        let (estimator, keep_at) = (read.unwrap_or_default(), now.plus_ms(KEEP_EVERY_MS));
        Fees { estimator, config, keep_at, writes: Arc::default() }
    }

    /// As at a start: what a panic has changed by half is not gone on with.
    pub(super) fn reopened(&self, now: UnixMillis) -> Fees {
        Fees { writes: Arc::clone(&self.writes), ..Fees::open(self.config.clone(), now) }
    }

    /// It is kept sooner by so much.
    fn hurry(&mut self, ms: u64) {
        self.keep_at = UnixMillis::new(self.keep_at.to_ms().saturating_sub(ms));
    }

    /// What writes the file; any thread may.
    fn write(&self) -> impl FnOnce() -> Result<(), Fault> + Send + 'static {
        let (bytes, file, writes) =
            (self.estimator.encode(), self.config.file.clone(), Arc::clone(&self.writes));
        move || {
            // It guards nothing but the order of writes.
            let _one = writes.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(path) = file else { return Ok(()) };
            file::save(&path, &bytes).map_err(|error| Fault::Storage(error.to_string()))?;
            let path = path.display();
            tracing::debug!(target: "adit_actors::mempool", "Flushed fee estimates to {path}.");
            Ok(())
        }
    }
}

/// What a file remembers; none where there is none, or it is too old or not sound: then it is learned anew.
fn read(path: &Path, takes_old: bool, now: UnixMillis) -> Option<FeeEstimator> {
    let age_ms = file::age_ms(path, now)?;
    if age_ms > FILE_AGE_MS_MAX && !takes_old {
        tracing::warn!(path = %path.display(), hours = age_ms / 3_600_000, "the file of fee estimates is too old");
        return None;
    }
    let said = |error: &dyn std::fmt::Display| {
        tracing::warn!(path = %path.display(), %error, "the file of fee estimates is not used");
    };
    let bytes = file::read(path).inspect_err(|error| said(error)).ok()?;
    FeeEstimator::decode(&bytes).inspect_err(|error| said(error)).ok()
}

impl MempoolActor {
    /// One has joined; by itself, or together with others.
    pub(super) fn fees_joined(&mut self, accepted: &Accepted, is_alone: bool) {
        let is_current = self.is_current();
        let Some(fees) = &mut self.fees else { return };
        fees.estimator.joined(&Arrival {
            txid: accepted.entry.tx.txid(),
            height: accepted.height,
            sat_per_kvb: accepted.sat_per_kvb_floor(),
            is_alone,
            is_first: accepted.is_first,
            is_current,
        });
    }

    /// Whether the tip is young, and no more than a block below the best header.
    fn is_current(&self) -> bool {
        let (tip, best) = (self.deps.chain.tip_height(), self.deps.chain.best_header_height());
        let time = self.deps.chain.header_at(tip).map_or(0, |header| header.time);
        let at = UnixMillis::new(u64::from(time).saturating_mul(1_000));
        best <= tip.next() && self.clock.now().ms_since(at) <= TIP_AGE_MS_MAX
    }

    /// These have left without a block.
    pub(super) fn fees_left(&mut self, txids: &[Txid]) {
        let Some(fees) = &mut self.fees else { return };
        txids.iter().for_each(|txid| fees.estimator.left(txid));
    }

    /// A block has these.
    pub(super) fn fees_block(&mut self, hash: &BlockHash, taken: &[Txid]) {
        let height = self.deps.chain.height_of(hash);
        if let (Some(fees), Some(height)) = (&mut self.fees, height) {
            fees.estimator.block(height, taken);
        }
    }

    /// The pool was judged anew on another tip.
    pub(super) fn fees_moved(&mut self) {
        let tip = self.pool.tip();
        if let Some(fees) = &mut self.fees {
            fees.estimator.keep(|txid| self.pool.get(txid).is_some());
        }
        self.fees_block(&tip, &[]);
    }

    /// Keeps what is remembered, now and then.
    pub(super) fn keep_fees(&mut self, sooner_ms: u64) {
        let now = self.clock.now();
        let Some(fees) = &mut self.fees else { return };
        fees.hurry(sooner_ms);
        if now < fees.keep_at {
            return;
        }
        fees.keep_at = now.plus_ms(KEEP_EVERY_MS);
        let write = fees.write();
        tokio::task::spawn_blocking(move || {
            if let Err(fault) = write() {
                tracing::error!(%fault, "the file of fee estimates cannot be written");
            }
        });
    }

    /// The node ends.
    pub(super) fn wind_up_fees(&mut self) -> Result<(), Fault> {
        let Some(fees) = &mut self.fees else { return Ok(()) };
        fees.estimator.end();
        let write = fees.write();
        write()
    }

    /// The estimator, at the chain's tip.
    fn fees_now(&mut self) -> Result<&FeeEstimator, FeesOff> {
        if self.deps.chain.is_settled() {
            let followed = self.follow();
            self.say(followed);
        }
        self.fees.as_ref().map(|fees| &fees.estimator).ok_or(FeesOff)
    }
}

impl Handler<EstimateFee> for MempoolActor {
    type Result = MessageResult<EstimateFee>;

    fn handle(&mut self, msg: EstimateFee, _ctx: &mut Self::Context) -> Self::Result {
        self.pool.pass_time(self.clock.now());
        let least = self.pool.min_fee_sat_per_kvb();
        let estimate = self.fees_now().map(|fees| fees.smart(msg.target, msg.conservative));
        // What pays less than is relayed is in no block.
        MessageResult(estimate.map(|mut fee| {
            fee.sat_per_kvb = fee.sat_per_kvb.map(|rate| rate.max(least));
            fee
        }))
    }
}

impl Handler<EstimateRawFee> for MempoolActor {
    type Result = MessageResult<EstimateRawFee>;

    fn handle(&mut self, msg: EstimateRawFee, _ctx: &mut Self::Context) -> Self::Result {
        let EstimateRawFee { target, likelihood } = msg;
        MessageResult(self.fees_now().map(|fees| {
            let one = |memory| Some((memory, fees.raw(target, likelihood, memory)?));
            Memory::ALL.into_iter().filter_map(one).collect()
        }))
    }
}
