use super::*;

const NOW: UnixMillis = UnixMillis::from_seconds(1_700_000_000);

fn node(text: &str) -> KnownNode {
    let address = NodeAddress { host: text.parse().unwrap(), port: 8333 };
    KnownNode { time_s: 1_700_000_000, services: 9, address }
}

fn board() -> AddressBoard {
    AddressBoard::new(AddressBook::new([7; 32]), [HostNetwork::Ipv4, HostNetwork::Ipv6], 5)
}

#[test]
fn two_hear_of_an_address_and_the_same_ones_for_a_day() {
    let mut board = board();
    (0..20).for_each(|id| board.include(id, id % 2 == 0));
    let (now_s, address) = (NOW.to_seconds_floor(), node("1.2.3.4").address);
    let first = board.listeners(0, &address, now_s);
    assert_eq!((first.len(), first.contains(&0)), (2, false));
    let days: BTreeSet<Vec<PeerId>> =
        (0..20).map(|h| board.listeners(0, &address, now_s + h * 3_600)).collect();
    assert!(days.len() <= 2, "a day ends once within 20 hours");
    let many: BTreeSet<PeerId> =
        (0..20).flat_map(|day| board.listeners(0, &address, now_s + day * DAY_S)).collect();
    assert!(many.len() > 4);
    // Of what is not reached from here one or two hear, and of those alone that understand it.
    let onion = node("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion").address;
    let heard = board.listeners(0, &onion, now_s);
    assert!((1..=2).contains(&heard.len()) && heard.iter().all(|id| id % 2 == 0));
    assert!(board.reaches(&address) && !board.reaches(&onion));
    (0..20).for_each(|id| board.forget(id));
    assert!(board.listeners(0, &address, now_s).is_empty());
}

#[test]
fn who_asks_often_learns_no_more() {
    let mut board = board();
    for n in 0..200 {
        let node = node(&format!("{}.{}.1.1", n / 50 + 1, n % 50));
        board.book.add(&[node], &node.address.host, (0, NOW.to_seconds_floor()), 1);
    }
    let known = board.book.len();
    let first = board.answer("here", false, (NOW, 1));
    assert_eq!(first.len(), known * 23 / 100);
    assert_eq!(board.answer("here", false, (NOW.plus_ms(ANSWER_MS), 2)), first);
    assert_ne!(board.answer("there", false, (NOW, 3)), first, "another entrance, another answer");
    assert_ne!(board.answer("here", true, (NOW, 4)), first, "whom the operator lets ask afresh");
    assert_ne!(board.answer("here", false, (NOW.plus_ms(2 * ANSWER_MS), 5)), first);
    for n in 0..2 * ANSWERS_KEPT_MAX {
        board.answer(&n.to_string(), false, (NOW.plus_ms(2 * ANSWER_MS), 6));
    }
    assert_eq!(board.answers.len(), ANSWERS_KEPT_MAX);
}

#[test]
fn an_address_of_cjdns_is_one_where_that_is_reached() {
    let other = AddressBoard::new(AddressBook::new([7; 32]), [HostNetwork::Cjdns], 5);
    let cjdns = node("fc00::1");
    assert_eq!(board().seen_from_here(cjdns), cjdns);
    let seen = other.seen_from_here(cjdns).address;
    assert_eq!(seen.host.network(), Some(HostNetwork::Cjdns));
    assert!(other.reaches(&seen));
}
