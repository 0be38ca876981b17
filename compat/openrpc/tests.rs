use std::collections::BTreeSet;

use super::document;
use crate::fixtures::House;
use crate::json::Json;

fn text<'a>(value: &'a Json, field: &str) -> &'a str {
    value.get(field).and_then(Json::as_str).unwrap_or_else(|| panic!("no {field}: {value}"))
}

#[test]
fn it_names_every_method_with_what_it_takes() {
    let all = crate::methods::all();
    let shown = document(&all, "1.2.3");
    // As whoever reads it does: by a library for JSON that is not ours.
    let read: serde_json::Value = serde_json::from_str(&shown.to_string()).unwrap();
    assert!(read["openrpc"].as_str().unwrap().starts_with("1."));
    assert_eq!(read["info"]["version"], "1.2.3");
    let Some(Json::List(methods)) = shown.get("methods") else { panic!("{shown}") };
    let names: BTreeSet<&str> = methods.iter().map(|method| text(method, "name")).collect();
    assert_eq!((names.len(), methods.len()), (all.len(), all.len()));
    for method in &all {
        let row = methods.iter().find(|row| text(row, "name") == method.name).unwrap();
        assert_eq!(text(row, "description"), method.text);
        let Some(Json::List(params)) = row.get("params") else { panic!("{row}") };
        let wanted: Vec<&str> = method.args.iter().map(|arg| arg.first_name()).collect();
        assert_eq!(params.iter().map(|param| text(param, "name")).collect::<Vec<_>>(), wanted);
        assert!(params.iter().all(|param| param.get("schema").is_some()), "{row}");
        assert!(row.get("result").is_some());
    }
}

/// A value of the first type that a schema names; any where it names none.
fn sample(schema: &Json) -> Json {
    let named = match schema.get("type") {
        Some(Json::List(types)) => types.first().and_then(Json::as_str),
        other => other.and_then(Json::as_str),
    };
    match named {
        Some("string") | None => Json::from("x"),
        Some("number") => Json::from(1),
        Some("boolean") => Json::from(true),
        Some("array") => Json::List(Vec::new()),
        Some("object") => Json::Object(Vec::new()),
        Some(other) => panic!("{other} is no type"),
    }
}

#[test]
fn what_it_says_of_parameters_is_what_a_method_takes() {
    let all = crate::methods::all();
    let shown = document(&all, "1");
    let Some(Json::List(rows)) = shown.get("methods") else { panic!("{shown}") };
    for method in &all {
        let row = rows.iter().find(|row| text(row, "name") == method.name).unwrap();
        let Some(Json::List(params)) = row.get("params") else { panic!("{row}") };
        let named = |param: &Json, value: Json| (Json::text(text(param, "name")), value);
        let given = |params: &[(Json, Json)]| {
            let fields =
                params.iter().map(|(name, value)| (name.as_str().unwrap().to_owned().into(), value.clone()));
            crate::named::place(method.args, fields.collect()).and_then(|placed| method.check(&placed))
        };
        let fields: Vec<_> = params.iter().map(|p| named(p, sample(p.get("schema").unwrap()))).collect();
        // All of them by name; those alone that must be there; each one of another type.
        assert_eq!(given(&fields), Ok(()), "{}", method.name);
        let needed = params.iter().zip(&fields).filter(|(p, _)| p.get("required") == Some(&Json::from(true)));
        let needed: Vec<_> = needed.map(|(_, field)| field.clone()).collect();
        assert_eq!(given(&needed), Ok(()), "{}", method.name);
        for (at, param) in params.iter().enumerate() {
            let mut wrong = fields.clone();
            let is_list = fields[at].1 == Json::List(Vec::new());
            wrong[at].1 = if is_list { Json::Object(Vec::new()) } else { Json::List(Vec::new()) };
            let schema = param.get("schema").unwrap();
            let is_typed = matches!(schema.get("type"), Some(Json::Str(_)));
            assert_eq!(given(&wrong).is_err(), is_typed, "{} {param}", method.name);
            // Other names, and the fields of options, are names of their own.
            let mut others: Vec<(Json, Json)> = Vec::new();
            if let Some(Json::List(names)) = param.get("x-other-names") {
                others.extend(names.iter().map(|name| (name.clone(), fields[at].1.clone())));
            }
            if method.args[at].kind == crate::table::Kind::Options
                && let Some(Json::Object(properties)) = schema.get("properties")
            {
                others.extend(properties.iter().map(|(name, schema)| (Json::text(name), sample(schema))));
            }
            for other in others {
                let mut named = fields.clone();
                named[at] = other;
                assert_eq!(given(&named), Ok(()), "{} {:?}", method.name, named[at]);
            }
        }
    }
}

#[test]
fn whoever_may_call_is_told() {
    let house = House::start();
    let shown = house.client().call("rpc.discover", "[]");
    assert_eq!(shown, document(&crate::methods::all(), env!("CARGO_PKG_VERSION")));
}
