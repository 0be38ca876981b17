use super::*;

fn of(rows: &[&str], address: &str, inbound: bool) -> Vec<&'static str> {
    let rows = rows.iter().map(|row| Whitelisted::parse(row).unwrap()).collect();
    let list = Whitelist { rows, ..Whitelist::default() };
    list.of(Some(address.parse().unwrap()), inbound).names()
}

#[test]
fn who_may_do_what() {
    assert_eq!(of(&["noban@127.0.0.1"], "127.0.0.1", true), ["noban", "download"]);
    assert_eq!(of(&["noban@127.0.0.1"], "127.0.0.1", false), Vec::<&str>::new());
    assert_eq!(of(&["noban@127.0.0.1"], "127.0.0.2", true), Vec::<&str>::new());
    assert_eq!(of(&["noban,in,out@127.0.0.1"], "127.0.0.1", false), ["noban", "download"]);
    assert_eq!(of(&["127.0.0.0/8"], "127.0.0.2", true), ["noban", "relay", "mempool", "download"]);
    let all = ["bloomfilter", "noban", "forcerelay", "relay", "mempool", "download", "addr"];
    assert_eq!(of(&["all@::1"], "::1", true), all);
    assert_eq!(of(&["bloom@::1", "forcerelay,@::1"], "::1", true), ["bloomfilter", "forcerelay", "relay"]);
}

#[test]
fn a_row_without_names_gives_what_the_list_says() {
    let rows = vec![Whitelisted::parse("::1").unwrap()];
    let list = Whitelist { rows, no_relay: true, force_relay: true };
    let given = list.of("::1".parse().ok(), true);
    assert!(given.has(Permissions::FORCE_RELAY) && given.has(Permissions::MEMPOOL));
    let quiet = Whitelist { force_relay: false, ..list };
    assert!(!quiet.of("::1".parse().ok(), true).has(Permissions::RELAY));
    assert_eq!(quiet.of(None, true), Permissions::NONE);
}

#[test]
fn rows_that_are_none() {
    for (text, want) in [
        ("in,out@127.0.0.1", "Only direction was set, no permissions: 'in,out@127.0.0.1'"),
        ("oopsie@127.0.0.1", "Invalid P2P permission: 'oopsie'"),
        ("noban@127.0.0.1:230", "Invalid netmask specified in -whitelist: '127.0.0.1:230'"),
        ("nowhere", "Invalid netmask specified in -whitelist: 'nowhere'"),
    ] {
        assert_eq!(Whitelisted::parse(text).unwrap_err().to_string(), want);
    }
}
