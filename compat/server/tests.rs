use std::io::Write;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use adit_actors::clock::SystemEntropy;
use adit_actors::supervision::ExitReason;

use crate::fixtures::{Client, House, Reply, receive, server_config};
use crate::json::Json;
use crate::{AuthError, Config, Server, StartError};

const COUNT: &str = "{\"method\":\"getblockcount\",\"id\":1}";
const ZERO: &str = "{\"result\":0,\"error\":null,\"id\":1}\n";

/// A server before a node that has not started.
fn warming(change: impl FnOnce(&mut Config)) -> (tempfile::TempDir, Server, Client) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = server_config(dir.path());
    change(&mut config);
    let server = Server::start(config, &SystemEntropy).unwrap();
    let client = Client::new(&server, &dir.path().join("cookie"));
    (dir, server, client)
}

/// What `-rpcauth` has behind the salt.
fn rpcauth(salt: &str, password: &str) -> String {
    use bitcoin::hashes::{Hash, HashEngine, Hmac, HmacEngine, sha256};
    let mut engine = HmacEngine::<sha256::Hash>::new(salt.as_bytes());
    engine.input(password.as_bytes());
    Hmac::from_engine(engine).to_string()
}

fn check(reply: &Reply, status: u16, body: &str) {
    assert_eq!((reply.status, reply.body.as_str()), (status, body), "{}", reply.head);
}

#[test]
fn requests_of_every_version_are_answered_in_their_own() {
    let house = House::start();
    let client = house.client();
    let missing = "{\"code\":-32601,\"message\":\"Method not found\"}";
    for (request, status, body) in [
        ("{\"method\":\"getblockcount\"}", 200, "{\"result\":0,\"error\":null}\n".to_owned()),
        (COUNT, 200, ZERO.to_owned()),
        ("{\"jsonrpc\":\"1.0\",\"method\":\"getblockcount\",\"id\":1}", 200, ZERO.to_owned()),
        ("{\"jsonrpc\":\"1.1\",\"method\":\"getblockcount\",\"id\":1}", 200, ZERO.to_owned()),
        ("{\"jsonrpc\":1.0,\"method\":\"getblockcount\",\"id\":1}", 200, ZERO.to_owned()),
        ("{\"jsonrpc\":1,\"method\":\"getblockcount\",\"id\":1}", 200, ZERO.to_owned()),
        (
            "{\"jsonrpc\":\"2.0\",\"method\":\"getblockcount\",\"id\":\"a\"}",
            200,
            "{\"jsonrpc\":\"2.0\",\"result\":0,\"id\":\"a\"}\n".to_owned(),
        ),
        ("{\"jsonrpc\":\"2.0\",\"method\":\"getblockcount\"}", 204, String::new()),
        ("{\"method\":\"x\",\"id\":1}", 404, format!("{{\"result\":null,\"error\":{missing},\"id\":1}}\n")),
        (
            "{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"id\":1}",
            200,
            format!("{{\"jsonrpc\":\"2.0\",\"error\":{missing},\"id\":1}}\n"),
        ),
        ("[]", 200, "[]\n".to_owned()),
        ("[{\"jsonrpc\":\"2.0\",\"method\":\"getblockcount\"}]", 204, String::new()),
        (
            "[{\"method\":\"getblockcount\",\"id\":1},{\"jsonrpc\":\"2.0\",\"method\":\"getblockcount\"}]",
            200,
            "[{\"result\":0,\"error\":null,\"id\":1}]\n".to_owned(),
        ),
    ] {
        check(&client.post(request), status, &body);
    }
    for (request, status, code) in [
        ("{", 500, -32700),
        ("7", 500, -32700),
        ("", 500, -32700),
        ("{\"method\":7}", 400, -32600),
        ("{\"jsonrpc\":\"3.0\",\"method\":\"x\"}", 400, -32600),
        ("{\"jsonrpc\":2,\"method\":\"x\"}", 400, -32600),
        ("{\"method\":\"getblockhash\",\"params\":[-1]}", 500, -8),
        ("{\"method\":\"getblockhash\",\"params\":[\"a\"]}", 500, -3),
        ("{\"method\":\"getblockhash\"}", 500, -1),
    ] {
        let reply = client.post(request);
        let answer = reply.json();
        let got = answer.get("error").and_then(|error| error.get("code"));
        assert_eq!((reply.status, got), (status, Some(&Json::Int(code))), "{request}");
    }
    // Paths of wallets lead to the same place.
    check(&client.post_to("/wallet/a%20b", COUNT), 200, ZERO);
    check(&client.post_to("/nothing", COUNT), 404, "");
}

