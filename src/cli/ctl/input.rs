use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use bitcoin::hex::FromHex;

use super::CtlError;

/// Bytes that a file named on the command line may have: a transaction or block of 4,000,000 weight has at most 4,000,000
/// bytes, twice that in hex, and a line's end.
const FILE_BYTES_MAX: u64 = 8_000_100;

/// A whole file, if it is not larger than any that makes sense here.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, CtlError> {
    let named = |source| CtlError::Unreadable { path: path.display().to_string(), source };
    let file = File::open(path).map_err(named)?;
    bounded(file, &path.display().to_string(), named)
}

/// A transaction or a block from a file (raw or hex), from hex, or from standard input.
pub(super) fn bytes(argument: &str) -> Result<Vec<u8>, CtlError> {
    let bytes = if argument == "-" {
        let named = |source| CtlError::Unreadable { path: "standard input".to_owned(), source };
        bounded(io::stdin(), "standard input", named)?
    } else if let Ok(bytes) = Vec::from_hex(argument) {
        return Ok(bytes);
    } else if Path::new(argument).exists() {
        read(Path::new(argument))?
    } else {
        return Err(CtlError::NotHex(argument.to_owned()));
    };
    // Hex is text; a raw transaction or block begins with its version, which is not.
    match std::str::from_utf8(&bytes).ok().and_then(|text| Vec::from_hex(text.trim()).ok()) {
        Some(decoded) => Ok(decoded),
        None => Ok(bytes),
    }
}

fn bounded(
    source: impl Read,
    name: &str,
    named: impl Fn(io::Error) -> CtlError,
) -> Result<Vec<u8>, CtlError> {
    let mut bytes = Vec::new();
    let read = source.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(named)?;
    match u64::try_from(read) {
        Ok(read) if read <= FILE_BYTES_MAX => Ok(bytes),
        _ => Err(CtlError::TooLong(name.to_owned())),
    }
}
