use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn they_are_read_and_written() {
    for (text, want) in [
        ("127.0.0.1", Some("127.0.0.1/32")),
        ("127.0.0.7/24", Some("127.0.0.0/24")),
        ("127.9.0.7/255.255.0.0", Some("127.9.0.0/16")),
        ("1.2.3.4/0", Some("0.0.0.0/0")),
        ("::1", Some("::1/128")),
        ("::ffff:1.2.3.4", Some("1.2.3.4/32")),
        ("2001:4d48:ac57:400:cacf:e9ff:fe1d:9c63/19", Some("2001:4000::/19")),
        ("2001::/ffff::", Some("2001::/16")),
        (
            "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion",
            Some("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion"),
        ),
        ("127.0.0.1/42", None),
        ("127.0.0.1/255.0.255.0", None),
        ("127.0.0.1/ffff::", None),
        ("127.0.0.1/", None),
        ("127.0.0.1/-1", None),
        ("short.onion", None),
        ("localhost", None),
        ("", None),
    ] {
        let read = text.parse::<Subnet>();
        assert_eq!(read.as_ref().ok().map(ToString::to_string).as_deref(), want, "{text}");
        assert!(want.is_some() || read == Err(SubnetError));
    }
}

#[test]
fn what_is_in_them() {
    let home: Subnet = "127.0.0.0/24".parse().unwrap();
    assert!(home.contains(ip("127.0.0.255")) && home.contains(ip("::ffff:127.0.0.1")));
    assert!(!home.contains(ip("127.0.1.0")) && !home.contains(ip("::1")));
    let all: Subnet = "::/0".parse().unwrap();
    assert!(all.contains(ip("::1")) && !all.contains(ip("1.2.3.4")));
    assert_eq!((home.as_host(), Subnet::host(ip("::1")).as_host()), (None, Some(ip("::1"))));
    assert!(!Subnet::Onion("x".into()).contains(ip("::1")));
}

#[test]
fn they_are_listed_in_cores_order() {
    let mut all: Vec<Subnet> =
        ["::1", "192.168.0.1", "127.0.0.0/32", "127.0.0.0/24"].map(|t| t.parse().unwrap()).into();
    all.sort();
    let shown: Vec<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["127.0.0.0/24", "127.0.0.0/32", "192.168.0.1/32", "::1/128"]);
}
