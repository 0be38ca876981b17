//! Stretches of script that leave the stack as they found it, less what they expect of the input. Whatever order they
//! come in and however they nest, the script passes: that is why chance makes so many valid ones.

use adit_domain::script::ScriptFlags;
use bitcoin::hashes::{Hash, hash160, ripemd160, sha1, sha256, sha256d};
use bitcoin::opcodes::Opcode;
use bitcoin::opcodes::all as op;

use super::super::chance::Chance;
use super::checks;
use super::program::{Dialect, Program};

/// What of the transaction a script can see.
#[derive(Clone, Copy, Debug)]
pub(super) struct Env {
    pub(super) version: u32,
    pub(super) lock_time: u32,
    pub(super) sequence: u32,
    /// Whether there is an output at the input's own index.
    pub(super) has_output: bool,
}

/// Opcodes before the limit of 201 is near, in scripts that have it.
const OPS_NEAR_MAX: usize = 150;
/// How deep gadgets nest.
const DEPTH_MAX: usize = 5;

/// A script of up to `count` gadgets that ends with one true element, and no longer than `room` by much.
pub(super) fn program(
    chance: &mut Chance,
    dialect: Dialect,
    env: &Env,
    count: usize,
    room: usize,
) -> Program {
    let mut program = Program::new(dialect);
    for _ in 0..chance.below(count + 1) {
        gadget(&mut program, chance, env, 0, room);
    }
    end(&mut program, chance, env);
    program
}

/// The last element: a constant, or what a check says.
fn end(p: &mut Program, chance: &mut Chance, env: &Env) {
    match chance.below(8) {
        0..=4 => checks::signature(p, chance, env, true),
        5 => p.op(op::OP_PUSHNUM_1),
        6 => {
            let truth = truth(chance);
            p.push(chance, &truth);
        }
        _ => {
            let truth = truth(chance);
            p.slot(truth);
        }
    }
    // Only policy minds what lies below.
    if p.dialect == Dialect::Base && chance.one_in(8) {
        let len = chance.within(0, 3);
        p.slot(chance.bytes(len));
    }
}

pub(super) fn gadget(p: &mut Program, chance: &mut Chance, env: &Env, depth: usize, room: usize) {
    if depth > DEPTH_MAX || p.len() > room || (p.dialect != Dialect::Tap && p.ops > OPS_NEAR_MAX) {
        return;
    }
    match chance.below(32) {
        0..=4 => checks::signature(p, chance, env, false),
        5..=6 => one_number(p, chance),
        7..=10 => two_numbers(p, chance),
        11 => within(p, chance),
        12..=14 => moves(p, chance),
        15..=16 => hash(p, chance),
        17 => size(p, chance),
        18 => depth_of_stack(p),
        19..=20 => given(p, chance),
        21..=24 => branch(p, chance, env, depth, room),
        25..=26 => aside(p, chance, env, depth, room),
        27 => p.op(*chance.pick(&[op::OP_NOP, op::OP_NOP1, op::OP_NOP4, op::OP_NOP7, op::OP_NOP10])),
        28 => p.separate(),
        29 => checks::lock_time(p, chance, env),
        30 => checks::sequence(p, chance, env),
        _ => truth_verified(p, chance),
    }
}

/// Bytes that count as true, among them what only looks like nothing.
pub(super) fn truth(chance: &mut Chance) -> Vec<u8> {
    match chance.below(6) {
        0..=2 => vec![1],
        3 => vec![0, 0x80, 0],
        4 => {
            let len = chance.within(1, 80);
            [chance.bytes(len), vec![1]].concat()
        }
        _ => [vec![0; chance.below(520)], vec![chance.byte() | 1]].concat(),
    }
}

/// Bytes that count as false: zero, with or without a sign.
fn falsehood(chance: &mut Chance) -> Vec<u8> {
    match chance.below(3) {
        0 => vec![],
        1 => vec![0; chance.below(20)],
        _ => [vec![0; chance.below(20)], vec![0x80]].concat(),
    }
}

