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

#[test]
fn whoever_may_call_is_told() {
    let house = House::start();
    let shown = house.client().call("rpc.discover", "[]");
    assert_eq!(shown, document(&crate::methods::all(), env!("CARGO_PKG_VERSION")));
}