#[test]
fn heads_are_borne_as_old_clients_send_them() {
    let house = House::start();
    let client = house.client();
    let auth = client.authorization().trim_end().to_owned();
    for head in [
        format!("POST / HTTP/1.1\nHost: x\n{auth}\nContent-Length: {}\n\n", COUNT.len()),
        format!("POST / HTTP/1.0\r\n{auth}\r\nContent-Length: {}\r\n\r\n", COUNT.len()),
        format!("POST / HTTP/1.1\r\n{auth}\r\ncontent-length: {}\r\n\r\n", COUNT.len()),
    ] {
        let reply = client.send(format!("{head}{COUNT}").as_bytes());
        check(&reply, 200, ZERO);
        assert!(reply.head.contains("application/json"), "{}", reply.head);
        assert!(!reply.head.to_lowercase().contains("chunked"), "{}", reply.head);
    }
    let chunked = format!("POST / HTTP/1.1\r\n{auth}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let body = format!("{:x}\r\n{COUNT}\r\n0\r\n\r\n", COUNT.len());
    check(&client.send(format!("{chunked}{body}").as_bytes()), 200, ZERO);
    // One connection bears many.
    let mut stream = client.connect();
    let request = format!("POST / HTTP/1.1\r\n{auth}\r\nContent-Length: {}\r\n\r\n{COUNT}", COUNT.len());
    for _ in 0..3 {
        stream.write_all(request.as_bytes()).unwrap();
        check(&receive(&mut stream), 200, ZERO);
    }
}

#[test]
fn requests_that_come_at_once_are_answered_in_their_order() {
    use std::io::Read;
    let house = House::start();
    let client = house.client();
    let auth = client.authorization();
    let request = |id: usize, more: &str| {
        let body = format!("{{\"method\":\"getblockcount\",\"id\":{id}}}");
        format!("POST / HTTP/1.1\r\n{auth}{more}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    let all: String =
        (0..100).map(|id| request(id, if id < 99 { "" } else { "Connection: close\r\n" })).collect();
    let mut stream = client.connect();
    stream.write_all(all.as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    let ids: Vec<usize> = answers
        .lines()
        .filter_map(|line| {
            line.strip_prefix("{\"result\":0,\"error\":null,\"id\":")?.strip_suffix('}')?.parse().ok()
        })
        .collect();
    assert_eq!(ids, (0..100).collect::<Vec<_>>());
    // A stranger's are refused one by one.
    let mut stream = client.connect();
    stream.write_all(all.replace("Authorization", "X").as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 401").count(), 100, "{answers}");
}

/// What a method may be asked in: alone in each version, with arguments by place and by name, without an answer, and in batches.
fn askings(method: &str) -> [String; 7] {
    [
        format!("{{\"method\":\"{method}\"}}"),
        format!("{{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"{method}\",\"params\":[]}}"),
        format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":{{\"args\":[1],\"x\":2}}}}"
        ),
        format!("{{\"params\":[\"{PAYEE}\"],\"method\":\"{method}\"}}"),
        format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\"}}"),
        format!("[{{\"method\":\"{method}\"}}]"),
        format!("[{COUNT},{{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"{method}\",\"params\":{{}}}}]"),
    ]
}

/// What nobody may have moved: chain, mempool, network, bans, what is logged, and what runs.
fn state(client: &Client) -> Vec<String> {
    const TOLD: [&str; 7] = [
        "getchaintips",
        "getmininginfo",
        "getmempoolinfo",
        "getnetworkinfo",
        "listbanned",
        "getpeerinfo",
        "logging",
    ];
    TOLD.iter().map(|method| client.call(method, "[]").to_string()).collect()
}

#[test]
fn strangers_are_refused_whatever_they_ask_for() {
    let house = House::start();
    let client = house.client();
    let before = state(&client);
    let strangers = |path: &str, body: &str, header: &str| {
        let request = format!("POST {path} HTTP/1.1\r\n{header}Content-Length: {}\r\n\r\n{body}", body.len());
        let reply = client.send(request.as_bytes());
        check(&reply, 401, "");
        let asked = "www-authenticate: basic realm=\"jsonrpc\"";
        assert!(reply.head.to_lowercase().contains(asked), "{}", reply.head);
    };
    for method in crate::methods::all() {
        askings(method.name).iter().for_each(|body| strangers("/", body, ""));
        strangers("/wallet/w", &askings(method.name)[0], "");
    }
    for credentials in ["", "x", "__cookie__:", "__cookie__:00", ":", "a:b:c"] {
        let wrong = Client { credentials: credentials.to_owned(), ..client.clone() };
        check(&wrong.post("{\"method\":\"stop\"}"), 401, "");
    }
    for header in ["Basic", "Basic !", "Bearer x", "basic YTpi", "Basic \u{fe}"] {
        strangers("/", "{\"method\":\"stop\"}", &format!("Authorization: {header}\r\n"));
    }
    for (method, status) in [("GET", 405), ("PUT", 405), ("HEAD", 405), ("DELETE", 405), ("OPTIONS", 405)] {
        let reply = client.send(format!("{method} / HTTP/1.1\r\nConnection: close\r\n\r\n").as_bytes());
        // What HEAD is told of its body never comes.
        let got = if reply.status == 0 {
            reply.head.split(' ').nth(1).unwrap().parse().unwrap()
        } else {
            reply.status
        };
        assert_eq!(got, status, "{method}");
    }
    // REST is off: there is nothing at its paths, for users neither.
    for path in ["/rest/chaininfo.json", "/rest/mempool/info.json", "/rest/getutxos.json", "/rest/"] {
        let request = format!("GET {path} HTTP/1.1\r\n{}\r\n", client.authorization());
        check(&client.send(request.as_bytes()), 404, "");
        check(&client.send(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes()), 404, "");
    }
    assert_eq!(state(&client), before);
}

#[test]
fn who_may_call_one_method_calls_no_other() {
    let house = House::with(|config| {
        config.user = "u".to_owned();
        config.password = "p".to_owned();
        config.auth = vec!["all:s$".to_owned() + &rpcauth("s", "q")];
        config.whitelist = vec!["u:getblockcount".to_owned()];
        config.whitelist_default = Some(false);
    });
    let all = Client { credentials: "all:q".to_owned(), ..house.client() };
    let user = Client { credentials: "u:p".to_owned(), ..all.clone() };
    let before = state(&all);
    for method in crate::methods::all().iter().filter(|method| method.name != "getblockcount") {
        askings(method.name).iter().for_each(|body| check(&user.post(body), 403, ""));
    }
    // Neither another spelling nor what is none.
    for name in ["GetBlockCount", " stop", "stop ", "getblockcount\\u0000", "x"] {
        check(&user.post(&format!("{{\"method\":\"{name}\"}}")), 403, "");
    }
    check(&user.post("{\"method\":\"s\\u0074op\"}"), 403, "");
    // Of two methods in one request the first counts, for who asks and for what is done.
    check(&user.post("{\"method\":\"stop\",\"method\":\"getblockcount\"}"), 403, "");
    check(&user.post("{\"method\":\"getblockcount\",\"method\":\"stop\",\"id\":1}"), 200, ZERO);
    let both = "[{\"method\":\"getblockcount\",\"method\":\"stop\",\"id\":1}]";
    check(&user.post(both), 200, &format!("[{}]\n", ZERO.trim_end()));
    assert_eq!(state(&all), before);
}

#[test]
fn strangers_make_room_for_whoever_comes() {
    use std::io::Read;
    const PLACES: usize = 4;
    let (_dir, server, client) = warming(|config| {
        config.connections_max = PLACES;
        config.rest = true;
        config.timeout = Duration::from_secs(3600);
    });
    // Nothing, half a head, half of what is read of anyone, and of a body that nobody wants: each would stay for an hour.
    let halves = [
        "",
        "POST / HTTP/1.1\r\nHos",
        "POST /rest/getutxos.json HTTP/1.1\r\nContent-Length: 10\r\n\r\n[",
        "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n[",
    ];
    let stranger = |half: &&str| {
        let mut stream = client.connect();
        stream.write_all(half.as_bytes()).unwrap();
        stream
    };
    let mut strangers: Vec<_> = halves.iter().map(stranger).collect();
    let request = format!(
        "POST / HTTP/1.1\r\n{}Content-Length: {}\r\n\r\n{COUNT}",
        client.authorization(),
        COUNT.len()
    );
    let mut user = client.connect();
    user.write_all(request.as_bytes()).unwrap();
    assert_eq!(receive(&mut user).status, 500);
    // As many again, twice: each takes the place of one of the first, none that of the user.
    strangers.extend(halves.iter().chain(&halves).map(stranger));
    for _ in 0..3 {
        assert_eq!(client.post(COUNT).status, 500);
        user.write_all(request.as_bytes()).unwrap();
        assert_eq!(receive(&mut user).status, 500);
    }
    for mut gone in strangers.drain(..halves.len() * 2) {
        // What was answered before, and the end.
        let mut rest = Vec::new();
        match gone.read_to_end(&mut rest) {
            Ok(_) => assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 401"), "{rest:?}"),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
    // Those that are left do not hold up the end.
    server.stop();
}

#[test]
fn a_stranger_hears_that_he_is_one_whatever_he_sends() {
    let (_dir, server, client) = warming(|_| {});
    let body = "x".repeat(4 << 20);
    for header in ["", "Authorization: Basic eDp5\r\n"] {
        let head = format!("POST / HTTP/1.1\r\n{header}Content-Length: {}\r\n\r\n", body.len());
        let mut stream = client.connect();
        // Twice: what is thrown away is thrown away to its end, and no further.
        for _ in 0..2 {
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(body.as_bytes()).unwrap();
            check(&receive(&mut stream), 401, "");
        }
    }
    // Who asks first whether he may is told no, and sends nothing.
    let asks = "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    check(&client.send(asks.as_bytes()), 401, "");
    server.stop();
}

#[test]
fn what_is_no_request_is_sent_away() {
    use std::io::Read;
    let house = House::with(|config| config.rest = true);
    let client = house.client();
    let auth = client.authorization();
    let many = "a: b\r\n".repeat(10_000);
    let long = "a".repeat(1 << 20);
    let endless = format!("fff\r\n{}\r\n", "a".repeat(0xfff)).repeat(65);
    for (bytes, statuses) in [
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), &[0, 400, 505][..]),
        ("\u{16}\u{3}\u{1}\0".to_owned() + &long, &[0, 400]),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), &[0, 400, 431]),
        (format!("GET / HTTP/1.1\r\nX: {long}\r\n\r\n"), &[0, 400, 431]),
        (format!("GET /{long} HTTP/1.1\r\n\r\n"), &[0, 400, 414, 431]),
        (format!("GET /rest/{} HTTP/1.1\r\n\r\n", "a".repeat(9 << 10)), &[400]),
        (format!("POST / HTTP/1.1\r\n{auth}Content-Length: 5\r\nContent-Length: 6\r\n\r\n"), &[0, 400]),
        (format!("POST / HTTP/1.1\r\n{auth}Content-Length: -5\r\n\r\n"), &[0, 400]),
        (format!("POST / HTTP/1.1\r\n{auth}Content-Length: 99999999999999999999\r\n\r\n"), &[0, 400]),
        (format!("POST / HTTP/1.1\r\n{auth}Transfer-Encoding: gzip\r\n\r\n"), &[0, 400]),
        (format!("POST / HTTP/1.1\r\n{auth}Transfer-Encoding: chunked\r\n\r\nzz\r\n"), &[0, 400]),
        // What it would be upgraded to is not spoken here: it is answered as if it had not asked.
        (
            format!(
                "POST / HTTP/1.1\r\n{auth}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\nContent-Length: {}\r\n\r\n{COUNT}",
                COUNT.len()
            ),
            &[200],
        ),
        ("CONNECT example.org:80 HTTP/1.1\r\n\r\n".to_owned(), &[405]),
        ("GET http://example.org/ HTTP/1.1\r\n\r\n".to_owned(), &[405]),
        // A body without end, of a stranger.
        (
            format!("POST /rest/getutxos.json HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{endless}"),
            &[0, 413],
        ),
    ] {
        let mut stream = client.connect();
        // It may be sent away before it has said all of it.
        let _ = stream.write_all(bytes.as_bytes());
        let reply = receive(&mut stream);
        assert!(statuses.contains(&reply.status), "{:.100}: {reply:?}", bytes);
    }
    // And of a user: as much as a body may have, and no more.
    let mut stream = client.connect();
    stream
        .write_all(format!("POST / HTTP/1.1\r\n{auth}Transfer-Encoding: chunked\r\n\r\n").as_bytes())
        .unwrap();
    let chunk = format!("100000\r\n{}\r\n", " ".repeat(1 << 20));
    while stream.write_all(chunk.as_bytes()).is_ok() {}
    let mut told = Vec::new();
    let _ = stream.read_to_end(&mut told);
    assert!(told.is_empty() || told.starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&told));
    check(&client.post(COUNT), 200, ZERO);
}

