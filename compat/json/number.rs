//! Numbers as Core prints them.

use std::io::Write;

/// Satoshis of a bitcoin.
const COIN: u64 = 100_000_000;
/// Significant digits of a number that is not whole.
const DIGITS: usize = 16;

/// `-0.00000001`: eight decimals, never an exponent.
pub(super) fn amount(sat: i64, out: &mut Vec<u8>) {
    let sign = if sat < 0 { "-" } else { "" };
    let (whole, part) = (sat.unsigned_abs() / COIN, sat.unsigned_abs() % COIN);
    // Writing to memory does not fail.
    let _ = write!(out, "{sign}{whole}.{part:08}");
}

/// As C's `%.16g`: the shorter of both forms by its rules, without zeros at the end.
pub(super) fn double(value: f64, out: &mut Vec<u8>) {
    let scientific = format!("{value:.*e}", DIGITS - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        // Neither infinity nor what is no number has a place in JSON.
        return out.push(b'0');
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    out.extend_from_slice(sign.as_bytes());
    match usize::try_from(exponent) {
        Ok(behind @ ..DIGITS) => {
            // There are as many digits as that at least.
            let (whole, part) = rest.split_at_checked(behind).unwrap_or((rest, ""));
            put([first, whole], part, out);
        }
        Err(_) if exponent >= -4 => {
            let zeros = usize::try_from(exponent.unsigned_abs()).unwrap_or(1).saturating_sub(1);
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', zeros));
            let digits = [first, rest].concat();
            out.extend_from_slice(digits.trim_end_matches('0').as_bytes());
        }
        _ => {
            put([first, ""], rest, out);
            let sign = if exponent < 0 { '-' } else { '+' };
            // Writing to memory does not fail.
            let _ = write!(out, "e{sign}{:02}", exponent.unsigned_abs());
        }
    }
}

/// Digits, and behind a point those that are not zeros to the end.
fn put(whole: [&str; 2], part: &str, out: &mut Vec<u8>) {
    whole.iter().for_each(|digits| out.extend_from_slice(digits.as_bytes()));
    let part = part.trim_end_matches('0');
    if !part.is_empty() {
        out.push(b'.');
        out.extend_from_slice(part.as_bytes());
    }
}
