//! Scripts that reach a limit exactly, or pass it by one.

use bitcoin::opcodes::all as op;

use super::super::chance::Chance;
use super::gadgets::{Env, gadget};
use super::keys::key;
use super::program::{Dialect, Program};

const OPS_MAX: usize = 201;
const STACK_MAX: usize = 1000;
const ELEMENT_MAX: usize = 520;
const SCRIPT_MAX: usize = 10_000;

/// A script at a limit. `room`: how long it may be.
pub(super) fn program(chance: &mut Chance, dialect: Dialect, env: &Env, room: usize) -> Program {
    let beyond = usize::from(chance.one_in(3));
    let mut p = Program::new(dialect);
    match chance.below(8) {
        0 => many_ops(&mut p, chance, env, OPS_MAX + beyond),
        1 => long_script(&mut p, chance, env, room.min(SCRIPT_MAX) + beyond),
        2 => full_stack(&mut p, chance, STACK_MAX + beyond),
        3 => long_element(&mut p, chance, ELEMENT_MAX + beyond),
        4 => many_keys(&mut p, chance, 20 + beyond),
        5 => long_number(&mut p, chance, beyond == 1),
        6 => nested(&mut p, chance, if room > 1000 { 99 + beyond } else { 60 }),
        _ => counts(&mut p, chance),
    }
    p
}

fn many_ops(p: &mut Program, chance: &mut Chance, env: &Env, count: usize) {
    gadget(p, chance, env, 0, 200);
    while p.ops < count {
        p.op(op::OP_NOP);
    }
    p.op(op::OP_PUSHNUM_1);
}

/// Filled with pushes that go again.
fn long_script(p: &mut Program, chance: &mut Chance, env: &Env, len: usize) {
    gadget(p, chance, env, 0, 200);
    let mut missing = len.saturating_sub(p.len() + 1);
    while missing > 0 {
        let here = match missing {
            0..=4 => 1,
            5..=524 => missing,
            525..=600 => 300,
            _ => 524,
        };
        if here == 1 {
            p.op(op::OP_NOP);
        } else {
            let push = u16::try_from(here - 4).unwrap();
            p.raw([&[0x4d][..], &push.to_le_bytes(), &vec![1; push.into()]].concat());
            p.op(op::OP_DROP);
        }
        missing -= here;
    }
    p.op(op::OP_PUSHNUM_1);
}

/// So many elements at once; cleared away where they have to.
fn full_stack(p: &mut Program, chance: &mut Chance, count: usize) {
    let given = *chance.pick(&[0, 1, 2, 3, count - 10, count]);
    let mut here = 0;
    for _ in 0..given {
        p.slot(vec![1]);
    }
    let aside = if given < count { chance.below(6) } else { 0 };
    for _ in 0..aside {
        p.ops(&[op::OP_PUSHNUM_1, op::OP_TOALTSTACK]);
    }
    while given + aside + here < count {
        p.op(op::OP_PUSHNUM_1);
        here += 1;
    }
    if p.dialect == Dialect::Tap {
        let mut left = given + here;
        while left > 2 {
            p.op(op::OP_2DROP);
            left -= 2;
        }
        if left == 2 {
            p.op(op::OP_DROP);
        }
    }
}

fn long_element(p: &mut Program, chance: &mut Chance, len: usize) {
    match chance.below(3) {
        0 => {
            p.slot(vec![1; len]);
            p.op(op::OP_DROP);
        }
        1 => {
            p.raw([&[0x4d][..], &(len as u16).to_le_bytes(), &vec![1; len]].concat());
            p.op(op::OP_DROP);
        }
        _ => {
            p.ops(&[op::OP_PUSHBYTES_0, op::OP_IF]);
            p.raw([&[0x4d][..], &(len as u16).to_le_bytes(), &vec![1; len]].concat());
            p.op(op::OP_ENDIF);
        }
    }
    p.op(op::OP_PUSHNUM_1);
}

/// None of so many keys signs.
fn many_keys(p: &mut Program, chance: &mut Chance, keys: usize) {
    p.op(op::OP_PUSHBYTES_0);
    p.op(op::OP_PUSHBYTES_0);
    for n in 0..keys {
        match chance.below(3) {
            0 => p.raw([&[32][..], &key(n).x_only].concat()),
            _ => p.op(op::OP_PUSHNUM_2),
        }
    }
    p.raw(vec![1, keys as u8]);
    p.op(op::OP_CHECKMULTISIG);
    p.ops += keys;
}

/// A number of four bytes, or of five.
fn long_number(p: &mut Program, chance: &mut Chance, beyond: bool) {
    let mut bytes = vec![0; if beyond { 5 } else { 4 }];
    *bytes.last_mut().unwrap() = *chance.pick(&[0, 1, 0x7f, 0x80]);
    p.raw([vec![bytes.len() as u8], bytes].concat());
    p.op(*chance.pick(&[op::OP_1ADD, op::OP_ABS, op::OP_NOT, op::OP_0NOTEQUAL, op::OP_NEGATE]));
    p.ops(&[op::OP_SIZE, op::OP_NIP, op::OP_DROP, op::OP_PUSHNUM_1]);
}

fn nested(p: &mut Program, chance: &mut Chance, depth: usize) {
    let runs = chance.one_in(2);
    for _ in 0..depth {
        if runs || p.len() == 0 {
            p.op(if runs { op::OP_PUSHNUM_1 } else { op::OP_PUSHBYTES_0 });
        }
        p.op(op::OP_IF);
    }
    for _ in 0..depth {
        p.op(op::OP_ENDIF);
    }
    p.op(op::OP_PUSHNUM_1);
}

/// Numbers of keys, signatures and places at their edges.
fn counts(p: &mut Program, chance: &mut Chance) {
    match chance.below(6) {
        // More signatures than keys; fewer than none.
        0 => p.ops(&[op::OP_PUSHBYTES_0, op::OP_PUSHNUM_1, op::OP_PUSHBYTES_0, op::OP_CHECKMULTISIG]),
        1 => p.ops(&[op::OP_PUSHBYTES_0, op::OP_PUSHNUM_NEG1, op::OP_PUSHBYTES_0, op::OP_CHECKMULTISIG]),
        2 => p.ops(&[op::OP_PUSHBYTES_0, op::OP_PUSHBYTES_0, op::OP_PUSHNUM_NEG1, op::OP_CHECKMULTISIG]),
        3 => p.ops(&[op::OP_PUSHNUM_1, op::OP_PUSHNUM_NEG1, op::OP_PICK]),
        4 => p.ops(&[op::OP_PUSHNUM_1, op::OP_PUSHNUM_1, op::OP_ROLL]),
        _ => p.ops(&[op::OP_PUSHBYTES_0, op::OP_PUSHBYTES_0, op::OP_PUSHBYTES_0, op::OP_CHECKMULTISIG]),
    }
}
