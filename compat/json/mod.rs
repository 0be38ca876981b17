//! A JSON value that keeps the order of its fields, read by serde, written as Core writes.

mod hex;
mod number;
mod read;
mod text;
mod write;

use std::borrow::Cow;

use axum::body::Bytes;
use bitcoin::Amount;
use bitcoin::hashes::Hash;

pub(crate) use hex::text as hex_text;
pub(crate) use read::{commas, read};
pub(crate) use text::Text;

/// A field's name: most are ours, known when we are built.
pub(crate) type Name = Cow<'static, str>;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Satoshis, printed as bitcoins with eight decimals.
    Amount(i64),
    /// Any other number, printed with 16 significant digits.
    Double(f64),
    /// A text.
    Str(Cow<'static, str>),
    /// Bytes, printed in hex; never read.
    Hex(Vec<u8>),
    /// What has been written before, as it stands; never read.
    Written(Box<Bytes>),
    /// A list.
    List(Vec<Json>),
    /// Fields in their order.
    Object(Vec<(Name, Json)>),
}

/// Fields in this order.
pub fn object<N: Into<Name>>(fields: impl IntoIterator<Item = (N, Json)>) -> Json {
    Json::Object(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

impl Json {
    /// The type's name as Core's errors have it.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "bool",
            Json::Int(_) | Json::Amount(_) | Json::Double(_) => "number",
            Json::Str(_) | Json::Hex(_) => "string",
            Json::List(_) | Json::Written(_) => "array",
            Json::Object(_) => "object",
        }
    }

    /// A field of an object; none of anything else.
    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(fields) => fields.iter().find(|(n, _)| n == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text of a text.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Json::Str(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        *self == Json::Null
    }

    /// Anything that prints itself, as a text.
    pub(crate) fn text(value: impl ToString) -> Json {
        Json::Str(Cow::Owned(value.to_string()))
    }

    /// Bytes in hex, as a text.
    pub(crate) fn hex(bytes: &[u8]) -> Json {
        Json::Str(Cow::Owned(hex::text(bytes)))
    }

    /// A hash in hex as it is shown: its last byte first.
    pub(crate) fn hash(hash: impl Hash<Bytes = [u8; 32]>) -> Json {
        let mut bytes = *hash.as_byte_array();
        bytes.reverse();
        Json::hex(&bytes)
    }

    /// What has been written before.
    pub(crate) fn written(bytes: &Bytes) -> Json {
        Json::Written(Box::new(bytes.clone()))
    }

    /// Changes a field of an object where there is a new value.
    pub(crate) fn set(&mut self, name: &str, value: Option<Json>) {
        let Json::Object(fields) = self else { return };
        if let (Some((_, old)), Some(new)) = (fields.iter_mut().find(|(n, _)| n == name), value) {
            *old = new;
        }
    }

    /// Adds a field to an object; to anything else nothing.
    pub(crate) fn push(&mut self, name: impl Into<Name>, value: impl Into<Json>) {
        if let Json::Object(fields) = self {
            fields.push((name.into(), value.into()));
        }
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Json {
        Json::Bool(value)
    }
}

impl From<f64> for Json {
    fn from(value: f64) -> Json {
        Json::Double(value)
    }
}

impl From<Amount> for Json {
    fn from(value: Amount) -> Json {
        Json::Amount(i64::try_from(value.to_sat()).unwrap_or(i64::MAX))
    }
}

macro_rules! whole {
    ($($from:ty),*) => {$(
        impl From<$from> for Json {
            /// What no field of ours reaches stays at the largest number.
            fn from(value: $from) -> Json {
                Json::Int(i64::try_from(value).unwrap_or(i64::MAX))
            }
        }
    )*};
}

whole!(u8, u16, u32, u64, usize, i32, i64);

impl From<&'static str> for Json {
    fn from(value: &'static str) -> Json {
        Json::Str(Cow::Borrowed(value))
    }
}

impl From<String> for Json {
    fn from(value: String) -> Json {
        Json::Str(Cow::Owned(value))
    }
}

impl<T: Into<Json>> From<Vec<T>> for Json {
    fn from(values: Vec<T>) -> Json {
        Json::List(values.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests;
