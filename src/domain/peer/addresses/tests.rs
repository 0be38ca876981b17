use super::*;

const NOW_S: u64 = 1_700_000_000;

fn address(text: &str, port: u16) -> NodeAddress {
    NodeAddress { host: text.parse().unwrap(), port }
}

fn told(text: &str, port: u16) -> KnownNode {
    KnownNode { time_s: NOW_S as u32, services: 9, address: address(text, port) }
}

fn fixed() -> AddressBook {
    let mut key = [0; 32];
    key[0] = 1;
    AddressBook::new(key)
}

/// Of itself, as an operator adds one.
fn add(book: &mut AddressBook, text: &str, port: u16) -> bool {
    let node = told(text, port);
    book.add(&[node], &node.address.host, (0, NOW_S), 1) == 1
}

fn places(book: &AddressBook) -> Vec<(bool, u64, u64)> {
    book.places().into_iter().map(|l| (l.tried, l.place.bucket, l.place.position)).collect()
}

#[test]
fn each_has_the_place_that_core_gives_it_under_the_same_key() {
    let onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
    for (text, port, new, tried) in [
        ("2.0.0.0", 8333, Some((82, 8)), None),
        ("2803:0:1234:abcd::1", 45324, Some((613, 6)), None),
        ("c4gfnttsuwqomiygupdqqqyy5y5emnk5c73hrfvatri67prd7vyq.b32.i2p", 8333, Some((963, 46)), None),
        ("1.2.3.4", 8333, None, Some((6, 33))),
        ("1233:3432:2434:2343:3234:2345:6546:4534", 8333, None, Some((197, 34))),
        (onion, 8333, None, Some((72, 61))),
    ] {
        let mut book = fixed();
        assert!(add(&mut book, text, port));
        if let Some((bucket, position)) = new {
            assert_eq!(places(&book), [(false, bucket, position)], "{text}");
        }
        if let Some((bucket, position)) = tried {
            assert!(book.good(&address(text, port), NOW_S));
            assert_eq!(places(&book), [(true, bucket, position)], "{text}");
        }
    }
}

#[test]
fn one_is_new_once_and_tried_once() {
    let mut book = fixed();
    assert!(!add(&mut book, "127.0.0.1", 8333), "nobody is reached there");
    assert!(add(&mut book, "1.0.0.0", 8333) && !add(&mut book, "1.0.0.0", 8333));
    assert!(add(&mut book, "1.2.3.4", 8333) && book.good(&address("1.2.3.4", 8333), NOW_S));
    assert!(!book.good(&address("1.2.3.4", 8333), NOW_S) && !add(&mut book, "1.2.3.4", 8333));
    // Its place among the tried ones is taken: it stays new.
    assert!(add(&mut book, "1.2.5.45", 8333) && !book.good(&address("1.2.5.45", 8333), NOW_S));
    assert!(!book.good(&address("9.9.9.9", 1), NOW_S), "never heard of");
    assert_eq!(book.counts(), BTreeMap::from([(HostNetwork::Ipv4, (2, 1))]));
    assert_eq!(book.len(), 3);
}

#[test]
fn who_tells_much_reaches_few_places() {
    let mut book = fixed();
    let source: Host = "5.5.5.5".parse().unwrap();
    for n in 0..30_000u32 {
        let host = Host::V4((0x0800_0000 + n * 65_537).into());
        let node = KnownNode { address: NodeAddress { host, port: 8333 }, ..told("1.1.1.1", 1) };
        book.add(&[node], &source, (7_200, NOW_S), u64::from(n));
    }
    assert!(book.len() <= 64 * 64, "{}", book.len());
    assert_eq!(book.places().len(), book.len());
    assert_eq!(book.all.len(), book.len());
    assert!(book.all.iter().enumerate().all(|(at, id)| book.entries[id].drawn_at == at));
}

