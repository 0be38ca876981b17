use super::{Files, Note, parse};
use crate::cli::bitcoind::chain::Chain;
use crate::cli::bitcoind::layers::Layers;
use crate::cli::bitcoind::value::Value;

#[test]
fn lines_sections_and_comments() {
    let parsed = parse("a=1 # more\n\n  b = 2 \n[regtest]\nc=3\r\ntest.d=4\n[x]\n", "f").unwrap();
    let options: Vec<_> =
        parsed.options.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(options, [("a", "1"), ("b", "2"), ("regtest.c", "3"), ("regtest.test.d", "4")]);
    let sections: Vec<_> = parsed.sections.iter().map(|s| (s.name.as_str(), s.line)).collect();
    assert_eq!(sections, [("regtest", 4), ("regtest.test", 6), ("x", 7)]);
}

#[test]
fn what_is_no_line_is_refused_with_its_number() {
    let check = |text: &str, wanted: &str| assert_eq!(parse(text, "f").unwrap_err().to_string(), wanted);
    check(
        "a=1\n-b=2",
        "parse error on line 2: -b=2, options in configuration file must be specified without leading -",
    );
    check("word", "parse error on line 1: word");
    check(
        "noword",
        "parse error on line 1: noword, if you intended to specify a negated option, use noword=1 instead",
    );
    check(
        "rpcpassword=a#b",
        "parse error on line 1, using # in rpcpassword can be ambiguous and should be avoided",
    );
}

#[test]
fn a_setting_goes_to_its_section_and_an_unknown_one_to_the_log() {
    let (mut files, mut layers) = (Files::default(), Layers::default());
    files.take(&mut layers, "par=1\nfoo=2\nnolisten=1\n[regtest]\npar=3\nregtest.par=4", "f").unwrap();
    assert_eq!(layers.files[""]["par"], [Value::Text("1".to_owned())]);
    assert_eq!(layers.files[""]["listen"], [Value::No]);
    assert_eq!(layers.files["regtest"]["par"], [Value::Text("3".to_owned())]);
    let notes = ["foo", "regtest.regtest.par"]
        .map(|name| Note::Warning(format!("Ignoring unknown configuration value {name}")));
    assert_eq!(files.notes, notes);
    let refused = files.take(&mut layers, "conf=x", "f").unwrap_err().to_string();
    assert!(refused.starts_with("conf cannot be set in the configuration file"), "{refused}");
    let refused = files.take(&mut layers, "nodatadir=1", "f").unwrap_err().to_string();
    assert_eq!(refused, "Negating of -datadir is meaningless and therefore forbidden");
}

fn read(dir: &std::path::Path, line: &str) -> Result<(Layers, Files), String> {
    let mut layers = Layers::default();
    layers.line.insert("datadir".to_owned(), vec![Value::Text(dir.display().to_string())]);
    if let Some((name, value)) = line.split_once('=') {
        layers.line.insert(name.to_owned(), vec![Value::Text(value.to_owned())]);
    }
    let mut files = Files::default();
    files.read(&mut layers, Chain::name_of).map_err(|error| error.to_string())?;
    Ok((layers, files))
}

#[test]
fn files_include_files_once() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write(
        "bitcoin.conf",
        "par=1\nincludeconf=more.conf\nregtest=1\n[regtest]\nincludeconf=net.conf\n[main]\nincludeconf=not.conf",
    );
    write("more.conf", "par=2\nincludeconf=deep.conf\n");
    write("net.conf", "par=3\n");
    let (layers, files) = read(dir.path(), "").unwrap();
    let texts: Vec<String> = layers.files[""]["par"].iter().map(Value::text).collect();
    assert_eq!(texts, ["1", "3", "2"]);
    let late = "warning: -includeconf cannot be used from included files; ignoring -includeconf=deep.conf";
    assert_eq!(files.said, [late]);
    std::fs::remove_file(dir.path().join("net.conf")).unwrap();
    assert_eq!(read(dir.path(), "").unwrap_err(), "Failed to include configuration file net.conf");
    std::fs::create_dir(dir.path().join("net.conf")).unwrap();
    assert!(read(dir.path(), "").unwrap_err().starts_with("Included config file \""));
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let dir = tempfile::tempdir().unwrap();
    assert!(read(dir.path(), "").unwrap().0.files.is_empty());
    let missing = read(dir.path(), "conf=none.conf").unwrap_err();
    assert_eq!(
        missing,
        format!("specified config file \"{}/none.conf\" could not be opened.", dir.path().display())
    );
    let folder = read(dir.path(), &format!("conf={}", dir.path().display())).unwrap_err();
    assert_eq!(folder, format!("Config file \"{}\" is a directory.", dir.path().display()));
    std::fs::write(dir.path().join("large.conf"), vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(read(dir.path(), "conf=large.conf").unwrap_err().contains("has more than"));
}
