use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, Txid};

use super::coins::Wanted;
use super::target::{self, Format, split};
use crate::differ::{Rival, until_indexed};
use crate::fixtures::{Client, House};
use crate::json::{Json, read};

/// What was answered, byte for byte.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    kind: String,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn json(&self) -> Json {
        read(&self.body).unwrap_or_else(|| panic!("not JSON: {self:?}"))
    }
}

/// Asks without credentials, on a connection of its own.
fn ask(at: SocketAddr, method: &str, target: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let end =
        all.windows(4).position(|part| part == b"\r\n\r\n").unwrap_or_else(|| panic!("no answer: {target}"));
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    let kind = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-type").then(|| value.to_owned())
    });
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        kind: kind.unwrap_or_default(),
        body: all[end + 4..].to_vec(),
    }
}

fn get(at: SocketAddr, target: &str) -> Answer {
    ask(at, "GET", target, b"")
}

fn serving() -> House {
    House::with(|config| config.rest = true)
}

fn at(house: &House) -> SocketAddr {
    house.server.as_ref().unwrap().addresses()[0]
}

#[test]
fn a_path_says_what_is_wanted_and_how() {
    let check = |rest: &str, name: &str, format: Format| assert_eq!(split(rest), (name, format), "{rest}");
    check("ab.bin", "ab", Format::Bin);
    check("ab.hex?x=.json", "ab", Format::Hex);
    check("a.b.json", "a.b", Format::Json);
    check("ab", "ab", Format::Unknown);
    check("ab.", "ab", Format::Unknown);
    check("ab.xml", "ab.xml", Format::Unknown);
    check("", "", Format::Unknown);
}

#[test]
fn a_query_is_read_as_core_reads_it() {
    let check = |target: &str, name: &str, value: Option<&str>| {
        assert_eq!(target::query(target, name).as_deref(), value, "{target}");
    };
    check("/a?count=5", "count", Some("5"));
    check("/a?x=1&count=5&count=6", "count", Some("5"));
    check("/a?count", "count", Some(""));
    check("/a?c%6funt=%35%", "count", Some("5%"));
    check("/a?count=%XY", "count", Some("%XY"));
    check("/a?count=1#count=2", "count", Some("1"));
    check("/a", "count", None);
    check("/a?%", "count", None);
    assert_eq!(target::number::<u32>("12"), Some(12));
    for typed in ["", "+1", "-1", " 1", "1a", "4294967296"] {
        assert_eq!(target::number::<u32>(typed), None, "{typed}");
    }
    assert_eq!(target::sanitized("a<b>\"c"), "abc");
    assert_eq!(target::loose_hex(b"0a 0B\n"), [10, 11]);
    assert_eq!(target::loose_hex(b"0a0"), Vec::<u8>::new());
    assert_eq!(target::loose_hex(b"0az0"), Vec::<u8>::new());
    assert_eq!(target::hash(&"a".repeat(63)), None);
}

#[test]
fn coins_are_asked_for_by_path_or_body() {
    let txid = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206";
    let outpoint = |vout| OutPoint { txid: txid.parse::<Txid>().unwrap(), vout };
    let check = |path: &str, body: &[u8], format, expected: Result<Wanted, &str>| {
        let got = Wanted::read(path, body, format).map_err(|refused| refused.text);
        assert_eq!(got, expected.map_err(str::to_owned), "{path}");
    };
    let wanted = |with_mempool, outpoints| Ok(Wanted { with_mempool, outpoints });
    check(&format!("/{txid}-7"), b"", Format::Json, wanted(false, vec![outpoint(7)]));
    check(&format!("/checkmempool/{txid}-7"), b"", Format::Bin, wanted(true, vec![outpoint(7)]));
    for path in ["", "/", "/checkmempool"] {
        check(path, b"", Format::Json, Err("Error: empty request"));
    }
    for path in ["/x", "/-1", &format!("/{txid}-+1"), &format!("/{txid}--1"), &format!("/{txid}-1/")] {
        check(path, b"", Format::Json, Err("Parse error"));
    }
    let mut body = vec![1];
    body.extend(outpoint(0).txid.to_byte_array());
    body.extend([2, 0, 0, 0]);
    check("", &body, Format::Bin, wanted(true, vec![outpoint(2)]));
    let hex = bitcoin::hex::DisplayHex::to_lower_hex_string(body.as_slice());
    check("", hex.as_bytes(), Format::Hex, wanted(true, vec![outpoint(2)]));
    check("", &body[..20], Format::Bin, Err("Parse error"));
    // What claims to have more than there is.
    check("", &[0xfe, 0xff, 0xff, 0xff, 0x01], Format::Bin, Err("Parse error"));
    check("", &[0xff; 9], Format::Bin, Err("Parse error"));
    check("", b"xyz", Format::Hex, wanted(false, Vec::new()));
    check("", &body, Format::Json, Err("Error: empty request"));
    let both = "Combination of URI scheme inputs and raw post data is not allowed";
    check(&format!("/{txid}-7"), &body, Format::Bin, Err(both));
    check(
        &format!("/{txid}-7"),
        b"",
        Format::Unknown,
        Err("output format not found (available: .bin, .hex, .json)"),
    );
}

