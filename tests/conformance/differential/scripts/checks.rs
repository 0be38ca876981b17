//! Gadgets that look at the transaction: signatures of all kinds, and times.

use adit_domain::script::ScriptFlags;
use bitcoin::hashes::{Hash, hash160};
use bitcoin::opcodes::all as op;

use super::super::chance::Chance;
use super::gadgets::{Env, breaks, encoded, push_number};
use super::keys::{KEYS_COUNT, Shape, key};
use super::program::{Dialect, Program};

/// Some check of a signature; with its result left on the stack where it is the last of the script.
pub(super) fn signature(p: &mut Program, chance: &mut Chance, env: &Env, last: bool) {
    if p.dialect == Dialect::Tap {
        return match chance.below(4) {
            0 => checksigadd(p, chance, env, last),
            _ => checksig_tap(p, chance, env, last),
        };
    }
    if p.dialect == Dialect::Base && !p.has_embedded && chance.one_in(8) {
        return if chance.one_in(2) {
            embedded(p, chance, env, last)
        } else {
            found_and_deleted(p, chance, last)
        };
    }
    if p.dialect == Dialect::V0 && !p.has_embedded && chance.one_in(24) {
        return found_and_deleted(p, chance, last);
    }
    match chance.below(8) {
        0..=1 => multisig(p, chance, env, last),
        2 => key_hash(p, chance, env, last),
        3 => refused(p, chance, env, last),
        _ => {
            let (n, hash_type, shape) = (chance.below(KEYS_COUNT), hash_type(chance), shape(p, chance));
            let need = p.need(n, hash_type, shape, false);
            p.slot_sig(need);
            let encoded = key(n).encoded(chance);
            p.push(chance, &encoded);
            passes(p, last);
        }
    }
}

fn passes(p: &mut Program, last: bool) {
    p.op(if last { op::OP_CHECKSIG } else { op::OP_CHECKSIGVERIFY });
}

/// Any byte is a hash type before taproot.
fn hash_type(chance: &mut Chance) -> u8 {
    match chance.below(16) {
        0..=7 => 1,
        8..=13 => *chance.pick(&[2, 3, 0x81, 0x82, 0x83]),
        14 => *chance.pick(&[0, 4, 0x1f, 0x41, 0x65, 0x80, 0xff]),
        _ => chance.byte(),
    }
}

/// The few that taproot knows, without those that have nothing to sign.
fn hash_type_tap(chance: &mut Chance, env: &Env) -> u8 {
    let known: &[u8] =
        if env.has_output { &[0, 0, 1, 2, 3, 0x81, 0x82, 0x83] } else { &[0, 1, 2, 0x81, 0x82] };
    *chance.pick(known)
}

fn shape(p: &mut Program, chance: &mut Chance) -> Shape {
    let shape = Shape::any(chance);
    if !shape.is_strict() {
        breaks(p, ScriptFlags::DERSIG);
    }
    shape
}

fn key_hash(p: &mut Program, chance: &mut Chance, _: &Env, last: bool) {
    let (n, hash_type, shape) = (chance.below(KEYS_COUNT), hash_type(chance), shape(p, chance));
    let encoded = key(n).encoded(chance);
    p.slot(encoded.clone());
    let need = p.need(n, hash_type, shape, false);
    p.slot_sig(need);
    p.ops(&[op::OP_DUP, op::OP_HASH160]);
    p.push(chance, hash160::Hash::hash(&encoded).as_byte_array());
    p.op(op::OP_EQUALVERIFY);
    passes(p, last);
}

