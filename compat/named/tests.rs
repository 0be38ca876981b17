use super::place;
use crate::json::{Json, read};
use crate::table::{Arg, Kind, opt, options, req};

const ARGS: &[Arg] = &[
    req("first", Kind::Any),
    opt("second|other", Kind::Any),
    options("third", &[opt("in_a", Kind::Any), opt("in_b", Kind::Any)]),
    opt("fourth", Kind::Any),
];

fn check(given: &str, expected: &str) {
    let Some(Json::Object(fields)) = read(given.as_bytes()) else { panic!("{given}") };
    let placed = match place(ARGS, fields) {
        Ok(values) => Json::List(values).to_string(),
        Err(error) => format!("{} {}", error.code, error.message),
    };
    assert_eq!(placed, expected, "{given}");
}

#[test]
fn named_arguments_find_their_places() {
    check("{}", "[]");
    check(r#"{"first":1}"#, "[1]");
    check(r#"{"fourth":4}"#, "[null,null,null,4]");
    check(r#"{"other":2,"first":1}"#, "[1,2]");
    check(r#"{"third":{"in_a":1}}"#, r#"[null,null,{"in_a":1}]"#);
    check(r#"{"first":1,"in_b":2,"in_a":3}"#, r#"[1,null,{"in_a":3,"in_b":2}]"#);
    check(r#"{"args":[1,2],"fourth":4}"#, "[1,2,null,4]");
    check(r#"{"args":[1]}"#, "[1]");
    check(r#"{"args":[1],"in_a":3}"#, r#"[1,null,{"in_a":3}]"#);
}

#[test]
fn what_fits_no_place_is_said() {
    check(r#"{"x":1}"#, "-8 Unknown named parameter x");
    check(r#"{"args":1}"#, "-8 Unknown named parameter args");
    check(r#"{"first":1,"first":2}"#, "-8 Parameter first specified multiple times");
    check(
        r#"{"args":[1],"first":2}"#,
        "-8 Parameter first specified twice both as positional and named argument",
    );
    check(
        r#"{"args":[1,2],"other":2}"#,
        "-8 Parameter second|other specified twice both as positional and named argument",
    );
    check(r#"{"third":{},"in_a":1}"#, "-8 Parameter third conflicts with parameter in_a");
}
