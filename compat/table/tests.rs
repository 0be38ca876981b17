use super::Method;
use crate::json::{Json, read};

fn method() -> &'static Method {
    crate::methods::find("getblock").unwrap()
}

fn check(given: &str, expected: Result<(), (i32, &str)>) {
    let Some(Json::List(values)) = read(given.as_bytes()) else { panic!("{given}") };
    let got = method().check(&values).map_err(|error| (error.code, error.message));
    match (got, expected) {
        (Err((code, text)), Err((want, part))) => {
            assert!(code == want && text.contains(part), "{code} {text}")
        }
        (got, expected) => assert_eq!(got.is_ok(), expected.is_ok(), "{given}"),
    }
}

#[test]
fn number_and_types_of_arguments_are_looked_at() {
    check("[\"a\"]", Ok(()));
    check("[\"a\",null]", Ok(()));
    check("[\"a\",1]", Ok(()));
    check("[]", Err((-1, "getblock \"blockhash\" ( verbosity )")));
    check("[\"a\",1,2]", Err((-1, "getblock \"blockhash\"")));
    let text = "Wrong type passed:\n{\n    \"Position 1 (blockhash)\": \"JSON value of type number is not of expected type string\"\n}";
    check("[7]", Err((-3, text)));
    check("[null]", Err((-3, "type null")));
}

#[test]
fn every_method_is_there_once_and_says_what_it_does() {
    let all = crate::methods::all();
    assert!(all.len() > 50, "{}", all.len());
    for method in all {
        assert!(!method.text.is_empty(), "{}", method.name);
        assert!(crate::help::of(method).starts_with(method.name));
        let names: Vec<&str> = method.args.iter().flat_map(|arg| arg.names.split('|')).collect();
        let once: std::collections::BTreeSet<&&str> = names.iter().collect();
        assert_eq!(names.len(), once.len(), "{}", method.name);
    }
}

#[test]
fn help_lists_what_is_not_hidden() {
    let text = crate::help::all(&crate::methods::all());
    assert!(text.starts_with("== Blockchain ==\n"), "{text}");
    assert!(text.contains("\ngetblock \"blockhash\" ( verbosity )\n"), "{text}");
    assert!(!text.contains("generatetoaddress"));
    assert!(text.contains("\n\n== Control ==\n"));
}
