use super::*;

#[test]
fn a_pool_is_a_host_and_a_port() {
    let check =
        |url: &str, expected: Option<&str>| assert_eq!(pool_of_url(url).ok().as_deref(), expected, "{url}");
    check("stratum+tcp://127.0.0.1:3333", Some("127.0.0.1:3333"));
    check("pool.example:3333", Some("pool.example:3333"));
    check("stratum+tcp://[::1]:3333/", Some("[::1]:3333"));
    for bad in
        ["", "host", ":3333", "host:", "host:x", "host:70000", "http://host:80", "stratum+ssl://host:3333"]
    {
        check(bad, None);
    }
}

#[test]
fn a_rate_has_a_unit() {
    let check = |rate: u64, expected: &str| assert_eq!(rate_text(rate), expected);
    check(0, "0 H/s");
    check(999, "999 H/s");
    check(1_000, "1.00 kH/s");
    check(5_678_901, "5.67 MH/s");
    check(1_234_000_000, "1.23 GH/s");
    check(99_000_000_000_000, "99.00 TH/s");
}
