//! Adit's verdicts, and how a case is written down: for the oracle, and for who has to look at it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use adit_domain::script::{ScriptError, ScriptFlags, TxContext, verify_input};
use bitcoin::consensus::encode::{serialize, serialize_hex};

use super::super::chance::Chance;
use super::scene::{Group, Question};

/// What Adit says: of the case, and of the same case under flags of policy besides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    pub(super) plain: Result<(), ScriptError>,
    pub(super) policy: Option<(ScriptFlags, Result<(), ScriptError>)>,
}

impl Verdict {
    /// Whether policy takes what the rules refuse, which it never may.
    pub(super) fn is_policy_laxer(&self) -> bool {
        self.plain.is_err() && self.policy.is_some_and(|(_, verdict)| verdict.is_ok())
    }
}

/// Adit's engine.
#[derive(Default)]
pub(super) struct Judge;

/// Of so many cases, one is judged under rules of policy too.
const POLICY_ONE_IN: usize = 6;

impl Judge {
    pub(super) fn verdicts(&self, seed: u64, group: &Group) -> Vec<Verdict> {
        let context = TxContext::new(&group.tx, &group.prevouts);
        let mut chance = Chance::new(!seed);
        let verify = |question: &Question, flags| {
            let verdict = catch_unwind(AssertUnwindSafe(|| verify_input(&context, question.input, flags)));
            verdict.unwrap_or_else(|_| panic!("seed {seed}: {question:?}\n{}", told(group)))
        };
        let judged = group.questions.iter().map(|question| Verdict {
            plain: verify(question, question.flags),
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
