//! What the tests of this module build from.

use std::sync::Arc;

use bitcoin::hashes::Hash;
use bitcoin::{Amount, BlockHash, CompactTarget, Network, ScriptBuf};

use super::job::{Job, JobMaker};
use super::session::{
    Effect, MemorySessionStore, NewSession, Session, SessionConfig, SessionStore, VERSION_MASK,
};
use super::vardiff::VardiffConfig;
use crate::chain::NextBlock;
use crate::template::{BlockTemplate, TemplateRequest, build_template};
use crate::units::{Difficulty, Height, UnixMillis};

pub(super) const NOW: UnixMillis = UnixMillis::from_seconds(1_700_000_000);
/// Every other hash is a block.
pub(super) const EASY: u32 = 0x207f_ffff;
/// No hash that a test finds is a block.
pub(super) const HARD: u32 = 0x1d00_ffff;
/// All but 1 in 65,536 hashes are shares.
pub(super) const SHARE: Difficulty = Difficulty::MIN;
pub(super) const ADDRESS: &str = "bcrt1qs758ursh4q9z627kt3pp5yysm78ddny6txaqgw";

pub(super) fn template(prev: u8, height: u32, bits: u32) -> Arc<BlockTemplate> {
    let next = NextBlock {
        prev: BlockHash::from_byte_array([prev; 32]),
        height: Height::new(height),
        version: NextBlock::NO_VOTES,
        bits: CompactTarget::from_consensus(bits),
        time_min: 1_699_999_000,
        median_time_past: 1_699_998_999,
    };
    let script = ScriptBuf::from_bytes([&[0x00, 0x14][..], &[9; 20]].concat());
    let subsidy = Amount::from_sat(5_000_000_000);
    let request = TemplateRequest { next: &next, subsidy, payout_script: &script, now: NOW, id: 1 };
    Arc::new(build_template(&request, None).unwrap())
}

pub(super) fn job(maker: &JobMaker, prev: u8, bits: u32) -> Arc<Job> {
    maker.make(&template(prev, 101, bits)).unwrap()
}

pub(super) fn raw(steps: u64) -> Difficulty {
    Difficulty::from_raw(steps).unwrap()
}

/// A session with all that is around it.
pub(super) struct Bench {
    pub(super) maker: Arc<JobMaker>,
    pub(super) store: Arc<MemorySessionStore>,
    pub(super) config: Arc<SessionConfig>,
    pub(super) session: Session,
}

pub(super) fn config(difficulty: Difficulty) -> SessionConfig {
    SessionConfig {
        network: Network::Regtest,
        version_mask: VERSION_MASK,
        vardiff: VardiffConfig { start: difficulty, min: difficulty, max: difficulty, shares_per_minute: 20 },
        server: "adit/test".to_owned(),
    }
}

pub(super) fn new_session(id: u64) -> NewSession {
    NewSession {
        id,
        remote: "127.0.0.1:1".to_owned(),
        extranonce1: [7, 0, 0, u8::try_from(id).unwrap()],
        token: format!("token{id}"),
        submission_base: 5,
    }
}

impl Bench {
    pub(super) fn with(config: SessionConfig) -> Bench {
        let (maker, store) = (Arc::new(JobMaker::new(1)), Arc::new(MemorySessionStore::default()));
        let config = Arc::new(config);
        let dynamic: Arc<dyn SessionStore> = store.clone();
        let session = Session::open(config.clone(), maker.clone(), dynamic, new_session(1), NOW);
        Bench { maker, store, config, session }
    }

    pub(super) fn new() -> Bench {
        Bench::with(config(SHARE))
    }

    /// Another connection to the same pool.
    pub(super) fn reconnect(&mut self, id: u64, now: UnixMillis) {
        self.session.handle_end(now);
        let (config, maker, store) = (self.config.clone(), self.maker.clone(), self.store.clone());
        self.session = Session::open(config, maker, store, new_session(id), now);
    }

    /// Subscribed, authorised, with a job; returns the job's number in hex.
    pub(super) fn working(bits: u32) -> (Bench, String) {
        let mut bench = Bench::new();
        let job = job(&bench.maker, 1, bits);
        bench.session.handle_job(&job);
        bench.say(r#"{"id":1,"method":"mining.subscribe","params":["test"]}"#);
        let out = bench.say(&authorize(2));
        assert!(out.iter().any(|l| l.contains("mining.notify")), "{out:?}");
        (bench, format!("{:x}", job.number()))
    }

    pub(super) fn say(&mut self, line: &str) -> Vec<String> {
        self.say_at(line, NOW)
    }

    pub(super) fn say_at(&mut self, line: &str, now: UnixMillis) -> Vec<String> {
        shown(&self.line(line, now))
    }

    pub(super) fn line(&mut self, line: &str, now: UnixMillis) -> Vec<Effect> {
        let mut out = Vec::new();
        self.session.handle_line(line.as_bytes(), now, &mut out);
        out
    }
}

pub(super) fn authorize(id: u64) -> String {
    format!(r#"{{"id":{id},"method":"mining.authorize","params":["{ADDRESS}.rig","x"]}}"#)
}

/// A submit of the first nonce from `nonce` on.
pub(super) fn submit(id: u64, job: &str, nonce: u32) -> String {
    submit_with(id, &format!("{ADDRESS}.rig"), job, "0000000000000001", 1_700_000_000, nonce, "")
}

pub(super) fn submit_with(
    id: u64,
    user: &str,
    job: &str,
    extranonce2: &str,
    ntime: u32,
    nonce: u32,
    bits: &str,
) -> String {
    let bits = if bits.is_empty() { String::new() } else { format!(",\"{bits}\"") };
    format!(
        r#"{{"id":{id},"method":"mining.submit","params":["{user}","{job}","{extranonce2}","{ntime:08x}","{nonce:08x}"{bits}]}}"#
    )
}

/// Effects as short texts.
pub(super) fn shown(effects: &[Effect]) -> Vec<String> {
    let show = |e: &Effect| match e {
        Effect::Block(block) => format!("block {}", block.txs().len()),
        Effect::Reply(line) => line.trim_end().to_owned(),
        Effect::Push(line) => line.trim_end().to_owned(),
        Effect::Credit { share, .. } => {
            format!("credit {} {} {}", share.worker, share.difficulty.to_raw(), share.submission)
        }
        Effect::Refused { worker } => format!("refused {worker}"),
        Effect::Fault(fault) => format!("fault {fault}"),
        Effect::Close(reason) => format!("close: {reason}"),
    };
    effects.iter().map(show).collect()
}