#[test]
fn it_is_served_where_it_is_asked_for_and_says_that_it_warms_up() {
    let house = House::start();
    assert_eq!(get(at(&house), "/rest/chaininfo.json").status, 404);
    drop(house);
    let dir = tempfile::tempdir().unwrap();
    let mut config = crate::fixtures::server_config(dir.path());
    config.rest = true;
    let server = crate::Server::start(config, &adit_actors::clock::SystemEntropy).unwrap();
    server.warming("Loading");
    let answer = get(server.addresses()[0], "/rest/chaininfo.json");
    let expected = (503, "Service temporarily unavailable: Loading\r\n".to_owned());
    assert_eq!((answer.status, answer.text()), expected);
    assert_eq!(get(server.addresses()[0], "/rest/x").status, 404);
    server.stop();
}

#[test]
fn what_is_read_is_what_json_rpc_says() {
    let house = serving();
    let (client, rest) = (house.client(), at(&house));
    let address = "bcrt1qft5p2uhsdcdc3l2ua4ap5qqfg4pjaqlp250x7us7a8qqhrxrxfsqseac85";
    let mined = client.call("generatetoaddress", &format!("[3,\"{address}\"]"));
    let Json::List(hashes) = &mined else { panic!("{mined}") };
    let first = hashes[0].as_str().unwrap();
    until_indexed(&client);
    for (path, method, params) in [
        ("chaininfo", "getblockchaininfo", "[]".to_owned()),
        ("mempool/info", "getmempoolinfo", "[]".to_owned()),
        ("mempool/contents", "getrawmempool", "[true]".to_owned()),
        ("deploymentinfo", "getdeploymentinfo", "[]".to_owned()),
        (&format!("deploymentinfo/{first}"), "getdeploymentinfo", format!("[\"{first}\"]")),
        (&format!("block/{first}"), "getblock", format!("[\"{first}\",3]")),
        (&format!("block/notxdetails/{first}"), "getblock", format!("[\"{first}\",1]")),
    ] {
        let answer = get(rest, &format!("/rest/{path}.json"));
        assert_eq!((answer.status, answer.kind.as_str()), (200, "application/json"), "{answer:?}");
        assert_eq!(answer.json(), client.call(method, &params), "{path}");
        assert_eq!(answer.body.last(), Some(&b'\n'));
    }
    let raw = client.call("getblock", &format!("[\"{first}\",0]"));
    let hex = get(rest, &format!("/rest/block/{first}.hex"));
    assert_eq!((hex.kind.as_str(), hex.text()), ("text/plain", format!("{}\n", raw.as_str().unwrap())));
    let whole = get(rest, &format!("/rest/block/{first}.bin"));
    let part = get(rest, &format!("/rest/blockpart/{first}.bin?offset=80&size=5"));
    assert_eq!(part.kind, "application/octet-stream");
    assert_eq!(part.body, whole.body[80..85]);
    let headers = get(rest, &format!("/rest/headers/{first}.bin?count=2"));
    assert_eq!((headers.body.len(), &headers.body[..80]), (160, &whole.body[..80]));
    // A body that is too large is a stranger's: it is not read.
    assert_eq!(ask(rest, "POST", "/rest/getutxos.bin", &vec![0; super::BODY_BYTES_MAX + 1]).status, 413);
}

/// The same to both: status, type and bytes, but for fields that are each node's own.
fn both(
    ours: SocketAddr,
    theirs: SocketAddr,
    method: &str,
    target: &str,
    body: &[u8],
    findings: &mut Vec<String>,
) {
    let (mut mine, mut other) = (ask(ours, method, target, body), ask(theirs, method, target, body));
    if mine == other {
        return;
    }
    for answer in [&mut mine, &mut other] {
        // What stands in the differ's list of exceptions.
        let own = ["size_on_disk", "verificationprogress", "warnings", "usage", "unbroadcastcount"];
        let own_too = ["maxdatacarriersize", "limitclustercount", "maxmempool", "time", "unbroadcast"];
        if answer.kind == "application/json" && (target.contains("info") || target.contains("contents")) {
            let mut shown = answer.json();
            without(&mut shown, &[own, own_too].concat());
            answer.body = shown.to_string().into_bytes();
        }
    }
    if mine != other {
        let (a, b) = (mine.text(), other.text());
        findings.push(format!(
            "{target}: {} {} {a}\n  theirs: {} {} {b}",
            mine.status, mine.kind, other.status, other.kind
        ));
    }
}