/// A check that says no, which the script takes for a yes.
fn refused(p: &mut Program, chance: &mut Chance, _: &Env, last: bool) {
    let n = chance.below(KEYS_COUNT);
    let hash_type = hash_type(chance);
    let encoded = match chance.below(4) {
        // Nothing signs nothing.
        0 => {
            p.slot(vec![]);
            if chance.one_in(2) { key(n).encoded(chance) } else { key(n).spoiled(chance) }
        }
        1 => {
            let need = p.need(n, hash_type, Shape::Strict, true);
            p.slot_sig(need);
            key(n).encoded(chance)
        }
        2 => {
            let wide = Shape::Wide(chance.below(3));
            let shape = *chance.pick(&[Shape::Overflow, Shape::Tiny, wide, wide]);
            if !shape.is_strict() {
                breaks(p, ScriptFlags::DERSIG);
            }
            let need = p.need(n, hash_type, shape, false);
            p.slot_sig(need);
            key(n).encoded(chance)
        }
        _ => {
            let need = p.need(n, hash_type, Shape::Strict, false);
            p.slot_sig(need);
            let other = (n + 1) % KEYS_COUNT;
            key(other).encoded(chance)
        }
    };
    p.push(chance, &encoded);
    p.ops(&[op::OP_CHECKSIG, op::OP_NOT]);
    if !last {
        p.op(op::OP_VERIFY);
    }
}

/// A signature that stands in the script which it signs: legal before segwit, since it is cut out first.
fn embedded(p: &mut Program, chance: &mut Chance, env: &Env, last: bool) {
    let n = chance.below(KEYS_COUNT);
    // Without its output, SINGLE signs the number one, whatever the script says.
    let hash_type = if env.has_output { hash_type(chance) } else { *chance.pick(&[3, 0x83, 0x43]) };
    let shape = shape(p, chance);
    let need = p.need(n, hash_type, shape, false);
    for _ in 0..chance.below(3) {
        p.embed(need, &[need]);
        p.op(op::OP_DROP);
    }
    if chance.one_in(3) {
        p.op(op::OP_PUSHBYTES_0);
        p.embed(need, &[need]);
        p.op(op::OP_PUSHNUM_1);
        let encoded = key(n).encoded(chance);
        p.push(chance, &encoded);
        p.op(op::OP_PUSHNUM_1);
        p.ops += 1;
        return p.op(if last { op::OP_CHECKMULTISIG } else { op::OP_CHECKMULTISIGVERIFY });
    }
    p.embed(need, &[need]);
    let encoded = key(n).encoded(chance);
    p.push(chance, &encoded);
    passes(p, last);
}

/// A signature that stood before its key: so the script may hold it in forms that are cut out and in forms that are not.
/// Of a witness nothing is cut out.
fn found_and_deleted(p: &mut Program, chance: &mut Chance, last: bool) {
    let hash_type = hash_type(chance);
    let (need, signature) = p.fixed(chance, hash_type);
    let len = signature.len() as u8;
    p.slot_key(need);
    for _ in 0..chance.within(1, 4) {
        match chance.below(9) {
            0..=1 => p.push_sig(need),
            // Not the push that is looked for, though it pushes the same.
            2 => p.raw([&[0x4c, len][..], &signature].concat()),
            3 => p.raw([&[0x4d, len, 0][..], &signature].concat()),
            // More than the signature, behind or before; the very push within another one.
            4 => p.raw([&[len + 2, 0xaa, 0xaa][..], &signature].concat()),
            5 => p.raw([&[len + 1][..], &signature, &[0xaa]].concat()),
            6 => p.raw([&[len + 1, len][..], &signature].concat()),
            // Less than it.
            7 => p.raw([&[len - 1][..], &signature[..signature.len() - 1]].concat()),
            _ => p.raw([&[len][..], &signature[..signature.len() - 1], &[hash_type ^ 1]].concat()),
        }
        p.op(op::OP_DROP);
        if chance.one_in(6) {
            p.separate();
        }
    }
    p.signs_from_here(need);
    if chance.one_in(4) {
        p.op(op::OP_PUSHBYTES_0);
        p.push_sig(need);
        p.ops(&[op::OP_PUSHNUM_1, op::OP_PUSHNUM_3, op::OP_ROLL, op::OP_PUSHNUM_1]);
        p.ops += 1;
        return p.op(if last { op::OP_CHECKMULTISIG } else { op::OP_CHECKMULTISIGVERIFY });
    }
    p.push_sig(need);
    p.op(op::OP_SWAP);
    passes(p, last);
}

