//! Runs one script on a stack.
//!
//! Owns: the loop over the instructions, branches, limits. What the groups of opcodes do stands in the modules below;
//! which scripts are run, and in what order, in `verify`.

mod arithmetic;
mod checks;
mod locks;
mod moves;

pub(super) use checks::check_schnorr;

use bitcoin::hashes::Hash;
use ripemd::Ripemd160;
use sha1::{Digest, Sha1};

use super::cache::Cached;
use super::memo::Memo;
use super::opcode::*;
use super::sighash::{Midstates, TxContext};
use super::stack::{Element, STACK_ELEMENTS_MAX, Stack};
use super::{ScriptError, ScriptFlags, num};
use crate::wire::hash::{sha256, sha256d};

/// Opcodes above `OP_16` that a script may have before tapscript.
const OPS_MAX: u32 = 201;

/// The input that a script is run for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a> {
    pub(super) context: &'a TxContext<'a>,
    pub(super) index: usize,
    pub(super) flags: ScriptFlags,
    pub(super) cache: Cached<'a>,
    pub(super) memo: &'a Memo,
}

/// What a tapscript is run with beside its stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tapscript {
    pub(super) leaf_hash: [u8; 32],
    pub(super) annex_hash: Option<[u8; 32]>,
    /// What signature checks may still cost (BIP-0342).
    pub(super) budget: i64,
}

/// Which rules a script is run under.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rules {
    /// Before segwit.
    Base,
    /// BIP-0143.
    WitnessV0,
    /// BIP-0342.
    Tapscript(Tapscript),
}

/// Runs `script` on `stack`.
pub(super) fn run<'s>(
    input: Input<'_>,
    rules: Rules,
    script: &'s [u8],
    stack: &mut Stack<'s>,
) -> Result<(), ScriptError> {
    let is_tapscript = matches!(rules, Rules::Tapscript(_));
    if !is_tapscript && script.len() > SCRIPT_BYTES_MAX {
        return Err(ScriptError::ScriptSize);
    }
    let mut run = Run {
        input,
        rules,
        stack,
        alt: Stack::default(),
        branches: Branches::default(),
        ops: 0,
        code: script,
        code_separator: u32::MAX,
        midstates: Midstates::default(),
    };
    let mut reader = Reader::new(script);
    let mut position: u32 = 0;
    while let Some(instruction) = reader.read() {
        let instruction = instruction.map_err(|_| ScriptError::BadOpcode)?;
        run.check_limits(&instruction)?;
        if run.branches.are_taken() || (OP_IF..=OP_ENDIF).contains(&instruction.opcode) {
            run.step(instruction, reader.rest(), position)?;
        }
        if run.stack.len().saturating_add(run.alt.len()) > STACK_ELEMENTS_MAX {
            return Err(ScriptError::StackSize);
        }
        position = position.saturating_add(1);
    }
    if run.branches.is_empty() { Ok(()) } else { Err(ScriptError::UnbalancedConditional) }
}

/// A script that is being run.
struct Run<'i, 's, 'r> {
    input: Input<'i>,
    rules: Rules,
    stack: &'r mut Stack<'s>,
    alt: Stack<'s>,
    branches: Branches,
    ops: u32,
    /// The script from behind the last OP_CODESEPARATOR that was run.
    code: &'s [u8],
    /// The position of that OP_CODESEPARATOR among the instructions; 0xffffffff before the first.
    code_separator: u32,
    midstates: Midstates<'s>,
}

impl<'s> Run<'_, 's, '_> {
    fn has(&self, flag: ScriptFlags) -> bool {
        self.input.flags.contains(flag)
    }

    fn is_tapscript(&self) -> bool {
        matches!(self.rules, Rules::Tapscript(_))
    }

