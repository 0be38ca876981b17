use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use bitcoin::hex::{DisplayHex, FromHex};
use zeromq::{Socket as _, SocketRecv, SubSocket};

use super::address::Place;
use super::wire::{self, Frame, GREETING_BYTES, Said, WireError};
use super::{Hub, Publisher, Topic, Zmq, ZmqError};
use crate::fixtures::{Client, House};
use crate::json::Json;
use crate::rest::tests::waiting;

/// How long a test waits for what must come.
const WITHIN: Duration = Duration::from_secs(120);
const ADDRESS: &str = "bcrt1qft5p2uhsdcdc3l2ua4ap5qqfg4pjaqlp250x7us7a8qqhrxrxfsqseac85";

fn publisher(topic: Topic, queue_max: usize) -> Publisher {
    Publisher::new(topic, "tcp://127.0.0.1:0", queue_max)
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < WITHIN, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A subscriber that a library makes, on a thread of its own: what it is told comes out of the channel.
fn subscriber(address: &str, prefix: &str) -> std::sync::mpsc::Receiver<Vec<Vec<u8>>> {
    let (tell, told) = std::sync::mpsc::channel();
    let (address, prefix) = (address.to_owned(), prefix.to_owned());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut socket = SubSocket::new();
            socket.connect(&address).await.unwrap();
            socket.subscribe(&prefix).await.unwrap();
            while let Ok(message) = socket.recv().await {
                let frames = message.into_vec().into_iter().map(|frame| frame.to_vec()).collect();
                if tell.send(frames).is_err() {
                    return;
                }
            }
        });
    });
    told
}

/// A message: topic, body in hex, counter.
fn next(told: &std::sync::mpsc::Receiver<Vec<Vec<u8>>>) -> (String, String, u32) {
    let frames = told.recv_timeout(WITHIN).expect("a message");
    let [topic, body, counter] = frames.as_slice() else { panic!("{frames:?}") };
    let counter = u32::from_le_bytes(counter.as_slice().try_into().unwrap());
    (String::from_utf8(topic.clone()).unwrap(), body.to_lower_hex_string(), counter)
}

fn text(json: &Json) -> String {
    json.as_str().unwrap_or_else(|| panic!("no text: {json}")).to_owned()
}

fn mine(client: &Client, count: usize) -> Vec<String> {
    let Json::List(hashes) = client.call("generatetoaddress", &format!("[{count},\"{ADDRESS}\"]")) else {
        panic!()
    };
    hashes.iter().map(text).collect()
}

