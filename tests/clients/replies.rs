//! What each method answers, read as the types that `corepc-types` has for Bitcoin Core 31: a field that is missing, has another type, or is
//! not known there fails.

use std::collections::BTreeSet;

use adit_clients::{Adit, base64};
use bitcoin::consensus::encode::serialize_hex;
use bitcoincore_rpc::jsonrpc;
use bitcoincore_rpc::{Client, Error, RpcApi};
use corepc_types::v31::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::coins;

/// What there is to ask for.
struct Facts {
    /// A block with two transactions.
    block: Value,
    height: u64,
    /// A transaction of it beside its coinbase.
    txid: Value,
    /// Its bytes.
    tx: Value,
    /// Two that wait, the second on the first.
    parent: Value,
    child: Value,
    /// One that nobody has sent.
    unsent: Value,
    /// A proof that `txid` is in `block`.
    proof: Value,
    psbt: Value,
    dump: String,
}

type Reads = fn(Value) -> Result<(), serde_json::Error>;

/// A method, what it is asked, and the type of its reply.
struct Row(&'static str, Value, Reads);

fn reads<T: DeserializeOwned>(reply: Value) -> Result<(), serde_json::Error> {
    serde_json::from_value::<T>(reply).map(drop)
}

fn row<T: DeserializeOwned>(method: &'static str, params: Value) -> Row {
    Row(method, params, reads::<T>)
}

/// A field that a reply lacks beside its type, or (without a value) has beyond it: method, field, value, reason.
type Exception = (&'static str, &'static str, Option<Value>, &'static str);

fn exceptions() -> Vec<Exception> {
    const LATER: &str = "Core left it out after 31.0, and so do we";
    const COUNT: &str = "nobody counts all transactions of the chain";
    let replaceable = |method| (method, "bip125-replaceable", Some(json!(true)), LATER);
    vec![
        replaceable("getmempoolentry"),
        replaceable("getmempoolancestors"),
        replaceable("getmempooldescendants"),
        replaceable("getrawmempool"),
        ("getmempoolinfo", "fullrbf", Some(json!(true)), LATER),
        ("getchaintxstats", "txcount", Some(json!(0)), COUNT),
        ("dumptxoutset", "nchaintx", Some(json!(0)), COUNT),
        ("getdescriptoractivity", "activity", Some(json!([])), "the type has another name for spend_vin"),
        ("getrawtransaction", "fee", None, "the type lacks it; Core gives it with the coins that were spent"),
    ]
}

/// The reply, or each of its entries, with the field or without it.
fn amend(reply: &mut Value, field: &str, value: Option<&Value>) {
    let Value::Object(fields) = reply else { return };
    if !fields.is_empty() && fields.values().all(Value::is_object) {
        return fields.values_mut().for_each(|entry| amend(entry, field, value));
    }
    match value {
        Some(value) => drop(fields.insert(field.to_owned(), value.clone())),
        None => drop(fields.remove(field)),
    }
}

/// Reads a reply as its type, with its exceptions where it needs them.
fn read(method: &str, reply: &Value, reads: Reads) -> Result<(), serde_json::Error> {
    let Err(error) = reads(reply.clone()) else { return Ok(()) };
    let (mut amended, mut any) = (reply.clone(), false);
    for (_, field, value, reason) in exceptions().iter().filter(|(of, ..)| *of == method) {
        eprintln!("{method}: {field}: {reason}");
        amend(&mut amended, field, value.as_ref());
        any = true;
    }
    if any { reads(amended) } else { Err(error) }
}

/// The generator's private key, and its public one.
const SECRET: &str = "cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA";
const PUBLIC: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
fn chain(f: &Facts) -> Vec<Row> {
    let desc = format!("addr({})", coins::address());
    vec![
        row::<GetBestBlockHash>("getbestblockhash", json!([])),
        row::<GetBlockVerboseZero>("getblock", json!([f.block, 0])),
        row::<GetBlockVerboseOne>("getblock", json!([f.block, 1])),
        row::<GetBlockVerboseTwo>("getblock", json!([f.block, 2])),
        row::<GetBlockVerboseThree>("getblock", json!([f.block, 3])),
        row::<GetBlockchainInfo>("getblockchaininfo", json!([])),
        row::<GetBlockCount>("getblockcount", json!([])),
        row::<GetBlockFilter>("getblockfilter", json!([f.block])),
        row::<GetBlockHash>("getblockhash", json!([1])),
        row::<GetBlockHeader>("getblockheader", json!([f.block, false])),
        row::<GetBlockHeaderVerbose>("getblockheader", json!([f.block, true])),
        row::<GetBlockStats>("getblockstats", json!([f.height])),
        row::<GetChainStates>("getchainstates", json!([])),
        row::<GetChainTips>("getchaintips", json!([])),
        row::<GetChainTxStats>("getchaintxstats", json!([])),
        row::<GetDeploymentInfo>("getdeploymentinfo", json!([])),
        row::<GetDescriptorActivity>("getdescriptoractivity", json!([[f.block], [desc]])),
        row::<GetDifficulty>("getdifficulty", json!([])),
        row::<GetTxOut>("gettxout", json!([f.txid, 0])),
        row::<String>("gettxoutproof", json!([[f.txid], f.block])),
        row::<VerifyTxOutProof>("verifytxoutproof", json!([f.proof])),
        row::<GetTxOutSetInfo>("gettxoutsetinfo", json!([])),
        row::<GetTxOutSetInfo>("gettxoutsetinfo", json!(["muhash"])),
        row::<GetTxOutSetInfo>("gettxoutsetinfo", json!(["none", f.height])),
        row::<ScanBlocksStart>("scanblocks", json!(["start", [desc]])),
        row::<Option<ScanBlocksStatus>>("scanblocks", json!(["status"])),
        row::<ScanBlocksAbort>("scanblocks", json!(["abort"])),
        row::<ScanTxOutSetStart>("scantxoutset", json!(["start", [desc]])),
        row::<Option<ScanTxOutSetStatus>>("scantxoutset", json!(["status"])),
        row::<ScanTxOutSetAbort>("scantxoutset", json!(["abort"])),
        row::<VerifyChain>("verifychain", json!([])),
        row::<WaitForBlock>("waitforblock", json!([f.block, 1])),
        row::<WaitForBlockHeight>("waitforblockheight", json!([1])),
        row::<WaitForNewBlock>("waitfornewblock", json!([1])),
        row::<DumpTxOutSet>("dumptxoutset", json!([f.dump, "latest"])),
    ]
}

fn mempool(f: &Facts) -> Vec<Row> {
    vec![
        row::<GetMempoolAncestors>("getmempoolancestors", json!([f.child])),
        row::<GetMempoolAncestorsVerbose>("getmempoolancestors", json!([f.child, true])),
        row::<GetMempoolCluster>("getmempoolcluster", json!([f.child])),
        row::<GetMempoolDescendants>("getmempooldescendants", json!([f.parent])),
        row::<GetMempoolDescendantsVerbose>("getmempooldescendants", json!([f.parent, true])),
        row::<GetMempoolEntry>("getmempoolentry", json!([f.child])),
        row::<GetMempoolFeerateDiagram>("getmempoolfeeratediagram", json!([])),
        row::<GetMempoolInfo>("getmempoolinfo", json!([])),
        row::<GetRawMempool>("getrawmempool", json!([])),
        row::<GetRawMempoolVerbose>("getrawmempool", json!([true])),
        row::<GetRawMempoolSequence>("getrawmempool", json!([false, true])),
        row::<GetTxSpendingPrevout>("gettxspendingprevout", json!([[{"txid": f.parent, "vout": 0}]])),
        row::<SaveMempool>("savemempool", json!([])),
        row::<GetOrphanTxs>("getorphantxs", json!([])),
        row::<GetOrphanTxsVerboseOne>("getorphantxs", json!([1])),
        row::<GetOrphanTxsVerboseTwo>("getorphantxs", json!([2])),
        row::<TestMempoolAccept>("testmempoolaccept", json!([[f.unsent]])),
        row::<TestMempoolAccept>("testmempoolaccept", json!([[f.tx]])),
        row::<GetPrioritisedTransactions>("getprioritisedtransactions", json!([])),
        row::<bool>("prioritisetransaction", json!([f.child, 0, 1000])),
        row::<GetPrioritisedTransactions>("getprioritisedtransactions", json!([])),
        row::<GetPrivateBroadcastInfo>("getprivatebroadcastinfo", json!([])),
        row::<SubmitPackage>("submitpackage", json!([[f.unsent]])),
        row::<SendRawTransaction>("sendrawtransaction", json!([f.unsent])),
    ]
}

fn node(_: &Facts) -> Vec<Row> {
    vec![
        row::<GetMemoryInfoStats>("getmemoryinfo", json!([])),
        row::<GetRpcInfo>("getrpcinfo", json!([])),
        row::<String>("help", json!([])),
        row::<std::collections::BTreeMap<String, bool>>("logging", json!([])),
        row::<u32>("uptime", json!([])),
        row::<GetBlockTemplate>("getblocktemplate", json!([{"rules": ["segwit"]}])),
        row::<GetMiningInfo>("getmininginfo", json!([])),
        row::<f64>("getnetworkhashps", json!([])),
        row::<GetAddedNodeInfo>("getaddednodeinfo", json!([])),
        row::<GetAddrManInfo>("getaddrmaninfo", json!([])),
        row::<GetConnectionCount>("getconnectioncount", json!([])),
        row::<GetNetTotals>("getnettotals", json!([])),
        row::<GetNetworkInfo>("getnetworkinfo", json!([])),
        row::<AddPeerAddress>("addpeeraddress", json!(["1.2.3.4", 8333])),
        row::<GetNodeAddresses>("getnodeaddresses", json!([])),
        row::<GetRawAddrMan>("getrawaddrman", json!([])),
        row::<GetPeerInfo>("getpeerinfo", json!([])),
        row::<Vec<Banned>>("listbanned", json!([])),
        row::<SetNetworkActive>("setnetworkactive", json!([true])),
        row::<Vec<GetZmqNotifications>>("getzmqnotifications", json!([])),
        row::<EnumerateSigners>("enumeratesigners", json!([])),
    ]
}

fn transactions(f: &Facts) -> Vec<Row> {
    let to = coins::elsewhere().to_string();
    vec![
        row::<CreateRawTransaction>(
            "createrawtransaction",
            json!([[{"txid": f.txid, "vout": 0}], [{&to: 1}]]),
        ),
        row::<DecodeRawTransaction>("decoderawtransaction", json!([f.tx])),
        row::<DecodeScript>("decodescript", json!([format!("21{PUBLIC}ac")])),
        row::<DecodeScript>("decodescript", json!(["51"])),
        row::<GetRawTransaction>("getrawtransaction", json!([f.txid])),
        row::<GetRawTransactionVerbose>("getrawtransaction", json!([f.txid, 1])),
        row::<GetRawTransactionVerbose>("getrawtransaction", json!([f.txid, 1, f.block])),
        row::<GetRawTransactionVerboseWithPrevout>("getrawtransaction", json!([f.txid, 2])),
        row::<GetRawTransactionVerbose>("getrawtransaction", json!([f.child, 1])),
        row::<CreatePsbt>("createpsbt", json!([[{"txid": f.txid, "vout": 0}], [{&to: 1}]])),
        row::<AnalyzePsbt>("analyzepsbt", json!([f.psbt])),
        row::<CombinePsbt>("combinepsbt", json!([[f.psbt, f.psbt]])),
        row::<DecodePsbt>("decodepsbt", json!([f.psbt])),
        row::<FinalizePsbt>("finalizepsbt", json!([f.psbt])),
        row::<UtxoUpdatePsbt>("utxoupdatepsbt", json!([f.psbt])),
        row::<CombineRawTransaction>("combinerawtransaction", json!([[f.unsent, f.unsent]])),
        row::<ConvertToPsbt>("converttopsbt", json!([f.unsent, true])),
        row::<SignRawTransactionWithKey>("signrawtransactionwithkey", json!([f.unsent, [SECRET]])),
        row::<CreateMultisig>("createmultisig", json!([1, [PUBLIC]])),
        row::<DeriveAddresses>("deriveaddresses", json!([format!("wpkh({PUBLIC})#ucxz0gak")])),
        row::<EstimateSmartFee>("estimatesmartfee", json!([6])),
        row::<EstimateRawFee>("estimaterawfee", json!([6])),
        row::<GetDescriptorInfo>("getdescriptorinfo", json!([format!("wpkh({PUBLIC})")])),
        row::<GetIndexInfo>("getindexinfo", json!([])),
        row::<SignMessageWithPrivKey>("signmessagewithprivkey", json!([SECRET, "hello"])),
        row::<ValidateAddress>("validateaddress", json!([to])),
        row::<VerifyMessage>(
            "verifymessage",
            json!(["mrCDrCybB6J1vRfbwM5hemdJz73FwDBC8r", base64(&[0; 65]), "hello"]),
        ),
    ]
}

/// At the end: they change the chain.
fn made(_: &Facts) -> Vec<Row> {
    vec![
        row::<GenerateToAddress>("generatetoaddress", json!([1, coins::address().to_string()])),
        row::<GenerateToAddress>("generatetodescriptor", json!([1, format!("addr({})", coins::address())])),
        row::<GenerateBlock>("generateblock", json!([coins::address().to_string(), []])),
    ]
}

fn facts(adit: &Adit, client: &Client) -> Facts {
    client.generate_to_address(110, &coins::address()).unwrap();
    let tx = coins::spend_reward(client, 1, &coins::address());
    let txid = client.send_raw_transaction(&tx).unwrap();
    let block = client.generate_to_address(1, &coins::address()).unwrap()[0];
    let parent = coins::spend_reward(client, 2, &coins::address());
    let coin = bitcoin::OutPoint::new(client.send_raw_transaction(&parent).unwrap(), 0);
    let child = coins::spend(coin, parent.output[0].value, &coins::elsewhere());
    let (parent, child) = (parent.compute_txid(), client.send_raw_transaction(&child).unwrap());
    let unsent = coins::spend_reward(client, 3, &coins::elsewhere());
    let mut unsigned = unsent.clone();
    unsigned.input[0].witness.clear();
    Facts {
        block: json!(block),
        height: client.get_block_count().unwrap(),
        txid: json!(txid),
        tx: json!(serialize_hex(&tx)),
        parent: json!(parent),
        child: json!(child),
        unsent: json!(serialize_hex(&unsent)),
        proof: client.call("gettxoutproof", &[json!([txid])]).unwrap(),
        psbt: json!(bitcoin::Psbt::from_unsigned_tx(unsigned).unwrap().to_string()),
        dump: adit.datadir().join("coins.dat").display().to_string(),
    }
}

#[test]
fn every_reply_is_of_the_type_that_version_31_has_for_it() {
    // A signing program that finds no device.
    let adit = Adit::start(&["-txindex", "-blockfilterindex", "-coinstatsindex", "-signer=printf []"]);
    let client = coins::client(&adit);
    let facts = facts(&adit, &client);
    let (mut sound, mut absent, mut wrong) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for Row(method, params, reads) in
        [chain, mempool, node, transactions, made].iter().flat_map(|part| part(&facts))
    {
        let asked = format!("{method} {params}");
        match client.call::<Value>(method, params.as_array().unwrap()) {
            Ok(reply) => match read(method, &reply, reads) {
                Ok(()) => {
                    sound.insert(method);
                }
                Err(why) => wrong.push(format!("{asked}: {why}: {reply}")),
            },
            Err(Error::JsonRpc(jsonrpc::Error::Rpc(error))) if error.code == -32601 => {
                absent.insert(method);
            }
            Err(error) => wrong.push(format!("{asked}: {error}")),
        }
    }
    eprintln!("{} methods are of their types; not there: {absent:?}", sound.len());
    assert!(wrong.is_empty(), "{} replies:\n{}", wrong.len(), wrong.join("\n"));
}
