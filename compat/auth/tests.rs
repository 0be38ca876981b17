use std::cell::RefCell;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{AuthError, DIGEST_BYTES, Subnet, Users, hmac};
use crate::config::Config;

thread_local! {
    /// Bytes of each comparison that was made.
    pub(super) static COMPARED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// `rpcauth` of a user.
fn row(name: &str, salt: &str, password: &str) -> String {
    use bitcoin::hex::DisplayHex;
    format!("{name}:{salt}${}", hmac(salt, password).to_lower_hex_string())
}

fn users(rows: &[String]) -> Users {
    let config = Config { auth: rows.to_vec(), ..Config::new(Vec::new(), None) };
    Users::new(&config, &adit_actors::clock::SystemEntropy).unwrap().0
}

fn prove(users: &Users, credentials: &str) -> Option<String> {
    users.prove(format!("Basic {}", STANDARD.encode(credentials)).as_bytes())
}

#[test]
fn whoever_asks_the_same_is_compared() {
    let rows = [row("alice", "s", "first"), row("bob", "t", "second"), "carol:u$zz".to_owned()];
    let users = users(&rows);
    let whole = vec![DIGEST_BYTES; rows.len() * 2];
    for (credentials, user) in [
        ("alice:first", Some("alice")),
        ("bob:second", Some("bob")),
        ("alice:second", None),
        ("bob:", None),
        ("bo:second", None),
        ("bobb:second", None),
        ("nobody:at all, and with much more to say than the others have", None),
        (":", None),
        // A row that is no hash lets nobody in, not even with what its bytes would be where they lack.
        ("carol:", None),
        ("carol:zz", None),
    ] {
        COMPARED.take();
        assert_eq!(prove(&users, credentials).as_deref(), user, "{credentials}");
        // All users, names and passwords both, to the last byte: nothing tells how near somebody came.
        assert_eq!(COMPARED.take(), whole, "{credentials}");
    }
}

#[test]
fn what_is_no_row_is_refused() {
    for text in ["", "x", "x:y", "x:y$z:", "x:y$z$"] {
        let config = Config { auth: vec![text.to_owned()], ..Config::new(Vec::new(), None) };
        let error = Users::new(&config, &adit_actors::clock::SystemEntropy).err().unwrap();
        assert!(matches!(error, AuthError::RpcAuth), "{text}");
    }
    // Core compares the text, whose digits are small.
    let large = row("u", "s", "p").replace("u:s$", "").to_uppercase();
    assert_eq!(prove(&users(&[format!("u:s${large}")]), "u:p"), None);
    assert_eq!(prove(&users(&[row("u", "s", "p")]), "u:p").as_deref(), Some("u"));
}

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
