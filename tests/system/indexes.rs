//! The indexes of a running node: what they say, beside what the coins and Bitcoin Core say.

use serde_json::{Value, json};

use crate::bitcoind::Core;
use crate::chain::Chain;
use crate::harness::{Node, folder, until};
use crate::import::import;

pub const ALL: [&str; 6] =
    ["--set", "index.transactions=true", "--set", "index.filters=true", "--set", "index.coin_stats=true"];

/// Waits until each index stands at the tip.
#[track_caller]
fn synced(node: &Node) {
    until("the indexes are at the tip", || {
        let status = node.ask(&["index", "status"]);
        let rows = status.as_array().unwrap();
        (rows.len() == 3 && rows.iter().all(|row| row["synced"] == json!(true))).then_some(())
    });
}

/// A chain in a file.
fn file(dir: &std::path::Path, chain: &Chain) -> std::path::PathBuf {
    let file = dir.join("blk00000.dat");
    std::fs::write(&file, chain.framed()).unwrap();
    file
}

#[test]
fn indexes_are_built_over_an_imported_chain_and_survive_kills() {
    let dir = folder();
    let chain = Chain::signed(10, 20);
    let datadir = dir.path().join("adit");
    let imported = import(&datadir, &[&file(dir.path(), &chain)]).done();
    for _ in 0..3 {
        // Killed somewhere while they are built: the next start goes on.
        let mut node = Node::start(&datadir, &ALL);
        node.ask(&["index", "status"]);
        node.process.kill_hard();
    }
    let node = Node::start(&datadir, &ALL);
    synced(&node);
    let coins = node.ask(&["index", "coins"]);
    assert_eq!((&coins["muhash"], &coins["coins"]), (&imported["muhash"], &imported["utxos"]));
    let of_all = node.ask(&["utxo"]);
    assert_eq!(of_all["hash_serialized_3"], imported["hash_serialized_3"]);
    for key in ["muhash", "coins", "amount_sat", "bogo_size"] {
        assert_eq!(coins[key], of_all[key], "{key}");
    }
    let status = node.ctl(&["index", "tx", &"0".repeat(64)]);
    assert_eq!(status.status.code(), Some(1));
    node.stop();
    let node = Node::start(&datadir, &[]);
    assert_eq!(node.ask(&["index", "status"]), json!([]));
    assert_eq!(node.ctl(&["index", "filter"]).status.code(), Some(1));
    node.stop();
}

/// Bitcoin Core's amounts are numbers of bitcoins.
fn sat(amount: &Value) -> u64 {
    (amount.as_f64().unwrap() * 1e8).round() as u64
}

/// The coins' figures, a filter and the transactions of the block at a height are Bitcoin Core's.
#[track_caller]
fn check_height(node: &Node, core: &Core, height: u64) {
    let ours = node.ask(&["index", "coins", &height.to_string()]);
    let theirs = core.call("gettxoutsetinfo", json!(["muhash", height]));
    assert_eq!(
        (&ours["block"], &ours["muhash"], &ours["coins"], &ours["bogo_size"]),
        (&theirs["bestblock"], &theirs["muhash"], &theirs["txouts"], &theirs["bogosize"]),
        "{height}"
    );
    assert_eq!(ours["amount_sat"], json!(sat(&theirs["total_amount"])), "{height}");
    assert_eq!(ours["unspendable_sat"], json!(sat(&theirs["total_unspendable_amount"])), "{height}");
    let (ours, theirs) = (&ours["block_info"], &theirs["block_info"]);
    for key in ["prevout_spent", "coinbase", "new_outputs_ex_coinbase", "unspendable"] {
        assert_eq!(ours[format!("{key}_sat")], json!(sat(&theirs[key])), "{height} {key}");
    }
    for key in ["genesis_block", "bip30", "scripts", "unclaimed_rewards"] {
        let (ours, theirs) = (&ours["unspendables"][format!("{key}_sat")], &theirs["unspendables"][key]);
        assert_eq!(*ours, json!(sat(theirs)), "{height} {key}");
    }
    let hash = core.call("getblockhash", json!([height]));
    let hash = hash.as_str().unwrap();
    let (ours, theirs) =
        (node.ask(&["index", "filter", hash]), core.call("getblockfilter", json!([hash, "basic"])));
    assert_eq!((&ours["filter"], &ours["header"]), (&theirs["filter"], &theirs["header"]), "{height}");
    let block = core.call("getblock", json!([hash]));
    for txid in block["tx"].as_array().unwrap().iter().rev().take(2).filter(|_| height > 0) {
        let ours = node.ask(&["index", "tx", txid.as_str().unwrap()]);
        let theirs = core.call("getrawtransaction", json!([txid, true]));
        assert_eq!((&ours["hex"], &ours["block"]), (&theirs["hex"], &theirs["blockhash"]), "{height} {txid}");
    }
}

#[test]
fn indexes_say_what_those_of_bitcoind_say_and_follow_a_reorganisation() {
    let dir = folder();
    let chain = Chain::signed(10, 20);
    let file = file(dir.path(), &chain);
    let args = ["-txindex", "-blockfilterindex", "-coinstatsindex"].map(str::to_owned);
    let args = [args.to_vec(), vec![format!("-loadblock={}", file.display())]].concat();
    let Some(core) = Core::start(&args) else { return };
    let height = u64::from(chain.height());
    until("bitcoind has loaded the chain", || (core.height() == height).then_some(()));
    let node = Node::start(dir.path(), &[&ALL[..], &["--connect", &core.peer()]].concat());
    let at_one_tip = || {
        until("both have the same tip", || (node.tip() == core.tip()).then_some(()));
        until("bitcoind's indexes are there", || {
            let info = core.call("getindexinfo", json!([]));
            let rows = info.as_object().unwrap();
            (rows.len() == 3 && rows.values().all(|row| row["synced"] == json!(true))).then_some(())
        });
        synced(&node);
    };
    at_one_tip();
    let (ours, theirs) = (dir.path().join("ours.dat"), dir.path().join("theirs.dat"));
    let dumped = node.ask(&["dump-utxo", ours.to_str().unwrap()]);
    let of_core = core.call("dumptxoutset", json!([theirs, "latest"]));
    assert_eq!((&dumped["base"], &dumped["coins"]), (&of_core["base_hash"], &of_core["coins_written"]));
    assert_eq!(dumped["hash_serialized_3"], of_core["txoutset_hash"]);
    assert!(std::fs::read(&ours).unwrap() == std::fs::read(&theirs).unwrap(), "the files are equal");
    for at in (0..height).step_by(25).chain(height - 3..=height) {
        check_height(&node, &core, at);
    }
    let fork = core.call("getblockhash", json!([height - 4]));
    core.call("invalidateblock", json!([fork]));
    core.call("generatetodescriptor", json!([7, "raw(51)"]));
    at_one_tip();
    assert_eq!(core.height(), height + 2);
    for at in height - 6..=height + 2 {
        check_height(&node, &core, at);
    }
    node.stop();
}
