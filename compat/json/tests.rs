use bitcoin::hashes::Hash;

use super::{Json, object, read};

fn check(value: Json, expected: &str) {
    assert_eq!(value.to_string(), expected);
}

#[test]
fn values_print_as_core_prints_them() {
    check(Json::Null, "null");
    check(Json::Amount(0), "0.00000000");
    check(Json::Amount(1), "0.00000001");
    check(Json::Amount(-1), "-0.00000001");
    check(Json::Amount(5_000_000_000), "50.00000000");
    check(Json::Amount(-2_100_000_000_000_001), "-21000000.00000001");
    check(Json::Double(0.0), "0");
    check(Json::Double(1.0), "1");
    check(Json::Double(4.656542373906925e-10), "4.656542373906925e-10");
    check(Json::Double(0.0001), "0.0001");
    check(Json::Double(0.00001), "1e-05");
    check(Json::Double(0.1), "0.1");
    check(Json::Double(-1.5), "-1.5");
    check(Json::Double(1e16), "1e+16");
    check(Json::Double(123_456_789_012_345.6), "123456789012345.6");
    check(Json::Double(1.0 / 3.0), "0.3333333333333333");
    check(Json::Double(0.02), "0.02");
    check(Json::Double(f64::NAN), "0");
    check(Json::Double(f64::INFINITY), "0");
    check(Json::from("a\"b\\c\n\r\t\u{8}\u{c}\u{1}\u{7f}ü"), "\"a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0001\\u007fü\"");
    check(Json::hex(&[0, 0x1f, 0xa9, 0xff]), "\"001fa9ff\"");
    check(Json::hex(&[]), "\"\"");
    let bytes: [u8; 32] = std::array::from_fn(|n| n as u8);
    let hash = bitcoin::Txid::from_byte_array(bytes);
    check(Json::hash(hash), &format!("\"{hash}\""));
    check(Json::Hex(vec![0x0f, 0xf0]), "\"0ff0\"");
    check(
        Json::Hex((0..=255).chain(0..=44).collect()),
        &Json::hex(&[(0..=255).collect::<Vec<u8>>(), (0..=44).collect()].concat()).to_string(),
    );
    check(Json::written(&"[1,2]".into()), "[1,2]");
    check(Json::from(vec![1, 2]), "[1,2]");
    check(Json::List(vec![]), "[]");
    check(
        object([("b", Json::from(true)), ("a", Json::List(vec![object::<&str>([])]))]),
        r#"{"b":true,"a":[{}]}"#,
    );
}

#[test]
fn what_is_read_is_written_again() {
    for text in ["{\"b\":[1,-2,{\"a\":null}],\"a\":\"x\"}", "[]", "{}", "0.1", "-9223372036854775808", "true"]
    {
        assert_eq!(read(text.as_bytes()).unwrap().to_string(), text);
    }
}

#[test]
fn numbers_beyond_ours_keep_their_size() {
    assert_eq!(read(b"18446744073709551615"), Some(Json::Double(18_446_744_073_709_551_615.0)));
    assert_eq!(read(b"1e3"), Some(Json::Double(1000.0)));
}

#[test]
fn what_is_not_json_is_refused() {
    let deep = [vec![b'['; 200], vec![b']'; 200]].concat();
    let many = [b"[".to_vec(), b"1,".repeat(2_000_001), b"1]".to_vec()].concat();
    assert_eq!(read(&many), None);
    for bytes in [b"".as_slice(), b"{", b"[1,]", b"nul", b"1 2", b"\xff", &deep] {
        assert_eq!(read(bytes), None);
    }
}

#[test]
fn both_of_two_fields_of_one_name_are_kept() {
    assert_eq!(read(b"{\"a\":1,\"a\":2}").unwrap().to_string(), "{\"a\":1,\"a\":2}");
}

#[test]
fn what_others_have_too_is_passed_on_and_not_copied() {
    for (bytes, pieces) in [(10, 1), (1 << 20, 3)] {
        let shared = axum::body::Bytes::from(vec![b'7'; bytes]);
        let value = object([("a", Json::written(&shared)), ("b", Json::from(1))]);
        let mut text = super::Text::default();
        value.write_to(&mut text);
        assert_eq!(text.len(), bytes + 12);
        let written = text.into_pieces();
        assert_eq!(written.len(), pieces);
        assert_eq!(pieces == 3, written.iter().any(|piece| piece.as_ptr() == shared.as_ptr()));
        assert_eq!(written.concat(), value.to_bytes());
    }
}

#[test]
fn a_value_is_as_large_as_what_is_read_is_bounded_by() {
    assert_eq!(size_of::<Json>(), 32);
}
