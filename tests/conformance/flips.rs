//! Real spends with one bit flipped: they no longer verify, or a rule that is checked here says why they do.

use std::collections::BTreeMap;

use adit_domain::script::ScriptFlags;
use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash;
use bitcoin::opcodes::all::{
    OP_CHECKMULTISIG, OP_CHECKMULTISIGVERIFY, OP_CHECKSIG, OP_CHECKSIGADD, OP_CHECKSIGVERIFY,
};
use bitcoin::script::Instruction;
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, Opcode, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxOut, Txid, Witness, WitnessVersion,
};

use crate::blocks::{MAINNET_367891, MAINNET_866342, Real, TESTNET3_928816, TESTNET3_928848};
use crate::differential::chance::Chance;
use crate::engines::verify;

/// Flips a block.
const FLIPS: usize = 4_000;
const SEED: u64 = 0x0adf_1195;
/// The one reason for which a flipped spend MUST verify.
const UNSIGNED_AMOUNT: &str = "before segwit no signature signs the amount";
const CHECKS: [Opcode; 5] =
    [OP_CHECKSIG, OP_CHECKSIGVERIFY, OP_CHECKMULTISIG, OP_CHECKMULTISIGVERIFY, OP_CHECKSIGADD];

/// What a bit is flipped in. Inputs and outputs by their index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Witness,
    ScriptSig,
    Amount,
    PrevoutScript,
    Version,
    LockTime,
    Outpoint(usize),
    Sequence(usize),
    OutputValue(usize),
    OutputScript(usize),
}

/// The spend that is looked at.
#[derive(Clone)]
struct Case {
    tx: Transaction,
    prevouts: Vec<TxOut>,
    input: usize,
}

fn flip(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 1 << (bit % 8);
}

fn flip_script(script: &mut ScriptBuf, chance: &mut Chance) {
    let mut bytes = std::mem::take(script).into_bytes();
    let bit = chance.below(bytes.len() * 8);
    flip(&mut bytes, bit);
    *script = ScriptBuf::from_bytes(bytes);
}

impl Case {
    fn prevout(&self) -> &TxOut {
        &self.prevouts[self.input]
    }

    fn script_sig(&self) -> &Script {
        &self.tx.input[self.input].script_sig
    }

    fn witness(&self) -> Vec<&[u8]> {
        self.tx.input[self.input].witness.iter().collect()
    }

    fn has_bits(&self, part: Part) -> bool {
        match part {
            Part::Witness => self.witness().iter().any(|element| !element.is_empty()),
            Part::ScriptSig => !self.script_sig().is_empty(),
            Part::PrevoutScript => !self.prevout().script_pubkey.is_empty(),
            Part::OutputScript(n) => !self.tx.output[n].script_pubkey.is_empty(),
            _ => true,
        }
    }

    /// A field of the transaction.
    fn field(&self, chance: &mut Chance) -> Part {
        let input = match chance.one_in(2) {
            true => self.input,
            false => chance.below(self.tx.input.len()),
        };
        let output = chance.below(self.tx.output.len());
        *chance.pick(&[
            Part::Version,
            Part::LockTime,
            Part::Outpoint(input),
            Part::Sequence(input),
            Part::OutputValue(output),
            Part::OutputScript(output),
        ])
    }

    fn flipped(&self, part: Part, chance: &mut Chance) -> Case {
        let mut case = self.clone();
        let (tx, prevout) = (&mut case.tx, &mut case.prevouts[self.input]);
        match part {
            Part::Witness => tx.input[self.input].witness = self.flipped_witness(chance),
            Part::ScriptSig => flip_script(&mut tx.input[self.input].script_sig, chance),
            Part::PrevoutScript => flip_script(&mut prevout.script_pubkey, chance),
            Part::OutputScript(n) => flip_script(&mut tx.output[n].script_pubkey, chance),
            Part::Amount => flip_amount(&mut prevout.value, chance),
            Part::OutputValue(n) => flip_amount(&mut tx.output[n].value, chance),
            Part::Version => tx.version = Version(tx.version.0 ^ (1 << chance.below(32))),
            Part::LockTime => {
                tx.lock_time = LockTime::from_consensus(flip_u32(tx.lock_time.to_consensus_u32(), chance));
            }
            Part::Sequence(n) => tx.input[n].sequence = Sequence(flip_u32(tx.input[n].sequence.0, chance)),
            Part::Outpoint(n) => flip_outpoint(&mut tx.input[n].previous_output, chance),
        }
        case
    }

