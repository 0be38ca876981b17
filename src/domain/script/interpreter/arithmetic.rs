//! Opcodes on numbers. Operands have 4 bytes, so no result overflows 64 bits.

use super::{Run, ensure};
use crate::script::ScriptError;
use crate::script::opcode::*;

impl Run<'_, '_, '_> {
    pub(super) fn arithmetic_on_one(&mut self, opcode: u8) -> Result<(), ScriptError> {
        let n = self.peek_num(0)?;
        self.stack.drop(1)?;
        self.push_num(match opcode {
            OP_1ADD => n.saturating_add(1),
            OP_1SUB => n.saturating_sub(1),
            OP_NEGATE => n.saturating_neg(),
            OP_ABS => n.saturating_abs(),
            OP_NOT => i64::from(n == 0),
            _ => i64::from(n != 0),
        });
        Ok(())
    }

    pub(super) fn arithmetic_on_two(&mut self, opcode: u8) -> Result<(), ScriptError> {
        self.stack.need(2)?;
        let (a, b) = (self.peek_num(1)?, self.peek_num(0)?);
        self.stack.drop(2)?;
        let result = match opcode {
            OP_ADD => a.saturating_add(b),
            OP_SUB => a.saturating_sub(b),
            OP_BOOLAND => i64::from(a != 0 && b != 0),
            OP_BOOLOR => i64::from(a != 0 || b != 0),
            OP_NUMEQUALVERIFY => return ensure(a == b, ScriptError::NumEqualVerify),
            OP_NUMEQUAL => i64::from(a == b),
            OP_NUMNOTEQUAL => i64::from(a != b),
            OP_LESSTHAN => i64::from(a < b),
            OP_GREATERTHAN => i64::from(a > b),
            OP_LESSTHANOREQUAL => i64::from(a <= b),
            OP_GREATERTHANOREQUAL => i64::from(a >= b),
            OP_MIN => a.min(b),
            _ => a.max(b),
        };
        self.push_num(result);
        Ok(())
    }

    /// `x min max -- min <= x < max`.
    pub(super) fn within(&mut self) -> Result<(), ScriptError> {
        self.stack.need(3)?;
        let (x, min, max) = (self.peek_num(2)?, self.peek_num(1)?, self.peek_num(0)?);
        self.stack.drop(3)?;
        self.push_num(i64::from((min..max).contains(&x)));
        Ok(())
    }
}