    /// What holds in branches that are not taken too.
    fn check_limits(&mut self, instruction: &Instruction<'_>) -> Result<(), ScriptError> {
        if instruction.data.len() > ELEMENT_BYTES_MAX {
            return Err(ScriptError::PushSize);
        }
        if instruction.opcode > OP_16 {
            self.count_ops(1)?;
        }
        if is_disabled(instruction.opcode) {
            return Err(ScriptError::DisabledOpcode);
        }
        let is_base_separator = instruction.opcode == OP_CODESEPARATOR && matches!(self.rules, Rules::Base);
        if is_base_separator && self.has(ScriptFlags::CONST_SCRIPTCODE) {
            return Err(ScriptError::OpCodeSeparator);
        }
        Ok(())
    }

    /// Counts towards the limit of operations, which a tapscript has not.
    fn count_ops(&mut self, ops: u32) -> Result<(), ScriptError> {
        if self.is_tapscript() {
            return Ok(());
        }
        self.ops = self.ops.saturating_add(ops);
        if self.ops > OPS_MAX { Err(ScriptError::OpCount) } else { Ok(()) }
    }

    fn step(&mut self, now: Instruction<'s>, rest: &'s [u8], position: u32) -> Result<(), ScriptError> {
        match now.opcode {
            ..=OP_PUSHDATA4 => self.push_bytes(now),
            OP_1NEGATE | OP_1..=OP_16 => {
                self.push_num(small_int(now.opcode).map_or(-1, i64::from));
                Ok(())
            }
            OP_NOP => Ok(()),
            OP_NOP1 | OP_NOP4..=OP_NOP10 => self.upgradable_nop(),
            OP_CHECKLOCKTIMEVERIFY => self.check_lock_time(),
            OP_CHECKSEQUENCEVERIFY => self.check_sequence(),
            OP_IF | OP_NOTIF => self.branch(now.opcode == OP_NOTIF),
            OP_ELSE => self.branches.turn(),
            OP_ENDIF => self.branches.end(),
            OP_VERIFY => {
                let holds = self.stack.pop()?.is_true();
                ensure(holds, ScriptError::Verify)
            }
            OP_RETURN => Err(ScriptError::OpReturn),
            OP_TOALTSTACK..=OP_TUCK | OP_SIZE => self.move_elements(now.opcode),
            OP_EQUAL | OP_EQUALVERIFY => self.equal(now.opcode == OP_EQUALVERIFY),
            OP_1ADD | OP_1SUB | OP_NEGATE..=OP_0NOTEQUAL => self.arithmetic_on_one(now.opcode),
            OP_ADD | OP_SUB | OP_BOOLAND..=OP_MAX => self.arithmetic_on_two(now.opcode),
            OP_WITHIN => self.within(),
            OP_RIPEMD160..=OP_HASH256 => self.hash(now.opcode),
            OP_CODESEPARATOR => {
                self.code = rest;
                self.code_separator = position;
                Ok(())
            }
            OP_CHECKSIG | OP_CHECKSIGVERIFY => self.check_sig(now.opcode == OP_CHECKSIGVERIFY),
            OP_CHECKMULTISIG | OP_CHECKMULTISIGVERIFY => {
                self.check_multisig(now.opcode == OP_CHECKMULTISIGVERIFY)
            }
            OP_CHECKSIGADD => self.check_sig_add(),
            _ => Err(ScriptError::BadOpcode),
        }
    }

    fn push_bytes(&mut self, push: Instruction<'s>) -> Result<(), ScriptError> {
        if self.has(ScriptFlags::MINIMALDATA) && !push.is_minimal_push() {
            return Err(ScriptError::MinimalData);
        }
        self.stack.push(Element::Slice(push.data));
        Ok(())
    }

    fn push_num(&mut self, number: i64) {
        self.stack.push(num::encode(number));
    }

    /// The number `depth` below the top.
    fn peek_num(&self, depth: usize) -> Result<i64, ScriptError> {
        self.peek_num_of(depth, num::OPERAND_BYTES_MAX)
    }

    fn peek_num_of(&self, depth: usize, bytes_max: usize) -> Result<i64, ScriptError> {
        num::decode(self.stack.peek(depth)?.as_bytes(), self.has(ScriptFlags::MINIMALDATA), bytes_max)
    }

