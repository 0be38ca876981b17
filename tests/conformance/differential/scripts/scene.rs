//! Transactions with all that their inputs spend, and what is asked of them.

use adit_domain::script::{ScriptFlags, TxContext};
use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid};

use super::super::chance::Chance;
use super::gadgets::Env;
use super::mutate;
use super::spend::Plan;
use crate::engines::FORKS;

/// A transaction, what it spends, and questions about it.
pub(super) struct Group {
    pub(super) tx: Transaction,
    pub(super) prevouts: Vec<TxOut>,
    pub(super) questions: Vec<Question>,
}

/// May this input spend its output under these flags?
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    pub(super) input: usize,
    pub(super) flags: ScriptFlags,
    pub(super) category: &'static str,
    pub(super) is_mutant: bool,
}

/// What a seed makes: a transaction as it should be, then the same with something wrong.
pub(super) fn scene(seed: u64) -> Vec<Group> {
    let chance = &mut Chance::new(seed);
    let (tx, prevouts, plans) = transaction(chance);
    let mut whole = Group { tx, prevouts, questions: Vec::new() };
    for (input, plan) in plans.iter().enumerate() {
        let ask = |flags| Question { input, flags, category: plan.category, is_mutant: false };
        whole.questions.push(ask(ScriptFlags::CONSENSUS));
        for _ in 0..2 {
            whole.questions.push(ask(legal(chance, ScriptFlags::NONE)));
        }
        if plan.fails_under() != ScriptFlags::NONE {
            whole.questions.push(ask(legal(chance, plan.fails_under())));
        }
    }
    let mut groups = vec![whole];
    for _ in 0..chance.within(1, 3) {
        let input = chance.below(plans.len());
        let mut mutant =
            Group { tx: groups[0].tx.clone(), prevouts: groups[0].prevouts.clone(), questions: Vec::new() };
        for _ in 0..chance.within(1, 2) {
            mutate::mutate(chance, &mut mutant.tx, &mut mutant.prevouts, input);
        }
        for flags in [ScriptFlags::CONSENSUS, legal(chance, ScriptFlags::NONE)] {
            let category = plans[input].category;
            mutant.questions.push(Question { input, flags, category, is_mutant: true });
        }
        groups.push(mutant);
    }
    groups
}

/// Any set of flags that the library takes, most often with the later rules of the chain; none of `without`.
fn legal(chance: &mut Chance, without: ScriptFlags) -> ScriptFlags {
    let few = chance.one_in(3);
    let chosen = FORKS.iter().filter(|_| if few { chance.one_in(2) } else { !chance.one_in(5) });
    chosen.fold(ScriptFlags::NONE, |flags, flag| flags | *flag).without(without).with_implied()
}

const SEQUENCES: [u32; 13] = [
    0,
    1,
    16,
    0xffff,
    0x40_0000,
    0x40_0001,
    0x40_ffff,
    0x3f_ffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_fffe,
    0xffff_ffff,
];
const LOCK_TIMES: [u32; 9] =
    [0, 1, 16, 800_000, 499_999_999, 500_000_000, 500_000_001, 1_700_000_000, u32::MAX];
const VERSIONS: [i32; 9] = [1, 2, 2, 2, 3, 0, -1, i32::MAX, i32::MIN];

fn transaction(chance: &mut Chance) -> (Transaction, Vec<TxOut>, Vec<Plan>) {
    let inputs = *chance.pick(&[1, 1, 1, 2, 2, 3, 4]);
    // Counts from 253 on are written with three bytes.
    let many = if chance.one_in(200) { 250 } else { 0 };
    let mut tx = Transaction {
        version: Version(*chance.pick(&VERSIONS)),
        lock_time: LockTime::from_consensus(*chance.pick(&LOCK_TIMES)),
        input: (0..inputs).map(|_| tx_in(chance)).collect(),
        output: (0..many + *chance.pick(&[0, 1, 1, 2, 2, 3, 4])).map(|_| tx_out(chance)).collect(),
    };
    let plans: Vec<Plan> = (0..inputs).map(|input| Plan::new(chance, &env(&tx, input))).collect();
    // What a signature before segwit signs has nothing of the outputs that are spent.
    let unspent: Vec<TxOut> = Vec::new();
    let context = TxContext::new(&tx, &unspent);
    let made: Vec<_> = plans.iter().enumerate().map(|(n, plan)| plan.sign_embedded(&context, n)).collect();
    let output =
        |(plan, made): (&Plan, &_)| TxOut { value: amount(chance), script_pubkey: plan.output(made) };
    let prevouts: Vec<TxOut> = plans.iter().zip(&made).map(output).collect();
    let context = TxContext::new(&tx, &prevouts);
    let signed: Vec<_> = plans
        .iter()
        .zip(made)
        .enumerate()
        .map(|(n, (plan, made))| plan.input(chance, &context, n, made))
        .collect();
    for (input, (script_sig, witness)) in tx.input.iter_mut().zip(signed) {
        (input.script_sig, input.witness) = (script_sig, witness);
    }
    (tx, prevouts, plans)
}

fn env(tx: &Transaction, input: usize) -> Env {
    Env {
        version: tx.version.0 as u32,
        lock_time: tx.lock_time.to_consensus_u32(),
        sequence: tx.input[input].sequence.0,
        has_output: input < tx.output.len(),
    }
}

pub(super) fn tx_in(chance: &mut Chance) -> TxIn {
    let txid = Txid::from_byte_array([chance.byte(); 32]);
    let sequence = Sequence(*chance.pick(&SEQUENCES));
    TxIn { previous_output: OutPoint { txid, vout: chance.below(4) as u32 }, sequence, ..TxIn::default() }
}

pub(super) fn tx_out(chance: &mut Chance) -> TxOut {
    let len = *chance.pick(&[0, 1, 22, 25, 34, 300]);
    TxOut { value: amount(chance), script_pubkey: ScriptBuf::from_bytes(chance.bytes(len)) }
}

/// No coin has less than nothing, which Core takes for an amount that it was not told.
pub(super) fn amount(chance: &mut Chance) -> Amount {
    let any = chance.next() >> 1;
    Amount::from_sat(*chance.pick(&[0, 1, 100_000, 2_100_000_000_000_000, any, any >> 12, i64::MAX as u64]))
}
