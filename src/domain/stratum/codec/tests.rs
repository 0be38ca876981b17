use proptest::prelude::*;

use super::*;

fn check(line: &str, expected: &str) {
    let shown = match decode(line.as_bytes()) {
        Ok(Incoming::Answer) => "answer".to_owned(),
        Ok(Incoming::Request { id, request: Ok(request) }) => format!("{} {request:?}", id.0),
        Ok(Incoming::Request { id, request: Err(error) }) => format!("{} error: {error}", id.0),
        Err(error) => format!("line error: {error}"),
    };
    assert!(shown.starts_with(expected), "{line}\n  is      {shown}\n  and not {expected}");
}

fn call(method: &str, params: &str) -> String {
    format!(r#"{{"id":1,"method":"{method}","params":{params}}}"#)
}

#[test]
fn ids_come_back_as_they_were() {
    for id in ["1", "0", "-3", "18446744073709551615", "\"a b\"", "null", "1.5"] {
        check(&format!(r#"{{"id":{id},"method":"mining.ping","params":[]}}"#), &format!("{id} Ping"));
    }
    check(r#"{"method":"mining.ping"}"#, "null Ping");
    check(r#"{"id":[1],"method":"mining.ping"}"#, "line error: bad id");
    check(
        &format!(r#"{{"id":"{}","method":"mining.ping"}}"#, "x".repeat(ID_BYTES_MAX + 1)),
        "line error: bad id",
    );
}

#[test]
fn subscribe_takes_all_that_is_seen_in_the_field() {
    let none = r#"1 Subscribe { user_agent: "", resume: None }"#;
    check(r#"{"id":1,"method":"mining.subscribe"}"#, none);
    check(&call("mining.subscribe", "[]"), none);
    check(&call("mining.subscribe", "null"), none);
    check(
        &call("mining.subscribe", r#"["bosminer",null]"#),
        r#"1 Subscribe { user_agent: "bosminer", resume: None }"#,
    );
    check(
        &call("mining.subscribe", r#"["a/1","deadbeef","host",3333]"#),
        r#"1 Subscribe { user_agent: "a/1", resume: Some("deadbeef") }"#,
    );
    // What goes to a log or a terminal is printable and short.
    check(&call("mining.subscribe", r#"["a\u001b[2Jb\nü"]"#), r#"1 Subscribe { user_agent: "a[2Jb", "#);
}

#[test]
fn requests_are_typed() {
    check(
        &call("mining.authorize", r#"["addr.rig","x"]"#),
        r#"1 Authorize { user: "addr.rig", difficulty: None }"#,
    );
    check(&call("mining.auth", r#"["addr.rig"]"#), r#"1 Authorize { user: "addr.rig", difficulty: None }"#);
    check(
        &call("mining.authorize", r#"["u","x,d=2"]"#),
        r#"1 Authorize { user: "u", difficulty: Some(Difficulty(8589934592)) }"#,
    );
    check(&call("mining.authorize", r#"["u","d=nan"]"#), r#"1 Authorize { user: "u", difficulty: None }"#);
    check(&call("mining.authorize", "[]"), "1 error: bad parameters");
    check(&call("mining.suggest_difficulty", "[0.5]"), "1 SuggestDifficulty(Difficulty(2147483648))");
    for bad in ["[]", "[0]", "[-1]", "[\"x\"]", "[null]"] {
        check(&call("mining.suggest_difficulty", bad), "1 error: bad parameters");
    }
    check(&call("mining.ping", "[]"), "1 Ping");
    check(&call("client.get_version", "[]"), "1 GetVersion");
    for unknown in ["mining.extranonce.subscribe", "mining.suggest_target", "", "x"] {
        check(&call(unknown, "[]"), "1 error: method not found");
    }
    check(r#"{"id":1,"method":5}"#, "1 error: method must be a string");
    check(r#"{"id":1}"#, "1 error: method must be a string");
    check(r#"{"id":1,"result":true,"error":null}"#, "answer");
}

#[test]
fn configure_reads_bip310() {
    let asked = |names: &str, options: &str| call("mining.configure", &format!("[{names},{options}]"));
    check(
        &asked(
            r#"["version-rolling","minimum-difficulty"]"#,
            r#"{"version-rolling.mask":"1fffE000","version-rolling.min-bit-count":2,"minimum-difficulty.value":2}"#,
        ),
        "1 Configure(Configure { version_rolling: Some(536862720), minimum_difficulty: Some(Some(Difficulty(8589934592))), unknown: [] })",
    );
    check(
        &asked(r#"["version-rolling","subscribe-extranonce"]"#, "{}"),
        r#"1 Configure(Configure { version_rolling: Some(4294967295), minimum_difficulty: None, unknown: ["subscribe-extranonce"] })"#,
    );
    check(&asked(r#"["version-rolling"]"#, r#"{"version-rolling.mask":"1ff"}"#), "1 error: bad hex field");
    check(&asked(r#"["version-rolling"]"#, r#"{"version-rolling.mask":7}"#), "1 error: bad parameters");
    check(&call("mining.configure", "[]"), "1 error: bad parameters");
    check(&call("mining.configure", "[[1]]"), "1 error: bad parameters");
    let many = ["\"x\""; EXTENSIONS_MAX + 1].join(",");
    check(&asked(&format!("[{many}]"), "{}"), "1 error: bad parameters");
}

#[test]
fn a_submission_is_decoded_whatever_the_case_of_its_hex() {
    let ok = r#"1 Submit(Submission { user: "u", job: Some(10), extranonce2: [238, 1], ntime: 1, nonce: 4009754624, version_bits: "#;
    let submit = |rest: &str| call("mining.submit", &format!("[\"u\",{rest}]"));
    check(&submit(r#""a","ee01","00000001","ef000000""#), &format!("{ok}None"));
    check(&submit(r#""A","eE01","00000001","EF000000""#), &format!("{ok}None"));
    check(&submit(r#""a","EE01","00000001","Ef000000",null"#), &format!("{ok}None"));
    check(&submit(r#""a","EE01","00000001","Ef000000","00002000""#), &format!("{ok}Some(8192)"));
    check(&submit(r#""zz","","00000001","00000002""#), r#"1 Submit(Submission { user: "u", job: None, "#);
    check(&submit(r#""+a","","00000001","00000002""#), r#"1 Submit(Submission { user: "u", job: None, "#);
    for bad in [
        r#""a","e","00000001","00000002""#,
        r#""a","xx","00000001","00000002""#,
        r#""a","","1","00000002""#,
        r#""a","","00000001","0000000200""#,
        r#""a","","00000001","0x000002""#,
        r#""a","","00000001","00000002","zz""#,
    ] {
        check(&submit(bad), "1 error: bad hex field");
    }
    for bad in [r#""a","","00000001""#, r#"1,"","00000001","00000002""#, r#""a","","00000001","00000002",7"#]
    {
        check(&submit(bad), "1 error: bad parameters");
    }
}

#[test]
fn what_is_no_message_is_told_apart() {
    check("hello", "line error: not a JSON object");
    check("", "line error: not a JSON object");
    check("[1,2]", "line error: not a JSON object");
    check(r#"{"id":1,"method":"mining.ping"} x"#, "line error: not a JSON object");
    check(r#"{"id":NaN,"method":"mining.ping"}"#, "line error: not a JSON object");
    check(r#"{"id":1,"id":2,"method":"mining.ping"}"#, "line error: duplicate key");
    check(&call("mining.submit", "[[[[]]]]"), "line error: nested too deeply");
    check(&"[".repeat(LINE_BYTES_MAX), "line error: nested too deeply");
    check(&" ".repeat(LINE_BYTES_MAX + 1), "line error: line too long");
    // Brackets and colons in texts count for nothing.
    check(r#"{"id":1,"method":"mining.ping","params":["[[[[[[:::\"::{"]}"#, "1 Ping");
}

#[test]
fn the_id_of_a_failed_line_is_found_where_there_is_one() {
    assert_eq!(id_for_failure(br#"{"id":"q","method":5}"#), RequestId(Value::from("q")));
    assert_eq!(id_for_failure(b"garbage"), RequestId::NULL);
}

#[test]
fn answers_are_what_miners_read() {
    let id = RequestId(Value::from(4));
    assert_eq!(reply_true(&id), "{\"id\":4,\"result\":true,\"error\":null}\n");
    assert_eq!(
        reply_internal_error(&RequestId::NULL),
        "{\"id\":null,\"result\":null,\"error\":[20,\"internal error\",null]}\n"
    );
    assert_eq!(
        reply_refused(&id, ShareError::Duplicate),
        "{\"id\":4,\"result\":null,\"error\":[22,\"duplicate share\",null]}\n"
    );
    assert_eq!(
        reply_subscribed(&id, "t", [0, 1, 2, 255], 8),
        "{\"id\":4,\"result\":[[[\"mining.set_difficulty\",\"t\"],[\"mining.notify\",\"t\"]],\"000102ff\",8],\"error\":null}\n"
    );
    let asked = Configure {
        version_rolling: Some(1),
        minimum_difficulty: Some(Some(Difficulty::ONE)),
        unknown: vec!["info".to_owned()],
    };
    assert_eq!(
        reply_configured(&id, &asked, Some(0x1fff_e000)),
        "{\"id\":4,\"result\":{\"info\":false,\"minimum-difficulty\":true,\"version-rolling\":true,\
         \"version-rolling.mask\":\"1fffe000\"},\"error\":null}\n"
    );
    assert_eq!(
        reply_configured(&id, &Configure { version_rolling: Some(0), ..Configure::default() }, None),
        "{\"id\":4,\"result\":{\"version-rolling\":false},\"error\":null}\n"
    );
}

#[test]
fn a_difficulty_is_the_same_number_on_both_sides() {
    let check = |raw: u64, text: &str| {
        let difficulty = Difficulty::from_raw(raw).unwrap();
        let json = difficulty_to_json(difficulty);
        assert_eq!(json.to_string(), text);
        assert_eq!(difficulty_of_json(&json), Some(difficulty), "{text}");
    };
    check(1 << 32, "1");
    check(16_384 << 32, "16384");
    check(1 << 63, "2147483648");
    check(1 << 31, "0.5");
    check((3 << 32) + (1 << 30), "3.25");
    check(1, "2.3283064365386963e-10");
    assert_eq!(
        set_difficulty(Difficulty::ONE),
        "{\"id\":null,\"method\":\"mining.set_difficulty\",\"params\":[1]}\n"
    );
    for (number, raw) in
        [(1e-300, 1), (5e-324, 1), (1e300, 1 << 63), (16_383.75, 16_383 * (1 << 32) + (3 << 30))]
    {
        assert_eq!(difficulty_from_f64(number).unwrap().to_raw(), raw, "{number}");
    }
    for number in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(difficulty_from_f64(number), None, "{number}");
    }
}

fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\"id\":",
        "\"method\":",
        "\"params\":",
        "\"mining.submit\"",
        "\"mining.configure\"",
        "\"mining.subscribe\"",
        "null",
        "1e999",
        "-0",
        "\"ff\"",
        "\"00000000\"",
        "\u{fffd}",
        "true",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..LINE_BYTES_MAX + 2),
        prop::collection::vec(word, 0..60).prop_map(|w| w.concat().into_bytes()),
    ]
}

proptest! {
    #[test]
    fn no_line_panics(line in garbage()) {
        let _ = decode(&line);
        let _ = id_for_failure(&line);
    }

    #[test]
    fn no_params_panic(method in prop::sample::select(vec![
        "mining.submit", "mining.configure", "mining.subscribe", "mining.authorize", "mining.suggest_difficulty",
    ]), params in prop::collection::vec(prop::sample::select(vec![
        "1", "-1", "1e308", "\"\"", "\"ff\"", "\"00000000\"", "null", "[]", "[\"version-rolling\"]", "{}",
        "{\"version-rolling.mask\":\"ffffffff\"}", "true",
    ]), 0..8)) {
        let _ = decode(call(method, &format!("[{}]", params.join(","))).as_bytes());
    }

    #[test]
    fn every_float_is_a_difficulty_or_none(bits in any::<u64>()) {
        let number = f64::from_bits(bits);
        prop_assert_eq!(difficulty_from_f64(number).is_some(), number.is_finite() && number > 0.0);
    }

    #[test]
    fn a_difficulty_with_few_digits_survives_the_wire(digits in 1u64..256, shift in 0u32..55) {
        let difficulty = Difficulty::from_raw(digits << shift).unwrap();
        prop_assert_eq!(difficulty_of_json(&difficulty_to_json(difficulty)), Some(difficulty));
    }
}
