use super::{Key, Line};
use crate::cli::bitcoind::value::Value;

fn read(words: &[&str]) -> Result<Line, String> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    Line::read(&words).map_err(|error| error.to_string())
}

#[test]
fn names_are_taken_apart() {
    let check = |text: &str, section: &str, name: &str, negated: bool| {
        let wanted = Key { section: section.to_owned(), name: name.to_owned(), negated };
        assert_eq!(Key::read(text), wanted, "{text}");
    };
    check("par", "", "par", false);
    check("nopar", "", "par", true);
    check("regtest.nopar", "regtest", "par", true);
    check("a.b.c", "a", "b.c", false);
}

#[test]
fn flags_read_as_in_core() {
    let check = |words: &[&str], name: &str, wanted: &[Value]| {
        let line = read(words).unwrap();
        assert_eq!(line.settings.get(name).map(Vec::as_slice), Some(wanted), "{words:?}");
    };
    let text = |text: &str| Value::Text(text.to_owned());
    check(&["-par=2", "--par=3"], "par", &[text("2"), text("3")]);
    check(&["-server"], "server", &[text("")]);
    check(&["-noserver", "-noserver=1", "-noserver=0"], "server", &[Value::No, Value::No, Value::Yes]);
    check(&["-uacomment=a=b"], "uacomment", &[text("a=b")]);
    check(&["-noincludeconf"], "includeconf", &[Value::No]);
    assert_eq!(read(&["-par=1", "-", "-foo"]).unwrap().stray, None);
    assert_eq!(read(&["-par=1", "go", "-foo"]).unwrap().stray.as_deref(), Some("go"));
    assert_eq!(read(&["-noserver=0"]).unwrap().warnings.len(), 1);
}

#[test]
fn what_is_no_flag_is_refused_in_cores_words() {
    let check = |word: &str, wanted: &str| {
        assert_eq!(read(&[word]).unwrap_err(), format!("Error parsing command line arguments: {wanted}"));
    };
    check("-foo", "Invalid parameter -foo");
    check("--foo=1", "Invalid parameter --foo=1");
    check("-regtest.par=1", "Invalid parameter -regtest.par=1");
    check("-nodatadir", "Negating of -datadir is meaningless and therefore forbidden");
    check("-loglevel", "Can not set -loglevel with no value. Please specify value with -loglevel=value.");
    check("-includeconf=x", "-includeconf cannot be used from commandline; -includeconf=\"x\"");
}
