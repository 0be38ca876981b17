use std::net::IpAddr;

use super::{AuthError, Subnet};

fn check(subnet: &str, address: &str, expected: bool) {
    let subnet: Subnet = subnet.parse().unwrap();
    assert_eq!(subnet.contains(address.parse().unwrap()), expected, "{subnet:?} {address}");
}

#[test]
fn a_subnet_holds_its_addresses_alone() {
    check("1.2.3.4", "1.2.3.4", true);
    check("1.2.3.4", "1.2.3.5", false);
    check("1.2.3.0/24", "1.2.3.255", true);
    check("1.2.3.0/24", "1.2.4.0", false);
    check("1.2.3.4/255.255.0.0", "1.2.200.1", true);
    check("0.0.0.0/0", "9.9.9.9", true);
    check("0.0.0.0/0", "::2", false);
    check("::/0", "::2", true);
    check("fe80::/10", "fe80::1", true);
    check("fe80::/10", "fec0::1", false);
    check("1.2.3.4", "::ffff:1.2.3.4", true);
}

#[test]
fn what_is_no_subnet_is_refused() {
    for text in ["", "x", "1.2.3.4/33", "1.2.3.4/255.0.255.0", "1.2.3.4/::1", "::1/129", "1.2.3.4/-1"] {
        let error = text.parse::<Subnet>().unwrap_err();
        assert!(matches!(error, AuthError::Subnet(_)), "{error}");
    }
}

#[test]
fn this_machine_may_always_call() {
    let allows = |address: &str| Subnet::allows(&[], address.parse::<IpAddr>().unwrap());
    assert!(allows("127.0.0.1") && allows("127.9.9.9") && allows("::1") && allows("::ffff:127.0.0.1"));
    assert!(!allows("10.0.0.1") && !allows("fe80::1"));
}