fn multisig(p: &mut Program, chance: &mut Chance, _: &Env, last: bool) {
    let keys = match chance.below(12) {
        0 => chance.within(0, 20),
        1 => 20,
        _ => chance.within(1, 3),
    };
    let signatures = chance.within(usize::from(keys > 0), keys.min(4));
    let first = chance.below(KEYS_COUNT);
    // Which keys sign, in their order; the others need not be keys.
    let mut signers: Vec<usize> = (0..keys).collect();
    while signers.len() > signatures {
        signers.remove(chance.below(signers.len()));
    }
    let needs: Vec<usize> = signers
        .iter()
        .map(|n| {
            let (hash_type, shape) = (hash_type(chance), shape(p, chance));
            p.need((first + n) % KEYS_COUNT, hash_type, shape, false)
        })
        .collect();
    needs.iter().rev().for_each(|need| p.slot_sig(*need));
    if chance.one_in(8) {
        let dummy = vec![chance.byte()];
        breaks(p, ScriptFlags::NULLDUMMY);
        p.slot(dummy);
    } else {
        p.slot(vec![]);
    }
    push_number(p, chance, signatures as i64);
    for n in 0..keys {
        let key = key((first + n) % KEYS_COUNT);
        let is_key = signers.contains(&n) || !chance.one_in(4);
        let encoded = if is_key { key.encoded(chance) } else { key.spoiled(chance) };
        p.push(chance, &encoded);
    }
    push_number(p, chance, keys as i64);
    p.ops += keys;
    p.op(if last { op::OP_CHECKMULTISIG } else { op::OP_CHECKMULTISIGVERIFY });
}

/// A key for a tapscript, and whether it is one of the unknown kinds.
fn key_tap(chance: &mut Chance, n: usize) -> Vec<u8> {
    if chance.one_in(8) {
        // None at all is refused.
        let len = *chance.pick(&[0, 1, 20, 20, 31, 31, 33, 33, 65, 65]);
        return chance.bytes(len);
    }
    key(n).x_only.to_vec()
}

/// A signature for such a key as a slot; an unknown kind takes anything but nothing.
fn slot_for(p: &mut Program, chance: &mut Chance, env: &Env, encoded: &[u8], n: usize, signs: bool) {
    if !signs {
        p.slot(vec![]);
    } else if encoded.len() != 32 {
        let len = chance.within(1, 70);
        let bytes = chance.bytes(len);
        p.slot(bytes);
    } else {
        let hash_type = hash_type_tap(chance, env);
        let need = p.need(n, hash_type, Shape::Strict, false);
        p.slot_sig(need);
    }
}

fn checksig_tap(p: &mut Program, chance: &mut Chance, env: &Env, last: bool) {
    let n = chance.below(KEYS_COUNT);
    let signs = !chance.one_in(6);
    let encoded = key_tap(chance, n);
    slot_for(p, chance, env, &encoded, n, signs);
    p.push(chance, &encoded);
    if signs {
        return passes(p, last);
    }
    p.ops(&[op::OP_CHECKSIG, op::OP_NOT]);
    if !last {
        p.op(op::OP_VERIFY);
    }
}

/// Some of several keys, as BIP342 would have a multisig.
fn checksigadd(p: &mut Program, chance: &mut Chance, env: &Env, last: bool) {
    let mut count = *chance.pick(&[0, 0, 0, 5, -1, NUMBER_MAX - 1]);
    push_number(p, chance, count);
    for _ in 0..chance.within(1, 3) {
        // A number of five bytes counts no further.
        if count > NUMBER_MAX {
            break;
        }
        let n = chance.below(KEYS_COUNT);
        let signs = !chance.one_in(3);
        let encoded = key_tap(chance, n);
        slot_for(p, chance, env, &encoded, n, signs);
        count += i64::from(signs);
        p.push(chance, &encoded);
        p.op(op::OP_CHECKSIGADD);
    }
    p.push(chance, &encoded(count));
    p.op(if last { op::OP_EQUAL } else { op::OP_EQUALVERIFY });
}

