//! The arguments of a call, as a method takes them.

use bitcoin::hashes::Hash;
use bitcoin::hex::FromHex;
use bitcoin::{BlockHash, Txid};

use crate::error::RpcError;
use crate::json::Json;

/// The arguments in their places. Number and types have been looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<Json>);

impl Params {
    pub(crate) fn new(values: Vec<Json>) -> Params {
        Params(values)
    }

    /// The argument at a place; null where there is none.
    pub(crate) fn get(&self, place: usize) -> &Json {
        self.0.get(place).unwrap_or(&Json::Null)
    }

    /// How many were given.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them.
    pub(crate) fn values(&self) -> &[Json] {
        &self.0
    }

    pub(crate) fn str(&self, place: usize) -> Result<&str, RpcError> {
        text(self.get(place))
    }

    pub(crate) fn opt_str(&self, place: usize) -> Result<Option<&str>, RpcError> {
        self.given(place).map(text).transpose()
    }

    pub(crate) fn bool_or(&self, place: usize, otherwise: bool) -> Result<bool, RpcError> {
        self.given(place).map_or(Ok(otherwise), boolean)
    }

    /// A whole number that fits what is asked for.
    pub(crate) fn int<T: TryFrom<i64>>(&self, place: usize) -> Result<T, RpcError> {
        int(self.get(place))
    }

    pub(crate) fn opt_int<T: TryFrom<i64>>(&self, place: usize) -> Result<Option<T>, RpcError> {
        self.given(place).map(int).transpose()
    }

    pub(crate) fn block_hash(&self, place: usize, name: &str) -> Result<BlockHash, RpcError> {
        Ok(BlockHash::from_byte_array(hash(self.get(place), name)?))
    }

    pub(crate) fn txid(&self, place: usize, name: &str) -> Result<Txid, RpcError> {
        Ok(Txid::from_byte_array(hash(self.get(place), name)?))
    }

    /// `0`, `1`, ... or `false`, `true`.
    pub(crate) fn verbosity(&self, place: usize, otherwise: i32, or_bool: bool) -> Result<i32, RpcError> {
        match self.get(place) {
            Json::Null => Ok(otherwise),
            Json::Bool(_) if !or_bool => {
                Err(RpcError::wrong_type("Verbosity was boolean but only integer allowed"))
            }
            Json::Bool(verbose) => Ok(i32::from(*verbose)),
            number => int(number),
        }
    }

    /// The argument at a place, if there is one that is not null.
    pub(crate) fn given(&self, place: usize) -> Option<&Json> {
        self.0.get(place).filter(|value| !value.is_null())
    }
}

fn not_a(value: &Json, expected: &str) -> RpcError {
    let got = value.type_name();
    RpcError::wrong_type(format!("JSON value of type {got} is not of expected type {expected}"))
}

/// A value's text.
pub(crate) fn text(value: &Json) -> Result<&str, RpcError> {
    value.as_str().ok_or_else(|| not_a(value, "string"))
}

pub(crate) fn boolean(value: &Json) -> Result<bool, RpcError> {
    match value {
        Json::Bool(value) => Ok(*value),
        other => Err(not_a(other, "bool")),
    }
}

pub(crate) fn list(value: &Json) -> Result<&[Json], RpcError> {
    match value {
        Json::List(items) => Ok(items),
        other => Err(not_a(other, "array")),
    }
}

pub(crate) fn fields(value: &Json) -> Result<&[(crate::json::Name, Json)], RpcError> {
    match value {
        Json::Object(fields) => Ok(fields),
        other => Err(not_a(other, "object")),
    }
}

/// A whole number that fits.
pub(crate) fn int<T: TryFrom<i64>>(value: &Json) -> Result<T, RpcError> {
    let whole = match value {
        Json::Int(number) => T::try_from(*number).ok(),
        Json::Double(_) | Json::Amount(_) => None,
        other => return Err(not_a(other, "number")),
    };
    whole.ok_or_else(|| RpcError::misc("JSON integer out of range"))
}