#[test]
fn a_body_is_read_for_none_but_a_user_and_is_bounded() {
    let (_dir, server, client) = warming(|_| {});
    // The stranger is answered though none of the body has come.
    let head = "POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n";
    check(&client.send(head.as_bytes()), 401, "");
    let auth = client.authorization();
    let head = format!("POST / HTTP/1.1\r\n{auth}Content-Length: 33554433\r\n\r\n");
    check(&client.send(head.as_bytes()), 413, "");
    let long = format!("POST / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(100_000));
    let reply = client.send(long.as_bytes());
    assert!([0, 431].contains(&reply.status), "{reply:?}");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(client.post(&deep).status, 500);
    let many = format!("[{}1]", "1,".repeat(100_000));
    assert_eq!(client.post(&many).status, 400);
    server.stop();
}

#[test]
fn it_says_that_it_warms_up_and_the_cookie_goes_with_it() {
    let (dir, server, client) = warming(|_| {});
    server.warming("Loading block index…");
    let answer = client.post(COUNT);
    assert_eq!(answer.status, 500);
    assert_eq!(client.error("help", "[]"), (-28, "Loading block index…".to_owned()));
    let cookie = dir.path().join("cookie");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&cookie).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(client.credentials.starts_with("__cookie__:") && client.credentials.len() == 75);
    server.stop();
    assert!(!cookie.exists());
}