#[test]
fn more_news_of_one_give_it_more_places_and_what_is_stale_yields() {
    let mut book = fixed();
    for n in 1..=200u64 {
        let node = KnownNode { time_s: (NOW_S + n * 90_000) as u32, ..told("8.8.8.8", 8333) };
        let source = Host::V4((0x0100_0000 * (n as u32 % 200 + 1) + 0x0002_0000).into());
        book.add(&[node], &source, (7_200, NOW_S + n * 90_000), n);
    }
    let held = book.places().len();
    assert!((2..=8).contains(&held), "{held}");
    let mut stale = fixed();
    assert!(add(&mut stale, "1.0.0.0", 8333));
    let (late_s, entry) = (NOW_S + HORIZON_S + 1, stale.entries[&0].clone());
    assert!(entry.is_terrible(late_s) && !entry.is_terrible(NOW_S));
    assert!(Entry { attempts: 3, ..entry.clone() }.is_terrible(NOW_S));
    let reached = Entry { last_success_s: NOW_S, attempts: 10, ..entry };
    assert!(!reached.is_terrible(NOW_S) && reached.is_terrible(NOW_S + FAILURES_S + 1));
    assert!(stale.draw((0, 0), None, true, (late_s, 1)).is_empty());
    assert_eq!(stale.draw((0, 0), None, false, (late_s, 1)).len(), 1);
}

#[test]
fn some_are_drawn_by_chance() {
    let mut book = fixed();
    for n in 0..1_000u32 {
        add(&mut book, &format!("{}.{}.1.1", n / 250 + 1, n % 250), 8333);
    }
    add(&mut book, "2803:0:1234:abcd::1", 8333);
    let mut drawn =
        |most, percent, network, chance| book.draw((most, percent), network, true, (NOW_S, chance));
    assert_eq!(drawn(10, 0, None, 1).len(), 10);
    assert_ne!(drawn(10, 0, None, 1), drawn(10, 0, None, 2));
    assert_eq!(drawn(0, 0, Some(HostNetwork::Ipv6), 1).len(), 1);
    assert!(drawn(0, 0, Some(HostNetwork::Onion), 1).is_empty());
    let (all, share) = (drawn(0, 0, None, 3).len(), drawn(1_000, 23, None, 3).len());
    assert_eq!(share, all * 23 / 100);
    let mut order: Vec<u32> = (0..50).collect();
    Draws(7).shuffle(&mut order);
    assert_ne!(order, (0..50).collect::<Vec<_>>());
    order.sort_unstable();
    assert_eq!(order, (0..50).collect::<Vec<_>>());
}

#[test]
fn what_is_written_is_read_again() {
    let mut book = fixed();
    for text in ["1.2.3.4", "2.0.0.0", "2803:0:1234:abcd::1"] {
        add(&mut book, text, 8333);
    }
    let onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
    add(&mut book, onion, 1);
    let host = "fc00::1".parse::<Host>().unwrap().in_cjdns();
    let node = KnownNode { address: NodeAddress { host, port: 3 }, ..told("1.1.1.1", 1) };
    book.add(&[node], &host, (0, NOW_S), 1);
    let i2p = "c4gfnttsuwqomiygupdqqqyy5y5emnk5c73hrfvatri67prd7vyq.b32.i2p";
    add(&mut book, i2p, 0);
    book.good(&address("1.2.3.4", 8333), NOW_S);
    let bytes = book.to_bytes();
    let read = AddressBook::from_bytes(&bytes).unwrap();
    assert_eq!((read.places(), read.counts()), (book.places(), book.counts()));
    assert!(u64::try_from(bytes.len()).unwrap() < FILE_BYTES_MAX && !read.is_empty());
    let refused = |bytes: &[u8]| AddressBook::from_bytes(bytes).unwrap_err();
    assert_eq!(refused(&bytes[..20]), AddressFileError::Damaged);
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1;
        let expected = if at < 9 { AddressFileError::Form } else { AddressFileError::Damaged };
        assert_eq!(refused(&other), expected, "{at}");
    }
}
