use std::time::{Duration, Instant};

use crate::fixtures::{Client, House};
use crate::json::{Json, read};

const ADDRESS: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
const NONE: &str = "\"00000000000000000000000000000000000000000000000000000000000000aa\"";

/// Waits for what must come.
fn until(what: &str, is_there: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_there() {
        assert!(since.elapsed() < Duration::from_secs(120), "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// So many blocks more; their hashes.
fn mine(client: &Client, count: u32) -> Vec<String> {
    let Json::List(hashes) = client.call("generatetoaddress", &format!("[{count},\"{ADDRESS}\"]")) else {
        panic!("no list");
    };
    hashes.iter().map(|hash| hash.as_str().unwrap().to_owned()).collect()
}

fn field<'a>(json: &'a Json, path: &str) -> &'a Json {
    path.split('.').fold(json, |json, name| json.get(name).unwrap_or_else(|| panic!("{path} in {json}")))
}

#[test]
fn blocks_are_made_shown_and_taken_back() {
    let house = House::start();
    let client = house.client();
    let hashes = mine(&client, 3);
    assert_eq!(client.call("getblockcount", "[]"), Json::from(3));
    let block = client.call("getblock", &format!("[\"{}\",2]", hashes[2]));
    assert_eq!(field(&block, "confirmations"), &Json::from(1));
    assert_eq!(field(&block, "nTx"), &Json::from(1));
    assert_eq!(field(&block, "previousblockhash"), &Json::from(hashes[1].clone()));
    assert!(block.get("nextblockhash").is_none());
    let Json::List(txs) = field(&block, "tx") else { panic!("{block}") };
    assert!(txs[0].to_string().contains("\"value\":50,"), "{block}");
    assert_eq!(client.call("invalidateblock", &format!("[\"{}\"]", hashes[1])), Json::Null);
    assert_eq!(client.call("getbestblockhash", "[]"), Json::from(hashes[0].clone()));
    let tips = client.call("getchaintips", "[]").to_string();
    assert!(tips.contains("\"branchlen\":2,\"status\":\"invalid\""), "{tips}");
    assert_eq!(client.call("reconsiderblock", &format!("[\"{}\"]", hashes[1])), Json::Null);
    assert_eq!(client.call("getbestblockhash", "[]"), Json::from(hashes[2].clone()));
    assert_eq!(client.error("invalidateblock", &format!("[{NONE}]")), (-5, "Block not found".to_owned()));
    let raw = client.call("getblock", &format!("[\"{}\",0]", hashes[2]));
    assert_eq!(client.call("submitblock", &format!("[{raw}]")), Json::from("duplicate"));
    assert_eq!(client.error("submitblock", "[\"00\"]"), (-22, "Block decode failed".to_owned()));
    assert_eq!(client.call("verifychain", "[]"), Json::from(true));
}

#[test]
fn one_block_is_made_of_what_is_asked_for() {
    let house = House::start();
    let client = house.client();
    mine(&client, 101);
    let made = client.call("generateblock", "[\"raw(51)\",[],false]");
    assert!(made.get("hex").is_some() && client.call("getblockcount", "[]") == Json::from(101));
    let made = client.call("generateblock", &format!("[\"{ADDRESS}\",[]]"));
    assert_eq!(client.call("getbestblockhash", "[]"), *field(&made, "hash"));
    for (params, code) in [
        ("[\"x\",[]]", -5),
        ("[\"raw(51)\",[\"00\"]]", -22),
        ("[\"raw(51)\",[\"00000000000000000000000000000000000000000000000000000000000000aa\"]]", -5),
        // It spends what is not there.
        (
            "[\"raw(51)\",[\"0200000001aa000000000000000000000000000000000000000000000000000000000000000000000000ffffffff010000000000000000016a00000000\"]]",
            -25,
        ),
    ] {
        assert_eq!(client.error("generateblock", params).0, code, "{params}");
    }
    assert_eq!(client.error("generatetoaddress", "[1,\"x\"]"), (-5, "Error: Invalid address".to_owned()));
    assert_eq!(client.error("generate", "[]").0, -32601);
    let made = client.call("generatetodescriptor", "[2,\"raw(51)\"]");
    assert!(matches!(made, Json::List(hashes) if hashes.len() == 2));
    let found = client.call("scantxoutset", "[\"start\",[\"raw(51)\"]]");
    assert_eq!(field(&found, "total_amount").to_string(), "100");
    assert_eq!(field(&found, "success"), &Json::from(true));
}

#[test]
fn whoever_waits_for_a_block_hears_of_it() {
    let house = House::start();
    let client = house.client();
    let waits = client.clone();
    let waiting = std::thread::spawn(move || waits.call("waitforblockheight", "[2]"));
    let hashes = mine(&client, 2);
    let told = waiting.join().unwrap();
    assert_eq!(told.to_string(), format!("{{\"hash\":\"{}\",\"height\":2}}", hashes[1]));
    assert_eq!(client.call("waitforblock", &format!("[{NONE},1]")), told);
    assert_eq!(client.call("waitfornewblock", &format!("[0,{NONE}]")), told);
    assert_eq!(client.error("waitfornewblock", "[-1]"), (-1, "Negative timeout".to_owned()));
}

#[test]
fn the_clock_stands_where_it_is_set() {
    let house = House::start();
    let client = house.client();
    assert_eq!(client.call("setmocktime", "[2000000000]"), Json::Null);
    let hashes = mine(&client, 1);
    let header = client.call("getblockheader", &format!("[\"{}\"]", hashes[0]));
    assert_eq!(field(&header, "time"), &Json::from(2_000_000_000));
    assert_eq!(client.call("setmocktime", "[0]"), Json::Null);
    assert_eq!(client.error("setmocktime", "[-1]").0, -8);
    assert_eq!(client.call("mockscheduler", "[1]"), Json::Null);
    assert_eq!(client.error("mockscheduler", "[0]").0, -1);
}

#[test]
fn a_template_is_what_a_block_is_made_of() {
    let house = House::start();
    let client = house.client();
    let hashes = mine(&client, 1);
    let template = client.call("getblocktemplate", "[{\"rules\":[\"segwit\"]}]");
    assert_eq!(field(&template, "previousblockhash"), &Json::from(hashes[0].clone()));
    assert_eq!(field(&template, "coinbasevalue"), &Json::from(5_000_000_000u64));
    assert_eq!(field(&template, "coinbaseaux").to_string(), "{}");
    assert_eq!(client.error("getblocktemplate", "[{}]").0, -8);
    // Who polls is answered as soon as the tip is another.
    let id = field(&template, "longpollid").to_string();
    let waits = client.clone();
    let waiting = std::thread::spawn(move || {
        waits.call("getblocktemplate", &format!("[{{\"rules\":[\"segwit\"],\"longpollid\":{id}}}]"))
    });
    let next = mine(&client, 1);
    assert_eq!(field(&waiting.join().unwrap(), "previousblockhash"), &Json::from(next[0].clone()));
}

#[test]
fn nodes_are_connected_and_let_go() {
    let (one, other) = (House::start(), House::listening());
    let (client, far) = (one.client(), other.client());
    let target = other.p2p.unwrap().to_string();
    assert_eq!(client.call("addnode", &format!("[\"{target}\",\"onetry\"]")), Json::Null);
    let counted = |client: &Client, kind: &str, least: i64| {
        let Json::List(peers) = client.call("getpeerinfo", "[]") else { return false };
        let bytes = peers.first().and_then(|peer| peer.get("bytesrecv_per_msg")?.get(kind).cloned());
        matches!(bytes, Some(Json::Int(bytes)) if bytes >= least)
    };
    until("their verack", || counted(&client, "verack", 24));
    until("their pong", || counted(&client, "pong", 29));
    until("our pong", || counted(&far, "pong", 29));
    let Json::List(peers) = far.call("getpeerinfo", "[]") else { panic!("no list") };
    assert_eq!(field(&peers[0], "addrbind"), &Json::from(target.clone()));
    assert_eq!(field(&peers[0], "inbound"), &Json::from(true));
    assert_eq!(client.call("getconnectioncount", "[]"), Json::from(1));
    // What one makes the other has.
    let hashes = mine(&client, 1);
    until("the block", || far.call("getbestblockhash", "[]") == Json::from(hashes[0].clone()));
    assert_eq!(client.call("disconnectnode", &format!("[\"{target}\"]")), Json::Null);
    until("the end", || far.call("getconnectioncount", "[]") == Json::from(0));
    let gone = (-29, "Node not found in connected nodes".to_owned());
    until("the end here", || client.call("getconnectioncount", "[]") == Json::from(0));
    assert_eq!(client.error("disconnectnode", "[\"\",7]"), gone);
    assert_eq!(client.error("disconnectnode", &format!("[\"{target}\",7]")).0, -32602);
    // One that is kept comes again.
    assert_eq!(client.call("addnode", &format!("[\"{target}\",\"add\"]")), Json::Null);
    assert_eq!(client.error("addnode", &format!("[\"{target}\",\"add\"]")).0, -23);
    until("the kept one", || client.call("getconnectioncount", "[]") == Json::from(1));
    assert_eq!(client.call("addnode", &format!("[\"{target}\",\"remove\"]")), Json::Null);
    assert_eq!(client.error("addnode", &format!("[\"{target}\",\"remove\"]")).0, -24);
    until("its end", || far.call("getconnectioncount", "[]") == Json::from(0));
    assert_eq!(client.error("addnode", &format!("[\"{target}\",\"x\"]")).0, -1);
    assert_eq!(client.error("addconnection", &format!("[\"{target}\",\"x\",false]")).0, -8);
}

#[test]
fn a_proof_shows_its_transactions() {
    let house = House::start();
    let client = house.client();
    let hashes = mine(&client, 1);
    let block = client.call("getblock", &format!("[\"{}\"]", hashes[0]));
    let Json::List(txs) = field(&block, "tx") else { panic!("{block}") };
    let proof = client.call("gettxoutproof", &format!("[[{}]]", txs[0]));
    assert_eq!(client.call("verifytxoutproof", &format!("[{proof}]")), Json::List(txs.clone()));
    assert_eq!(client.error("gettxoutproof", &format!("[[{NONE}]]")).0, -5);
    assert_eq!(client.error("gettxoutproof", "[[]]").0, -8);
    assert_eq!(client.error("verifytxoutproof", "[\"00\"]").0, -22);
    let stats = client.call("getblockstats", "[1]");
    assert_eq!(field(&stats, "subsidy"), &Json::from(5_000_000_000u64));
    let one = client.call("getblockstats", "[1,[\"txs\",\"height\"]]");
    assert_eq!(one.to_string(), "{\"height\":1,\"txs\":1}");
    assert_eq!(client.error("getblockstats", "[1,[\"x\"]]").0, -8);
}

#[test]
fn what_wallets_and_explorers_look_for_is_there() {
    let house = House::start();
    let client = house.client();
    let info = client.call("getnetworkinfo", "[]");
    assert!(field(&info, "subversion").as_str().unwrap().starts_with("/Satoshi:31.0.0/Adit:"), "{info}");
    assert_eq!(field(&info, "version"), &Json::from(310_000));
    assert_eq!(client.error("getinfo", "[]"), (-32601, "Method not found".to_owned()));
    assert_eq!(client.call("echo", "{\"arg0\":1,\"arg2\":3}"), read(b"[1,null,3]").unwrap());
    assert_eq!(client.call("getmempoolinfo", "[]").get("size"), Some(&Json::from(0)));
    let index = client.call("getindexinfo", "[\"txindex\"]");
    assert!(index.get("txindex").is_some() && index.get("coinstatsindex").is_none(), "{index}");
    assert!(client.call("help", "[]").as_str().unwrap().contains("== Rawtransactions =="));
    assert_eq!(client.call("help", "[\"x\"]"), Json::from("help: unknown command: x"));
    assert!(client.call("getrpcinfo", "[]").to_string().contains("\"method\":\"getrpcinfo\""));
    let error = client.error("pruneblockchain", "[1]");
    assert_eq!(error, (-1, "Cannot prune blocks because node is not in prune mode.".to_owned()));
    let path = house.dir.path().join("coins.dat");
    let dumped = client.call("dumptxoutset", &format!("[\"{}\",\"latest\"]", path.display()));
    assert_eq!(field(&dumped, "coins_written"), &Json::from(0));
    assert_eq!(client.error("dumptxoutset", &format!("[\"{}\",\"latest\"]", path.display())).0, -8);
}