#[test]
fn who_may_call_what_is_kept() {
    let row = format!("u:s${}", rpcauth("s", "p"));
    let (_dir, server, cookie) = warming(|config| {
        config.auth = vec![row.clone()];
        config.whitelist = vec!["u:getblockcount, uptime".to_owned(), "u:getblockcount,help".to_owned()];
    });
    let user = Client { credentials: "u:p".to_owned(), ..cookie.clone() };
    assert_eq!(user.post(COUNT).status, 500);
    check(&user.post("{\"method\":\"help\"}"), 403, "");
    check(&user.post("[{\"method\":\"getblockcount\"},{\"method\":\"uptime\"}]"), 403, "");
    check(&cookie.post(COUNT), 403, "");
    let wrong = Client { credentials: "u:q".to_owned(), ..cookie.clone() };
    check(&wrong.post(COUNT), 401, "");
    server.stop();

    let (_dir, server, _) = warming(|config| {
        config.user = "a".to_owned();
        config.password = "b:c".to_owned();
    });
    let user = Client { address: server.addresses()[0], credentials: "a:b:c".to_owned() };
    assert_eq!(user.post(COUNT).status, 500);
    server.stop();
}

#[test]
fn what_keeps_it_from_starting_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let start = |change: &dyn Fn(&mut Config)| {
        let mut config = server_config(dir.path());
        change(&mut config);
        Server::start(config, &SystemEntropy).err().unwrap()
    };
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let error = start(&|config| config.bind = vec![taken]);
    assert!(matches!(error, StartError::Bind(_)), "{error}");
    drop(holder);
    let error = start(&|config| config.auth = vec!["x".to_owned()]);
    assert!(matches!(error, StartError::Auth(AuthError::RpcAuth)), "{error}");
    let error = start(&|config| config.cookie = Some(dir.path().join("no/cookie")));
    assert!(matches!(error, StartError::Auth(AuthError::Cookie { .. })), "{error}");
}

