//! A message: its length in four bytes, little-endian, then so many bytes.

use std::io::{self, Read, Write};

/// The longest message: a block of four million bytes with its spent outputs.
pub(crate) const MESSAGE_BYTES_MAX: u32 = 64 << 20;

/// What a mode says to a message. An error ends the process: a message that makes no sense is the asker's bug.
pub(crate) type Answer = Box<dyn FnMut(&[u8]) -> io::Result<Vec<u8>>>;

/// Answers each message with one, in order; ends with the input. An answer is flushed before the next message is read,
/// so that the asker may wait for it.
pub(crate) fn serve(mut input: impl Read, mut output: impl Write, mut answer: Answer) -> io::Result<()> {
    let mut message = Vec::new();
    while read(&mut input, &mut message)? {
        let reply = answer(&message)?;
        let len = u32::try_from(reply.len()).map_err(io::Error::other)?;
        output.write_all(&len.to_le_bytes())?;
        output.write_all(&reply)?;
        output.flush()?;
    }
    Ok(())
}

/// Reads the next message; false where the input has ended between two.
fn read(input: &mut impl Read, message: &mut Vec<u8>) -> io::Result<bool> {
    let mut len = [0; 4];
    match input.read(&mut len)? {
        0 => return Ok(false),
        some => input.read_exact(len.get_mut(some..).unwrap_or_default())?,
    }
    let len = u32::from_le_bytes(len);
    if len > MESSAGE_BYTES_MAX {
        return Err(io::Error::other(format!("a message of {len} bytes: at most {MESSAGE_BYTES_MAX}")));
    }
    message.clear();
    let got = input.take(u64::from(len)).read_to_end(message)?;
    match u32::try_from(got) {
        Ok(got) if got == len => Ok(true),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
