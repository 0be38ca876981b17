//! Reading, by serde_json: it bounds the depth (128), and its numbers round to the nearest double.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Json, Name};

/// Commas of a text at most: there is a value for each, of 32 bytes, and as much again for its name, so that they take 200 MB.
const COMMAS_MAX: usize = 2_000_000;

/// How many commas a text has, within its texts too.
pub(crate) fn commas(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b',').count()
}

/// A whole text as a value; none where it is not JSON, or has more than [`COMMAS_MAX`].
pub(crate) fn read(bytes: &[u8]) -> Option<Json> {
    if commas(bytes) > COMMAS_MAX {
        return None;
    }
    serde_json::from_slice(bytes).ok()
}

struct Build;

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Json, D::Error> {
        from.deserialize_any(Build)
    }
}

impl<'de> Visitor<'de> for Build {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Int(value))
    }

    /// Beyond an i64 only its size counts: no parameter of ours takes it.
    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        #[expect(clippy::as_conversions, reason = "to the nearest double, as the text's other numbers")]
        let nearest = || Json::Double(value as f64);
        Ok(i64::try_from(value).map_or_else(|_| nearest(), Json::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Double(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Str(Cow::Owned(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Str(Cow::Owned(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut fields = Vec::new();
        while let Some((FieldName(name), value)) = map.next_entry()? {
            fields.push((name, value));
        }
        Ok(Json::Object(fields))
    }
}

/// The names that every call has.
const CALL: [&str; 4] = ["method", "params", "id", "jsonrpc"];

/// A field's name: those of a call are ours already.
struct FieldName(Name);

impl<'de> Deserialize<'de> for FieldName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<FieldName, D::Error> {
        from.deserialize_str(BuildName)
    }
}

struct BuildName;

impl Visitor<'_> for BuildName {
    type Value = FieldName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<FieldName, E> {
        let ours = CALL.into_iter().find(|ours| *ours == name);
        Ok(FieldName(ours.map_or_else(|| Cow::Owned(name.to_owned()), Cow::Borrowed)))
    }
}