#[test]
fn calls_beyond_the_queue_are_refused() {
    let house = House::with(|config| {
        config.threads = 1;
        config.work_queue = 1;
    });
    let client = house.client();
    // One is carried out and one waits, whichever: of the third it is said that there is no room.
    let waiting = filled(&client, 1);
    drop(house);
    waiting.into_iter().for_each(|thread| drop(thread.join()));
}

#[test]
fn a_stop_is_answered_before_it_ends() {
    let house = House::start();
    let client = house.client();
    check(
        &client.post("{\"method\":\"stop\",\"id\":1}"),
        200,
        "{\"result\":\"Bitcoin Core stopping\",\"error\":null,\"id\":1}\n",
    );
    assert_eq!(house.ended(), ExitReason::Requested);
}

#[test]
fn who_says_nothing_is_let_go() {
    let (_dir, server, client) = warming(|config| config.timeout = Duration::from_millis(50));
    // Nothing, half a head, half a body: each ends by itself.
    let auth = client.authorization();
    for part in ["", "POST / HT", &format!("POST / HTTP/1.1\r\n{auth}Content-Length: 10\r\n\r\n1")] {
        let reply = client.send(part.as_bytes());
        assert!([0, 408].contains(&reply.status), "{reply:?}");
    }
    server.stop();
}

