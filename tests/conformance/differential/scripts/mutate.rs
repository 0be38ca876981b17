//! What may go wrong with a transaction on its way.

use bitcoin::absolute::LockTime;
use bitcoin::{ScriptBuf, Sequence, Transaction, TxOut, Witness};

use super::super::chance::Chance;
use super::scene::{amount, tx_in, tx_out};

/// Changes something that `input` may depend on.
pub(super) fn mutate(chance: &mut Chance, tx: &mut Transaction, prevouts: &mut Vec<TxOut>, input: usize) {
    let has_witness = !tx.input[input].witness.is_empty();
    match chance.below(16) {
        0..=6 if has_witness => witness(chance, &mut tx.input[input].witness),
        0..=6 => script(chance, &mut tx.input[input].script_sig),
        7..=8 => script(chance, &mut prevouts[input].script_pubkey),
        9 => prevouts[input].value = amount(chance),
        10..=11 => fields(chance, tx, input),
        12 => outputs(chance, tx),
        13 => others(chance, tx, prevouts),
        14 => swap(chance, tx, prevouts, input),
        _ => script(chance, &mut tx.input[input].script_sig),
    }
}

/// A bit turned, a byte less or more, a stretch twice or gone.
fn bytes(chance: &mut Chance, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return bytes.push(chance.byte());
    }
    let at = chance.below(bytes.len());
    match chance.below(10) {
        0..=4 => bytes[at] ^= 1 << chance.below(8),
        5 => bytes[at] = chance.byte(),
        6 => drop(bytes.remove(at)),
        7 => bytes.insert(at, chance.byte()),
        8 => bytes.truncate(at),
        // The last byte: where hash types and opcodes stand.
        _ => *bytes.last_mut().unwrap() = chance.byte(),
    }
}

fn script(chance: &mut Chance, script: &mut ScriptBuf) {
    let mut changed = std::mem::take(script).into_bytes();
    bytes(chance, &mut changed);
    *script = ScriptBuf::from_bytes(changed);
}

fn witness(chance: &mut Chance, witness: &mut Witness) {
    let mut elements = witness.to_vec();
    let at = chance.below(elements.len());
    match chance.below(12) {
        0..=6 => bytes(chance, &mut elements[at]),
        7 => drop(elements.remove(at)),
        8 => elements.insert(at, elements[at].clone()),
        9 => elements.insert(at, vec![]),
        10 if chance.one_in(2) => elements[at].clear(),
        // What has the first byte of an annex is none where it stands alone.
        10 => elements = vec![[vec![0x50], elements[at].clone()].concat()],
        _ => elements.push([vec![0x50], chance.bytes(3)].concat()),
    }
    *witness = Witness::from_slice(&elements);
}

fn fields(chance: &mut Chance, tx: &mut Transaction, input: usize) {
    match chance.below(4) {
        0 => tx.version.0 = tx.version.0.wrapping_add(1),
        1 => tx.lock_time = LockTime::from_consensus(chance.next() as u32),
        2 => tx.input[input].sequence = Sequence(chance.next() as u32),
        _ => tx.input[input].previous_output.vout ^= 1,
    }
}

fn outputs(chance: &mut Chance, tx: &mut Transaction) {
    match (tx.output.is_empty(), chance.below(3)) {
        (true, _) | (_, 0) => tx.output.push(tx_out(chance)),
        (_, 1) => drop(tx.output.pop()),
        _ => {
            let at = chance.below(tx.output.len());
            tx.output[at] = tx_out(chance);
        }
    }
}

/// One input more, behind the others; or another's sequence.
fn others(chance: &mut Chance, tx: &mut Transaction, prevouts: &mut Vec<TxOut>) {
    if chance.one_in(2) {
        tx.input.push(tx_in(chance));
        return prevouts.push(tx_out(chance));
    }
    let at = chance.below(tx.input.len());
    tx.input[at].sequence = Sequence(chance.next() as u32);
    prevouts[at].value = amount(chance);
}

/// Inputs that trade what they show, or what they spend.
fn swap(chance: &mut Chance, tx: &mut Transaction, prevouts: &mut [TxOut], input: usize) {
    let other = chance.below(tx.input.len());
    match chance.below(3) {
        0 => prevouts.swap(input, other),
        1 => tx.input.swap(input, other),
        _ => {
            // A witness where none belongs, or the other way round.
            let script_sig = std::mem::take(&mut tx.input[input].script_sig);
            if tx.input[input].witness.is_empty() {
                tx.input[input].witness = Witness::from_slice(&[script_sig.into_bytes()]);
            }
        }
    }
}
