use std::collections::BTreeSet;

use super::{Here, all, find};

#[test]
fn every_flag_is_there_once_and_says_what_becomes_of_it() {
    let names: BTreeSet<&str> = all().map(|flag| flag.name).collect();
    assert_eq!(names.len(), all().count());
    for flag in all() {
        assert!(
            !flag.text.is_empty() && !flag.name.starts_with('-') && !flag.name.starts_with("no"),
            "{}",
            flag.name
        );
    }
    for here in [Here::Wired, Here::Void, Here::Missing] {
        assert!(all().any(|flag| flag.here == here));
    }
    assert!(find("datadir").unwrap().marks.no_negation && find("foo").is_none());
}
