//! The same requests to a real bitcoind and to Adit on the same chain: the same JSON, but for what stands in [`EXCEPTIONS`].
//! Runs where `BITCOIND` names one.

#[path = "tests/blocks.rs"]
mod blocks;
#[path = "tests/every.rs"]
mod every;
#[path = "tests/fees.rs"]
mod fees;
#[path = "tests/forms.rs"]
mod forms;

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bitcoin::opcodes::all::OP_PUSHNUM_1;
use bitcoin::script::Builder;
use bitcoin::{Address, Network};

use crate::fixtures::{Client, House};
use crate::json::Json;

/// What differs: a method, the field (`*`: every item of a list), and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("getblockchaininfo", "size_on_disk", "files are laid out otherwise"),
    ("getmemoryinfo", "locked", "memory is another program's"),
    ("getmempoolinfo", "usage", "memory is another program's"),
    ("getmempoolentry", "time", "each has its own clock"),
    ("getrawmempool", "*.time", "each has its own clock"),
    ("getmempoolancestors", "*.time", "each has its own clock"),
    ("getmempooldescendants", "*.time", "each has its own clock"),
    ("savemempool", "filename", "each has its own folder"),
    ("dumptxoutset", "path", "each has its own folder"),
    ("gettxoutsetinfo", "disk_size", "coins are stored otherwise"),
    ("getnetworkinfo", "subversion", "it names us"),
    ("getnetworkinfo", "version", "the one at hand is built from a later tree"),
    ("getnetworkinfo", "networks", "no proxies"),
    ("getmininginfo", "currentblockweight", "one of the two alone has made blocks"),
    ("getmininginfo", "currentblocktx", "one of the two alone has made blocks"),
    ("getrpcinfo", "active_commands.*.duration", "each has its own clock"),
    ("getrpcinfo", "logpath", "each has its own folder"),
    ("help", "result", "texts are our own"),
    ("uptime", "result", "each has its own clock"),
    ("getblocktemplate", "longpollid", "opaque"),
    ("getblocktemplate", "curtime", "each has its own clock"),
    ("getnettotals", "timemillis", "each has its own clock"),
    ("getblockchaininfo", "warnings", "the one at hand warns that it is no release"),
    ("getmininginfo", "warnings", "the one at hand warns that it is no release"),
    ("getnetworkinfo", "warnings", "the one at hand warns that it is no release"),
    ("getnetworkinfo", "protocolversion", "the one at hand speaks a later one"),
    ("getchainstates", "chainstates.*.coins_db_cache_bytes", "coins are cached otherwise"),
    ("getchainstates", "chainstates.*.coins_tip_cache_bytes", "coins are cached otherwise"),
];

/// A bitcoind of the test's own.
pub(crate) struct Rival {
    child: Child,
    pub(crate) client: Client,
    dir: tempfile::TempDir,
}

impl Rival {
    pub(crate) fn start(program: &str) -> Rival {
        // A port that is free now may be another's in a moment: then it ends, and another is tried.
        (0..10).find_map(|_| Rival::try_start(program)).expect("bitcoind does not start")
    }