fn without(value: &mut Json, names: &[&str]) {
    if let Json::Object(fields) = value {
        fields.retain(|(name, _)| !names.contains(&name.as_ref()));
        fields.iter_mut().for_each(|(_, value)| without(value, names));
    }
}

#[test]
fn answers_are_those_of_bitcoin_core() {
    let Ok(program) = std::env::var("BITCOIND") else {
        println!("skipped: BITCOIND names no bitcoind");
        return;
    };
    let (rival, house) = (Rival::start(&program), serving());
    let (ours, theirs) = (house.client(), rival.client.clone());
    let address = "bcrt1qft5p2uhsdcdc3l2ua4ap5qqfg4pjaqlp250x7us7a8qqhrxrxfsqseac85";
    let mined = ours.call("generatetoaddress", &format!("[102,\"{address}\"]"));
    let Json::List(hashes) = &mined else { panic!("{mined}") };
    let hashes: Vec<&str> = hashes.iter().map(|hash| hash.as_str().unwrap()).collect();
    for hash in &hashes {
        let block = ours.call("getblock", &format!("[\"{hash}\",0]"));
        assert_eq!(theirs.call("submitblock", &format!("[{block}]")), Json::Null);
    }
    [&ours, &theirs].into_iter().for_each(until_indexed);
    // A transaction that waits: the witness script of the address is OP_TRUE.
    let block = ours.call("getblock", &format!("[\"{}\",2]", hashes[0]));
    let Some(Json::List(txs)) = block.get("tx") else { panic!("{block}") };
    let coinbase = txs[0].get("txid").and_then(Json::as_str).unwrap().to_owned();
    let spend = waiting(&coinbase);
    let sent = |client: &Client| client.call("sendrawtransaction", &format!("[\"{spend}\",0]"));
    assert_eq!(sent(&ours), sent(&theirs));
    let waits = sent(&ours).as_str().unwrap().to_owned();
    let targets = targets(&hashes, &coinbase, &waits);
    let mut findings = Vec::new();
    for target in &targets {
        both(ours.address, theirs.address, "GET", target, b"", &mut findings);
    }
    let mut body = vec![2];
    for (txid, vout) in [(&coinbase, 0u32), (&waits, 0)] {
        body.extend(txid.parse::<Txid>().unwrap().to_byte_array());
        body.extend(vout.to_le_bytes());
    }
    let hex = bitcoin::hex::DisplayHex::to_lower_hex_string(body.as_slice());
    let many: Vec<u8> = [&[16u8][..], &[7; 36 * 16]].concat();
    let documented = [&[1u8][..], &body].concat();
    for body in [
        &body[..],
        hex.as_bytes(),
        &body[..30],
        &many,
        &documented,
        b"",
        b"{\"checkmempool",
        &[1, 0],
        &[0, 0xff],
    ] {
        for target in ["", ".bin", ".hex", ".json", "/checkmempool.bin", "/x.hex"] {
            let target = format!("/rest/getutxos{target}");
            both(ours.address, theirs.address, "POST", &target, body, &mut findings);
        }
    }
    for method in ["POST", "PUT", "DELETE"] {
        both(ours.address, theirs.address, method, "/rest/chaininfo.json", b"", &mut findings);
    }
    // A block that has left the best chain.
    for client in [&ours, &theirs] {
        client.call("invalidateblock", &format!("[\"{}\"]", hashes[101]));
    }
    let paths = [
        "headers",
        "block",
        "spenttxouts",
        "deploymentinfo",
        "blockfilterheaders/basic",
        "blockfilter/basic",
    ];
    for path in paths {
        for ending in ["bin", "json"] {
            let target = format!("/rest/{path}/{}.{ending}", hashes[101]);
            both(ours.address, theirs.address, "GET", &target, b"", &mut findings);
        }
    }
    assert!(findings.is_empty(), "{} differences:\n{}", findings.len(), findings.join("\n"));
    println!("{} requests, the same answers", targets.len() + 54 + 3 + 12);
}

