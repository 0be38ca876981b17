use std::path::Path;

use serde_json::{Value as Json, json};

use super::{Chain, Config, Line};

fn read(dir: &Path, words: &[&str]) -> Result<Config, String> {
    let datadir = format!("-datadir={}", dir.display());
    let words: Vec<String> = [datadir.as_str()].iter().chain(words).map(|word| (*word).to_owned()).collect();
    Line::read(&words).and_then(Config::read).map_err(|error| error.to_string())
}

#[test]
fn a_new_folder_has_what_cores_has() {
    let dir = tempfile::tempdir().unwrap();
    let config = read(dir.path(), &["-regtest"]).unwrap();
    assert_eq!((config.chain, config.folder()), (Chain::Regtest, dir.path().join("regtest")));
    assert!(dir.path().join("regtest/wallets").is_dir());
    let written: Json =
        serde_json::from_slice(&std::fs::read(dir.path().join("regtest/settings.json")).unwrap()).unwrap();
    assert_eq!(written.as_object().unwrap().keys().collect::<Vec<_>>(), ["_warning_"]);
    // What is there is not touched.
    std::fs::remove_dir(dir.path().join("regtest/wallets")).unwrap();
    read(dir.path(), &["-regtest"]).unwrap();
    assert!(!dir.path().join("regtest/wallets").exists());
}

#[test]
fn settings_json_is_read_and_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("settings.json");
    std::fs::write(&path, "{\"par\": 3, \"foo\": [1]}").unwrap();
    let config = read(dir.path(), &[]).unwrap();
    assert_eq!((config.layers.number("par", 0), config.notes.len()), (3, 1));
    let written: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!((&written["par"], &written["foo"]), (&json!(3), &json!([1])));
    let check = |text: &str, wanted: &str| {
        std::fs::write(&path, text).unwrap();
        let got = read(dir.path(), &[]).unwrap_err();
        assert!(got.starts_with("Settings file could not be read:\n- ") && got.contains(wanted), "{got}");
        read(dir.path(), &["-nosettings"]).unwrap();
    };
    check("[1]", "Found non-object value [1] in settings file");
    check("{", "does not contain valid JSON");
    check(&" ".repeat((1 << 20) + 1), "has more than");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(read(dir.path(), &[]).unwrap_err().contains("Please check permissions."));
}

#[test]
fn what_no_place_may_say_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let check = |words: &[&str], conf: &str, wanted: &str| {
        std::fs::write(dir.path().join("bitcoin.conf"), conf).unwrap();
        assert_eq!(read(dir.path(), words).unwrap_err(), wanted, "{words:?}");
    };
    check(&["-chain=foo"], "", "Unknown chain foo.");
    let many =
        "Invalid combination of -regtest, -signet, -testnet, -testnet4 and -chain. Can use at most one.";
    check(&["-regtest", "-testnet"], "", many);
    check(&["-regtest"], "signet=1", many);
    check(
        &["-regtest", "go"],
        "",
        "Command line contains unexpected token 'go', see bitcoind -h for a list of options.",
    );
    check(&[], "word", "Error reading configuration file: parse error on line 1: word");
    let none = dir.path().join("none");
    let line = Line::read(&[format!("-datadir={}", none.display())]).unwrap();
    let wanted = format!("Specified data directory \"{}\" does not exist.", none.display());
    assert_eq!(Config::read(line).unwrap_err().to_string(), wanted);
}

#[test]
fn a_second_file_of_settings_is_not_passed_over() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(dir.path().join("bitcoin.conf"), format!("datadir={}", other.path().display())).unwrap();
    std::fs::write(other.path().join("bitcoin.conf"), "par=1").unwrap();
    let conf = |name: &str| format!("-conf={}/{name}", dir.path().display());
    let words = |more: &[&str]| -> Vec<String> {
        let first = [conf("bitcoin.conf")];
        first.into_iter().chain(more.iter().map(|word| (*word).to_owned())).collect()
    };
    let start =
        |words: &[String]| Line::read(words).and_then(Config::read).map_err(|error| error.to_string());
    let refused = start(&words(&[])).unwrap_err();
    assert!(refused.contains("which is ignored, because a different configuration file"), "{refused}");
    assert!(
        refused
            .ends_with("Set allowignoredconf=1 option to treat this condition as a warning, not an error.")
    );
    start(&words(&["-allowignoredconf"])).unwrap();
    read(other.path(), &["-noconf"]).unwrap();
}