#[test]
fn many_connections_at_once_are_served() {
    const CLIENTS: usize = 200;
    let house = House::start();
    let client = house.client();
    // All are open before the first one speaks.
    let idle: Vec<_> = (0..CLIENTS).map(|_| client.connect()).collect();
    let barrier = Arc::new(Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (client, barrier) = (client.clone(), Arc::clone(&barrier));
            std::thread::spawn(move || {
                barrier.wait();
                (0..25).for_each(|_| check(&client.post(COUNT), 200, ZERO));
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    drop(idle);
}

/// The address that blocks of the tests pay to.
const PAYEE: &str = "bcrt1qft5p2uhsdcdc3l2ua4ap5qqfg4pjaqlp250x7us7a8qqhrxrxfsqseac85";

/// A block on the tip, in hex, which nobody has been told of.
fn next_block(client: &Client) -> String {
    let made = client.call("generateblock", &format!("[\"{PAYEE}\",[],false]"));
    made.get("hex").and_then(Json::as_str).unwrap().to_owned()
}

/// Fills a queue of one place and one that waits, until somebody has been sent away; they stay until the chain is so high, or the house ends.
fn filled(client: &Client, height: u32) -> Vec<std::thread::JoinHandle<()>> {
    let wait = format!("{{\"method\":\"waitforblockheight\",\"params\":[{height}]}}");
    let (tell, told) = std::sync::mpsc::channel();
    let waits = |_| {
        let (client, tell, wait) = (client.clone(), tell.clone(), wait.clone());
        std::thread::spawn(move || {
            let reply = client.post(&wait);
            if reply.status == 503 {
                tell.send(reply.body).unwrap();
            } else {
                assert_eq!(reply.status, 200, "{reply:?}");
            }
        })
    };
    let waiting = (0..3).map(waits).collect();
    assert_eq!(told.recv().unwrap(), "Work queue depth exceeded");
    waiting
}

#[test]
fn a_block_is_taken_though_the_queue_is_full() {
    let house = House::with(|config| {
        config.threads = 1;
        config.work_queue = 1;
    });
    let client = house.client();
    let block = next_block(&client);
    let waiting = filled(&client, 3);
    assert_eq!(client.post(COUNT).status, 503);
    // Wherever the method stands.
    let first = format!("{{\"method\":\"submitblock\",\"params\":[\"{block}\"],\"id\":1}}");
    check(&client.post(&first), 200, "{\"result\":null,\"error\":null,\"id\":1}\n");
    let last = format!("{{\"id\":1,\"params\":[\"{block}\"],\"method\":\"submitblock\"}}");
    check(&client.post(&last), 200, "{\"result\":\"duplicate\",\"error\":null,\"id\":1}\n");
    // What only looks like one waits with all others.
    for other in [
        "{\"method\":\"getblockcount\",\"id\":\"submitblock\"}",
        "[{\"method\":\"submitblock\",\"params\":[\"00\"]}]",
        "{\"method\":\"getblocktemplate\",\"params\":[{\"rules\":[\"segwit\"],\"longpollid\":null}]}",
    ] {
        assert_eq!(client.post(other).status, 503, "{other}");
    }
    drop(house);
    waiting.into_iter().for_each(|thread| drop(thread.join()));
}

#[test]
fn who_polls_for_a_template_takes_nobodys_place() {
    const POLLS: usize = 100;
    let house = House::with(|config| {
        config.threads = 1;
        config.work_queue = 1;
    });
    let client = house.client();
    let template = client.call("getblocktemplate", "[{\"rules\":[\"segwit\"]}]");
    let id = template.get("longpollid").and_then(Json::as_str).unwrap().to_owned();
    let body = format!(
        "{{\"method\":\"getblocktemplate\",\"params\":[{{\"rules\":[\"segwit\"],\"longpollid\":\"{id}\"}}]}}"
    );
    let auth = client.authorization();
    let request = format!("POST / HTTP/1.1\r\n{auth}Content-Length: {}\r\n\r\n{body}", body.len());
    let mut polls: Vec<_> = (0..POLLS).map(|_| client.connect()).collect();
    polls.iter_mut().for_each(|poll| poll.write_all(request.as_bytes()).unwrap());
    // Others are served beside them, one after the other.
    (0..5).for_each(|_| check(&client.post(COUNT), 200, ZERO));
    let block = next_block(&client);
    assert_eq!(client.call("submitblock", &format!("[\"{block}\"]")), Json::Null);
    let tip = client.call("getbestblockhash", "[]");
    for poll in &mut polls {
        let reply = receive(poll);
        assert_eq!(reply.status, 200, "{reply:?}");
        let answer = reply.json();
        assert_eq!(answer.get("result").and_then(|made| made.get("previousblockhash")), Some(&tip));
    }
}

#[test]
fn what_miners_programs_send_is_answered_as_they_read_it() {
    let house = House::start();
    let client = house.client();
    let auth = client.authorization().trim_end().to_owned();
    let block = next_block(&client);
    let other = format!("{}01", &block[..block.len() - 2]);
    // ckpool: no id, no params, a line that ends; it reads one line that begins with a brace. cpuminer and DATUM: version 1.0. public-pool: a
    // number as the version, and named arguments.
    let template =
        "\"capabilities\": [\"coinbasetxn\", \"workid\", \"coinbase/append\"], \"rules\" : [\"segwit\"]";
    for (body, begins) in [
        ("{\"method\": \"getblockcount\"}\n".to_owned(), "{\"result\":0,"),
        (
            format!("{{\"method\": \"getblocktemplate\", \"params\": [{{{template}}}]}}\n"),
            "{\"result\":{\"capabilities\":[\"proposal\"],\"version\":",
        ),
        (
            "{\"jsonrpc\":\"1.0\",\"id\":\"1\",\"method\":\"getblocktemplate\",\"params\":[{\"rules\":[\"segwit\"]}]}".to_owned(),
            "{\"result\":{\"capabilities\"",
        ),
        (
            format!("{{\"jsonrpc\":1.0,\"id\":1,\"method\":\"getblocktemplate\",\"params\":{{\"template_request\":{{{template}}}}}}}"),
            "{\"result\":{\"capabilities\"",
        ),
        (
            "{\"jsonrpc\":1.0,\"id\":1,\"method\":\"getmininginfo\",\"params\":{}}".to_owned(),
            "{\"result\":{\"blocks\":0,",
        ),
        (
            "{\"jsonrpc\":1.0,\"id\":1,\"method\":\"getrpcinfo\"}".to_owned(),
            "{\"result\":{\"active_commands\":[",
        ),
        // A block that is refused is no error of HTTP: DATUM would not see why.
        (
            format!("{{\"method\": \"submitblock\", \"params\": [\"{other}\"]}}\n"),
            "{\"result\":\"bad-txnmrklroot\",\"error\":null",
        ),
        (
            format!("{{\"jsonrpc\":1.0,\"id\":1,\"method\":\"submitblock\",\"params\":{{\"hexdata\":\"{block}\"}}}}"),
            "{\"result\":null,\"error\":null",
        ),
        (
            format!("{{\"jsonrpc\":\"1.0\",\"id\":\"1\",\"method\":\"submitblock\",\"params\":[\"{block}\"]}}"),
            "{\"result\":\"duplicate\",\"error\":null",
        ),
        (
            format!("{{\"method\": \"validateaddress\", \"params\": [\"{PAYEE}\"]}}\n"),
            "{\"result\":{\"isvalid\":true,",
        ),
    ] {
        let head = format!("POST / HTTP/1.1\nHost: x\n{auth}\nContent-Length: {}\n\n", body.len());
        let reply = client.send(format!("{head}{body}").as_bytes());
        assert!(reply.head.starts_with("HTTP/1.1 200 OK\r\n"), "{body}: {reply:?}");
        assert!(reply.head.to_lowercase().contains("content-length: "), "{reply:?}");
        assert!(!reply.head.to_lowercase().contains("chunked"), "{reply:?}");
        assert!(reply.body.starts_with(begins), "{body}: {}", reply.body);
        assert!(reply.body.ends_with("}\n") && reply.body.matches('\n').count() == 1, "{}", reply.body);
    }
    let hash = client.call("getbestblockhash", "[]");
    assert_eq!(client.call("preciousblock", &format!("[{hash}]")), Json::Null);
    let template = client.call("getblocktemplate", "[{\"rules\":[\"segwit\"]}]");
    for field in [
        "version",
        "bits",
        "previousblockhash",
        "target",
        "default_witness_commitment",
        "sizelimit",
        "weightlimit",
        "coinbaseaux",
    ] {
        assert!(template.get(field).is_some(), "{field}: {template}");
    }
}
