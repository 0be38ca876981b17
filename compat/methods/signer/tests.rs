use super::{ask, signers};
use crate::json::read;

fn check(answer: &str, want: Result<&str, &str>) {
    let found = signers("s", &read(answer.as_bytes()).unwrap());
    let found = found.map(|signers| crate::json::Json::List(signers).to_string());
    assert_eq!(found.as_deref().map_err(String::as_str), want);
}

#[test]
fn devices_are_listed_once_each_and_what_is_wrong_is_said() {
    check(
        r#"[{"fingerprint":"0000000a","model":"x"},{"fingerprint":"0000000a"},{"fingerprint":"0000000B","model":7}]"#,
        Ok(r#"[{"fingerprint":"0000000a","name":"x"},{"fingerprint":"0000000B","name":""}]"#),
    );
    check("[]", Ok("[]"));
    check("{}", Err("'s' received invalid response, expected array of signers"));
    check(r#"[{"error":"no"}]"#, Err("'s' error: no"));
    check(r#"[{"error":7}]"#, Err("'s' error"));
    check(r#"[{"model":"x"}]"#, Err("'s' received invalid response, missing signer fingerprint"));
    for fingerprint in ["\"\"", "\"0000000\"", "\"000000000\"", "\"0000000g\"", "7"] {
        check(
            &format!("[{{\"fingerprint\":{fingerprint}}}]"),
            Err("'s' received invalid fingerprint, must be 8 hex characters"),
        );
    }
}

#[test]
fn a_program_is_asked_and_its_failure_is_told() {
    assert_eq!(ask("echo [1]", "").map(|json| json.to_string()), Ok("[1]".to_owned()));
    assert_eq!(ask("echo", "enumerate").unwrap_err(), "Unable to parse JSON: enumerate");
    assert!(
        ask("false", "x")
            .unwrap_err()
            .starts_with("RunCommandParseJSON error: process(false x) returned 1: ")
    );
    assert!(
        ask("/no/such/program", "x").unwrap_err().starts_with("execve failed: No such file or directory")
    );
}
