//! What `help` prints.

use crate::table::{Arg, Category, Kind, Method};

fn shown(arg: &Arg) -> String {
    let name = arg.first_name();
    match arg.kind {
        Kind::Str => format!("\"{name}\""),
        Kind::Obj | Kind::Options => format!("{{{name}}}"),
        Kind::List => format!("[{name}]"),
        Kind::Num | Kind::Bool | Kind::Amount | Kind::Any => name.to_owned(),
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
