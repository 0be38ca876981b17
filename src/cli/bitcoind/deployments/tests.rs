use super::check;
use crate::cli::bitcoind::layers::Layers;
use crate::cli::bitcoind::value::Value;

fn refusal(name: &str, texts: &[&str]) -> String {
    let mut layers = Layers::default();
    layers.line.insert(name.to_owned(), texts.iter().map(|text| Value::Text((*text).to_owned())).collect());
    check(&layers).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn rules_that_cannot_be_moved_are_named_as_in_core() {
    let check = |name: &str, text: &str, wanted: &str| assert_eq!(refusal(name, &[text]), wanted, "{text}");
    let of = "for -testactivationheight=name@height.";
    check("testactivationheight", "csv@1", "");
    check("testactivationheight", "csv", &format!("Invalid format (csv) {of}"));
    check("testactivationheight", "csv@-1", &format!("Invalid height value (csv@-1) {of}"));
    check("testactivationheight", "foo@1", &format!("Invalid name (foo@1) {of}"));
    let malformed =
        "Version bits parameters malformed, expecting deployment:start:end[:min_activation_height]";
    check("vbparams", "testdummy:1:2", "");
    check("vbparams", "testdummy:1:2:3", "");
    check("vbparams", "a", malformed);
    check("vbparams", "testdummy:x:1", "Invalid nStartTime (x)");
    check("vbparams", "testdummy:1:x", "Invalid nTimeout (x)");
    check("vbparams", "testdummy:1:1:x", "Invalid min_activation_height (x)");
    check("vbparams", "foo:1:2", "Invalid deployment (foo)");
    check("signetchallenge", "51", "");
    check("signetchallenge", "5", "-signetchallenge must be hex, not '5'.");
    assert_eq!(refusal("signetchallenge", &["51", "52"]), "-signetchallenge cannot be multiple values.");
}
