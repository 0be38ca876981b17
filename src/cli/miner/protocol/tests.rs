use super::*;

fn reply(id: u64, result: Value, error: Option<&str>) -> FromPool {
    FromPool::Reply { id, result, error: error.map(str::to_owned) }
}

#[test]
fn what_pools_say_is_read() {
    let one = Difficulty::ONE;
    let check = |line: &str, expected: Option<FromPool>| assert_eq!(parse(line), expected, "{line}");
    check(r#"{"id":16,"result":true,"error":null}"#, Some(reply(16, true.into(), None)));
    check(
        r#"{"id":16,"result":null,"error":[23,"low difficulty",null]}"#,
        Some(reply(16, Value::Null, Some("low difficulty"))),
    );
    check(r#"{"id":16,"result":null,"error":"odd"}"#, Some(reply(16, Value::Null, Some("\"odd\""))));
    check(r#"{"id":null,"method":"mining.set_difficulty","params":[1]}"#, Some(FromPool::SetDifficulty(one)));
    check(
        r#"{"id":null,"method":"mining.set_difficulty","params":[1.0]}"#,
        Some(FromPool::SetDifficulty(one)),
    );
    check(
        r#"{"method":"mining.set_version_mask","params":["1fffe000"]}"#,
        Some(FromPool::SetVersionMask(VERSION_MASK)),
    );
    check(r#"{"method":"client.show_message","params":["hello"]}"#, Some(FromPool::Other));
    for bad in [
        "",
        "x",
        "{}",
        r#"{"id":"x","result":true}"#,
        r#"{"method":"mining.notify","params":["1"]}"#,
        r#"{"method":"mining.set_difficulty","params":[0]}"#,
        r#"{"method":"mining.set_version_mask","params":[]}"#,
    ] {
        check(bad, None);
    }
}

#[test]
fn what_the_miner_says_is_what_pools_read() {
    let found = Found {
        connection: 0,
        job: "1f".to_owned(),
        extranonce2: vec![0, 255],
        time: 1,
        nonce: 0xabcd_ef01,
        version_bits: None,
    };
    let line = submit(16, "a.b", &found);
    assert_eq!(
        line,
        "{\"id\":16,\"method\":\"mining.submit\",\"params\":[\"a.b\",\"1f\",\"00ff\",\"00000001\",\"abcdef01\"]}\n"
    );
    let rolled = submit(16, "a.b", &Found { version_bits: Some(0x2000), ..found });
    assert!(rolled.contains("\"abcdef01\",\"00002000\"]"), "{rolled}");
    assert_eq!(authorize("u", "p"), "{\"id\":3,\"method\":\"mining.authorize\",\"params\":[\"u\",\"p\"]}\n");
    assert_eq!(subscribe("a"), "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"a\"]}\n");
    assert!(configure().contains("\"version-rolling.mask\":\"1fffe000\""));
}