#[test]
fn a_subscriber_hears_what_happens_in_its_order() {
    let house = House::publishing(Topic::ALL.map(|topic| publisher(topic, 1000)).to_vec());
    let client = house.client();
    let zmq = house.zmq.as_ref().unwrap();
    let address = format!("tcp://127.0.0.1:{}", zmq.ports()[0].unwrap());
    let first = mine(&client, 101);
    let coinbase = |hash: &str| {
        let block = client.call("getblock", &format!("[\"{hash}\",2]"));
        let Some(Json::List(txs)) = block.get("tx") else { panic!("{block}") };
        (text(txs[0].get("txid").unwrap()), text(txs[0].get("hex").unwrap()))
    };
    let (spent, _) = coinbase(&first[0]);
    client.call("syncwithvalidationinterfacequeue", "[]");
    // With an empty prefix, as ckpool subscribes: everything.
    let all = subscriber(&address, "");
    let order = subscriber(&address, "sequence");
    until("it subscribes", || Topic::ALL.iter().all(|topic| zmq.hub.is_wanted(*topic)));
    let wanted = |count: usize| zmq.hub.0.lock().unwrap()[4].socket.wanting("sequence") == count;
    until("both subscribe", || wanted(2));

    // What was still to be told of the blocks before ends with this one.
    let mark = mine(&client, 1).remove(0);
    let mut ends = vec![("hashblock", mark.clone()), ("sequence", format!("{mark}43"))];
    ends.push(("rawblock", text(&client.call("getblock", &format!("[\"{mark}\",0]")))));
    while !ends.is_empty() {
        let (topic, body, _) = next(&all);
        ends.retain(|(name, last)| (*name, last.as_str()) != (topic.as_str(), body.as_str()));
    }
    while next(&order).1 != format!("{mark}43") {}

    let block = mine(&client, 1).remove(0);
    let (txid, tx) = coinbase(&block);
    let raw = text(&client.call("getblock", &format!("[\"{block}\",0]")));
    let mut heard: Vec<(String, String, u32)> = (0..5).map(|_| next(&all)).collect();
    heard.sort();
    let bodies: Vec<(&str, &str)> =
        heard.iter().map(|(topic, body, _)| (topic.as_str(), body.as_str())).collect();
    let connected = format!("{block}43");
    let expected = [
        ("hashblock", block.as_str()),
        ("hashtx", &txid),
        ("rawblock", &raw),
        ("rawtx", &tx),
        ("sequence", &connected),
    ];
    assert_eq!(bodies, expected);
    let mut counters: std::collections::BTreeMap<String, u32> =
        heard.into_iter().map(|(topic, _, counter)| (topic, counter)).collect();

    // A transaction joins, a block takes it, the block leaves, and it is there again.
    let spend = waiting(&spent);
    let txid = text(&client.call("sendrawtransaction", &format!("[\"{spend}\",0]")));
    client.call("syncwithvalidationinterfacequeue", "[]");
    let with = mine(&client, 1).remove(0);
    client.call("syncwithvalidationinterfacequeue", "[]");
    client.call("invalidateblock", &format!("[\"{with}\"]"));
    let letters: Vec<String> = (0..5).map(|_| next(&order).1).collect();
    let joined = |number: u8| format!("{txid}41{number:02x}00000000000000");
    // Number 2 was its leaving with the block, which the block tells.
    assert_eq!(letters, [connected, joined(1), format!("{with}43"), format!("{with}44"), joined(3)]);
    until("it is in the mempool", || {
        client.call("getrawmempool", "[false,true]").get("mempool_sequence") == Some(&Json::Int(4))
    });
    // The other heard the same, and each topic's counter goes on without a gap: hashtx of joining, two of the block, two again, and one.
    let mut seen = std::collections::BTreeMap::<String, u32>::new();
    while seen.get("sequence") != Some(&4)
        || seen.get("rawtx") != Some(&6)
        || seen.get("rawblock") != Some(&1)
    {
        let (topic, _, counter) = next(&all);
        let last = counters.insert(topic.clone(), counter).unwrap();
        assert_eq!(counter, last + 1, "{topic}");
        *seen.entry(topic).or_default() += 1;
    }
    let shown = client.call("getzmqnotifications", "[]").to_string();
    assert!(
        shown.starts_with("[{\"type\":\"pubhashblock\",\"address\":\"tcp://127.0.0.1:0\",\"hwm\":1000},"),
        "{shown}"
    );
}

#[test]
fn an_address_is_a_file_too_and_what_was_left_there_does_not_matter() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let stale = std::os::unix::net::UnixListener::bind(&path).unwrap();
    drop(stale);
    let publisher = Publisher::new(Topic::HashBlock, &format!("unix:{}", path.display()), 0);
    assert_eq!(publisher.address, format!("ipc://{}", path.display()));
    let address = publisher.address.clone();
    let zmq = Zmq::start(vec![publisher]).unwrap().unwrap();
    let told = subscriber(&address, "hash");
    until("it subscribes", || zmq.hub.is_wanted(Topic::HashBlock));
    zmq.hub.publish(Topic::HashBlock, &Bytes::from_static(b"x"));
    assert_eq!(next(&told), ("hashblock".to_owned(), "78".to_owned(), 0));
    zmq.stop();
}