    fn try_start(program: &str) -> Option<Rival> {
        let dir = tempfile::tempdir().unwrap();
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(program)
            .args([
                "-regtest",
                "-listen=0",
                "-txindex",
                "-blockfilterindex",
                "-coinstatsindex",
                "-txospenderindex",
            ])
            .args(["-printtoconsole=0", "-disablewallet", "-connect=0", "-acceptnonstdtxn=0", "-rest"])
            .arg("-checkblockindex=0")
            .arg(format!("-datadir={}", dir.path().display()))
            .arg(format!("-rpcport={}", address.port()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let client = Client { address, credentials: String::new() };
        let mut rival = Rival { child, client, dir };
        let since = Instant::now();
        loop {
            assert!(since.elapsed() < Duration::from_secs(120), "bitcoind does not answer");
            std::thread::sleep(Duration::from_millis(50));
            if rival.child.try_wait().unwrap().is_some() {
                return None;
            }
            if rival.answers() {
                return Some(rival);
            }
        }
    }

    /// Whether its cookie is there and it answers to it.
    fn answers(&mut self) -> bool {
        let Ok(credentials) = std::fs::read_to_string(self.dir.path().join("regtest/.cookie")) else {
            return false;
        };
        self.client.credentials = credentials;
        std::net::TcpStream::connect(self.client.address).is_ok()
            && self.client.answer("getblockcount", "[]").get("result").is_some()
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where two values differ.
fn differences(path: &str, ours: &Json, theirs: &Json, found: &mut Vec<(String, String)>) {
    let mut say = |what: String| found.push((path.trim_start_matches('.').to_owned(), what));
    match (ours, theirs) {
        (Json::Object(a), Json::Object(b)) => {
            let names = |fields: &[(crate::json::Name, Json)]| -> Vec<String> {
                fields.iter().map(|(name, _)| name.to_string()).collect()
            };
            let (mine, other) = (names(a), names(b));
            for name in mine.iter().filter(|name| !other.contains(name)) {
                found.push((
                    format!("{path}.{name}").trim_start_matches('.').to_owned(),
                    "only ours".to_owned(),
                ));
            }
            for name in other.iter().filter(|name| !mine.contains(name)) {
                found.push((
                    format!("{path}.{name}").trim_start_matches('.').to_owned(),
                    "only theirs".to_owned(),
                ));
            }
            let shared = |from: &[String], with: &[String]| -> Vec<String> {
                from.iter().filter(|name| with.contains(name)).cloned().collect()
            };
            if shared(&mine, &other) != shared(&other, &mine) {
                found.push((path.trim_start_matches('.').to_owned(), "another order".to_owned()));
            }
            for (name, value) in a {
                if let Some(other) = theirs.get(name) {
                    differences(&format!("{path}.{name}"), value, other, found);
                }
            }
        }
        (Json::List(a), Json::List(b)) if a.len() == b.len() => {
            for (a, b) in a.iter().zip(b) {
                differences(&format!("{path}.*"), a, b, found);
            }
        }
        // As they are written: a number is its digits.
        (a, b) if a.to_string() != b.to_string() => say(format!("{a} and theirs {b}")),
        _ => {}
    }
}

fn excepted(method: &str, path: &str) -> bool {
    let plain: Vec<&str> = path.split('.').collect();
    EXCEPTIONS.iter().any(|(m, field, _)| {
        let field: Vec<&str> = field.split('.').collect();
        let fits = field.len() <= plain.len()
            && field.iter().zip(&plain).all(|(want, got)| *want == "*" || want == got);
        *m == method && fits
    })
}

/// Both sides, and what did not agree so far.
struct Both<'a> {
    ours: &'a Client,
    theirs: &'a Client,
    findings: Vec<String>,
    /// Each method: whether it has answered, and whether it has refused.
    asked: BTreeMap<String, (bool, bool)>,
}

impl Both<'_> {
    /// The same call to both; ours is returned.
    fn ask(&mut self, method: &str, params: &str) -> Json {
        let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":{params}}}");
        let (our_reply, their_reply) = (self.ours.post(&body), self.theirs.post(&body));
        let (ours, theirs) = (our_reply.json(), their_reply.json());
        let asked = self.asked.entry(method.to_owned()).or_default();
        if ours.get("result").is_some() {
            asked.0 = true
        } else {
            asked.1 = true
        }
        let mut found = Vec::new();
        differences("", &ours, &theirs, &mut found);
        let help = |answer: &Json| {
            let text = answer.get("error").and_then(|e| e.get("message")).and_then(Json::as_str);
            text.is_some_and(|text| text.starts_with(method) && text.contains('\n'))
        };
        // Texts of help are our own.
        let both_help = help(&ours) && help(&theirs);
        // To the last zero of an amount.
        if found.is_empty() && our_reply.body != their_reply.body {
            found.push(("text".to_owned(), format!("{} and theirs {}", our_reply.body, their_reply.body)));
        }
        for (path, what) in found {
            if both_help && path == "error.message" {
                continue;
            }
            let inner = path.strip_prefix("result.").unwrap_or(&path);
            if !excepted(method, inner) {
                self.findings.push(format!("{method} {params}: {path}: {what}"));
            }
        }
        ours.get("result").cloned().unwrap_or(Json::Null)
    }

    /// Raw requests: the same status and body.
    fn send(&mut self, path: &str, body: &str) {
        let (ours, theirs) = (self.ours.post_to(path, body), self.theirs.post_to(path, body));
        if (ours.status, &ours.body) != (theirs.status, &theirs.body) {
            self.findings.push(format!("{path} {body}: {ours:?} and theirs {theirs:?}"));
        }
    }
}

fn text(json: &Json) -> String {
    json.as_str().unwrap_or_else(|| panic!("no text: {json}")).to_owned()
}

/// A bitcoind and an Adit, where a bitcoind is named.
fn pair() -> Option<(Rival, House)> {
    let program = std::env::var("BITCOIND").inspect_err(|_| println!("skipped: BITCOIND names no bitcoind"));
    Some((Rival::start(&program.ok()?), House::start()))
}

/// Whoever asks may spend from there.
fn anyone() -> String {
    let script = Builder::new().push_opcode(OP_PUSHNUM_1).into_script();
    Address::p2wsh(&script, Network::Regtest).to_string()
}

#[test]
fn answers_are_those_of_bitcoin_core() {
    let Some((rival, house)) = pair() else { return };
    let (ours, theirs) = (house.client(), rival.client.clone());
    let address = anyone();
    let mined = ours.call("generatetoaddress", &format!("[110,\"{address}\"]"));
    let Json::List(hashes) = &mined else { panic!("{mined}") };
    for hash in hashes {
        let block = ours.call("getblock", &format!("[{hash},0]"));
        assert_eq!(theirs.call("submitblock", &format!("[{block}]")), Json::Null);
    }
    let mut both = Both { ours: &ours, theirs: &theirs, findings: Vec::new(), asked: BTreeMap::new() };
    for client in [&ours, &theirs] {
        until_indexed(client);
    }
    requests_of_a_chain(&mut both, hashes);
    let tx = requests_of_transactions(&mut both, hashes, &address);
    mempool(&mut both, &tx);
    packages(&mut both, &tx, &address);
    let made = ours.call("generatetoaddress", &format!("[1,\"{address}\"]"));
    let Json::List(made) = made else { panic!("{made}") };
    let block = ours.call("getblock", &format!("[{},0]", made[0]));
    assert_eq!(theirs.call("submitblock", &format!("[{block}]")), Json::Null);
    requests_of_a_block(&mut both, &made[0], &tx);
    branches(&mut both, hashes);
    shapes(&mut both);
    words(&mut both);
    forms::ask(&mut both);
    blocks::ask(&mut both);
    leftovers(&mut both);
    every::ask(&mut both, &hashes[7]);
    assert!(both.findings.is_empty(), "{} differences:\n{}", both.findings.len(), both.findings.join("\n"));
}

/// Indexes follow by themselves.
pub(crate) fn until_indexed(client: &Client) {
    let since = Instant::now();
    while client.call("getindexinfo", "[]").to_string().contains("\"synced\":false") {
        assert!(since.elapsed() < Duration::from_secs(120), "the indexes do not follow");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn requests_of_a_chain(both: &mut Both<'_>, hashes: &[Json]) {
    for method in [
        "getblockcount",
        "getbestblockhash",
        "getdifficulty",
        "getchaintips",
        "getblockchaininfo",
        "getdeploymentinfo",
    ] {
        both.ask(method, "[]");
    }
    for method in ["getmempoolinfo", "getrawmempool", "getmininginfo", "getnetworkinfo", "getpeerinfo"] {
        both.ask(method, "[]");
    }
    for method in
        ["getconnectioncount", "getnettotals", "getindexinfo", "ping", "syncwithvalidationinterfacequeue"]
    {
        both.ask(method, "[]");
    }
    for params in
        ["[0]", "[1]", "[110]", "[111]", "[-1]", "[\"a\"]", "[]", "[1,2]", "{\"height\":5}", "{\"x\":5}"]
    {
        both.ask("getblockhash", params);
    }
    let genesis = text(&both.ask("getblockhash", "[0]"));
    for hash in [&format!("\"{genesis}\""), &hashes[0].to_string(), &hashes[109].to_string()] {
        for verbosity in ["0", "1", "2", "3", "true", "false"] {
            both.ask("getblock", &format!("[{hash},{verbosity}]"));
        }
        both.ask("getblock", &format!("[{hash}]"));
        both.ask("getblockheader", &format!("[{hash}]"));
        both.ask("getblockheader", &format!("[{hash},false]"));
        both.ask("getdeploymentinfo", &format!("[{hash}]"));
        both.ask("getblockfilter", &format!("[{hash}]"));
        both.ask("gettxoutsetinfo", &format!("[\"muhash\",{hash}]"));
        both.ask("waitforblock", &format!("[{hash},1]"));
    }
    let none = "\"00000000000000000000000000000000000000000000000000000000000000aa\"";
    for hash in
        [none, "\"aa\"", "\"zz00000000000000000000000000000000000000000000000000000000000000\"", "7", "null"]
    {
        for method in ["getblock", "getblockheader", "getdeploymentinfo", "getblockfilter", "preciousblock"] {
            both.ask(method, &format!("[{hash}]"));
        }
        both.ask("gettxout", &format!("[{hash},0]"));
        both.ask("getrawtransaction", &format!("[{hash}]"));
    }
    for params in
        ["[]", "[\"muhash\"]", "[\"none\"]", "[\"none\",100]", "[\"none\",200]", "[\"x\"]", "[\"none\",-1]"]
    {
        both.ask("gettxoutsetinfo", params);
    }
    both.ask("gettxoutsetinfo", "[\"hash_serialized_3\",5]");
    both.ask("gettxoutsetinfo", "[\"muhash\",null,false]");
    for params in ["[]", "[-1]", "[0]", "[120,50]", "[5]", "[5,200]"] {
        both.ask("getnetworkhashps", params);
    }
    for params in ["[50,1]", "[110,1]", "[\"a\"]"] {
        both.ask("waitforblockheight", params);
    }
    both.ask("waitfornewblock", "[1]");
    both.ask("waitfornewblock", "[-1]");
    for params in ["[]", "[{}]", "[{\"mode\":\"x\"}]", "[{\"mode\":1}]"] {
        both.ask("getblocktemplate", params);
    }
    for params in ["[]", "[\"00\"]", "[\"zz\"]"] {
        both.ask("submitblock", params);
        both.ask("submitheader", params);
    }
    let block = both.ask("getblock", &format!("[{},0]", hashes[50]));
    both.ask("submitblock", &format!("[{block}]"));
    both.ask("submitheader", &format!("[\"{}\"]", &text(&block)[..160]));
    both.ask("submitheader", &format!("[{block}]"));
}

/// Sends a transaction with an output of each kind; its bytes are returned.
fn requests_of_transactions(both: &mut Both<'_>, hashes: &[Json], address: &str) -> String {
    let block = both.ask("getblock", &format!("[{},2]", hashes[0]));
    let Some(Json::List(txs)) = block.get("tx") else { panic!("{block}") };
    let coinbase = text(txs[0].get("txid").unwrap());
    both.ask("gettxout", &format!("[\"{coinbase}\",0]"));
    both.ask("gettxout", &format!("[\"{coinbase}\",0,false]"));
    both.ask("gettxout", &format!("[\"{coinbase}\",7]"));
    for verbosity in ["0", "1", "2", "true"] {
        both.ask("getrawtransaction", &format!("[\"{coinbase}\",{verbosity}]"));
        both.ask("getrawtransaction", &format!("[\"{coinbase}\",{verbosity},{}]", hashes[0]));
        both.ask("getrawtransaction", &format!("[\"{coinbase}\",{verbosity},{}]", hashes[1]));
    }
    both.ask("scantxoutset", &format!("[\"start\",[\"addr({address})\"]]"));
    both.ask("scantxoutset", "[\"start\",[\"raw(51)\",{\"desc\":\"raw(52)\"}]]");
    for params in
        ["[\"start\"]", "[\"status\"]", "[\"abort\"]", "[\"x\"]", "[\"start\",[7]]", "[\"start\",[{}]]"]
    {
        both.ask("scantxoutset", params);
    }
    let inputs = format!("[{{\"txid\":\"{coinbase}\",\"vout\":0}}]");
    let outputs = [
        ("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "10"),
        ("mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", "1.5"),
        ("2N2JD6wb56AfK4tfmM6PwdVmoYk2dCKf4Br", "0.00000546"),
        ("bcrt1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7k0ylj56", "2"),
        (address, "30"),
        ("data", "\"00ff\""),
    ];
    let named: Vec<String> = outputs.iter().map(|(to, value)| format!("{{\"{to}\":{value}}}")).collect();
    let made = both.ask("createrawtransaction", &format!("[{inputs},[{}]]", named.join(",")));
    both.ask("createrawtransaction", &format!("[{inputs},{{\"{address}\":\"1.00000001\"}},7,false,1]"));
    for params in [
        "[[],{}]".to_owned(),
        "[7,{}]".to_owned(),
        format!("[{inputs},{{\"x\":1}}]"),
        format!("[{inputs},{{\"{address}\":-1}}]"),
        format!("[{inputs},{{\"{address}\":1.000000001}}]"),
        format!("[{inputs},{{\"{address}\":\"a\"}}]"),
        format!("[{inputs},{{\"{address}\":22000000}}]"),
        format!("[{inputs},{{\"data\":\"0\"}}]"),
        format!("[{inputs},null]"),
        format!("[{inputs},[{{\"{address}\":1}},{{\"{address}\":1}}]]"),
        format!("[{inputs},{{}},-1]"),
        "[[{\"txid\":\"aa\"}],{}]".to_owned(),
        format!("[[{{\"txid\":\"{coinbase}\"}}],{{}}]"),
        format!("[[{{\"txid\":\"{coinbase}\",\"vout\":-1}}],{{}}]"),
        format!("[[{{\"txid\":\"{coinbase}\",\"vout\":0,\"sequence\":4294967296}}],{{}}]"),
    ] {
        both.ask("createrawtransaction", &params);
    }
    let signed = with_witness(&text(&made));
    both.ask("decoderawtransaction", &format!("[{made}]"));
    both.ask("decoderawtransaction", &format!("[\"{signed}\"]"));
    for params in [
        "[\"00\"]",
        "[\"00000080000000000000\"]",
        "[\"00000080000000000000\",true]",
        "[\"00000080000000000000\",false]",
    ] {
        both.ask("decoderawtransaction", params);
    }
    both.ask("decoderawtransaction", "[]");
    both.ask("sendrawtransaction", &format!("[{made}]"));
    both.ask("sendrawtransaction", "[\"00\"]");
    both.ask("testmempoolaccept", &format!("[[{made}]]"));
    both.ask("testmempoolaccept", "[[]]");
    both.ask("testmempoolaccept", "[[\"00\"]]");
    both.ask("testmempoolaccept", &format!("[[\"{signed}\"],0]"));
    both.ask("testmempoolaccept", &format!("[[\"{signed}\"]]"));
    both.ask("testmempoolaccept", &format!("[[\"{signed}\"],2]"));
    both.ask("sendrawtransaction", &format!("[\"{signed}\"]"));
    both.ask("sendrawtransaction", &format!("[\"{signed}\",0]"));
    signed
}

/// The witness of an output that a script of `1` guards.
fn with_witness(raw: &str) -> String {
    use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
    let mut tx: bitcoin::Transaction = deserialize_hex(raw).unwrap();
    for input in &mut tx.input {
        input.witness = bitcoin::Witness::from_slice(&[[0x51u8]]);
    }
    serialize_hex(&tx)
}

fn mempool(both: &mut Both<'_>, tx: &str) {
    let decoded = both.ask("decoderawtransaction", &format!("[\"{tx}\"]"));
    let txid = text(decoded.get("txid").unwrap());
    both.ask("syncwithvalidationinterfacequeue", "[]");
    both.ask("getrawmempool", "[]");
    both.ask("getrawmempool", "[true]");
    both.ask("getrawmempool", "[true,true]");
    both.ask("getmempoolentry", &format!("[\"{txid}\"]"));
    both.ask("getmempoolentry", "[\"00000000000000000000000000000000000000000000000000000000000000aa\"]");
    both.ask("getmempoolancestors", &format!("[\"{txid}\",true]"));
    both.ask("getmempooldescendants", &format!("[\"{txid}\"]"));
    both.ask("getmempoolinfo", "[]");
    both.ask("gettxout", &format!("[\"{txid}\",0]"));
    both.ask("gettxout", &format!("[\"{txid}\",0,false]"));
    both.ask("getrawtransaction", &format!("[\"{txid}\",1]"));
    both.ask("gettxspendingprevout", &format!("[[{{\"txid\":\"{txid}\",\"vout\":0}}]]"));
    both.ask("gettxspendingprevout", "[[]]");
    both.ask("getblocktemplate", "[{\"rules\":[\"segwit\"]}]");
}

/// A child of what waits, offered with it and without.
fn packages(both: &mut Both<'_>, tx: &str, address: &str) {
    let decoded = both.ask("decoderawtransaction", &format!("[\"{tx}\"]"));
    let (txid, out) = (text(decoded.get("txid").unwrap()), decoded.get("vout").unwrap().clone());
    let Json::List(outputs) = &out else { panic!("{out}") };
    let sat = match outputs[0].get("value") {
        Some(Json::Double(number)) => (number * 1e8).round() as i64,
        other => panic!("{other:?}"),
    };
    let child = |both: &mut Both<'_>, fee_sat: i64| {
        let pays = Json::Amount(sat - fee_sat);
        let made = both.ask(
            "createrawtransaction",
            &format!("[[{{\"txid\":\"{txid}\",\"vout\":0}}],{{\"{address}\":{pays}}}]"),
        );
        with_witness(&text(&made))
    };
    let (free, paid) = (child(both, 0), child(both, 5_000));
    let (low, burnt) = (child(both, 4_000), child(both, 5_000_000));
    for params in [
        format!("[[\"{tx}\",\"{paid}\"]]"),
        format!("[[\"{free}\"]]"),
        format!("[[\"{free}\",\"{paid}\"]]"),
        format!("[[\"{paid}\",\"{tx}\"]]"),
        format!("[[\"{paid}\"],0.00000001]"),
        format!("[[\"{burnt}\"]]"),
        format!("[[\"{burnt}\",\"{paid}\"],0]"),
    ] {
        both.ask("testmempoolaccept", &params);
    }
    for params in [
        "[]".to_owned(),
        "[[]]".to_owned(),
        "[[\"00\"]]".to_owned(),
        "[[7]]".to_owned(),
        "[\"x\"]".to_owned(),
        format!("[[\"{paid}\",\"{tx}\"]]"),
        format!("[[\"{free}\"]]"),
        format!("[[\"{free}\",\"{paid}\"]]"),
        format!("[[\"{tx}\",\"{free}\"]]"),
        format!("[[\"{tx}\",\"{burnt}\"]]"),
        format!("[[\"{tx}\",\"{paid}\"],2]"),
        format!("[[\"{tx}\",\"{paid}\"],0,0]"),
        format!("[[\"{tx}\",\"{paid}\"]]"),
        format!("[[\"{low}\"]]"),
    ] {
        both.ask("submitpackage", &params);
    }
    both.ask("sendrawtransaction", &format!("[\"{low}\"]"));
    both.ask("sendrawtransaction", &format!("[\"{paid}\"]"));
    let child_id = text(both.ask("decoderawtransaction", &format!("[\"{paid}\"]")).get("txid").unwrap());
    for delta in ["7", "-7", "1.5", "\"x\"", "100000", "2100000000000000"] {
        both.ask("prioritisetransaction", &format!("[\"{child_id}\",0,{delta}]"));
        both.ask("getprioritisedtransactions", "[]");
    }
    both.ask("prioritisetransaction", &format!("[\"{child_id}\",0,-2100000000000000]"));
    for params in ["[]", "[\"aa\",0,7]", "[\"zz\",0,7]", "{\"txid\":\"aa\"}"] {
        both.ask("prioritisetransaction", params);
    }
    both.ask("prioritisetransaction", &format!("[\"{child_id}\",1,7]"));
    both.ask("prioritisetransaction", &format!("{{\"txid\":\"{child_id}\",\"fee_delta\":3}}"));
    let nobody = "00000000000000000000000000000000000000000000000000000000000000aa";
    for id in [txid.as_str(), child_id.as_str(), nobody, "zz"] {
        for method in ["getmempoolcluster", "getmempoolentry"] {
            both.ask(method, &format!("[\"{id}\"]"));
        }
        for verbose in ["", ",false", ",true"] {
            both.ask("getmempoolancestors", &format!("[\"{id}\"{verbose}]"));
            both.ask("getmempooldescendants", &format!("[\"{id}\"{verbose}]"));
        }
    }
    for params in ["[]", "[true]", "[false,true]"] {
        both.ask("getrawmempool", params);
    }
    both.ask("getmempoolfeeratediagram", "[]");
    both.ask("getmempoolinfo", "[]");
    for params in ["[]", "[0]", "[1]", "[2]", "[3]", "[-1]", "[true]", "[\"x\"]"] {
        both.ask("getorphantxs", params);
    }
    both.ask("savemempool", "[]");
    for params in
        ["[]", "[\"/none\"]", "[\"/none\",{\"x\":1}]", "[\"/none\",{\"use_current_time\":7}]", "[7]"]
    {
        both.ask("importmempool", params);
    }
    both.ask("getblocktemplate", "[{\"rules\":[\"segwit\"]}]");
}

fn requests_of_a_block(both: &mut Both<'_>, hash: &Json, tx: &str) {
    let decoded = both.ask("decoderawtransaction", &format!("[\"{tx}\"]"));
    let txid = text(decoded.get("txid").unwrap());
    for verbosity in ["0", "1", "2", "3"] {
        both.ask("getblock", &format!("[{hash},{verbosity}]"));
        both.ask("getrawtransaction", &format!("[\"{txid}\",{verbosity},{hash}]"));
    }
    both.ask("sendrawtransaction", &format!("[\"{tx}\"]"));
    both.ask("testmempoolaccept", &format!("[[\"{tx}\"]]"));
    both.ask("getblockheader", &format!("[{hash}]"));
    both.ask("gettxoutsetinfo", "[]");
    for params in
        ["[111]", "[0]", "[111,[\"txs\",\"avgfee\",\"txs\"]]", "[111,[\"x\"]]", "[200]", "[-1]", "[\"a\"]"]
    {
        both.ask("getblockstats", params);
    }
    both.ask("getblockstats", &format!("[{hash}]"));
    let proof = both.ask("gettxoutproof", &format!("[[\"{txid}\"]]"));
    both.ask("gettxoutproof", &format!("[[\"{txid}\"],{hash}]"));
    both.ask("gettxoutproof", &format!("[[\"{txid}\",\"{txid}\"]]"));
    both.ask("gettxoutproof", "[[]]");
    both.ask("gettxoutproof", "[[\"00000000000000000000000000000000000000000000000000000000000000aa\"]]");
    both.ask("verifytxoutproof", &format!("[{proof}]"));
    both.ask("verifychain", "[]");
    for params in ["[]", "[5]", "[111]", "[-1]", "[0]"] {
        both.ask("getchaintxstats", params);
    }
    for params in ["[\"127.0.0.1:1\",\"x\"]", "[\"127.0.0.1:1\",\"remove\"]", "[\"127.0.0.1:1\",\"onetry\"]"]
    {
        both.ask("addnode", params);
    }
    for params in ["[\"127.0.0.1:1\"]", "[\"\",7]", "[\"127.0.0.1:1\",7]", "[]", "[\"\"]"] {
        both.ask("disconnectnode", params);
    }
    both.ask("addconnection", "[\"127.0.0.1:1\",\"x\",false]");
    both.ask("pruneblockchain", "[1]");
    both.ask("setmocktime", "[-1]");
    for params in ["[6]", "[0]", "[1,\"x\"]", "[1]"] {
        both.ask("estimatesmartfee", params);
    }
    for method in ["listbanned", "getnodeaddresses", "getprioritisedtransactions"] {
        both.ask(method, "[]");
    }
    both.ask("getchainstates", "[]");
    both.ask("getnodeaddresses", "[-1]");
    both.ask("getnodeaddresses", "[1,\"x\"]");
    both.ask("mockscheduler", "[0]");
    both.ask("mockscheduler", "[5]");
}

fn branches(both: &mut Both<'_>, hashes: &[Json]) {
    both.ask("invalidateblock", &format!("[{}]", hashes[105]));
    for method in ["getblockcount", "getchaintips", "getbestblockhash", "getmempoolinfo"] {
        both.ask(method, "[]");
    }
    both.ask("getblockheader", &format!("[{}]", hashes[106]));
    both.ask("reconsiderblock", &format!("[{}]", hashes[105]));
    both.ask("getchaintips", "[]");
    both.ask("preciousblock", &format!("[{}]", hashes[109]));
}

/// What no other part asks for.
fn leftovers(both: &mut Both<'_>) {
    for method in ["enumeratesigners", "getorphantxs", "getindexinfo"] {
        both.ask(method, "[]");
    }
    for params in ["[]", "[\"x\"]", "[0]", "[3]"] {
        both.ask("getorphantxs", params);
    }
    for params in ["[\"a\"]", "[]", "[7]"] {
        both.ask("echoipc", params);
        both.ask("echojson", params);
    }
    for params in ["[]", "[7]", "[\"/no/such/file\"]"] {
        both.ask("loadtxoutset", params);
    }
    both.ask("setnetworkactive", "[]");
    both.ask("setnetworkactive", "[\"x\"]");
    both.ask("generate", "[]");
    both.ask("generatetodescriptor", "[1,\"x\"]");
    both.ask("generateblock", "[\"x\",[]]");
    both.ask("generateblock", "[\"raw(51)\",[\"00\"]]");
    let path = "/no/such/folder/coins";
    for rest in ["", ",\"x\"", ",\"latest\"", ",\"rollback\"", ",\"latest\",{\"rollback\":1}"] {
        both.ask("dumptxoutset", &format!("[\"{path}\"{rest}]"));
    }
    both.ask("dumptxoutset", &format!("[\"{path}\",\"rollback\",{{\"rollback\":1000}}]"));
    for params in ["[\"start\"]", "[\"status\"]", "[\"abort\"]", "[\"x\"]", "[\"start\",[\"raw(51)\"]]"] {
        both.ask("scanblocks", params);
    }
    both.ask("scanblocks", "[\"start\",[\"raw(51)\"],5,4]");
    for params in ["[[],[]]", "[[\"x\"],[]]", "[[],[\"raw(51)\"]]", "[[],[\"raw(51)\"],false]"] {
        both.ask("getdescriptoractivity", params);
    }
    both.ask("signrawtransactionwithkey", "[\"00\",[]]");
    both.ask("combinerawtransaction", "[[]]");
    both.ask("combinerawtransaction", "[[\"00\",\"00\"]]");
    for params in ["[]", "[\"stats\",1]", "[\"x\"]"] {
        both.ask("getmemoryinfo", params);
    }
    both.ask("getblocktemplate", "[{\"mode\":\"proposal\"}]");
    both.ask("getblocktemplate", "[{\"mode\":\"proposal\",\"data\":\"00\"}]");
    both.ask("getblocktemplate", "[{\"rules\":[7]}]");
    both.ask("getblocktemplate", "[{\"rules\":[\"segwit\"],\"longpollid\":\"x\"}]");
    both.ask("getchaintxstats", "[2]");
    both.ask("stop", "[\"x\"]");
}

/// Requests of every version, and what is none.
fn shapes(both: &mut Both<'_>) {
    for (method, params) in [
        ("validateaddress", "[\"bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080\"]"),
        ("validateaddress", "[\"mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn\"]"),
        ("validateaddress", "[\"2N2JD6wb56AfK4tfmM6PwdVmoYk2dCKf4Br\"]"),
        (
            "validateaddress",
            "[\"bcrt1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7k0ylj56\"]",
        ),
        ("decodescript", "[\"51\"]"),
        ("decodescript", "[\"\"]"),
        ("decodescript", "[\"76a914000102030405060708090a0b0c0d0e0f1011121388ac\"]"),
        ("decodescript", "[\"6a0200ff\"]"),
        ("decodescript", "[\"5121024ce119c96e2fa357200b559b2f7dd5a5f02d5290aff74b03f3e471b273211c9751ae\"]"),
        ("decodescript", "[\"21024ce119c96e2fa357200b559b2f7dd5a5f02d5290aff74b03f3e471b273211c97ac\"]"),
        ("decodescript", "[\"0014000102030405060708090a0b0c0d0e0f10111213\"]"),
        ("decodescript", "[\"51024e73\"]"),
        ("decodescript", "[\"02ff80b1b2bac0ff4c\"]"),
        ("getdescriptorinfo", "[\"raw(51)\"]"),
        ("echo", "[1,\"a\",null,{\"b\":[1.5]}]"),
        ("echo", "{\"arg1\":7}"),
        ("echo", "{\"args\":[1],\"arg1\":7}"),
        ("echo", "{\"args\":[1,2],\"arg1\":7}"),
        ("echo", "{\"nope\":7}"),
        ("uptime", "[\"x\"]"),
    ] {
        if method != "uptime" {
            both.ask(method, params);
        }
    }
    for body in [
        "{\"method\":\"getblockcount\"}",
        "{\"method\":\"getblockcount\",\"id\":null}",
        "{\"method\":\"getblockcount\",\"id\":\"a\",\"params\":[]}",
        "{\"jsonrpc\":\"1.0\",\"method\":\"getblockcount\",\"id\":7}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"getblockcount\",\"id\":7}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"getblockcount\"}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"nope\",\"id\":7}",
        "{\"jsonrpc\":\"3.0\",\"method\":\"getblockcount\",\"id\":7}",
        "{\"jsonrpc\":true,\"method\":\"getblockcount\",\"id\":7}",
        "{\"method\":\"nope\",\"id\":7}",
        "{\"method\":7,\"id\":7}",
        "{\"id\":7}",
        "{\"method\":\"getblockcount\",\"params\":7,\"id\":7}",
        "{\"method\":\"getblockhash\",\"params\":[-1],\"id\":7}",
        "[]",
        "7",
        "",
        "{",
        "[1]",
        "[{\"method\":\"getblockcount\",\"id\":1},1,{\"jsonrpc\":\"2.0\",\"method\":\"nope\",\"id\":2}]",
        "[{\"jsonrpc\":\"2.0\",\"method\":\"getblockcount\"}]",
        "[{\"jsonrpc\":\"2.0\",\"method\":\"getblockcount\"},{\"method\":\"getblockcount\",\"id\":1}]",
    ] {
        both.send("/", body);
    }
    both.send("/nothing", "{}");
}

/// Methods of Core's that are not here, and why.
const MISSING: &[(&str, &str)] = &[];

/// Lines of use that differ, and why.
const USAGE: &[(&str, &str)] = &[
    ("createpsbt", "the one at hand is built from a later tree, which has another version of the form"),
    ("converttopsbt", "the one at hand is built from a later tree, which has another version of the form"),
];

/// The lines of use that `help` lists, by method.
fn usage(client: &Client) -> BTreeMap<String, String> {
    let listed = text(&client.call("help", "[]"));
    let lines = listed.lines().filter(|line| !line.is_empty() && !line.starts_with("=="));
    lines.map(|line| (line.split(' ').next().unwrap_or_default().to_owned(), line.to_owned())).collect()
}

#[test]
fn every_method_of_bitcoin_core_is_here_or_has_a_reason() {
    let Some((rival, house)) = pair() else { return };
    let (ours, theirs) = (usage(&house.client()), usage(&rival.client));
    let reason = |name: &str| MISSING.iter().find(|(missing, _)| *missing == name);
    let findings: Vec<String> = theirs
        .iter()
        .filter_map(|(name, line)| match (ours.get(name), reason(name)) {
            (None, None) => Some(format!("{name} is missing")),
            (Some(_), Some(_)) => Some(format!("{name} is here and stands among those that are missing")),
            (Some(own), None) if own != line && !USAGE.iter().any(|(other, _)| other == name) => {
                Some(format!("{own} and theirs {line}"))
            }
            _ => None,
        })
        .collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

const TPUB: &str = "tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZPStJRJCTKvosUCJZL5B";
const KEY: &str = "024ce119c96e2fa357200b559b2f7dd5a5f02d5290aff74b03f3e471b273211c97";

/// Descriptors, addresses, keys: what needs no chain.
fn words(both: &mut Both<'_>) {
    let bodies = [
        format!("pk({KEY})"),
        format!("wpkh([aabbccdd/1h/2']{TPUB}/0/*)"),
        format!("wpkh({TPUB}/<0;1>/*)"),
        format!("sh(wsh(sortedmulti(2,{KEY},{TPUB}/1)))"),
        format!("wsh(and_v(v:pk({TPUB}/1/*),older(10)))"),
        format!("wsh(or_d(multi(1,{KEY}),and_v(v:pkh({TPUB}/1),after(100))))"),
        format!("tr({KEY},{{pk({TPUB}/1),multi_a(1,{TPUB}/2)}})"),
        format!("combo({TPUB}/7h)"),
        "raw(51)".to_owned(),
        "addr(bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080)".to_owned(),
        String::new(),
        "nope(1)".to_owned(),
        format!("sh(sh(pk({KEY})))"),
        format!("wsh(wpkh({KEY}))"),
        format!("multi(3,{KEY})"),
        format!("pk({TPUB}/x)"),
        format!("pk([aabbccd]{KEY})"),
        format!("tr({KEY},multi(1,{KEY}))"),
    ];
    for body in &bodies {
        both.ask("getdescriptorinfo", &format!("[\"{body}\"]"));
        let Some(sum) = crate::show::checksum(body) else { continue };
        for range in ["", ",3", ",[1,2]", ",[2,1]", ",[-1,2]", ",-1", ",\"a\""] {
            both.ask("deriveaddresses", &format!("[\"{body}#{sum}\"{range}]"));
        }
        both.ask("scantxoutset", &format!("[\"start\",[{{\"desc\":\"{body}\",\"range\":[0,2]}}]]"));
    }
    let addresses = [
        "",
        "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt081",
        "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kqqqqqqq",
        "bcrt1QW508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
        "bcrt1pqqqsq",
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
        "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn",
        "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJJfn",
    ];
    for address in addresses {
        both.ask("validateaddress", &format!("[\"{address}\"]"));
        both.ask("verifymessage", &format!("[\"{address}\",\"aa\",\"x\"]"));
    }
    let secret = "cUeKHd5orzT3mz8P9pxyREHfsWtVfgsfDjiZZBcjUBAaGk1BTj7N";
    let signed = text(&both.ask("signmessagewithprivkey", &format!("[\"{secret}\",\"words\"]")));
    let own = "mpLQjfK79b7CCV4VMJWEWAj5Mpx8Up5zxB";
    for (signature, message) in [(signed.as_str(), "words"), (signed.as_str(), "others"), ("a", "words")] {
        both.ask("verifymessage", &format!("[\"{own}\",\"{signature}\",\"{message}\"]"));
    }
    both.ask("signmessagewithprivkey", "[\"x\",\"words\"]");
    for rest in [
        "1,[\"KEY\"]",
        "1,[\"KEY\"],\"bech32\"",
        "2,[\"KEY\",\"KEY\"],\"p2sh-segwit\"",
        "2,[\"KEY\"]",
        "0,[\"KEY\"]",
    ] {
        both.ask("createmultisig", &format!("[{}]", rest.replace("KEY", KEY)));
    }
    for rest in ["1,[\"KEY\"],\"bech32m\"", "1,[\"KEY\"],\"x\"", "1,[\"zz\"]", "1,[\"aa\"]"] {
        both.ask("createmultisig", &format!("[{}]", rest.replace("KEY", KEY)));
    }
    for params in ["[1]", "[13]", "[100]", "[1009]", "[0]", "[1,2]", "[1,0.5]", "[]"] {
        both.ask("estimaterawfee", params);
        both.ask("estimatesmartfee", params);
    }
    for params in [
        "[\"1.2.3.4\",\"x\"]",
        "[\"1.2.3.4.5\",\"add\"]",
        "[\"1.2.3.4\",\"remove\"]",
        "[\"1.2.3.0/24\",\"add\",5,true]",
    ] {
        both.ask("setban", params);
    }
    for params in [
        "[\"1.2.3.0/24\",\"add\"]",
        "[\"1.2.3.0/24\",\"add\"]",
        "[\"1.2.3.4\",\"add\"]",
        "[\"1.2.3.0/24\",\"remove\"]",
    ] {
        both.ask("setban", params);
    }
    both.ask("getaddednodeinfo", "[]");
    both.ask("getaddednodeinfo", "[\"x\"]");
    both.ask("clearbanned", "[]");
    both.ask("listbanned", "[]");
    for method in ["getaddrmaninfo", "getrawaddrman"] {
        both.ask(method, "[]");
    }
    both.ask("logging", "[[\"x\"]]");
    both.ask("getmemoryinfo", "[\"x\"]");
    both.ask("help", "[\"generate\"]");
}