/// A number, whole or not.
pub(crate) fn real(value: &Json) -> Result<f64, RpcError> {
    match value {
        Json::Double(number) => Ok(*number),
        // As it is written: a number of 64 bits has a nearest double.
        Json::Int(number) => number.to_string().parse().map_err(|_| not_a(value, "number")),
        other => Err(not_a(other, "number")),
    }
}

/// 32 bytes that are written with the last one first.
pub(crate) fn hash(value: &Json, name: &str) -> Result<[u8; 32], RpcError> {
    let typed = text(value)?;
    if typed.len() != 64 {
        let text = format!("{name} must be of length 64 (not {}, for '{typed}')", typed.len());
        return Err(RpcError::invalid_parameter(text));
    }
    let mut bytes = <[u8; 32]>::from_hex(typed).map_err(|_| not_hex(name, typed))?;
    bytes.reverse();
    Ok(bytes)
}

fn not_hex(name: &str, typed: &str) -> RpcError {
    RpcError::invalid_parameter(format!("{name} must be hexadecimal string (not '{typed}')"))
}

/// Bytes, which are at least one.
pub(crate) fn bytes(value: &Json, name: &str) -> Result<Vec<u8>, RpcError> {
    let typed = value.as_str().unwrap_or_default();
    let bytes = Vec::from_hex(typed).ok().filter(|_| !typed.is_empty());
    bytes.ok_or_else(|| not_hex(name, typed))
}

/// Decimals of a bitcoin.
const COIN_DECIMALS: u32 = 8;
/// No amount is above 21 million bitcoins.
const SAT_MAX: i64 = 2_100_000_000_000_000;

/// Satoshis of a number of bitcoins, or of a text with one.
pub(crate) fn amount(value: &Json) -> Result<u64, RpcError> {
    let typed = match value {
        Json::Str(text) => text.clone().into_owned(),
        Json::Int(number) => number.to_string(),
        // The shortest text that means this double: what was typed, for up to 15 digits, which amounts do not exceed.
        Json::Double(number) => number.to_string(),
        _ => return Err(RpcError::wrong_type("Amount is not a number or string")),
    };
    let sat = fixed_point(&typed).ok_or_else(|| RpcError::wrong_type("Invalid amount"))?;
    let range = |sat: i64| u64::try_from(sat).ok().filter(|_| sat <= SAT_MAX);
    range(sat).ok_or_else(|| RpcError::wrong_type("Amount out of range"))
}

/// `-12.5e-3` in steps of 10^-8; none where it is no number, or has more decimals.
fn fixed_point(typed: &str) -> Option<i64> {
    let (negative, digits) = typed.strip_prefix('-').map_or((false, typed), |rest| (true, rest));
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (whole, part) = mantissa.split_once('.').map_or((mantissa, None), |(w, p)| (w, Some(p)));
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let leading = whole.len() > 1 && whole.starts_with('0');
    if leading || !plain(whole) || !part.is_none_or(plain) {
        return None;
    }
    let part = part.unwrap_or_default().trim_end_matches('0');
    let exponent: i32 = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
    let places = i32::try_from(part.len()).ok()?;
    let shift = exponent.checked_add(i32::try_from(COIN_DECIMALS).ok()?)?.checked_sub(places)?;
    let number: i128 = format!("{whole}{part}").parse().ok()?;
    let scale = 10i128.checked_pow(shift.unsigned_abs());
    let scaled = match (number, shift) {
        (0, _) => 0,
        (_, 0..) => number.checked_mul(scale?)?,
        _ => number.checked_div(scale?).filter(|q| q.checked_mul(scale.unwrap_or(0)) == Some(number))?,
    };
    i64::try_from(if negative { scaled.checked_neg()? } else { scaled }).ok()
}

#[cfg(test)]
mod tests;
