use serde_json::json;

use super::{Layers, Settings};
use crate::cli::bitcoind::value::Value;

fn values(texts: &[&str]) -> Vec<Value> {
    let of = |text: &&str| if *text == "!" { Value::No } else { Value::Text((*text).to_owned()) };
    texts.iter().map(of).collect()
}

fn one(name: &str, texts: &[&str]) -> Settings {
    Settings::from([(name.to_owned(), values(texts))])
}

/// `!` is a negation.
fn layers(name: &str, line: &[&str], section: &[&str], default: &[&str]) -> Layers {
    let mut layers = Layers { section: "regtest".to_owned(), ..Layers::default() };
    if !line.is_empty() {
        layers.line = one(name, line);
    }
    for (of, texts) in [("regtest", section), ("", default)] {
        if !texts.is_empty() {
            layers.files.insert(of.to_owned(), one(name, texts));
        }
    }
    layers
}

#[test]
fn the_last_word_of_a_line_counts_and_the_first_of_a_file() {
    let check = |name: &str, line: &[&str], section: &[&str], default: &[&str], wanted: Option<&str>| {
        let got = layers(name, line, section, default).text(name);
        assert_eq!(got.as_deref(), wanted, "{name} {line:?} {section:?} {default:?}");
    };
    check("par", &["1", "2"], &["3"], &["4"], Some("2"));
    check("par", &[], &["3", "5"], &["4"], Some("3"));
    check("par", &[], &[], &["4", "6"], Some("4"));
    check("par", &["1", "!"], &["3"], &["4"], Some("0"));
    check("par", &[], &["3", "!", "5"], &["4"], Some("5"));
    check("par", &[], &[], &[], None);
    // What holds for a network alone does not hold before any section, but its negation does.
    check("port", &[], &[], &["4"], None);
    check("port", &[], &[], &["4", "!"], Some("0"));
    check("port", &[], &["3"], &["4"], Some("3"));
}

#[test]
fn a_list_comes_from_all_places_unless_it_is_negated() {
    let check = |line: &[&str], section: &[&str], default: &[&str], wanted: &[&str]| {
        let got = layers("uacomment", line, section, default).texts("uacomment");
        assert_eq!(got, wanted, "{line:?} {section:?} {default:?}");
    };
    check(&["1", "2"], &["3"], &["4"], &["1", "2", "3", "4"]);
    check(&["1", "!"], &["3"], &["4"], &[]);
    // More behind the negation brings the files back.
    check(&["1", "!", "2"], &["3"], &["4"], &["2", "3", "4"]);
    check(&[], &["3", "!"], &["4"], &[]);
    let port = layers("connect", &[], &[], &["4"]);
    assert!(port.list("connect").is_empty());
    assert_eq!((port.only_in_default("connect"), port.misplaced()), (true, vec!["connect"]));
    let over = layers("connect", &["1"], &[], &["4"]);
    assert_eq!((over.only_in_default("connect"), over.misplaced()), (false, vec![]));
}

#[test]
fn settings_json_stands_between_the_line_and_the_files() {
    let mut of = layers("uacomment", &[], &["3"], &[]);
    of.written.insert("uacomment".to_owned(), Value::of_json(json!(["a", "b"])));
    assert_eq!(of.texts("uacomment"), ["a", "b", "3"]);
    let mut of = layers("par", &[], &["3"], &[]);
    of.written.insert("par".to_owned(), Value::of_json(json!(9)));
    assert_eq!(of.number("par", 0), 9);
    of.line = one("par", &["1"]);
    assert_eq!(of.number("par", 0), 1);
}

#[test]
fn what_follows_from_other_settings_gives_way_to_what_was_said() {
    let mut of = layers("listen", &[], &[], &["1"]);
    assert!(!of.soft_set("listen", "0") && of.switch("listen", false));
    assert!(of.soft_set("discover", "0") && !of.switch("discover", true));
    assert!(of.is_set("discover") && !of.is_negated("discover"));
}

#[test]
fn a_network_is_not_unchosen_by_a_negation() {
    let check = |line: &[&str], default: &[&str], wanted: bool| {
        assert_eq!(
            layers("testnet", line, &["1"], default).chooses("testnet"),
            wanted,
            "{line:?} {default:?}"
        );
    };
    check(&["1"], &[], true);
    check(&["!"], &["1"], true);
    check(&[], &["0", "1"], true);
    check(&[], &["1", "0"], false);
    check(&[], &[], false);
}
