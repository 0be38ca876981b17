use std::io::{IoSlice, Write};
use std::sync::Arc;
use std::time::Duration;

use adit_actors::clock::SystemEntropy;
use axum::http::StatusCode;
use hyper::body::{Buf, Bytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Date, Door, Out, Plain, Shape, Timed};
use crate::auth::Users;
use crate::config::Config;
use crate::ctx::Ctx;
use crate::fixtures::{Client, House, receive};
use crate::request::Answer;
use crate::server::guests::Guests;

const BODY: &str = "{\"method\":\"getblockcount\",\"id\":1}";
const ZERO: &str = "{\"result\":0,\"error\":null,\"id\":1}\n";
const TYPED: &str = "\r\nContent-Type: application/json\r\nContent-Length: ";

fn check(text: &str, expected: Shape<'_>) {
    assert_eq!(Shape::of(text.as_bytes()), expected, "{text}");
}

#[test]
fn only_what_is_surely_a_call_is_one() {
    let call = "POST / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic eA==\r\nContent-Length: 2\r\n";
    let is_call =
        |more: usize, length| Shape::Call { head: call.len() + more + 2, length, shown: b"Basic eA==" };
    check(&format!("{call}\r\n"), is_call(0, 2));
    check(&format!("{call}\r\n{{}}POST /"), is_call(0, 2));
    check(
        &call.replace("\r\n", "\n").replace("2\n", "2\n\n"),
        Shape::Call { head: call.len() - 4 + 1, length: 2, shown: b"Basic eA==" },
    );
    for more in
        ["connection: keep-alive\r\n", "Connection: Keep-Alive\r\n", "Accept: */*\r\nUser-Agent: x\r\n"]
    {
        check(&format!("{call}{more}\r\n"), is_call(more.len(), 2));
    }
    for part in ["", "P", "POST / HTTP/1.1\r\n", call] {
        check(part, Shape::Part);
    }
    for more in [
        "Connection: close\r\n",
        "Connection: keep-alive, upgrade\r\n",
        "Expect: 100-continue\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Upgrade: h2c\r\n",
        "TE: trailers\r\n",
        "Trailer: x\r\n",
        "Content-Length: 2\r\n",
        "Authorization: Basic eA==\r\n",
        "no header\r\n",
        &"X: y\r\n".repeat(22),
        &format!("X: {}\r\n", "y".repeat(8_192)),
    ] {
        check(&format!("{call}{more}\r\n"), Shape::Other);
    }
    for (from, to) in [
        ("POST", "GET"),
        ("POST", "post"),
        ("/ ", "/wallet/ "),
        ("/ ", "/?a "),
        ("1.1", "1.0"),
        ("1.1", "2"),
        (": 2", ": +2"),
        (": 2", ": 0x2"),
        (": 2", ": 2, 2"),
        (": 2", ": 65537"),
        (": 2", ": 99999999999999999999"),
        ("Authorization", "X"),
        ("Content-Length", "X"),
    ] {
        check(&format!("{}\r\n", call.replacen(from, to, 1)), Shape::Other);
    }
    // A head that does not end is looked at no longer than a head may be.
    check(&format!("{call}X: {}", "y".repeat(8_192)), Shape::Other);
}

