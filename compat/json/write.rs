//! Writing: no spaces, fields in their order, what a text must not hold escaped.

use std::fmt::{self, Write};

use super::{Json, number};

/// What is still to be written.
enum Rest<'a> {
    Value(&'a Json),
    Text(&'static str),
    Name(&'a str),
}

impl Json {
    /// As one line.
    pub fn write_to(&self, out: &mut String) {
        let mut rest = vec![Rest::Value(self)];
        while let Some(next) = rest.pop() {
            match next {
                Rest::Text(text) => out.push_str(text),
                Rest::Name(name) => {
                    quoted(name, out);
                    out.push(':');
                }
                Rest::Value(Json::List(items)) => open_list(items, &mut rest, out),
                Rest::Value(Json::Object(fields)) => {
                    out.push('{');
                    rest.push(Rest::Text("}"));
                    for (n, (name, value)) in fields.iter().enumerate().rev() {
                        rest.extend([Rest::Value(value), Rest::Name(name)]);
                        rest.extend((n > 0).then_some(Rest::Text(",")));
                    }
                }
                Rest::Value(value) => scalar(value, out),
            }
        }
    }

    /// Bytes that it takes at least: those of its texts, and of the texts in its fields.
    pub(crate) fn length_at_least(&self) -> usize {
        let text = |value: &Json| match value {
            Json::Str(text) => text.len(),
            Json::Written(text) => text.len(),
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
        let line = |(name, value): &(super::Name, Json)| {
            let mut line = "    ".to_owned();
            quoted(name, &mut line);
            let _ = write!(line, ": {value}");
            line
        };
        let lines: Vec<String> = fields.iter().map(line).collect();
        format!("{{\n{}\n}}", lines.join(",\n"))
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        self.write_to(&mut out);
        f.write_str(&out)
    }
}

fn open_list<'a>(items: &'a [Json], rest: &mut Vec<Rest<'a>>, out: &mut String) {
    out.push('[');
    rest.push(Rest::Text("]"));
    for (n, item) in items.iter().enumerate().rev() {
        rest.push(Rest::Value(item));
        rest.extend((n > 0).then_some(Rest::Text(",")));
    }
}

fn scalar(value: &Json, out: &mut String) {
    // Writing to a string does not fail.
    match value {
        Json::Null | Json::List(_) | Json::Object(_) => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Int(number) => {
            let _ = write!(out, "{number}");
        }
        Json::Amount(sat) => number::amount(*sat, out),
        Json::Double(value) => number::double(*value, out),
        Json::Str(text) => quoted(text, out),
        Json::Written(text) => out.push_str(text),
    }
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    // Most texts have nothing to escape; that is seen of many bytes at once.
    let has_escapes = text.bytes().fold(false, |found, byte| found | is_escaped(byte));
    let (plain, mut rest) = if has_escapes { ("", text) } else { (text, "") };
    out.push_str(plain);
    while let Some(at) = rest.find(escapes) {
        let (plain, from) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = from.chars();
        chars.next().into_iter().for_each(|c| escaped(c, out));
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

fn is_escaped(byte: u8) -> bool {
    (byte < b' ') | (byte == b'"') | (byte == b'\\') | (byte == 0x7f)
}

fn escapes(c: char) -> bool {
    u8::try_from(c).is_ok_and(is_escaped)
}

fn escaped(c: char, out: &mut String) {
    let short = match c {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\u{8}' => "\\b",
        '\u{c}' => "\\f",
        other => {
            let _ = write!(out, "\\u{:04x}", u32::from(other));
            return;
        }
    };
    out.push_str(short);
}
