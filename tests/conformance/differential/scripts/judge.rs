//! Adit's verdicts, and how a case is written down: for the oracle, and for who has to look at it.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use adit_domain::script::{
    ScriptError, ScriptFlags, SignatureCache, SignatureFact, SignatureScheme, TxContext, verify_input,
    verify_input_cached,
};
use bitcoin::consensus::encode::{serialize, serialize_hex};

use super::super::chance::Chance;
use super::scene::{Group, Question};

/// What Adit says: of the case, of the case with a cache of signatures, and of the case under flags of policy besides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    pub(super) plain: Result<(), ScriptError>,
    pub(super) cached: Option<Result<(), ScriptError>>,
    pub(super) policy: Option<(ScriptFlags, Result<(), ScriptError>)>,
}

impl Verdict {
    /// Whether the cache makes a difference, which it never may.
    pub(super) fn depends_on_cache(&self) -> bool {
        self.cached.is_some_and(|cached| cached != self.plain)
    }

    /// Whether policy takes what the rules refuse, which it never may.
    pub(super) fn is_policy_laxer(&self) -> bool {
        self.plain.is_err() && self.policy.is_some_and(|(_, verdict)| verdict.is_ok())
    }
}

/// Adit's engine, beside what it has learnt.
#[derive(Default)]
pub(super) struct Judge {
    cache: Cache,
}

/// Of so many cases, one is judged under rules of policy too.
const POLICY_ONE_IN: usize = 6;
/// Of so many cases, one is judged with the cache too.
const CACHED_ONE_IN: usize = 4;
/// Facts that are kept before all are forgotten.
const FACTS_MAX: usize = 10_000;

/// A cache that keeps each fact whole, so that none can stand for another.
#[derive(Default)]
struct Cache(Mutex<HashSet<Fact>>);

/// Scheme, digest, key, signature.
type Fact = (SignatureScheme, [u8; 32], Vec<u8>, Vec<u8>);

impl SignatureCache for Cache {
    fn knows(&self, fact: &SignatureFact<'_>) -> bool {
        self.0.lock().unwrap().contains(&owned(fact))
    }

    fn learn(&self, fact: &SignatureFact<'_>) {
        let mut facts = self.0.lock().unwrap();
        if facts.len() >= FACTS_MAX {
            facts.clear();
        }
        facts.insert(owned(fact));
    }
}

fn owned(fact: &SignatureFact<'_>) -> Fact {
    (fact.scheme, fact.digest, fact.key.to_vec(), fact.signature.to_vec())
}

impl Judge {
    pub(super) fn verdicts(&self, seed: u64, group: &Group) -> Vec<Verdict> {
        let context = TxContext::new(&group.tx, &group.prevouts);
        let mut chance = Chance::new(!seed);
        let guarded = |question: &Question, verdict: &dyn Fn() -> Result<(), ScriptError>| {
            let verdict = catch_unwind(AssertUnwindSafe(verdict));
            verdict.unwrap_or_else(|_| panic!("seed {seed}: {question:?}\n{}", told(group)))
        };
        let verify =
            |question: &Question, flags| guarded(question, &|| verify_input(&context, question.input, flags));
        let cached = |question: &Question| {
            guarded(question, &|| verify_input_cached(&context, question.input, question.flags, &self.cache))
        };
        let judged = group.questions.iter().map(|question| Verdict {
            plain: verify(question, question.flags),
            cached: chance.one_in(CACHED_ONE_IN).then(|| cached(question)),
            policy: chance.one_in(POLICY_ONE_IN).then(|| {
                let flags = (question.flags | policy(&mut chance)).with_implied();
                (flags, verify(question, flags))
            }),
        });
        judged.collect()
    }
}

/// Some flags of policy.
fn policy(chance: &mut Chance) -> ScriptFlags {
    let all = (ScriptFlags::STANDARD | ScriptFlags::SIGPUSHONLY).without(ScriptFlags::CONSENSUS);
    let kept = if chance.one_in(3) { u32::MAX } else { chance.next() as u32 };
    all.only(ScriptFlags::from_bits(kept))
}

/// A group as the oracle reads it: oracle/src/scripts.rs has the table.
pub(super) fn message(group: &Group) -> Vec<u8> {
    let mut message = Vec::new();
    write_bytes(&mut message, &serialize(&group.tx));
    write_number(&mut message, group.prevouts.len());
    for prevout in &group.prevouts {
        message.extend(prevout.value.to_sat().to_le_bytes());
        write_bytes(&mut message, prevout.script_pubkey.as_bytes());
    }
    write_number(&mut message, group.questions.len());
    for question in &group.questions {
        write_number(&mut message, question.input);
        message.extend(question.flags.bits().to_le_bytes());
    }
    message
}

fn write_number(message: &mut Vec<u8>, number: usize) {
    message.extend(u32::try_from(number).expect("a small number").to_le_bytes());
}

fn write_bytes(message: &mut Vec<u8>, bytes: &[u8]) {
    write_number(message, bytes.len());
    message.extend(bytes);
}

/// All that it takes to look at a case elsewhere.
pub(super) fn told(group: &Group) -> String {
    let prevouts = group.prevouts.iter().map(|o| format!("{} {:x}", o.value.to_sat(), o.script_pubkey));
    let prevouts: Vec<String> = prevouts.collect();
    format!("tx {}\nprevouts {prevouts:?}", serialize_hex(&group.tx))
}
