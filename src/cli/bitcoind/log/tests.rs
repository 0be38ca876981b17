use std::io::Write;
use std::sync::Arc;

use tracing_subscriber::fmt as lines;

use super::{KEPT_BYTES, Lines, LogFile, directives, shrink};
use crate::cli::bitcoind::layers::Layers;
use crate::cli::bitcoind::log::Form;
use crate::cli::bitcoind::value::Value;
use crate::cli::logging;

/// What a file holds after three lines.
fn logged(form: Form) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("debug.log");
    let file = Arc::new(LogFile::open(&path).unwrap());
    let make = move || Lines(Arc::clone(&file));
    let subscriber = lines::fmt().with_ansi(false).event_format(form).with_writer(make).finish();
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(n = 3, "said");
        tracing::error!("failed");
        tracing::warn!("odd");
    });
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn lines_look_like_cores() {
    assert_eq!(logged(Form { times: false, micros: false }), "said n=3\n[error] failed\n[warning] odd\n");
    let check = |micros: bool, len: usize| {
        let text = logged(Form { times: true, micros });
        let (time, rest) = text.lines().next().unwrap().split_once(' ').unwrap();
        assert_eq!((time.len(), rest), (len, "said n=3"), "{text}");
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    };
    check(false, "2026-11-21T09:13:39Z".len());
    check(true, "2026-11-21T09:13:39.123456Z".len());
}

#[test]
fn a_log_that_was_moved_away_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (dir.path().join("debug.log"), dir.path().join("old.log"));
    let file = Arc::new(LogFile::open(&path).unwrap());
    let mut lines = Lines(Arc::clone(&file));
    lines.write_all(b"1").unwrap();
    std::fs::rename(&path, &moved).unwrap();
    lines.write_all(b"2").unwrap();
    file.reopen();
    lines.write_all(b"3").unwrap();
    assert_eq!(
        (std::fs::read(&moved).unwrap(), std::fs::read(&path).unwrap()),
        (b"12".to_vec(), b"3".to_vec())
    );
}

#[test]
fn a_log_that_is_too_long_loses_its_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("debug.log");
    shrink(&path).unwrap();
    let check = |len: u64, wanted: u64| {
        std::fs::write(&path, vec![b'x'; usize::try_from(len).unwrap()]).unwrap();
        shrink(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), wanted);
    };
    check(KEPT_BYTES / 10 * 11, KEPT_BYTES / 10 * 11);
    check(KEPT_BYTES / 10 * 11 + 1, KEPT_BYTES);
}

#[test]
fn flags_become_directives_that_are_some() {
    let check = |flags: &[(&str, &str)], wanted: &str| {
        let mut layers = Layers::default();
        for (name, text) in flags {
            layers.line.entry((*name).to_owned()).or_default().push(Value::Text((*text).to_owned()));
        }
        let got = directives(&layers);
        assert!(got.contains(wanted) && logging::parse(got).is_ok(), "{flags:?}: {got}");
    };
    check(&[], "info");
    check(&[("debug", "")], "adit=debug");
    check(&[("debug", "net"), ("loglevel", "trace")], "adit=trace");
    check(&[("debug", "1"), ("loglevel", "info")], "info");
    check(&[("debug", "1"), ("debug", "0")], "info");
}
