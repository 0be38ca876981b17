use serde_json::json;

use super::{Value, is_yes, number};

#[test]
fn a_switch_is_off_only_by_a_number_that_is_0_or_by_a_word() {
    let check = |text: &str, yes: bool| assert_eq!(is_yes(text), yes, "{text:?}");
    for (text, yes) in
        [("", true), ("1", true), ("2", true), ("-1", true), ("0", false), ("true", false), ("no", false)]
    {
        check(text, yes);
    }
}

#[test]
fn a_number_is_what_a_text_begins_with() {
    let check = |text: &str, wanted: i64| assert_eq!(number(text), wanted, "{text:?}");
    for (text, wanted) in [
        ("12", 12),
        (" 12 ", 12),
        ("+12", 12),
        ("-12", -12),
        ("12x", 12),
        ("x12", 0),
        ("", 0),
        ("+-1", 0),
        ("--1", 0),
    ] {
        check(text, wanted);
    }
    check("99999999999999999999", i64::MAX);
    check("-99999999999999999999", i64::MIN);
}

#[test]
fn values_of_json_read_as_those_of_a_line() {
    let check = |json, text: &str, yes: bool, number: i64| {
        let value = Value::of_json(json);
        assert_eq!((value.text().as_str(), value.is_yes(), value.number()), (text, yes, number));
    };
    check(json!(true), "1", true, 1);
    check(json!(false), "0", false, 0);
    check(json!("7"), "7", true, 7);
    check(json!(7), "7", true, 7);
    check(json!({"a": 1}), "{\"a\":1}", false, 0);
    for json in [json!(true), json!(false), json!("a"), json!(3), json!([1])] {
        assert_eq!(Value::of_json(json.clone()).to_json(), json);
    }
}
