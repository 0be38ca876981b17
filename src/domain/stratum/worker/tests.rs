use super::*;
use crate::stratum::fixtures::ADDRESS;

fn check(user: &str, expected: Result<(&str, &str), WorkerError>) {
    let found = Worker::parse(user, Network::Regtest);
    let found = found.as_ref().map(|w| (w.address.as_str(), w.name.as_str())).map_err(|e| *e);
    assert_eq!(found, expected, "{user}");
}

#[test]
fn a_worker_is_an_address_and_a_name() {
    check(ADDRESS, Ok((ADDRESS, "")));
    check(&format!("{ADDRESS}.rig1"), Ok((ADDRESS, "rig1")));
    check(&format!("{ADDRESS}.a.b"), Ok((ADDRESS, "a.b")));
    check(&format!("{ADDRESS}."), Ok((ADDRESS, "")));
    // The same account, whatever case a QR code had.
    check(&format!("{}.r", ADDRESS.to_uppercase()), Ok((ADDRESS, "r")));
    check(&format!("{ADDRESS}%2Erig%2d1"), Ok((ADDRESS, "rig-1")));
    let longest = format!("{ADDRESS}.{}", "w".repeat(USER_BYTES_MAX - ADDRESS.len() - 1));
    check(&longest, Ok((ADDRESS, &longest[ADDRESS.len() + 1..])));
}

#[test]
fn what_cannot_be_paid_is_refused() {
    check("", Err(WorkerError::NotAnAddress));
    check("worker", Err(WorkerError::NotAnAddress));
    check(&format!("{}.x", ADDRESS.replace("txaqgw", "txaqgx")), Err(WorkerError::NotAnAddress));
    check("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq.x", Err(WorkerError::OtherNetwork));
    check("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", Err(WorkerError::OtherNetwork));
    check(&"a".repeat(USER_BYTES_MAX + 1), Err(WorkerError::TooLong));
    for bad in ["%", "%2", "%zz", "%0a", "a b", "a\u{1b}[2J", "ä", "%e4"] {
        check(&format!("{ADDRESS}.{bad}"), Err(WorkerError::BadCharacter));
    }
}

#[test]
fn the_full_name_is_what_the_books_show() {
    for (user, full) in
        [(format!("{ADDRESS}.r"), format!("{ADDRESS}.r")), (format!("{ADDRESS}."), ADDRESS.to_owned())]
    {
        assert_eq!(Worker::parse(&user, Network::Regtest).unwrap().full_name(), full);
    }
}