    fn flipped_witness(&self, chance: &mut Chance) -> Witness {
        let mut elements: Vec<Vec<u8>> = self.witness().into_iter().map(<[u8]>::to_vec).collect();
        let with_bits: Vec<usize> = (0..elements.len()).filter(|n| !elements[*n].is_empty()).collect();
        let element = &mut elements[*chance.pick(&with_bits)];
        let bit = chance.below(element.len() * 8);
        flip(element, bit);
        Witness::from_slice(&elements)
    }

    /// The program that a witness answers, with its version: the output's own, or that of a redeem script.
    fn program(&self) -> Option<(WitnessVersion, ScriptBuf, bool)> {
        let script = &self.prevout().script_pubkey;
        let nested = script.is_p2sh();
        let script =
            if nested { ScriptBuf::from_bytes(pushes(self.script_sig())?.pop()?) } else { script.clone() };
        script.witness_version().map(|version| (version, script, nested))
    }

    /// Whether the output is a program that no fork among `flags` has given a meaning.
    fn is_for_anyone(&self, flags: ScriptFlags) -> bool {
        let has_meaning = |(version, script, nested): (WitnessVersion, ScriptBuf, bool)| match version {
            WitnessVersion::V0 => true,
            _ => script.is_p2tr() && !nested && flags.contains(ScriptFlags::TAPROOT),
        };
        flags.contains(ScriptFlags::WITNESS) && self.program().is_some_and(|program| !has_meaning(program))
    }

    fn is_taproot(&self) -> bool {
        self.prevout().script_pubkey.is_p2tr()
    }

    /// The elements of a taproot witness without its annex.
    fn without_annex(&self) -> Vec<&[u8]> {
        let mut elements = self.witness();
        if elements.len() > 1 && elements.last().is_some_and(|last| last.first() == Some(&0x50)) {
            elements.pop();
        }
        elements
    }

    /// The scripts that run, beside the input's own.
    fn scripts(&self) -> Vec<ScriptBuf> {
        let mut scripts = vec![self.prevout().script_pubkey.clone()];
        if scripts[0].is_p2sh() {
            scripts
                .extend(pushes(self.script_sig()).and_then(|mut all| all.pop()).map(ScriptBuf::from_bytes));
        }
        let of_witness = match self.is_taproot() {
            true => self.without_annex().into_iter().rev().nth(1),
            false => self.witness().pop().filter(|_| !scripts.iter().any(|script| script.is_p2wpkh())),
        };
        scripts.extend(of_witness.map(|script| ScriptBuf::from_bytes(script.to_vec())));
        scripts
    }

    fn asks_for_a_signature(&self) -> bool {
        let by_key = self.is_taproot() && self.without_annex().len() == 1;
        by_key
            || self.scripts().iter().any(|script| script.is_p2wpkh())
            || self.scripts().iter().any(holds_check)
    }

    /// The hash types of all that looks like a signature.
    fn hash_types(&self) -> Vec<u8> {
        let mut items: Vec<Vec<u8>> = self.witness().into_iter().map(<[u8]>::to_vec).collect();
        items.extend(readable_pushes(self.script_sig()));
        items.extend(self.scripts().iter().flat_map(|script| readable_pushes(script)));
        let hash_type = |item: &Vec<u8>| match item.len() {
            9..=73 if item[0] == 0x30 && usize::from(item[1]) + 3 == item.len() => item.last().copied(),
            64 if self.is_taproot() => Some(0),
            65 if self.is_taproot() => item.last().copied(),
            _ => None,
        };
        items.iter().filter_map(hash_type).collect()
    }

    /// Whether a signature with this hash type does not sign `part`, a field of the transaction.
    fn leaves_out(&self, hash_type: u8, part: Part) -> bool {
        let (kind, alone) = (hash_type & 0x1f, hash_type & 0x80 != 0);
        let (none, single) = (kind == 2, kind == 3);
        if self.witness().is_empty() && single && self.input >= self.tx.output.len() {
            return true; // It signs the number one.
        }
        match part {
            Part::Outpoint(n) => n != self.input && alone,
            Part::Sequence(n) => n != self.input && (alone || (none || single) && !self.is_taproot()),
            Part::OutputValue(n) | Part::OutputScript(n) => none || single && n != self.input,
            _ => false,
        }
    }
}

fn flip_u32(number: u32, chance: &mut Chance) -> u32 {
    number ^ (1 << chance.below(32))
}

fn flip_amount(amount: &mut Amount, chance: &mut Chance) {
    *amount = Amount::from_sat(amount.to_sat() ^ (1 << chance.below(64)));
}

fn flip_outpoint(outpoint: &mut OutPoint, chance: &mut Chance) {
    let bit = chance.below(256 + 32);
    if bit < 256 {
        let mut txid = outpoint.txid.to_byte_array();
        flip(&mut txid, bit);
        outpoint.txid = Txid::from_byte_array(txid);
    } else {
        outpoint.vout ^= 1 << (bit - 256);
    }
}