#[test]
fn what_cannot_be_published_is_said() {
    assert!(Zmq::start(Vec::new()).unwrap().is_none());
    for address in ["", "foo", "tcp://", "tcp://a:b", "tcp://1.2.3.4", "ipc://", "udp://1.2.3.4:5"] {
        let error = Zmq::start(vec![Publisher::new(Topic::RawTx, address, 0)]).err().unwrap();
        assert!(matches!(error, ZmqError::Address(_)), "{error}");
    }
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("tcp://{}", holder.local_addr().unwrap());
    let error = Zmq::start(vec![Publisher::new(Topic::RawTx, &taken, 0)]).err().unwrap();
    assert!(matches!(error, ZmqError::Bind { .. }), "{error}");
    let check = |address: &str, place: &str| {
        assert_eq!(format!("{:?}", Place::parse(address).unwrap()), place);
    };
    check("tcp://*:28332", "Tcp(0.0.0.0:28332)");
    check("tcp://[::1]:1", "Tcp([::1]:1)");
    check("tcp://localhost:1", "Tcp(127.0.0.1:1)");
    check("ipc:///a/b", "Unix(\"/a/b\")");
}

/// Connects and shakes hands by hand.
fn shaken(hub: &Hub, port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(WITHIN)).unwrap();
    let before = hub.0.lock().unwrap()[0].socket.wanting("rawtx");
    let ready = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB";
    stream.write_all(&[&wire::greeting()[..], ready, b"\x00\x04\x01raw"].concat()).unwrap();
    let mut greeting = [0; GREETING_BYTES];
    stream.read_exact(&mut greeting).unwrap();
    wire::check_greeting(&greeting).unwrap();
    until("it subscribes", || hub.0.lock().unwrap()[0].socket.wanting("rawtx") == before + 1);
    stream
}

#[test]
fn a_slow_subscriber_misses_messages_and_keeps_nobody_waiting() {
    const MESSAGES: u32 = 2_000;
    let zmq = Zmq::start(vec![publisher(Topic::RawTx, 7)]).unwrap().unwrap();
    let hub: Arc<Hub> = Arc::clone(&zmq.hub);
    let mut slow = shaken(&hub, zmq.ports()[0].unwrap());
    let body = Bytes::from(vec![7; 100_000]);
    for _ in 0..MESSAGES {
        // It returns, however little is taken.
        hub.publish(Topic::RawTx, &body);
    }
    let queued = hub.0.lock().unwrap()[0].socket.queued();
    // Those in the queue, and the one on its way.
    assert!(queued <= 8 * body.len(), "{queued}");
    // Then it reads what there is, and the counters say how much there was.
    let mut ready = vec![0; 2 + 38];
    slow.read_exact(&mut ready).unwrap();
    let mut counters = Vec::new();
    let mut frame = vec![0; 2 + 5 + 9 + body.len() + 6];
    let mut sent = MESSAGES;
    loop {
        slow.read_exact(&mut frame).unwrap();
        assert!(frame.starts_with(b"\x01\x05rawtx\x03"), "{:?}", &frame[..20]);
        counters.push(u32::from_le_bytes(frame[frame.len() - 4..].try_into().unwrap()));
        if counters.len() > 1 && counters[counters.len() - 1] > counters[counters.len() - 2] + 1 {
            break;
        }
        // Until there has been one behind those that it missed.
        hub.publish(Topic::RawTx, &body);
        sent += 1;
    }
    assert!(counters.is_sorted() && counters[0] == 0 && counters.len() < sent as usize, "{counters:?}");
    drop(slow);
    until("it is let go", || !hub.is_wanted(Topic::RawTx));
    until("nothing waits for it", || hub.0.lock().unwrap()[0].socket.queued() == 0);
    zmq.stop();
}

