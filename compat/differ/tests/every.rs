//! Every method that Bitcoin Core has: asked in every wrong way that its arguments allow, and, here or elsewhere, once so that it answers.

use std::collections::{BTreeMap, BTreeSet};

use super::{Both, USAGE, text};
use crate::fixtures::Client;
use crate::json::Json;

/// What each argument is in turn, while the others are left out.
const VALUES: [&str; 11] =
    ["null", "7", "-1", "1.5", "4294967296", "9223372036854775808", "\"x\"", "true", "[]", "[{}]", "{}"];

/// What is not asked: a method and a value, and why.
const UNASKED: &[(&str, &str, &str)] = &[
    ("stop", "null", "it ends both"),
    ("stop", "7", "it ends both"),
    ("stop", "-1", "it ends both"),
    ("stop", "1.5", "it ends both"),
    ("stop", "4294967296", "it ends both"),
    ("stop", "9223372036854775808", "it ends both"),
    ("setmocktime", "7", "blocks would be of another time"),
    ("waitfornewblock", "null", "it waits until one comes"),
    ("echo", "9223372036854775808", "numbers are read, and not kept as they are written"),
    ("echojson", "9223372036854775808", "numbers are read, and not kept as they are written"),
    ("exportasmap", "\"x\"", "the one at hand has such a map and writes it"),
    ("loadtxoutset", "\"x\"", "each has its own folder"),
    ("dumptxoutset", "\"x\"", "each has its own folder"),
];

/// What never answers well here, and why.
const NEVER_GOOD: &[(&str, &str)] = &[
    ("abortprivatebroadcast", "it is off on both"),
    ("converttopsbt", "the one at hand must be told which version of the form is meant"),
    ("createpsbt", "the one at hand must be told which version of the form is meant"),
    ("addconnection", "it takes a peer, which both would have to share"),
    ("disconnectnode", "it takes a peer, which both would have to share"),
    ("enumeratesigners", "no program that signs is named"),
    ("exportasmap", "there is no map in the program"),
    ("generate", "it is there to say what to use instead"),
    ("generateblock", "each makes a block of its own"),
    ("getblockfrompeer", "it takes a peer, which both would have to share"),
    ("getprivatebroadcastinfo", "it is off on both"),
    ("joinpsbts", "it shuffles"),
    ("loadtxoutset", "no coin set of this chain is known to either"),
    ("pruneblockchain", "neither prunes"),
    ("sendmsgtopeer", "it takes a peer, which both would have to share"),
    ("stop", "it ends both"),
];

/// The methods that `help` lists, each with its category.
fn categories(client: &Client) -> BTreeMap<String, String> {
    let (mut category, mut rows) = (String::new(), BTreeMap::new());
    for line in text(&client.call("help", "[]")).lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("== ").and_then(|rest| rest.strip_suffix(" ==")) {
            Some(title) => category = title.to_owned(),
            None => drop(rows.insert(line.split(' ').next().unwrap().to_owned(), category.clone())),
        }
    }
    rows
}

/// Each method's arguments, hidden methods among them: place, name, and whether it is a text.
fn arguments(client: &Client) -> BTreeMap<String, BTreeSet<String>> {
    let Json::List(rows) = client.call("help", "[\"dump_all_command_conversions\"]") else {
        panic!("no list")
    };
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        let Json::List(fields) = row else { panic!("{row}") };
        let rest = Json::List(fields[1..].to_vec()).to_string();
        all.entry(text(&fields[0])).or_default().insert(rest);
    }
    all
}

fn is_asked(method: &str, value: &str) -> bool {
    !UNASKED.iter().any(|(of, unasked, _)| (*of, *unasked) == (method, value))
}

/// How many arguments a method has.
fn count(arguments: &BTreeSet<String>) -> usize {
    let place = |row: &String| row[1..].split(',').next().unwrap().parse::<usize>().unwrap();
    arguments.iter().map(place).max().map_or(0, |last| last + 1)
}

/// Whether the bitcoind at hand has other arguments than the one that is followed, or whether nobody looks at what they are.
fn is_another(method: &str) -> bool {
    USAGE.iter().any(|(other, _)| *other == method) || ["echo", "echojson"].contains(&method)
}

/// What answers well, and is asked nowhere else.
fn good(both: &mut Both<'_>, block: &Json) {
    for method in ["uptime", "getrpcinfo", "help"] {
        both.ask(method, "[]");
    }
    both.ask("generatetoaddress", "[0,\"bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080\"]");
    both.ask("generatetodescriptor", "[0,\"raw(51)\"]");
    both.ask("addpeeraddress", "[\"1.2.3.4\",8333]");
    both.ask("dumptxoutset", "[\"coins.dat\",\"latest\"]");
    let saved = both.ours.call("savemempool", "[]");
    both.ask("importmempool", &format!("[{}]", saved.get("filename").unwrap()));
    let shown = both.ours.call("getblock", &format!("[{block}]"));
    let Some(Json::List(txs)) = shown.get("tx") else { panic!("{shown}") };
    let made = both
        .ask("createrawtransaction", &format!("[[{{\"txid\":{},\"vout\":0}}],{{\"data\":\"00\"}}]", txs[0]));
    both.ask("combinerawtransaction", &format!("[[{made},{made}]]"));
    both.ask("signrawtransactionwithkey", &format!("[{made},[]]"));
    let parts = format!("[{{\"txid\":{},\"vout\":0}}],{{\"data\":\"00\"}},7,true,2", txs[0]);
    let forms = [("createpsbt", parts), ("converttopsbt", format!("{made},false,null"))];
    for (method, given) in forms {
        let ours = both.ours.call(method, &format!("[{given}]"));
        let theirs = both.theirs.call(method, &format!("[{given},0]"));
        if ours != theirs {
            both.findings.push(format!("{method}: {ours} and theirs {theirs}"));
        }
    }
}

/// Where `block` has a coinbase that nobody has spent.
pub(super) fn ask(both: &mut Both<'_>, block: &Json) {
    let (ours, theirs) = (arguments(both.ours), arguments(both.theirs));
    for (method, wanted) in theirs.iter().filter(|(method, _)| !is_another(method)) {
        let got = ours.get(method);
        if got != Some(wanted) {
            both.findings.push(format!("arguments of {method}: {got:?} and theirs {wanted:?}"));
        }
    }
    let (our_rows, their_rows) = (categories(both.ours), categories(both.theirs));
    for (method, category) in &their_rows {
        if our_rows.get(method) != Some(category) {
            both.findings.push(format!("{method} is not listed under {category}"));
        }
    }
    let names: BTreeSet<String> = their_rows.keys().chain(theirs.keys()).cloned().collect();
    for method in &names {
        let rows = if is_another(method) { ours.get(method) } else { theirs.get(method) };
        let count = rows.map_or(0, count);
        both.ask(method, "{\"nope\":1}");
        let most = theirs.get(method).map_or(0, self::count).max(count);
        both.ask(method, &format!("[{}]", vec!["1"; most + 1].join(",")));
        for (place, value) in (0..count).flat_map(|place| VALUES.map(|value| (place, value))) {
            if is_asked(method, value) {
                let before = "null,".repeat(place);
                both.ask(method, &format!("[{before}{value}]"));
            }
        }
    }
    both.ask("setmocktime", "[0]");
    good(both, block);
    for method in &names {
        let (good, bad) = both.asked.get(method).copied().unwrap_or_default();
        let never = NEVER_GOOD.iter().any(|(name, _)| name == method);
        if !bad || good == never {
            both.findings.push(format!("{method}: asked good: {good}, bad: {bad}, to be good: {}", !never));
        }
    }
}