fn holds_check(script: &ScriptBuf) -> bool {
    script.instructions().flatten().any(|i| matches!(i, Instruction::Op(op) if CHECKS.contains(&op)))
}

/// The stack that a script of nothing but pushes leaves.
fn pushes(script: &Script) -> Option<Vec<Vec<u8>>> {
    script.instructions().map(|instruction| pushed(instruction.ok()?)).collect()
}

/// What a script pushes as far as it can be read.
fn readable_pushes(script: &Script) -> Vec<Vec<u8>> {
    script.instructions().map_while(Result::ok).filter_map(pushed).collect()
}

fn pushed(instruction: Instruction<'_>) -> Option<Vec<u8>> {
    match instruction {
        Instruction::PushBytes(bytes) => Some(bytes.as_bytes().to_vec()),
        Instruction::Op(op) => match op.to_u8() {
            0x4f => Some(vec![0x81]),
            number @ 0x51..=0x60 => Some(vec![number - 0x50]),
            _ => None,
        },
    }
}

/// Why a flipped spend may verify all the same.
fn reason(before: &Case, after: &Case, part: Part, flags: ScriptFlags) -> Option<&'static str> {
    // Only another output may ask for less than this one does: all other scripts are committed to.
    let may_ask = |less: &dyn Fn(&Case) -> bool| less(after) && (part == Part::PrevoutScript || less(before));
    if may_ask(&|case| case.is_for_anyone(flags)) {
        return Some("a program that no fork gave a meaning");
    }
    if may_ask(&|case| !case.asks_for_a_signature()) {
        return Some("no script asks for a signature");
    }
    match part {
        Part::Amount if before.witness().is_empty() => Some(UNSIGNED_AMOUNT),
        Part::Witness | Part::ScriptSig | Part::Amount | Part::PrevoutScript => None,
        field => {
            let types = before.hash_types();
            let left_out = types.iter().all(|hash_type| before.leaves_out(*hash_type, field));
            left_out.then_some(if types.is_empty() {
                "no signature is given"
            } else {
                "the hash type leaves it out"
            })
        }
    }
}

/// A spend of the block and a part of it, each kind of part as often as the others.
fn pick(spends: &[(Transaction, Vec<TxOut>)], kind: usize, chance: &mut Chance) -> (Case, Part) {
    loop {
        let (tx, prevouts) = chance.pick(spends);
        let input = chance.below(tx.input.len());
        let case = Case { tx: tx.clone(), prevouts: prevouts.clone(), input };
        let part = match kind {
            0 => Part::Witness,
            1 => Part::ScriptSig,
            2 => Part::Amount,
            3 => Part::PrevoutScript,
            _ => case.field(chance),
        };
        if case.has_bits(part) {
            return (case, part);
        }
    }
}

fn check(real: &Real) {
    let Some(spends) = real.spends() else { return };
    let has_witness = spends.iter().any(|(tx, _)| tx.input.iter().any(|input| !input.witness.is_empty()));
    let first_kind = usize::from(!has_witness);
    let mut chance = Chance::new(SEED);
    let (mut counts, mut unexplained) = (BTreeMap::<&str, u32>::new(), Vec::new());
    for n in 0..FLIPS {
        let (case, part) = pick(&spends, first_kind + n % (5 - first_kind), &mut chance);
        let flipped = case.flipped(part, &mut chance);
        let verdict = verify(&flipped.tx, &flipped.prevouts, flipped.input, real.flags);
        let reason = reason(&case, &flipped, part, real.flags);
        assert!(verdict.is_ok() || reason != Some(UNSIGNED_AMOUNT), "{}", case.tx.compute_txid());
        if verdict.is_ok() && reason.is_none() {
            let txid = case.tx.compute_txid();
            unexplained.push(format!(
                "flip {n}: {txid} input {}: {part:?}: {:?}",
                case.input,
                flipped.scripts()
            ));
        }
        *counts
            .entry(if verdict.is_err() { "refused" } else { reason.unwrap_or("unexplained") })
            .or_default() += 1;
    }
    println!("{}: {FLIPS} flips: {counts:?}", real.name());
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
    assert!(counts["refused"] >= FLIPS as u32 / 2, "{counts:?}");
}

#[test]
fn flips_of_mainnet_367891() {
    check(&MAINNET_367891);
}

#[test]
fn flips_of_mainnet_866342() {
    check(&MAINNET_866342);
}

#[test]
fn flips_of_testnet3_928816() {
    check(&TESTNET3_928816);
}

#[test]
fn flips_of_testnet3_928848() {
    check(&TESTNET3_928848);
}
