//! Opcodes that move elements about.

use super::Run;
use crate::script::ScriptError;
use crate::script::opcode::*;

impl Run<'_, '_, '_> {
    pub(super) fn move_elements(&mut self, opcode: u8) -> Result<(), ScriptError> {
        match opcode {
            OP_TOALTSTACK => self.alt.push(self.stack.pop()?),
            OP_FROMALTSTACK => {
                self.stack.push(self.alt.pop().map_err(|_| ScriptError::InvalidAltstackOperation)?);
            }
            OP_2DROP => self.stack.drop(2)?,
            OP_2DUP => self.copy_up(2, 2)?,
            OP_3DUP => self.copy_up(3, 3)?,
            OP_2OVER => self.copy_up(4, 2)?,
            OP_2ROT => self.lift(6, 2)?,
            OP_2SWAP => self.lift(4, 2)?,
            OP_IFDUP => {
                let top = self.stack.peek(0)?;
                if top.is_true() {
                    self.stack.push(top);
                }
            }
            OP_DEPTH => self.push_len(self.stack.len()),
            OP_DROP => self.stack.drop(1)?,
            OP_DUP => self.copy_up(1, 1)?,
            OP_NIP => {
                self.stack.remove(1)?;
            }
            OP_OVER => self.copy_up(2, 1)?,
            OP_PICK | OP_ROLL => self.pick(opcode == OP_ROLL)?,
            OP_ROT => self.lift(3, 1)?,
            OP_SWAP => self.lift(2, 1)?,
            OP_TUCK => {
                self.stack.need(2)?;
                let top = self.stack.peek(0)?;
                self.stack.insert(2, top)?;
            }
            _ => self.push_len(self.stack.peek(0)?.as_bytes().len()),
        }
        Ok(())
    }

    fn push_len(&mut self, len: usize) {
        self.push_num(i64::try_from(len).unwrap_or(i64::MAX));
    }

    /// Copies the lowest `count` of the upper `of` elements to the top, in their order.
    fn copy_up(&mut self, of: usize, count: usize) -> Result<(), ScriptError> {
        self.stack.need(of)?;
        let depth = of.saturating_sub(1);
        for _ in 0..count {
            self.stack.push(self.stack.peek(depth)?);
        }
        Ok(())
    }

    /// Moves the lowest `count` of the upper `of` elements to the top, in their order.
    fn lift(&mut self, of: usize, count: usize) -> Result<(), ScriptError> {
        self.stack.need(of)?;
        let depth = of.saturating_sub(1);
        for _ in 0..count {
            let element = self.stack.remove(depth)?;
            self.stack.push(element);
        }
        Ok(())
    }

    /// Copies, or moves, the element that the number on top names.
    fn pick(&mut self, moves: bool) -> Result<(), ScriptError> {
        self.stack.need(2)?;
        let depth = usize::try_from(self.peek_num(0)?);
        self.stack.drop(1)?;
        let depth = depth.map_err(|_| ScriptError::InvalidStackOperation)?;
        let element = if moves { self.stack.remove(depth)? } else { self.stack.peek(depth)? };
        self.stack.push(element);
        Ok(())
    }
}