fn written(answer: Option<Answer>, closes: bool) -> String {
    let mut out = Out::of(answer, "D", closes);
    let mut bytes = Vec::new();
    // Whatever the other end takes at a time.
    while out.has_remaining() {
        let mut slices = [IoSlice::new(&[]); 4];
        let count = out.chunks_vectored(&mut slices);
        let offered: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        assert!(offered.starts_with(out.chunk()) && !out.chunk().is_empty());
        let taken = offered.len().min(1_000);
        bytes.extend_from_slice(&offered[..taken]);
        out.advance(taken);
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn answers_have_a_head_of_their_own() {
    let answer = |status, pieces: &[&str]| {
        Some(Answer {
            status,
            body: Some(pieces.iter().map(|piece| Bytes::from((*piece).to_owned())).collect()),
        })
    };
    let ok = StatusCode::OK;
    assert_eq!(
        written(answer(ok, &["{}", "\n"]), false),
        format!("HTTP/1.1 200 OK{TYPED}3\r\nDate: D\r\n\r\n{{}}\n")
    );
    let long = "x".repeat(5_000);
    assert_eq!(
        written(answer(ok, &["[", "", &long, "]\n"]), true),
        format!("HTTP/1.1 200 OK{TYPED}5003\r\nConnection: close\r\nDate: D\r\n\r\n[{long}]\n")
    );
    assert_eq!(
        written(answer(StatusCode::INTERNAL_SERVER_ERROR, &["{}\n"]), false),
        format!("HTTP/1.1 500 Internal Server Error{TYPED}3\r\nDate: D\r\n\r\n{{}}\n")
    );
    assert_eq!(
        written(Some(Answer::bare(StatusCode::NO_CONTENT)), false),
        "HTTP/1.1 204 No Content\r\nDate: D\r\n\r\n"
    );
    assert_eq!(
        written(Some(Answer::bare(StatusCode::FORBIDDEN)), false),
        "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html; charset=ISO-8859-1\r\nContent-Length: 0\r\nDate: D\r\n\r\n"
    );
    assert!(written(None, false).ends_with("\r\n\r\nWork queue depth exceeded"));
    let mut date = Date::default();
    assert!(date.text().ends_with(" GMT") && date.text().len() == 29);
}

fn head(client: &Client, length: usize, more: &str) -> String {
    format!("POST / HTTP/1.1\r\n{}{more}Content-Length: {length}\r\n\r\n", client.authorization())
}

#[test]
fn a_connection_bears_calls_and_then_anything_else() {
    let house = House::start();
    let client = house.client();
    let mut stream = client.connect();
    let plain = format!("{}{BODY}", head(&client, BODY.len(), ""));
    let chunked = plain.replace(
        &format!("Content-Length: {}\r\n\r\n{BODY}", BODY.len()),
        &format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{BODY}\r\n0\r\n\r\n", BODY.len()),
    );
    // What comes at once with a call is answered behind it, by whoever knows it.
    let all = [plain.as_str(), &plain, &chunked, &plain, &plain.replace("/ ", "/nothing ")].concat();
    stream.write_all(all.as_bytes()).unwrap();
    let mut bytes = String::new();
    let closing = plain.replace("Content-Length", "Connection: close\r\nContent-Length");
    stream.write_all(closing.as_bytes()).unwrap();
    std::io::Read::read_to_string(&mut stream, &mut bytes).unwrap();
    assert_eq!(bytes.matches(ZERO).count(), 5, "{bytes}");
    assert_eq!(bytes.matches("HTTP/1.1 404").count(), 1, "{bytes}");
}

#[test]
fn a_call_may_come_in_pieces() {
    let house = House::start();
    let client = house.client();
    let padded = format!("{BODY}{}", " ".repeat(60_000));
    let head = head(&client, padded.len(), "");
    for cuts in
        [vec![10], vec![10, 40], vec![head.len()], vec![head.len(), head.len() + 9], vec![50, 9_000, 40_000]]
    {
        let mut stream = client.connect();
        stream.set_nodelay(true).unwrap();
        let all = format!("{head}{padded}");
        for _ in 0..2 {
            let mut from = 0;
            for cut in cuts.iter().copied().chain([all.len()]) {
                stream.write_all(&all.as_bytes()[from..cut]).unwrap();
                // So that the other end is likely to see them one by one; either way it must answer.
                std::thread::yield_now();
                from = cut;
            }
            let reply = receive(&mut stream);
            assert_eq!((reply.status, reply.body.as_str()), (200, ZERO), "{cuts:?}");
        }
    }
}

#[test]
fn credentials_count_for_as_long_as_they_are_the_same() {
    let house = House::start();
    let client = house.client();
    let mut stream = client.connect();
    let good = format!("{}{BODY}", head(&client, BODY.len(), ""));
    let wrong = Client { credentials: format!("{}0", client.credentials), ..client.clone() };
    let wrong = format!("{}{BODY}", head(&wrong, BODY.len(), ""));
    for (request, status) in [(&good, 200), (&good, 200), (&wrong, 401), (&good, 200), (&wrong, 401)] {
        stream.write_all(request.as_bytes()).unwrap();
        assert_eq!(receive(&mut stream).status, status);
    }
}

const PATIENCE: Duration = Duration::from_secs(30);

/// What is answered to these bytes when nothing follows them, by a clock that stands unless everybody waits: what was said, whether hyper is to go
/// on, and how long it took.
fn left_alone(said: &[u8]) -> (String, bool, Duration) {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let config = Config { user: "a".to_owned(), password: "b".to_owned(), ..Config::new(Vec::new(), None) };
    let (users, _) = Users::new(&config, &SystemEntropy).unwrap();
    let door = Arc::new(Door::new(Arc::new(Ctx::new(config)), users));
    runtime.block_on(async move {
        let (mut near, far) = tokio::io::duplex(1 << 16);
        let (_ending, ends) = watch::channel(false);
        let guest = Guests::new(1).enter().await.unwrap();
        let plain = Plain::new(door, Timed::new(far, PATIENCE), guest, &ends, PATIENCE);
        let from = Instant::now();
        near.write_all(said).await.unwrap();
        let goes_on = plain.serve().await.unwrap().is_some();
        let took = from.elapsed();
        let mut heard = String::new();
        near.read_to_string(&mut heard).await.unwrap();
        (heard, goes_on, took)
    })
}

#[test]
fn who_does_not_go_on_is_let_go_after_one_time_of_waiting() {
    let plain = format!(
        "POST / HTTP/1.1\r\nAuthorization: Basic YTpi\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let lacks = |bytes: usize| plain[..plain.len() - bytes].to_owned();
    for (said, answered, goes_on, waits) in [
        (String::new(), "", false, true),
        (plain.clone(), "500 Internal", false, true),
        (lacks(1), "408 Request", false, true),
        (lacks(BODY.len()), "408 Request", false, true),
        // What is not a whole head has its time there.
        (lacks(BODY.len() + 1), "", true, false),
        (format!("{plain}P"), "500 Internal", true, false),
        (plain.replace("YTpi", "YTpj"), "", true, false),
    ] {
        let (heard, went_on, took) = left_alone(said.as_bytes());
        assert_eq!((went_on, took >= PATIENCE), (goes_on, waits), "{said}: {took:?}");
        assert!(took < PATIENCE * 2, "{said}: {took:?}");
        let status = heard.strip_prefix("HTTP/1.1 ").unwrap_or_default();
        assert!(status.starts_with(answered) && heard.is_empty() == answered.is_empty(), "{said}: {heard}");
    }
}