/// A spend of a coinbase of 50 bitcoins that pays a witness program of the script OP_TRUE.
pub(crate) fn waiting(coinbase: &str) -> String {
    use bitcoin::absolute::LockTime;
    use bitcoin::transaction::Version;
    use bitcoin::{Amount, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};
    let script = ScriptBuf::from_bytes(vec![0x51]);
    let input = TxIn {
        previous_output: OutPoint { txid: coinbase.parse().unwrap(), vout: 0 },
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::from_slice(&[script.as_bytes()]),
    };
    let output = TxOut { value: Amount::from_sat(4_999_990_000), script_pubkey: script.to_p2wsh() };
    let tx = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![input],
        output: vec![output],
    };
    bitcoin::consensus::encode::serialize_hex(&tx)
}

/// Every path, in every format, with what it takes and what it doesn't.
fn targets(hashes: &[&str], coinbase: &str, waits: &str) -> Vec<String> {
    let (first, last) = (hashes[0], hashes[101]);
    let none = "00".repeat(32);
    let genesis = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206";
    let mut names = Vec::new();
    for hash in [first, last, genesis, &none, "abc", "", &first.to_uppercase(), &format!("{first}%")] {
        for path in
            ["block", "block/notxdetails", "headers", "spenttxouts", "deploymentinfo", "blockfilter/basic"]
        {
            names.push(format!("{path}/{hash}"));
        }
        names.push(format!("blockfilterheaders/basic/{hash}"));
        names.push(format!("blockfilter/x/{hash}"));
        names.push(format!("blockfilterheaders/basic/5/{hash}"));
        names.push(format!("headers/2/{hash}"));
        names.push(format!("headers/a/2/{hash}"));
        names.push(format!("spenttxouts/a/{hash}"));
        names.push(format!("blockfilter/{hash}"));
        names.push(format!("blockpart/{hash}"));
    }
    for name in [
        "chaininfo",
        "chaininfox",
        "mempool/info",
        "mempool/contents",
        "mempool/x",
        "mempool/",
        "getutxos",
        "deploymentinfo",
    ] {
        names.push(name.to_owned());
    }
    for height in ["0", "1", "102", "103", "-1", "+1", "abc", "", "2147483648", "1<2"] {
        names.push(format!("blockhashbyheight/{height}"));
    }
    for txid in [coinbase, waits, &none, "abc", ""] {
        names.push(format!("tx/{txid}"));
    }
    let outputs = [
        format!("{coinbase}-0"),
        format!("{waits}-0"),
        format!("checkmempool/{coinbase}-0"),
        format!("checkmempool/{waits}-0/{waits}-1/{none}-0"),
        format!("{coinbase}--1"),
        format!("{coinbase}-+1"),
        format!("{coinbase}_1"),
        format!("{coinbase}-0/"),
        "checkmempool".to_owned(),
        vec![format!("{waits}-0"); 15].join("/"),
        vec![format!("{waits}-0"); 16].join("/"),
    ];
    names.extend(outputs.iter().map(|output| format!("getutxos/{output}")));
    let mut all = Vec::new();
    for name in names {
        // What a stranger can't write in a path is refused before.
        let name = name.replace('<', "%3C");
        for ending in ["", ".bin", ".hex", ".json", ".xml", "."] {
            all.push(format!("/rest/{name}{ending}"));
        }
    }
    for query in [
        "count=1",
        "count=3",
        "count=0",
        "count=2001",
        "count=-1",
        "count=a",
        "count=",
        "count",
        "x",
        "%",
        "count=%31",
    ] {
        for path in ["headers", "blockfilterheaders/basic"] {
            all.push(format!("/rest/{path}/{first}.hex?{query}"));
        }
        all.push(format!("/rest/mempool/contents.json?{query}"));
    }
    for query in [
        "verbose=false",
        "verbose=true",
        "verbose=TRUE",
        "mempool_sequence=true",
        "mempool_sequence=1",
        "verbose=false&mempool_sequence=false",
    ] {
        all.push(format!("/rest/mempool/contents.json?{query}"));
    }
    for query in [
        "offset=0&size=80",
        "offset=80&size=1",
        "offset=0",
        "size=1",
        "offset=x&size=1",
        "offset=0&size=0",
        "offset=0&size=100000",
        "offset=100000&size=1",
        "offset=18446744073709551615&size=2",
        "%XY",
        "offset=-1&size=1",
    ] {
        for ending in ["bin", "hex", "json", "x"] {
            all.push(format!("/rest/blockpart/{first}.{ending}?{query}"));
        }
        all.push(format!("/rest/blockpart/{none}.bin?{query}"));
    }
    for other in ["/rest", "/rest/", "/rest/x", "/rest/block", "/rest/tx"] {
        all.push(other.to_owned());
    }
    all
}
