use crate::fixtures::{Client, House};
use crate::json::Json;

const SECRETS: [&str; 2] = [
    "cUeKHd5orzT3mz8P9pxyREHfsWtVfgsfDjiZZBcjUBAaGk1BTj7N",
    "cVKpPfVKSJxKqVpE9awvXNWuLHCa5j5tiE7K6zbUSptFpTEtiFrA",
];
const TXID: &str = "9b907ef1e3c26fc71fe4a4b3580bc75264112f95050014157059c736f0202e71";
const PAYEE: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";

fn text(json: &Json, name: &str) -> String {
    json.get(name).and_then(Json::as_str).unwrap_or_else(|| panic!("{name} of {json}")).to_owned()
}

fn key(client: &Client, secret: &str) -> String {
    let told = text(&client.call("getdescriptorinfo", &format!("[\"pk({secret})\"]")), "descriptor");
    told.trim_start_matches("pk(").split(')').next().unwrap().to_owned()
}

/// Signs with one key after the other; whether it was complete after each.
fn sign(client: &Client, raw: &str, prevout: &str) -> Vec<bool> {
    let mut raw = raw.to_owned();
    let mut complete = Vec::new();
    for secret in SECRETS {
        let signed =
            client.call("signrawtransactionwithkey", &format!("[\"{raw}\",[\"{secret}\"],[{prevout}]]"));
        complete.push(signed.get("complete") == Some(&Json::Bool(true)));
        assert_eq!(signed.get("errors").is_none(), complete.last() == Some(&true), "{signed}");
        raw = text(&signed, "hex");
    }
    complete
}

#[test]
fn outputs_of_every_shape_are_signed() {
    let house = House::start();
    let client = house.client();
    let keys: Vec<String> = SECRETS.iter().map(|secret| key(&client, secret)).collect();
    let raw = client
        .call("createrawtransaction", &format!("[[{{\"txid\":\"{TXID}\",\"vout\":0}}],{{\"{PAYEE}\":0.5}}]"));
    let raw = raw.as_str().unwrap();
    for kind in ["legacy", "p2sh-segwit", "bech32"] {
        let made =
            client.call("createmultisig", &format!("[2,[\"{}\",\"{}\"],\"{kind}\"]", keys[0], keys[1]));
        let (address, inside) = (text(&made, "address"), text(&made, "redeemScript"));
        let script = text(&client.call("validateaddress", &format!("[\"{address}\"]")), "scriptPubKey");
        let field = if kind == "legacy" { "redeemScript" } else { "witnessScript" };
        let prevout = format!(
            "{{\"txid\":\"{TXID}\",\"vout\":0,\"scriptPubKey\":\"{script}\",\"{field}\":\"{inside}\",\"amount\":1}}"
        );
        assert_eq!(sign(&client, raw, &prevout), [false, true], "{kind}");
    }
    for shape in ["pkh(KEY)", "wpkh(KEY)", "rawtr(KEY)"] {
        let body = shape.replace("KEY", &keys[0]);
        let sum = crate::show::checksum(&body).unwrap();
        let address = client.call("deriveaddresses", &format!("[\"{body}#{sum}\"]"));
        let Json::List(addresses) = address else { panic!("{address}") };
        let script = client.call("validateaddress", &format!("[{}]", addresses[0]));
        let script = text(&script, "scriptPubKey");
        let prevout =
            format!("{{\"txid\":\"{TXID}\",\"vout\":0,\"scriptPubKey\":\"{script}\",\"amount\":1}}");
        assert_eq!(sign(&client, raw, &prevout), [true, true], "{shape}");
    }
}

fn refused(client: &Client, method: &str, params: &str, code: i64, part: &str) {
    let (got, text) = client.error(method, params);
    assert!(got == code && text.contains(part), "{method} {params}: {got} {text}");
}

