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
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    out.extend_from_slice(sign.as_bytes());
    if (-4..16).contains(&exponent) {
        fixed(&digits, exponent, out);
    } else {
        out.extend_from_slice(trim(&with_point(&digits, 1)).as_bytes());
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "e{sign}{:02}", exponent.unsigned_abs());
    }
}

fn fixed(digits: &str, exponent: i32, out: &mut Vec<u8>) {
    let shown = match usize::try_from(exponent) {
        Ok(exponent) => with_point(digits, exponent.saturating_add(1)),
        Err(_) => {
            let zeros = usize::try_from(exponent.unsigned_abs()).unwrap_or(0).saturating_sub(1);
            format!("0.{}{digits}", "0".repeat(zeros))
        }
    };
    out.extend_from_slice(trim(&shown).as_bytes());
}

/// The digits with a point behind the first `whole` ones.
fn with_point(digits: &str, whole: usize) -> String {
    let (before, behind) = digits.split_at_checked(whole).unwrap_or((digits, ""));
    format!("{before}.{behind}")
}

fn trim(text: &str) -> &str {
    text.trim_end_matches('0').trim_end_matches('.')
}
