//! The interpreter's stack. Nothing on it is ever allocated: an element is a part of a script or of a witness, or short.

use super::ScriptError;

/// Elements that both stacks may hold together.
pub(super) const STACK_ELEMENTS_MAX: usize = 1000;

/// One element.
#[derive(Clone, Copy, Debug)]
pub(super) enum Element<'a> {
    /// Part of a script or of a witness.
    Slice(&'a [u8]),
    /// The result of an opcode: at most a hash of 32 bytes.
    Short { bytes: [u8; 32], len: u8 },
}

impl<'a> Element<'a> {
    /// What a true comparison pushes.
    pub(super) const TRUE: Element<'static> = Element::Slice(&[1]);
    /// What a false comparison pushes.
    pub(super) const FALSE: Element<'static> = Element::Slice(&[]);

    pub(super) fn from_bool(value: bool) -> Element<'a> {
        if value { Element::TRUE } else { Element::FALSE }
    }

    /// The first `len` of 32 bytes.
    pub(super) fn short(bytes: [u8; 32], len: usize) -> Element<'a> {
        Element::Short { bytes, len: u8::try_from(len.min(32)).unwrap_or_default() }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Element::Slice(slice) => slice,
            Element::Short { bytes, len } => bytes.get(..usize::from(*len)).unwrap_or_default(),
        }
    }

    /// False is zero in any length, also with a sign.
    pub(super) fn is_true(&self) -> bool {
        match self.as_bytes() {
            [body @ .., 0x80] | [body @ .., 0] => body.iter().any(|b| *b != 0),
            [] => false,
            _ => true,
        }
    }
}

/// A stack of elements; reading or popping what is not there is [`ScriptError::InvalidStackOperation`].
#[derive(Clone, Debug, Default)]
pub(super) struct Stack<'a> {
    elements: Vec<Element<'a>>,
}

impl<'a> Stack<'a> {
    pub(super) fn len(&self) -> usize {
        self.elements.len()
    }

    pub(super) fn push(&mut self, element: Element<'a>) {
        self.elements.push(element);
    }

    pub(super) fn pop(&mut self) -> Result<Element<'a>, ScriptError> {
        self.elements.pop().ok_or(ScriptError::InvalidStackOperation)
    }

    /// The element `depth` below the top; 0 is the top.
    pub(super) fn peek(&self, depth: usize) -> Result<Element<'a>, ScriptError> {
        self.index(depth)
            .and_then(|i| self.elements.get(i))
            .copied()
            .ok_or(ScriptError::InvalidStackOperation)
    }

    pub(super) fn need(&self, count: usize) -> Result<(), ScriptError> {
        if self.len() < count { Err(ScriptError::InvalidStackOperation) } else { Ok(()) }
    }

    /// Takes out the element `depth` below the top.
    pub(super) fn remove(&mut self, depth: usize) -> Result<Element<'a>, ScriptError> {
        match self.index(depth) {
            Some(i) => Ok(self.elements.remove(i)),
            None => Err(ScriptError::InvalidStackOperation),
        }
    }

    /// Puts an element under the `depth` elements on top.
    pub(super) fn insert(&mut self, depth: usize, element: Element<'a>) -> Result<(), ScriptError> {
        let i = self.len().checked_sub(depth).ok_or(ScriptError::InvalidStackOperation)?;
        self.elements.insert(i, element);
        Ok(())
    }

    /// Drops `count` elements from the top.
    pub(super) fn drop(&mut self, count: usize) -> Result<(), ScriptError> {
        let left = self.len().checked_sub(count).ok_or(ScriptError::InvalidStackOperation)?;
        self.elements.truncate(left);
        Ok(())
    }

    fn index(&self, depth: usize) -> Option<usize> {
        self.len().checked_sub(depth)?.checked_sub(1)
    }
}

impl<'a> FromIterator<Element<'a>> for Stack<'a> {
    fn from_iter<I: IntoIterator<Item = Element<'a>>>(elements: I) -> Stack<'a> {
        Stack { elements: elements.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests;