fn truth_verified(p: &mut Program, chance: &mut Chance) {
    if chance.one_in(2) {
        let truth = truth(chance);
        p.push(chance, &truth);
    } else {
        let falsehood: Vec<u8> = falsehood(chance).into_iter().take(4).collect();
        p.push(chance, &falsehood);
        p.op(op::OP_NOT);
    }
    p.op(op::OP_VERIFY);
}

const EDGES: [i64; 20] = [
    0,
    1,
    -1,
    2,
    15,
    16,
    17,
    127,
    128,
    -127,
    -128,
    255,
    256,
    -255,
    32_767,
    32_768,
    8_388_607,
    -8_388_608,
    2_147_483_647,
    -2_147_483_647,
];

/// A number of at most four bytes.
fn number(chance: &mut Chance) -> i64 {
    match chance.below(4) {
        0 => chance.below(5) as i64 - 2,
        1 => i64::from(chance.next() as i32).max(-2_147_483_647),
        _ => *chance.pick(&EDGES),
    }
}

/// A number as scripts write it down: little-endian, the sign in the last bit.
pub(super) fn encoded(number: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = number.unsigned_abs();
    while rest > 0 {
        bytes.push((rest & 0xff) as u8);
        rest >>= 8;
    }
    if bytes.last().is_some_and(|last| last & 0x80 != 0) {
        bytes.push(0);
    }
    if let (true, Some(last)) = (number < 0, bytes.last_mut()) {
        *last |= 0x80;
    }
    bytes
}

/// A number with zeros that it does not need, up to `len_max` bytes, at times.
fn padded(chance: &mut Chance, number: i64, len_max: usize) -> Vec<u8> {
    let mut bytes = encoded(number);
    if bytes.len() < len_max && chance.one_in(8) {
        let sign = bytes.last().map_or(0, |last| last & 0x80);
        if let Some(last) = bytes.last_mut() {
            *last &= 0x7f;
        }
        bytes.resize(chance.within(bytes.len() + 1, len_max), 0);
        *bytes.last_mut().unwrap() |= sign;
    }
    bytes
}

pub(super) fn push_number(p: &mut Program, chance: &mut Chance, number: i64) {
    let bytes = padded(chance, number, 4);
    p.push(chance, &bytes);
}

fn equals_number(p: &mut Program, chance: &mut Chance, result: i64) {
    let bytes = encoded(result);
    if bytes.len() <= 4 && chance.one_in(2) {
        push_number(p, chance, result);
        return p.op(op::OP_NUMEQUALVERIFY);
    }
    p.push(chance, &bytes);
    p.op(op::OP_EQUALVERIFY);
}

fn one_number(p: &mut Program, chance: &mut Chance) {
    let n = number(chance);
    let (opcode, result) = *chance.pick(&[
        (op::OP_1ADD, n + 1),
        (op::OP_1SUB, n - 1),
        (op::OP_NEGATE, -n),
        (op::OP_ABS, n.abs()),
        (op::OP_NOT, i64::from(n == 0)),
        (op::OP_0NOTEQUAL, i64::from(n != 0)),
    ]);
    push_number(p, chance, n);
    p.op(opcode);
    equals_number(p, chance, result);
}

fn two_numbers(p: &mut Program, chance: &mut Chance) {
    let a = number(chance);
    let b = if chance.one_in(4) { a } else { number(chance) };
    let (opcode, result) = *chance.pick(&[
        (op::OP_ADD, a + b),
        (op::OP_SUB, a - b),
        (op::OP_BOOLAND, i64::from(a != 0 && b != 0)),
        (op::OP_BOOLOR, i64::from(a != 0 || b != 0)),
        (op::OP_NUMEQUAL, i64::from(a == b)),
        (op::OP_NUMNOTEQUAL, i64::from(a != b)),
        (op::OP_LESSTHAN, i64::from(a < b)),
        (op::OP_GREATERTHAN, i64::from(a > b)),
        (op::OP_LESSTHANOREQUAL, i64::from(a <= b)),
        (op::OP_GREATERTHANOREQUAL, i64::from(a >= b)),
        (op::OP_MIN, a.min(b)),
        (op::OP_MAX, a.max(b)),
    ]);
    push_number(p, chance, a);
    push_number(p, chance, b);
    p.op(opcode);
    equals_number(p, chance, result);
}