#[test]
fn what_cannot_be_signed_is_said() {
    let house = House::start();
    let client = house.client();
    let raw = client
        .call("createrawtransaction", &format!("[[{{\"txid\":\"{TXID}\",\"vout\":0}}],{{\"{PAYEE}\":0.5}}]"));
    let sign = |rest: &str, code: i64, part: &str| {
        refused(&client, "signrawtransactionwithkey", &format!("[{raw},{rest}]"), code, part);
    };
    let prevout = |rest: &str| format!("[],[{{\"txid\":\"{TXID}\",\"vout\":0,{rest}}}]");
    sign("[\"123\"]", -5, "Invalid private key");
    sign("[],[],\"all\"", -8, "'all' is not a valid sighash parameter.");
    sign("[],[1]", -22, "expected object with");
    sign("[],[{\"txid\":1}]", -3, "JSON value of type number for field txid is not of expected type string");
    sign(&format!("[],[{{\"txid\":\"{TXID}\"}}]"), -3, "Missing vout");
    sign(&format!("[],[{{\"txid\":\"{TXID}\",\"vout\":-1,\"scriptPubKey\":\"51\"}}]"), -22, "vout cannot be");
    let hash = "a914000000000000000000000000000000000000000087";
    sign(&prevout(&format!("\"scriptPubKey\":\"{hash}\"")), -8, "Missing redeemScript/witnessScript");
    let other = format!("\"scriptPubKey\":\"{hash}\",\"redeemScript\":\"51\"");
    sign(&prevout(&other), -8, "does not match scriptPubKey");
    let two = format!("\"scriptPubKey\":\"{hash}\",\"redeemScript\":\"51\",\"witnessScript\":\"52\"");
    sign(&prevout(&two), -8, "redeemScript does not correspond to witnessScript");
    refused(&client, "combinerawtransaction", &format!("[[{raw}]]"), -22, "At least two transactions");
    refused(&client, "combinerawtransaction", &format!("[[{raw},{raw}]]"), -25, "Input not found");
    refused(&client, "combinerawtransaction", &format!("[[{raw},\"00\"]]"), -22, "TX decode failed for tx 1");
    let unknown = client.call("signrawtransactionwithkey", &format!("[{raw},[]]"));
    assert!(unknown.to_string().contains("Input not found or already spent"), "{unknown}");
}

#[test]
fn partially_signed_transactions_are_made_shown_and_put_together() {
    let house = House::start();
    let client = house.client();
    let outputs = format!("[[{{\"txid\":\"{TXID}\",\"vout\":0}}],{{\"{PAYEE}\":0.5}}]");
    let (raw, psbt) = (client.call("createrawtransaction", &outputs), client.call("createpsbt", &outputs));
    assert_eq!(client.call("converttopsbt", &format!("[{raw}]")), psbt);
    assert_eq!(client.call("combinepsbt", &format!("[[{psbt},{psbt}]]")), psbt);
    let shown = client.call("decodepsbt", &format!("[{psbt}]"));
    let plain = client.call("decoderawtransaction", &format!("[{raw}]"));
    assert_eq!(shown.get("tx"), Some(&plain));
    let finished = client.call("finalizepsbt", &format!("[{psbt}]"));
    assert_eq!(finished.get("complete"), Some(&Json::Bool(false)));
    assert_eq!(finished.get("psbt"), Some(&psbt));
    refused(&client, "decodepsbt", "[\"x\"]", -22, "TX decode failed invalid base64");
    refused(&client, "joinpsbts", &format!("[[{psbt}]]"), -8, "At least two PSBTs");
    refused(&client, "joinpsbts", &format!("[[{psbt},{psbt}]]"), -8, "exists in multiple PSBTs");
    refused(&client, "combinepsbt", "[[]]", -8, "Parameter 'txs' cannot be empty");
    let other = client.call("createpsbt", &format!("[[],{{\"{PAYEE}\":0.25}}]"));
    refused(&client, "combinepsbt", &format!("[[{psbt},{other}]]"), -8, "PSBTs not compatible");
    let joined = client.call("joinpsbts", &format!("[[{psbt},{other}]]"));
    let joined = client.call("decodepsbt", &format!("[{joined}]"));
    let outputs = joined.get("tx").and_then(|tx| tx.get("vout")).cloned();
    assert!(matches!(outputs, Some(Json::List(outputs)) if outputs.len() == 2), "{joined}");
}
