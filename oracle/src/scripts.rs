//! Mode `scripts`: may this input spend its output under these flags?
//!
//! A message is groups, one behind the other until it ends; numbers are little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 4, n | the transaction's length; the transaction in BIP144's encoding |
//! | 4 | how many outputs it spends; then for each: |
//! | 8, 4, n | its amount in satoshis, signed; the length of its script; the script |
//! | 4 | how many questions; then for each: |
//! | 4, 4 | the index of the input; the flags as Core's script/interpreter.h numbers them |
//!
//! The answer is a byte for each question, in order: 1 for yes, 0 for no, 2 where the transaction does not decode. An
//! index that is not there and flags that the library does not take are errors.

use std::io;

use bitcoinkernel::core::verify::ScriptVerifyError;
use bitcoinkernel::{KernelError, PrecomputedTransactionData, ScriptPubkey, Transaction, TxOut, verify};

use crate::frames::Answer;

const NO: u8 = 0;
const YES: u8 = 1;
const NO_TRANSACTION: u8 = 2;

/// Answers messages of this mode; it takes no arguments.
pub(crate) fn mode(_arguments: &[String]) -> io::Result<Answer> {
    Ok(Box::new(|message| {
        let (mut rest, mut verdicts) = (Reader(message), Vec::new());
        while !rest.0.is_empty() {
            group(&mut rest, &mut verdicts)?;
        }
        Ok(verdicts)
    }))
}

fn group(rest: &mut Reader<'_>, verdicts: &mut Vec<u8>) -> io::Result<()> {
    let tx = Transaction::new(rest.bytes()?).ok();
    let mut prevouts = Vec::new();
    for _ in 0..rest.number()? {
        let amount = i64::from_le_bytes(rest.array()?);
        let script = ScriptPubkey::new(rest.bytes()?).map_err(io::Error::other)?;
        prevouts.push((TxOut::new(&script, amount), script, amount));
    }
    let outputs: Vec<_> = prevouts.iter().map(|(output, _, _)| output.as_ref()).collect();
    let context = match &tx {
        Some(tx) => Some((tx, PrecomputedTransactionData::new(tx, &outputs).map_err(io::Error::other)?)),
        None => None,
    };
    for _ in 0..rest.number()? {
        let (input, flags) = (rest.number()?, rest.number()?);
        let input = usize::try_from(input).map_err(io::Error::other)?;
        let Some((tx, data)) = &context else {
            verdicts.push(NO_TRANSACTION);
            continue;
        };
        let Some((_, script, amount)) = prevouts.get(input) else {
            return Err(io::Error::other(format!("a question about input {input}, which is not there")));
        };
        verdicts.push(match verify(script, Some(*amount), *tx, input, Some(flags), data) {
            Ok(()) => YES,
            Err(KernelError::ScriptVerify(ScriptVerifyError::Invalid)) => NO,
            Err(error) => return Err(io::Error::other(format!("flags {flags:#x}: {error}"))),
        });
    }
    Ok(())
}

/// What of a message has not been read.
struct Reader<'m>(&'m [u8]);

impl<'m> Reader<'m> {
    fn take(&mut self, len: usize) -> io::Result<&'m [u8]> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        self.take(N)?.try_into().map_err(io::Error::other)
    }

    fn number(&mut self) -> io::Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Bytes behind their number.
    fn bytes(&mut self) -> io::Result<&'m [u8]> {
        let len = usize::try_from(self.number()?).map_err(io::Error::other)?;
        self.take(len)
    }
}