fn within(p: &mut Program, chance: &mut Chance) {
    let (min, max) = (number(chance), number(chance));
    let any = number(chance);
    let x = *chance.pick(&[min, max, any]);
    for n in [x, min, max] {
        push_number(p, chance, n);
    }
    p.op(op::OP_WITHIN);
    equals_number(p, chance, i64::from(min <= x && x < max));
}

/// Moves on the stack: the opcode, how many elements it needs, and what then lies there, counted from the bottom.
const MOVES: [(Opcode, usize, &[usize]); 15] = [
    (op::OP_DUP, 1, &[0, 0]),
    (op::OP_DROP, 2, &[0]),
    (op::OP_NIP, 2, &[1]),
    (op::OP_OVER, 2, &[0, 1, 0]),
    (op::OP_ROT, 3, &[1, 2, 0]),
    (op::OP_SWAP, 2, &[1, 0]),
    (op::OP_TUCK, 2, &[1, 0, 1]),
    (op::OP_2DROP, 3, &[0]),
    (op::OP_2DUP, 2, &[0, 1, 0, 1]),
    (op::OP_3DUP, 3, &[0, 1, 2, 0, 1, 2]),
    (op::OP_2OVER, 4, &[0, 1, 2, 3, 0, 1]),
    (op::OP_2ROT, 6, &[2, 3, 4, 5, 0, 1]),
    (op::OP_2SWAP, 4, &[2, 3, 0, 1]),
    (op::OP_IFDUP, 1, &[0, 0]),
    (op::OP_NOP, 5, &[0, 1, 2, 3, 4]),
];

fn moves(p: &mut Program, chance: &mut Chance) {
    let (opcode, count, then) = *chance.pick(&MOVES);
    let elements: Vec<Vec<u8>> = (0..count).map(|_| [chance.bytes(1), vec![1]].concat()).collect();
    for element in &elements {
        p.push(chance, element);
    }
    let mut then = then.to_vec();
    if opcode == op::OP_NOP {
        // PICK takes a copy, ROLL the element itself.
        let at = chance.below(count);
        push_number(p, chance, at as i64);
        p.op(op::OP_PICK);
        then.push(count - 1 - at);
    } else if opcode == op::OP_3DUP {
        p.op(opcode);
        let at = chance.below(6);
        push_number(p, chance, at as i64);
        p.op(op::OP_ROLL);
        let rolled = then.remove(5 - at);
        then.push(rolled);
    } else {
        p.op(opcode);
    }
    for at in then.iter().rev() {
        p.push(chance, &elements[*at]);
        p.op(op::OP_EQUALVERIFY);
    }
}

fn hash(p: &mut Program, chance: &mut Chance) {
    let len = *chance.pick(&[0, 1, 20, 32, 33, 55, 56, 64, 119, 120, 520]);
    let bytes = chance.bytes(len);
    let (opcode, digest) = match chance.below(5) {
        0 => (op::OP_RIPEMD160, ripemd160::Hash::hash(&bytes).to_byte_array().to_vec()),
        1 => (op::OP_SHA1, sha1::Hash::hash(&bytes).to_byte_array().to_vec()),
        2 => (op::OP_SHA256, sha256::Hash::hash(&bytes).to_byte_array().to_vec()),
        3 => (op::OP_HASH160, hash160::Hash::hash(&bytes).to_byte_array().to_vec()),
        _ => (op::OP_HASH256, sha256d::Hash::hash(&bytes).to_byte_array().to_vec()),
    };
    if chance.one_in(2) && len < 64 {
        p.push(chance, &bytes);
    } else {
        p.slot(bytes);
    }
    p.op(opcode);
    p.push(chance, &digest);
    p.op(op::OP_EQUALVERIFY);
}

fn size(p: &mut Program, chance: &mut Chance) {
    let len = *chance.pick(&[0, 1, 75, 76, 127, 128, 255, 256, 520]);
    p.slot(vec![0; len]);
    p.op(op::OP_SIZE);
    equals_number(p, chance, len as i64);
    p.op(op::OP_DROP);
}

