use adit_proto::v1;
use clap::Parser;

use super::table::{Side, Table, btc, bytes, difficulty, hashrate, pairs, span};
use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    ctl: CtlArgs,
}

fn parse(line: &[&str]) -> Result<CtlArgs, clap::Error> {
    Line::try_parse_from(std::iter::once(&"ctl").chain(line)).map(|l| l.ctl)
}

#[test]
fn every_command_parses() {
    let lines: [&[&str]; 31] = [
        &["info"],
        &["actors"],
        &["peers"],
        &["mempool"],
        &["workers"],
        &["blocks"],
        &["balances"],
        &["sessions"],
        &["template"],
        &["utxo"],
        &["dump-utxo", "coins.dat"],
        &["index", "status"],
        &["index", "tx", "00"],
        &["index", "filter"],
        &["index", "coins", "7"],
        &["index", "coins"],
        &["events"],
        &["deployments"],
        &["deployments", "00"],
        &["tx", "0200"],
        &["block", "-"],
        &["invalidate", "00"],
        &["reconsider", "00"],
        &["precious", "00"],
        &["prune", "700000"],
        &["log", "debug"],
        &["actor", "restart", "chain"],
        &["actor", "panic", "stratum-17"],
        &["stop"],
        &["info", "--json", "--datadir", "/srv", "--network", "regtest"],
        &["--url", "http://127.0.0.1:1", "--token-file", "/t", "info"],
    ];
    for line in lines {
        assert!(parse(line).is_ok(), "{line:?}");
    }
    for line in [&["nothing"][..], &[], &["prune", "-1"], &["actor", "stop", "x"], &["--cert", "/c", "info"]]
    {
        assert!(parse(line).is_err(), "{line:?}");
    }
}

#[test]
fn columns_are_aligned() {
    let mut table = Table::new(&[("NAME", Side::Left), ("N", Side::Right), ("TEXT", Side::Left)]);
    table.row(vec!["a".to_owned(), "7".to_owned(), String::new()]);
    table.row(vec!["longer".to_owned(), "1234".to_owned(), "x".to_owned()]);
    assert_eq!(table.render("none"), "NAME       N  TEXT\na          7\nlonger  1234  x");
    assert_eq!(Table::new(&[("NAME", Side::Left)]).render("none"), "none");
    assert_eq!(pairs(&[("a", "1".to_owned()), ("long", String::new())]), "a     1\nlong");
}

#[test]
fn numbers_read_well() {
    let cases = [
        (btc(0), "0.00000000"),
        (btc(5_000_000_001), "50.00000001"),
        (btc(-1), "-0.00000001"),
        (btc(i64::MIN), "-92233720368.54775808"),
        (hashrate(0), "0 H/s"),
        (hashrate(999), "999 H/s"),
        (hashrate(1_239_999), "1.23 MH/s"),
        (hashrate(u64::MAX), "18.44 EH/s"),
        (span(999), "0s"),
        (span(61_000), "1m 1s"),
        (span(3_600_000), "1h 0m"),
        (span(90_000_000), "1d 1h"),
        (bytes(1023), "1023 B"),
        (bytes(2048), "2 KiB"),
        (bytes(5 << 20), "5 MiB"),
        (bytes(u64::MAX), "17179869183 GiB"),
        (difficulty(1), "0.0000000002"),
        (difficulty(3 << 31), "1.500"),
        (difficulty(1 << 63), "2147483648"),
    ];
    for (is, should) in cases {
        assert_eq!(is, should);
    }
}

#[test]
fn programs_get_the_fields_that_they_were_promised() {
    let info = v1::GetInfoResponse { network: "regtest".to_owned(), height: 7, ..Default::default() };
    let json = show::info(&info).json;
    assert!(!show::info(&info).text.contains("mining"));
    let mining_waits_for = "the chain is syncing".to_owned();
    let waits = show::info(&v1::GetInfoResponse { mining_waits_for, ..info }).text;
    assert!(waits.contains("waits: the chain is syncing"), "{waits}");
    assert_eq!((&json["network"], &json["height"], &json["tip"]), (&"regtest".into(), &7.into(), &"".into()));
    let worker = v1::Worker {
        name: "bcrt1q.rig".to_owned(),
        shares_accepted: 5,
        shares_rejected: 1,
        hashrate: 1000,
        ..Default::default()
    };
    let view = show::workers(&v1::ListWorkersResponse { workers: vec![worker], next: String::new() }, 0);
    let row = &view.json[0];
    for (key, should) in [("shares_accepted", 5), ("shares_rejected", 1), ("hashrate", 1000)] {
        assert_eq!(row[key], should, "{key}");
    }
    assert_eq!(row["name"], "bcrt1q.rig");
    assert!(view.text.contains("1.00 kH/s"));
    assert_eq!(show::workers(&v1::ListWorkersResponse::default(), 0).json, serde_json::json!([]));
}

