//! What a path says: pure parsing of a stranger's text.

use bitcoin::hex::FromHex;

/// How an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Bytes.
    Bin,
    /// Bytes in hex, and a line feed.
    Hex,
    /// JSON.
    Json,
    /// None of them.
    Unknown,
}

/// What follows a path's prefix, without its query and its ending; and what the ending says.
pub(super) fn split(rest: &str) -> (&str, Format) {
    let plain = rest.rsplit_once('?').map_or(rest, |(path, _)| path);
    match plain.rsplit_once('.') {
        Some((name, "bin")) => (name, Format::Bin),
        Some((name, "hex")) => (name, Format::Hex),
        Some((name, "json")) => (name, Format::Json),
        Some((name, "")) => (name, Format::Unknown),
        _ => (plain, Format::Unknown),
    }
}

/// A parameter of the query, decoded; the first of that name.
pub(super) fn query(target: &str, wanted: &str) -> Option<String> {
    let (_, query) = target.split_once('?')?;
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    query.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name) == wanted).then(|| decoded(value))
    })
}

/// `%41` is `A`; a `%` that no two digits follow stands for itself.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.split_at_checked(2).filter(|_| *first == b'%');
        let escaped = digits.and_then(|(digits, behind)| Some((hex_byte(digits)?, behind)));
        let (byte, behind) = escaped.unwrap_or((*first, behind));
        bytes.push(byte);
        rest = behind;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let [high, low] = digits else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?).ok()
}

/// 32 bytes that are written with the last one first; of exactly 64 digits.
pub(super) fn hash(typed: &str) -> Option<[u8; 32]> {
    let mut bytes = <[u8; 32]>::from_hex(typed).ok()?;
    bytes.reverse();
    Some(bytes)
}

/// A number of digits alone.
pub(super) fn number<T: std::str::FromStr>(typed: &str) -> Option<T> {
    let plain = !typed.is_empty() && typed.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| typed.parse().ok()).flatten()
}

/// Bytes in hex, with spaces between them or not; none of what is anything else.
pub(super) fn loose_hex(typed: &[u8]) -> Vec<u8> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
    let mut rest = typed;
    let mut bytes = Vec::with_capacity(typed.len() / 2);
    while let Some((first, behind)) = rest.split_first() {
        if is_space(first) {
            rest = behind;
            continue;
        }
        let Some((digits, behind)) = rest.split_at_checked(2) else { return Vec::new() };
        let Some(byte) = hex_byte(digits) else { return Vec::new() };
        bytes.push(byte);
        rest = behind;
    }
    bytes
}

/// What of a text may be said again, as Core filters it.
pub(super) fn sanitized(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "!*'();:@&=+$,/?#[]-_.~%".contains(*c)).collect()
}
