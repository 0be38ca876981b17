use super::{Params, amount, bytes, fields, hash, int, list};
use crate::json::{Json, read};

fn value(text: &str) -> Json {
    read(text.as_bytes()).unwrap()
}

fn check(typed: &str, expected: Result<u64, &str>) {
    assert_eq!(
        amount(&value(typed)).map_err(|error| error.message),
        expected.map_err(str::to_owned),
        "{typed}"
    );
}

#[test]
fn amounts_are_exact() {
    check("0", Ok(0));
    check("1", Ok(100_000_000));
    check("0.1", Ok(10_000_000));
    check("0.00000001", Ok(1));
    check("1e-8", Ok(1));
    check("\"1e-8\"", Ok(1));
    check("\"0.12345678\"", Ok(12_345_678));
    check("20999999.9769", Ok(2_099_999_997_690_000));
    check("20999999.99999999", Ok(2_099_999_999_999_999));
    check("21000000", Ok(2_100_000_000_000_000));
    check("21000000.00000001", Err("Amount out of range"));
    check("-1", Err("Amount out of range"));
    check("0.000000001", Err("Invalid amount"));
    check("\"\"", Err("Invalid amount"));
    check("\"01\"", Err("Invalid amount"));
    check("\"1.\"", Err("Invalid amount"));
    check("\".1\"", Err("Invalid amount"));
    check("\"1e99\"", Err("Invalid amount"));
    check("\" 1\"", Err("Invalid amount"));
    check("true", Err("Amount is not a number or string"));
}

#[test]
fn types_are_named_where_they_are_wrong() {
    let wrong = |error: crate::RpcError| (error.code, error.message);
    let expected =
        |got: &str, want: &str| (-3, format!("JSON value of type {got} is not of expected type {want}"));
    assert_eq!(list(&value("7")).map_err(wrong), Err(expected("number", "array")));
    assert_eq!(fields(&value("[]")).map_err(wrong), Err(expected("array", "object")));
    assert_eq!(int::<i32>(&value("\"a\"")).map_err(wrong), Err(expected("string", "number")));
    assert_eq!(int::<i32>(&value("1.5")).map_err(wrong), Err((-1, "JSON integer out of range".to_owned())));
    assert_eq!(int::<u8>(&value("256")).map_err(wrong), Err((-1, "JSON integer out of range".to_owned())));
    assert_eq!(int::<u8>(&value("255")), Ok(255));
    assert_eq!(
        bytes(&value("\"0g\""), "x").map_err(wrong),
        Err((-8, "x must be hexadecimal string (not '0g')".to_owned()))
    );
    let short = Err((-8, "x must be of length 64 (not 2, for 'aa')".to_owned()));
    assert_eq!(hash(&value("\"aa\""), "x").map_err(wrong), short);
    assert_eq!(hash(&value("null"), "x").map_err(wrong), Err(expected("null", "string")));
}

#[test]
fn verbosity_is_a_number_or_a_word() {
    let params = Params::new(vec![Json::Null, Json::from(true), Json::from(2)]);
    assert_eq!(params.verbosity(0, 1, true), Ok(1));
    assert_eq!(params.verbosity(1, 0, true), Ok(1));
    assert_eq!(params.verbosity(2, 0, true), Ok(2));
    assert_eq!(params.verbosity(1, 0, false).map_err(|error| error.code), Err(-3));
    assert_eq!((params.len(), params.get(7)), (3, &Json::Null));
}
