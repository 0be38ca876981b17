//! A message: its length in four bytes, little-endian, then so many bytes.

use std::io::{self, Read, Write};

/// The longest message: a block of four million bytes with its spent outputs.
pub(crate) const MESSAGE_BYTES_MAX: u32 = 64 << 20;

/// Answers each message with one; ends with the input. What was answered is flushed when nothing more is to be read at
/// once, so that cases may be sent in batches.
pub(crate) fn serve(
    mut input: impl Read,
    mut output: impl Write,
    mut answer: impl FnMut(Vec<u8>) -> Vec<u8>,
) -> io::Result<()> {
    while let Some(message) = read(&mut input)? {
        let reply = answer(message);
        let len = u32::try_from(reply.len()).map_err(io::Error::other)?;
        output.write_all(&len.to_le_bytes())?;
        output.write_all(&reply)?;
        output.flush()?;
    }
    Ok(())
}

/// The next message; none where the input has ended between two.
fn read(input: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut len = [0; 4];
    match input.read(&mut len)? {
        0 => return Ok(None),
        some => input.read_exact(len.get_mut(some..).unwrap_or_default())?,
    }
    let len = u32::from_le_bytes(len);
    if len > MESSAGE_BYTES_MAX {
        return Err(io::Error::other(format!("a message of {len} bytes: at most {MESSAGE_BYTES_MAX}")));
    }
    let mut message = Vec::new();
    let got = input.take(u64::from(len)).read_to_end(&mut message)?;
    match u32::try_from(got) {
        Ok(got) if got == len => Ok(Some(message)),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