/// The largest number of four bytes.
const NUMBER_MAX: i64 = 0x7fff_ffff;
/// Lock times below are heights, from here on times.
const TIMES_FROM: u32 = 500_000_000;
/// BIP68: no lock; a lock in units of 512 s; what counts of it.
const NO_LOCK: u32 = 1 << 31;
const IN_TIME: u32 = 1 << 22;
const LOCK_MASK: u32 = 0xffff;

/// BIP65.
pub(super) fn lock_time(p: &mut Program, chance: &mut Chance, env: &Env) {
    let now = env.lock_time;
    let same = if now < TIMES_FROM { 0 } else { TIMES_FROM };
    let lock = match chance.below(8) {
        0..=2 => now,
        3..=5 => now.saturating_sub(chance.below(1000) as u32).max(same),
        6 => now.saturating_add(1),
        _ => chance.next() as u32,
    };
    let holds = (lock < TIMES_FROM) == (now < TIMES_FROM) && lock <= now && env.sequence != u32::MAX;
    if !holds {
        breaks(p, ScriptFlags::CHECKLOCKTIMEVERIFY);
    }
    p.push(chance, &encoded(i64::from(lock)));
    p.ops(&[op::OP_CLTV, op::OP_DROP]);
}

/// BIP112.
pub(super) fn sequence(p: &mut Program, chance: &mut Chance, env: &Env) {
    let now = env.sequence;
    let lock = match chance.below(8) {
        0..=2 => now & (IN_TIME | LOCK_MASK),
        3..=4 => (now & IN_TIME) | (now & LOCK_MASK).saturating_sub(chance.below(100) as u32),
        5 => NO_LOCK | chance.next() as u32,
        6 => (now & (IN_TIME | LOCK_MASK)).wrapping_add(1) | (chance.next() as u32 & 0x3f80_0000),
        _ => chance.next() as u32,
    };
    let same_unit = (lock & IN_TIME) == (now & IN_TIME);
    let is_over = same_unit && lock & LOCK_MASK <= now & LOCK_MASK;
    let holds = lock & NO_LOCK != 0 || (env.version >= 2 && now & NO_LOCK == 0 && is_over);
    if !holds {
        breaks(p, ScriptFlags::CHECKSEQUENCEVERIFY);
    }
    p.push(chance, &encoded(i64::from(lock)));
    p.ops(&[op::OP_CSV, op::OP_DROP]);
}

/// A script that checks one signature so often that the budget of BIP342 is just met, or missed by a byte; with the
/// annex that makes it so.
pub(super) fn budget(chance: &mut Chance, env: &Env, control_bytes: usize) -> (Program, Vec<u8>) {
    let mut p = Program::new(Dialect::Tap);
    let (n, is_known) = (chance.below(KEYS_COUNT), !chance.one_in(4));
    let signature = if is_known {
        let hash_type = hash_type_tap(chance, env);
        let need = p.need(n, hash_type, Shape::Strict, false);
        p.slot_sig(need);
        p.raw([&[32][..], &key(n).x_only].concat());
        64 + usize::from(hash_type != 0)
    } else {
        // A check that checks nothing costs the same.
        p.slot(vec![0]);
        p.raw(vec![2, 0, 0]);
        1
    };
    let more = if is_known && !chance.one_in(8) { chance.within(4, 6) } else { chance.within(8, 12) };
    for _ in 0..more {
        p.ops(&[op::OP_2DUP, op::OP_CHECKSIGVERIFY]);
    }
    p.op(op::OP_CHECKSIG);
    // The count, then three elements and the annex, each with its length.
    let size = 1 + 1 + signature + 1 + p.len() + 1 + control_bytes;
    let missing = (50 * more).saturating_sub(size);
    let annex_bytes = missing.saturating_sub(if missing > 255 { 3 } else { 1 });
    let annex_bytes = (annex_bytes + chance.below(3)).saturating_sub(1).max(1);
    let mut annex = chance.bytes(annex_bytes);
    annex[0] = 0x50;
    (p, annex)
}
