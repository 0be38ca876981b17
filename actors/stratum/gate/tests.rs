use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn places_are_counted_in_all_and_by_address() {
    let gate = Gate::new(3, 2);
    let held: Vec<_> = ["10.0.0.1", "10.0.0.1", "10.0.0.2"].map(|a| gate.enter(ip(a))).into_iter().collect();
    assert!(held.iter().all(Option::is_some));
    assert!(gate.enter(ip("10.0.0.3")).is_none());
    drop(held);
    let one = gate.enter(ip("10.0.0.1"));
    let two = gate.enter(ip("10.0.0.1"));
    assert!(one.is_some() && two.is_some() && gate.enter(ip("10.0.0.1")).is_none());
    drop(one);
    assert!(gate.enter(ip("10.0.0.1")).is_some());
    drop(two);
    assert!(gate.counts().by_ip.is_empty() && gate.counts().total == 0);
}

#[test]
fn one_ipv6_network_is_one_address_and_a_mapped_one_is_ipv4() {
    let gate = Gate::new(9, 1);
    let _held = gate.enter(ip("2001:db8:1:2::1"));
    assert!(gate.enter(ip("2001:db8:1:2:ffff::9")).is_none());
    assert!(gate.enter(ip("2001:db8:1:3::1")).is_some());
    let _mapped = gate.enter(ip("::ffff:10.0.0.1"));
    assert!(gate.enter(ip("10.0.0.1")).is_none());
}
