use super::*;

const NOW: UnixMillis = UnixMillis::new(1_000_000);

fn subnet(text: &str) -> Subnet {
    text.parse().unwrap()
}

fn ban(until_s: u64) -> Ban {
    Ban { created_s: 1_000, until_s }
}

fn add(list: &mut BanList, text: &str, until_s: u64) -> Result<(), BanError> {
    list.add(subnet(text), text.contains('/'), ban(until_s), NOW)
}

#[test]
fn an_address_is_banned_by_any_range_and_for_its_time() {
    let mut list = BanList::default();
    assert_eq!(add(&mut list, "127.0.0.0/24", 1_010), Ok(()));
    assert_eq!(add(&mut list, "127.0.0.1", 1_010), Err(BanError::AlreadyBanned));
    assert_eq!(add(&mut list, "127.0.0.0/24", 1_020), Err(BanError::AlreadyBanned));
    // A narrower range is a row of its own.
    assert_eq!(add(&mut list, "127.0.0.0/32", 1_020), Ok(()));
    let home = "127.0.0.9".parse().unwrap();
    assert!(list.is_banned(home, NOW) && !list.is_banned("128.0.0.9".parse().unwrap(), NOW));
    let later = NOW.plus_ms(11_000);
    assert!(!list.is_banned(home, later));
    assert!(list.sweep(later) && !list.sweep(later));
    assert_eq!(list.iter().count(), 1);
    assert!(list.remove(&subnet("127.0.0.0/32")) && !list.remove(&subnet("127.0.0.0/32")));
}

#[test]
fn it_is_kept_as_core_keeps_it() {
    let mut list = BanList::default();
    for text in ["127.0.0.0/24", "::1", "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion"] {
        add(&mut list, text, 2_000).unwrap();
    }
    assert_eq!(BanList::from_json(list.to_json().as_bytes()), Ok(list.clone()));
    let cores = br#"{"banned_nets": [{"version": 1, "ban_created": 1, "banned_until": 2, "address": "1.2.3.0/24"},
        {"version": 2, "ban_created": 1, "banned_until": 2, "address": "1.2.4.0/24"},
        {"version": 1, "ban_created": 1, "banned_until": 2, "address": "elsewhere.i2p"}, {"version": 1}, 7]}"#;
    let read = BanList::from_json(cores).unwrap();
    assert_eq!(read.iter().next(), Some((&subnet("1.2.3.0/24"), &Ban { created_s: 1, until_s: 2 })));
    assert_eq!(read.iter().count(), 1);
    for bad in ["", "[]", "{}", "{\"banned_nets\": 1}"] {
        assert_eq!(BanList::from_json(bad.as_bytes()), Err(BanError::Malformed));
    }
    list.clear();
    assert_eq!(list, BanList::default());
}

#[test]
fn the_list_is_bounded() {
    let rows = (0..BANS_MAX).map(|n| (Subnet::Onion(n.to_string().into()), ban(2_000))).collect();
    let mut list = BanList { rows };
    assert_eq!(add(&mut list, "1.2.3.4", 2_000), Err(BanError::Full));
}