    /// Pushes a truth, or with `verify` goes on only where it holds.
    fn conclude(&mut self, holds: bool, verify: bool, error: ScriptError) -> Result<(), ScriptError> {
        if verify {
            return ensure(holds, error);
        }
        self.stack.push(Element::from_bool(holds));
        Ok(())
    }

    fn upgradable_nop(&self) -> Result<(), ScriptError> {
        ensure(!self.has(ScriptFlags::DISCOURAGE_UPGRADABLE_NOPS), ScriptError::DiscourageUpgradableNops)
    }

    fn branch(&mut self, negated: bool) -> Result<(), ScriptError> {
        if !self.branches.are_taken() {
            self.branches.begin(false);
            return Ok(());
        }
        let condition = self.stack.peek(0)?;
        let is_minimal = matches!(condition.as_bytes(), [] | [1]);
        match self.rules {
            Rules::Tapscript(_) => ensure(is_minimal, ScriptError::TapscriptMinimalIf)?,
            Rules::WitnessV0 if self.has(ScriptFlags::MINIMALIF) => {
                ensure(is_minimal, ScriptError::MinimalIf)?
            }
            _ => {}
        }
        self.stack.drop(1)?;
        self.branches.begin(condition.is_true() != negated);
        Ok(())
    }

    fn equal(&mut self, verify: bool) -> Result<(), ScriptError> {
        let equal = self.stack.peek(1)?.as_bytes() == self.stack.peek(0)?.as_bytes();
        self.stack.drop(2)?;
        self.conclude(equal, verify, ScriptError::EqualVerify)
    }

    fn hash(&mut self, opcode: u8) -> Result<(), ScriptError> {
        let element = self.stack.pop()?;
        let bytes = element.as_bytes();
        self.stack.push(match opcode {
            OP_RIPEMD160 => hash_element(Ripemd160::digest(bytes)),
            OP_SHA1 => hash_element(Sha1::digest(bytes)),
            OP_SHA256 => hash_element(sha256(bytes)),
            OP_HASH160 => hash_element(Ripemd160::digest(sha256(bytes).as_byte_array())),
            _ => hash_element(sha256d(bytes)),
        });
        Ok(())
    }
}

fn hash_element(hash: impl AsRef<[u8]>) -> Element<'static> {
    let mut bytes = [0; 32];
    let hash = hash.as_ref();
    if let Some(to) = bytes.get_mut(..hash.len()) {
        to.copy_from_slice(hash);
    }
    Element::short(bytes, hash.len())
}

fn ensure(holds: bool, error: ScriptError) -> Result<(), ScriptError> {
    if holds { Ok(()) } else { Err(error) }
}

/// The IFs that are open. Only the outermost that is not taken matters, so its depth is all that is kept of them.
#[derive(Clone, Copy, Debug, Default)]
struct Branches {
    open: u32,
    /// How many were open when the outermost one that is not taken began.
    first_not_taken: Option<u32>,
}

impl Branches {
    fn is_empty(&self) -> bool {
        self.open == 0
    }

    fn are_taken(&self) -> bool {
        self.first_not_taken.is_none()
    }

    fn begin(&mut self, taken: bool) {
        if !taken && self.first_not_taken.is_none() {
            self.first_not_taken = Some(self.open);
        }
        self.open = self.open.saturating_add(1);
    }

    fn turn(&mut self) -> Result<(), ScriptError> {
        let top = self.open.checked_sub(1).ok_or(ScriptError::UnbalancedConditional)?;
        match self.first_not_taken {
            None => self.first_not_taken = Some(top),
            Some(first) if first == top => self.first_not_taken = None,
            Some(_) => {}
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), ScriptError> {
        self.open = self.open.checked_sub(1).ok_or(ScriptError::UnbalancedConditional)?;
        if self.first_not_taken == Some(self.open) {
            self.first_not_taken = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
