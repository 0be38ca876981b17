//! `rpc.discover`: every method as an OpenRPC document, made from the table that calls are checked by.

use crate::json::{Json, Name, object};
use crate::table::{Arg, Kind, Method};

/// The version of OpenRPC that the document keeps to.
const OPENRPC: &str = "1.3.2";

/// All methods, by name.
pub(crate) fn document(methods: &[&'static Method], version: &str) -> Json {
    let mut methods = methods.to_vec();
    methods.sort_by_key(|method| method.name);
    let info = object([
        ("title", Json::from("Adit, JSON-RPC as Bitcoin Core's clients know it")),
        ("version", Json::from(version.to_owned())),
    ]);
    object([
        ("openrpc", Json::from(OPENRPC)),
        ("info", info),
        ("methods", Json::List(methods.into_iter().map(shown).collect())),
    ])
}

fn shown(method: &'static Method) -> Json {
    let tag = object([("name", Json::from(method.category.title()))]);
    // What a method answers is told by its text: no schema says less than anything.
    let result = object([("name", Json::from("result")), ("schema", object::<Name>([]))]);
    object([
        ("name", Json::from(method.name)),
        ("description", Json::from(method.text)),
        ("tags", Json::List(vec![tag])),
        ("paramStructure", Json::from("either")),
        ("params", Json::List(method.args.iter().map(param).collect())),
        ("result", result),
    ])
}

fn param(arg: &Arg) -> Json {
    let mut shown = object([
        ("name", Json::from(arg.first_name())),
        ("required", Json::from(arg.required)),
        ("schema", schema(arg)),
    ]);
    let others: Vec<Json> = arg.names.split('|').skip(1).map(Json::text).collect();
    if !others.is_empty() {
        shown.push("x-other-names", Json::List(others));
    }
    shown
}

fn schema(arg: &Arg) -> Json {
    let of_type = |name: &'static str| object([("type", Json::from(name))]);
    match arg.kind {
        Kind::Str => of_type("string"),
        Kind::Num => of_type("number"),
        Kind::Bool => of_type("boolean"),
        Kind::List => of_type("array"),
        Kind::Amount => {
            let types = ["number", "string"].map(Json::from);
            object([("type", Json::List(types.to_vec()))])
        }
        Kind::Any => object::<Name>([]),
        Kind::Obj | Kind::Options => {
            let mut shown = of_type("object");
            if !arg.inner.is_empty() {
                let fields = arg.inner.iter().map(|inner| (inner.first_name(), schema(inner)));
                shown.push("properties", object(fields));
            }
            shown
        }
    }
}

#[cfg(test)]
mod tests;
