//! The names of an object's fields, so that one that stands there twice is found: what reads JSON keeps the last and says nothing.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};

struct Twice;

impl<'de> Visitor<'de> for Twice {
    type Value = Option<String>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<String>, A::Error> {
        let (mut seen, mut twice) = (BTreeSet::new(), None);
        while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
            if let Some(name) = seen.replace(name) {
                twice.get_or_insert(name);
            }
        }
        Ok(twice)
    }
}

/// The first name that stands twice in an object.
pub(super) fn twice(json: &[u8]) -> Option<String> {
    serde_json::Deserializer::from_slice(json).deserialize_map(Twice).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::twice;

    #[test]
    fn a_name_may_stand_once() {
        let check = |json: &str, wanted: Option<&str>| {
            assert_eq!(twice(json.as_bytes()).as_deref(), wanted, "{json}");
        };
        check("{}", None);
        check(r#"{"a": {"b": 1, "b": 2}, "c": []}"#, None);
        check(r#"{"a": 1, "b": 1, "b": 1, "a": 1}"#, Some("b"));
        check("[1, 1]", None);
        check("{", None);
    }
}
