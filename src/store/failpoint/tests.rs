use super::armed::Plan;
use super::*;

#[test]
fn what_is_asked_for_reads() {
    let kill = |name: &str, at| Some(Plan::Kill(name.to_owned(), at));
    for (text, want) in [
        ("flush-commit.before:3", kill("flush-commit.before", 3)),
        ("flush-commit.before", kill("flush-commit.before", 1)),
        ("any:70", kill("any", 70)),
        ("disk:7", Some(Plan::Disk(7))),
        ("io:8", Some(Plan::Fail(8))),
        ("trace=some/file", Some(Plan::Trace("some/file".into()))),
        ("any:x", None),
    ] {
        assert_eq!(Plan::parse(text), want, "{text}");
    }
}

#[test]
fn each_place_is_named_by_its_own_word_alone() {
    for place in Place::ALL {
        let plan = Plan::parse(&format!("{}.after:9", place.name())).unwrap();
        let named: Vec<Place> = Place::ALL.into_iter().filter(|p| plan.names(*p, "after")).collect();
        assert_eq!(named, [place]);
        assert!(!plan.names(place, "before"));
        assert!(Plan::parse("any:1").unwrap().names(place, "before"));
    }
}

#[test]
fn without_the_variable_nothing_happens() {
    Place::ALL.into_iter().for_each(before);
    Place::ALL.into_iter().for_each(after);
    disk().unwrap();
}
