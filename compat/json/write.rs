//! Writing: no spaces, fields in their order, what a text must not hold escaped.

use std::fmt;
use std::io::Write;

use super::{Json, Text, hex, number};

/// What is still to be written.
enum Rest<'a> {
    Value(&'a Json),
    Text(&'static str),
    Name(&'a str),
}

impl Json {
    /// As one line.
    pub(crate) fn write_to(&self, out: &mut Text) {
        let mut rest = vec![Rest::Value(self)];
        while let Some(next) = rest.pop() {
            match next {
                Rest::Text(text) => out.put(text),
                Rest::Name(name) => {
                    quoted(name, out.last());
                    out.put(":");
                }
                Rest::Value(Json::Written(bytes)) => out.share(bytes),
                Rest::Value(Json::List(items)) => open_list(items, &mut rest, out.last()),
                Rest::Value(Json::Object(fields)) => {
                    out.put("{");
                    rest.push(Rest::Text("}"));
                    for (n, (name, value)) in fields.iter().enumerate().rev() {
                        rest.extend([Rest::Value(value), Rest::Name(name)]);
                        rest.extend((n > 0).then_some(Rest::Text(",")));
                    }
                }
                Rest::Value(value) => scalar(value, out.last()),
            }
        }
    }

    /// As one line, in one piece.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Text::with_capacity(self.length_at_least());
        self.write_to(&mut out);
        out.into_bytes()
    }

    /// Bytes that it takes at least: those of its texts, and of the texts in its fields.
    pub(crate) fn length_at_least(&self) -> usize {
        let text = |value: &Json| match value {
            Json::Str(text) => text.len(),
            Json::Hex(bytes) => bytes.len().saturating_mul(2),
            _ => 0,
        };
        match self {
            Json::Object(fields) => {
                fields.iter().map(|(_, value)| text(value)).fold(0, usize::saturating_add)
            }
            other => text(other),
        }
    }

    /// As Core prints it in its errors: four spaces a level. For what is flat.
    pub(crate) fn pretty_flat(&self) -> String {
        let Json::Object(fields) = self else { return self.to_string() };
        let line = |(name, value): &(super::Name, Json)| format!("    {}: {value}", Json::text(name));
        let lines: Vec<String> = fields.iter().map(line).collect();
        format!("{{\n{}\n}}", lines.join(",\n"))
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

fn open_list<'a>(items: &'a [Json], rest: &mut Vec<Rest<'a>>, out: &mut Vec<u8>) {
    out.push(b'[');
    rest.push(Rest::Text("]"));
    for (n, item) in items.iter().enumerate().rev() {
        rest.push(Rest::Value(item));
        rest.extend((n > 0).then_some(Rest::Text(",")));
    }
}

fn scalar(value: &Json, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    match value {
        Json::Null | Json::Written(_) | Json::List(_) | Json::Object(_) => out.extend_from_slice(b"null"),
        Json::Bool(true) => out.extend_from_slice(b"true"),
        Json::Bool(false) => out.extend_from_slice(b"false"),
        Json::Int(number) => drop(write!(out, "{number}")),
        Json::Amount(sat) => number::amount(*sat, out),
        Json::Double(value) => number::double(*value, out),
        Json::Str(text) => quoted(text, out),
        Json::Hex(bytes) => {
            out.push(b'"');
            hex::put(bytes, out);
            out.push(b'"');
        }
    }
}

fn quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    // Most texts have nothing to escape; that is seen of many bytes at once.
    let has_escapes = text.bytes().fold(false, |found, byte| found | is_escaped(byte));
    if has_escapes {
        text.bytes().for_each(|byte| if is_escaped(byte) { escaped(byte, out) } else { out.push(byte) });
    } else {
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
}

fn is_escaped(byte: u8) -> bool {
    (byte < b' ') | (byte == b'"') | (byte == b'\\') | (byte == 0x7f)
}

fn escaped(byte: u8, out: &mut Vec<u8>) {
    let short: &[u8] = match byte {
        b'"' => b"\\\"",
        b'\\' => b"\\\\",
        b'\n' => b"\\n",
        b'\r' => b"\\r",
        b'\t' => b"\\t",
        0x8 => b"\\b",
        0xc => b"\\f",
        // Writing to memory does not fail.
        other => return drop(write!(out, "\\u{other:04x}")),
    };
    out.extend_from_slice(short);
}