#[test]
fn soft_forks_are_told_as_by_bitcoind() {
    let vote = |statistics| v1::Vote {
        bit: 28,
        start_time_s: 0,
        timeout_s: i64::MAX,
        min_activation_height: 5,
        status: "started".to_owned(),
        since: 144,
        status_next: "started".to_owned(),
        statistics,
    };
    let started = v1::VoteStatistics {
        period: 144,
        elapsed: 3,
        count: 2,
        threshold: Some(108),
        possible: Some(true),
        signalling: "#-#".to_owned(),
    };
    let won = v1::VoteStatistics { threshold: None, possible: None, ..started.clone() };
    let of = |name: &str, height, vote| v1::Deployment { name: name.to_owned(), height, active: false, vote };
    let report = v1::GetDeploymentsResponse {
        hash: "00".to_owned(),
        height: 146,
        script_flags: vec!["P2SH".to_owned(), "WITNESS".to_owned()],
        deployments: vec![
            of("csv", Some(500), None),
            of("one", None, Some(vote(Some(started)))),
            of("two", None, Some(vote(Some(won)))),
            of("three", None, Some(vote(None))),
        ],
    };
    let view = show::deployments(&report);
    let bip9 = |statistics: serde_json::Value| {
        let mut bip9 = serde_json::json!({
            "start_time": 0, "timeout": i64::MAX, "min_activation_height": 5, "status": "started", "since": 144,
            "status_next": "started", "bit": 28, "signalling": "#-#",
        });
        bip9["statistics"] = statistics;
        serde_json::json!({"type": "bip9", "active": false, "bip9": bip9})
    };
    let mut bare = bip9(serde_json::Value::Null);
    for key in ["bit", "signalling", "statistics"] {
        bare["bip9"].as_object_mut().unwrap().remove(key);
    }
    let expected = serde_json::json!({
        "hash": "00",
        "height": 146,
        "script_flags": ["P2SH", "WITNESS"],
        "deployments": {
            "csv": {"type": "buried", "active": false, "height": 500},
            "one": bip9(serde_json::json!({
                "period": 144, "elapsed": 3, "count": 2, "threshold": 108, "possible": true,
            })),
            "two": bip9(serde_json::json!({"period": 144, "elapsed": 3, "count": 2})),
            "three": bare,
        },
    });
    assert_eq!(view.json, expected);
    assert!(
        view.text.starts_with("block 00 at height 146\nscripts are verified under P2SH, WITNESS\n"),
        "{}",
        view.text
    );
    assert!(view.text.contains("2 of 3 in a period of 144, 108 win"), "{}", view.text);
}

#[tokio::test]
async fn a_signet_of_ones_own_is_found_by_its_magic() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["signet-0000abcd", "signet-x", "signet-0000abcde"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    let bind = |name: &str| std::os::unix::net::UnixListener::bind(dir.path().join(name)).unwrap();
    let _both = (bind("adit.sock"), bind("signet-0000abcd/adit.sock"), bind("signet-x/adit.sock"));
    let datadir = dir.path().display().to_string();
    let error = failure(&["--datadir", &datadir, "info"]).await;
    assert!(error.to_string().ends_with("--network mainnet|signet-0000abcd"), "{error}");
    let error = failure(&["--datadir", &datadir, "--network", "signet-x", "info"]).await;
    assert!(matches!(error, CtlError::NoSuchNetwork(_)), "{error}");
    let error = failure(&["--datadir", &datadir, "--network", "signet-00000000", "info"]).await;
    assert!(matches!(error, CtlError::NotRunning(_)), "{error}");
}

#[test]
fn blocks_beyond_the_list_are_counted() {
    let check = |listed: usize, total: u64, last: &str| {
        let blocks = vec![v1::PoolBlock { finder: "rig".to_owned(), ..Default::default() }; listed];
        let view = show::blocks(&v1::ListBlocksResponse { blocks, total });
        assert!(view.text.lines().last().unwrap().ends_with(last), "{}", view.text);
        assert_eq!(view.json.as_array().unwrap().len(), listed);
    };
    check(0, 0, "no blocks found yet");
    check(2, 2, "rig");
    check(2, 1_234, "the newest 2 of 1234");
}

#[test]
fn every_kind_of_event_has_a_line_and_an_object() {
    use v1::event::Kind;
    let kinds = [
        (Some(Kind::TipChanged(v1::TipChangedEvent::default())), "tip_changed"),
        (Some(Kind::BlockFound(v1::BlockFoundEvent::default())), "block_found"),
        (Some(Kind::ShareTotals(v1::ShareTotalsEvent::default())), "share_totals"),
        (Some(Kind::ActorRestarted(v1::ActorRestartedEvent::default())), "actor_restarted"),
        (Some(Kind::Missed(v1::MissedEvent { events: 3 })), "missed"),
        (None, "unknown"),
    ];
    for (kind, name) in kinds {
        let view = show::event(&v1::Event { at_ms: 9, kind });
        assert_eq!((&view.json["event"], &view.json["at_ms"]), (&name.into(), &9.into()));
        assert!(!view.text.is_empty());
    }
}