#[test]
fn who_speaks_otherwise_is_let_go() {
    let zmq = Zmq::start(vec![publisher(Topic::RawTx, 7)]).unwrap().unwrap();
    let port = zmq.ports()[0].unwrap();
    let greeting = wire::greeting();
    let ready = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB".as_slice();
    let subscribed = b"\x00\x04\x01raw".repeat(65);
    for said in [
        b"GET / HTTP/1.1\r\n\r\n                                                        ".to_vec(),
        [&greeting[..], b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB"].concat(),
        [&greeting[..], b"\x00\x04\x01raw"].concat(),
        [&greeting[..], ready, b"\x02\x00\x00\x00\x00\x00\x01\x00\x00"].concat(),
        [&greeting[..], ready, &subscribed].concat(),
        [&greeting[..], ready, b"\x04\x05\x04PING"].concat(),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(WITHIN)).unwrap();
        // It may have gone before all of it was written.
        let _ = stream.write_all(&said);
        let mut all = Vec::new();
        // The end comes, as one or as the other.
        let _ = stream.read_to_end(&mut all);
        assert!(all.len() <= GREETING_BYTES + 40, "{said:?}");
    }
    zmq.stop();
}

#[test]
fn what_a_peer_says_is_read_as_far_as_it_goes() {
    let said = |bytes: &[u8]| {
        Frame::read(bytes).unwrap().map(|(frame, taken)| (Said::of(&frame).map(|s| format!("{s:?}")), taken))
    };
    let check = |bytes: &[u8], expected: Result<&str, WireError>| {
        assert_eq!(said(bytes).unwrap(), (expected.map(str::to_owned), bytes.len()), "{bytes:?}");
    };
    check(b"\x00\x01\x01", Ok("Subscribe([])"));
    check(b"\x00\x02\x01a", Ok("Subscribe([97])"));
    check(b"\x00\x02\x00a", Ok("Cancel([97])"));
    check(b"\x04\x0b\x09SUBSCRIBEa", Ok("Subscribe([97])"));
    check(b"\x04\x08\x06CANCELa", Ok("Cancel([97])"));
    check(b"\x00\x00", Ok("Other"));
    check(b"\x04\x04\x03abc", Ok("Other"));
    check(b"\x04\x09\x04PING\x00\x00xy", Ok("Ping([4, 7, 4, 80, 79, 78, 71, 120, 121])"));
    check(b"\x04\x06\x04PING\x00", Err(WireError::Command));
    check(b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB", Ok("Ready"));
    check(b"\x04\x1a\x05READY\x0bsocket-type\x00\x00\x00\x04XSUB", Ok("Ready"));
    check(b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB", Err(WireError::NotSub));
    check(b"\x04\x06\x05READY", Err(WireError::NotSub));
    check(b"\x04\x07\x05READY\x09", Err(WireError::Command));
    for cut in [&b""[..], b"\x00", b"\x00\x02a", b"\x02\x00\x00", b"\x02\x00\x00\x00\x00\x00\x00\x00\x01"] {
        assert_eq!(said(cut), None, "{cut:?}");
    }
    for long in [&b"\x02\xff\xff\xff\xff\xff\xff\xff\xff"[..], b"\x02\x00\x00\x00\x00\x00\x00\x04\x01"] {
        assert_eq!(Frame::read(long).unwrap_err(), WireError::TooLong);
    }
    let mut greeting = wire::greeting();
    assert_eq!(wire::check_greeting(&greeting), Ok(()));
    greeting[10] = 2;
    assert_eq!(wire::check_greeting(&greeting), Err(WireError::Greeting));
    let mut greeting = wire::greeting();
    greeting[12..17].copy_from_slice(b"PLAIN");
    assert_eq!(wire::check_greeting(&greeting), Err(WireError::Mechanism));
    // As libzmq sends it.
    let theirs = "ff00000000000000017f03004e554c4c".to_owned() + &"00".repeat(48);
    assert_eq!(wire::greeting().to_vec(), Vec::from_hex(&theirs).unwrap());
    let (before, behind) = wire::message(b"rawtx", 300, 258);
    assert_eq!(before, b"\x01\x05rawtx\x03\x00\x00\x00\x00\x00\x00\x01\x2c");
    assert_eq!(behind, b"\x00\x04\x02\x01\x00\x00");
}