/// Twice the depth, one apart.
fn depth_of_stack(p: &mut Program) {
    p.ops(&[op::OP_DEPTH, op::OP_DEPTH, op::OP_SWAP, op::OP_SUB, op::OP_PUSHNUM_1, op::OP_EQUALVERIFY]);
}

/// What the input gives is what the script says, or goes.
fn given(p: &mut Program, chance: &mut Chance) {
    let len = *chance.pick(&[0, 1, 2, 16, 75, 76, 255, 256, 519, 520]);
    let bytes = chance.bytes(len);
    p.slot(bytes.clone());
    match chance.below(3) {
        0 if len < 80 => {
            p.push(chance, &bytes);
            p.op(op::OP_EQUALVERIFY);
        }
        1 if len > 0 => {
            p.push(chance, &[1, 2, 3]);
            p.ops(&[op::OP_EQUAL, op::OP_NOT, op::OP_VERIFY]);
        }
        _ => p.op(op::OP_DROP),
    }
}

/// Something that waits on the other stack meanwhile.
fn aside(p: &mut Program, chance: &mut Chance, env: &Env, depth: usize, room: usize) {
    let bytes = chance.bytes(2);
    p.push(chance, &bytes);
    p.op(op::OP_TOALTSTACK);
    gadget(p, chance, env, depth + 1, room);
    p.op(op::OP_FROMALTSTACK);
    p.push(chance, &bytes);
    p.op(op::OP_EQUALVERIFY);
}

/// IF or NOTIF with as many ELSEs as it likes: each turns what runs into what does not.
fn branch(p: &mut Program, chance: &mut Chance, env: &Env, depth: usize, room: usize) {
    let (condition, negated) = (chance.one_in(2), chance.one_in(2));
    // BIP342 wants exactly 1 or nothing.
    let bytes = match (p.dialect, condition) {
        (Dialect::Tap, true) => vec![1],
        (Dialect::Tap, false) => vec![],
        (_, true) => truth(chance),
        (_, false) => falsehood(chance),
    };
    if chance.one_in(2) {
        p.slot(bytes);
    } else {
        p.push(chance, &bytes);
    }
    p.op(if negated { op::OP_NOTIF } else { op::OP_IF });
    let mut runs = condition != negated;
    for others in 0..=chance.below(3) {
        if others > 0 {
            p.op(op::OP_ELSE);
            runs = !runs;
        }
        match runs {
            true => gadget(p, chance, env, depth + 1, room),
            false => skipped(p, chance),
        }
    }
    p.op(op::OP_ENDIF);
}

/// What may stand where nothing runs: nearly anything.
fn skipped(p: &mut Program, chance: &mut Chance) {
    for _ in 0..chance.below(6) {
        match chance.below(8) {
            0 => {
                let len = *chance.pick(&[1, 20, 33, 75, 76, 256, 520]);
                let bytes = vec![7; if p.len() > 200 { 1 } else { len }];
                p.push(chance, &bytes);
            }
            1 => p.ops(&[op::OP_IF, op::OP_ELSE, op::OP_ENDIF]),
            2 => p.op(*chance.pick(&[op::OP_RETURN, op::OP_VERIFY, op::OP_CHECKSIG, op::OP_CODESEPARATOR])),
            3 => p.op(*chance.pick(&[op::OP_CHECKMULTISIG, op::OP_CHECKSIGADD, op::OP_FROMALTSTACK])),
            // Without a meaning before tapscript, and there a success.
            4 if p.dialect != Dialect::Tap => {
                p.op(*chance.pick(&[op::OP_RESERVED, op::OP_VER, op::OP_RESERVED1, op::OP_INVALIDOPCODE]));
            }
            5 => p.op(*chance.pick(&[op::OP_CLTV, op::OP_CSV, op::OP_NOP9, op::OP_PUSHNUM_NEG1])),
            _ => {
                let opcode = 0x61 + chance.below(0x1a);
                let is_free = !matches!(opcode, 0x62..=0x68 | 0x7e..);
                p.raw(vec![if is_free { opcode as u8 } else { 0x61 }]);
            }
        }
    }
}

/// Marks the rules that the script breaks.
pub(super) fn breaks(p: &mut Program, rule: ScriptFlags) {
    p.fails_under |= rule;
}
