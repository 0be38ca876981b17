//! What `help` prints.

use crate::json::Json;
use crate::table::{Arg, Category, Kind, Method};

fn shown(arg: &Arg) -> String {
    let name = arg.first_name();
    match (arg.shown, arg.kind) {
        (Some(shown), _) => shown.to_owned(),
        (None, Kind::Str) => format!("\"{name}\""),
        (None, _) => name.to_owned(),
    }
}

/// The method with its parameters, those that may be left out in brackets.
fn usage(method: &Method) -> String {
    let mut line = method.name.to_owned();
    let mut optional = false;
    for arg in method.args.iter().take_while(|arg| !arg.hidden) {
        line.push_str(match (arg.required, optional) {
            (false, false) => " ( ",
            (true, true) => " ) ",
            _ => " ",
        });
        optional = !arg.required;
        line.push_str(&shown(arg));
    }
    if optional {
        line.push_str(" )");
    }
    line
}

/// All there is to say of a method.
pub(crate) fn of(method: &Method) -> String {
    let mut text = format!("{}\n\n{}\n", usage(method), method.text);
    let args: Vec<&Arg> = method.args.iter().take_while(|arg| !arg.hidden).collect();
    if !args.is_empty() {
        text.push_str("\nArguments:\n");
    }
    for (arg, place) in args.into_iter().zip(1..) {
        let need = if arg.required { "required" } else { "optional" };
        text.push_str(&format!("{place}. {} ({}, {need})\n", arg.first_name(), type_word(arg.kind)));
        for inner in arg.inner {
            text.push_str(&format!("     \"{}\" ({})\n", inner.first_name(), type_word(inner.kind)));
        }
    }
    text
}

fn type_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Str => "string",
        Kind::Num => "numeric",
        Kind::Bool => "boolean",
        Kind::Amount => "numeric or string",
        Kind::Any => "any",
        Kind::Obj | Kind::Options => "json object",
        Kind::List => "json array",
    }
}

/// For each argument of each method: the method, its place, its name, and whether it is a text. Core's tests ask for it.
pub(crate) fn conversions(methods: &[&'static Method]) -> Json {
    let mut rows = Vec::new();
    for method in methods {
        for (place, arg) in method.args.iter().enumerate() {
            for arg in std::iter::once(arg).chain(arg.inner) {
                rows.extend(arg.names.split('|').map(|name| {
                    let is_text = Json::from(arg.kind == Kind::Str);
                    Json::List(vec![Json::from(method.name), Json::from(place), Json::from(name), is_text])
                }));
            }
        }
    }
    Json::List(rows)
}

/// Every method that is not hidden, a line each, by category.
pub(crate) fn all(methods: &[&'static Method]) -> String {
    let mut listed: Vec<_> = methods.iter().filter(|m| m.category != Category::Hidden).collect();
    listed.sort_by_key(|m| (m.category, m.name));
    let mut lines: Vec<String> = Vec::new();
    let mut category = None;
    for method in listed {
        if category.replace(method.category) != Some(method.category) {
            if !lines.is_empty() {
                lines.push(String::new());
            }
            lines.push(format!("== {} ==", method.category.title()));
        }
        lines.push(usage(method));
    }
    lines.join("\n")
}