#[test]
fn a_strangers_name_does_not_steer_the_terminal() {
    let peer = v1::Peer { user_agent: "/x\u{1b}[2J/".to_owned(), ..Default::default() };
    let view = show::peers(&v1::ListPeersResponse { peers: vec![peer] }, 0);
    assert!(!view.text.contains('\u{1b}'));
}

#[test]
fn a_transaction_comes_as_hex_or_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    assert_eq!(input::bytes("0200ff").unwrap(), [2, 0, 255]);
    assert_eq!(input::bytes(&file("hex", b"0200ff\n")).unwrap(), [2, 0, 255]);
    assert_eq!(input::bytes(&file("raw", &[2, 0, 255])).unwrap(), [2, 0, 255]);
    assert!(matches!(input::bytes("no such thing"), Err(CtlError::NotHex(_))));
    assert!(matches!(input::bytes(&dir.path().display().to_string()), Err(CtlError::Unreadable { .. })));
    let long = file("long", &vec![0; 8_000_101]);
    assert!(matches!(input::bytes(&long), Err(CtlError::TooLong(_))));
}

async fn failure(line: &[&str]) -> CtlError {
    execute(&parse(line).unwrap()).await.unwrap_err()
}

#[tokio::test]
async fn a_datadir_without_a_node_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display().to_string();
    let error = failure(&["--datadir", &at, "info"]).await;
    assert_eq!(error.to_string(), format!("no node is running in {at}"));
    assert_eq!(error.exit_code(), EXIT_UNREACHABLE);
    // The socket of a process that was killed.
    drop(std::os::unix::net::UnixListener::bind(dir.path().join("adit.sock")).unwrap());
    assert!(matches!(failure(&["--datadir", &at, "info"]).await, CtlError::NotRunning(_)));
    let error = failure(&["--datadir", &at, "--network", "mars", "info"]).await;
    assert!(matches!(error, CtlError::NoSuchNetwork(_)));
    assert_eq!(error.exit_code(), EXIT_INPUT);
}

#[tokio::test]
async fn a_socket_that_cannot_be_opened_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let long = dir.path().join("x".repeat(120));
    let error = failure(&["--datadir", &long.display().to_string(), "info"]).await;
    assert!(matches!(error, CtlError::Connect { .. }), "{error}");
    assert_eq!(error.exit_code(), EXIT_UNREACHABLE);
}

#[tokio::test]
async fn two_nodes_in_one_datadir_must_be_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("regtest")).unwrap();
    let bind = |name: &str| std::os::unix::net::UnixListener::bind(dir.path().join(name)).unwrap();
    let _both = (bind("adit.sock"), bind("regtest/adit.sock"));
    let error = failure(&["--datadir", &dir.path().display().to_string(), "info"]).await;
    assert!(error.to_string().ends_with("--network mainnet|regtest"), "{error}");
}

#[tokio::test]
async fn an_address_that_does_not_answer_is_said_so() {
    let error = failure(&["--url", "http://127.0.0.1:1", "info"]).await;
    assert!(matches!(error, CtlError::Transport { .. }));
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(matches!(failure(&["--url", "no url", "info"]).await, CtlError::Transport { .. }));
    let error = failure(&["--url", "http://127.0.0.1:1", "--token-file", "/nonexistent", "info"]).await;
    assert!(matches!(error, CtlError::Unreadable { .. }));
    let empty = tempfile::NamedTempFile::new().unwrap();
    let at = empty.path().display().to_string();
    assert!(matches!(
        failure(&["--url", "http://127.0.0.1:1", "--token-file", &at, "info"]).await,
        CtlError::BadToken(_)
    ));
}

#[test]
fn what_the_node_says_is_told_from_what_the_line_says() {
    let check = |status: Status, should: &str, code: u8| {
        let error = CtlError::from(status);
        assert_eq!((error.to_string().as_str(), error.exit_code()), (should, code));
    };
    check(Status::invalid_argument("bad-txns-vout-empty"), "bad-txns-vout-empty", EXIT_REFUSED);
    check(Status::unauthenticated("no token"), "not allowed: no token", EXIT_REFUSED);
    check(Status::unavailable("this node has no pool"), "this node has no pool", EXIT_REFUSED);
    check(Status::deadline_exceeded("x"), "the node does not answer: no answer in time", EXIT_UNREACHABLE);
    check(Status::cancelled("reset"), "the node does not answer: reset", EXIT_UNREACHABLE);
    let output = CtlError::from(io::Error::other("full"));
    assert_eq!((output.to_string().as_str(), output.exit_code()), ("cannot write: full", EXIT_REFUSED));
    assert_eq!(CtlError::NoHome.exit_code(), EXIT_INPUT);
}
