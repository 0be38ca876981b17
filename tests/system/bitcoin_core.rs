//! Beside Bitcoin Core: the same blocks, the same coins, the same tip. Runs where `BITCOIND` names the binary.

use serde_json::json;

use crate::chain::Chain;
use crate::client::Client;
use crate::harness::{Node, folder, until};
use crate::import::import;

pub use crate::bitcoind::Core;

#[test]
fn the_coins_of_a_generated_chain_have_the_same_muhash() {
    let dir = folder();
    let chain = Chain::signed(30, 40);
    let file = dir.path().join("blk00000.dat");
    std::fs::write(&file, chain.framed()).unwrap();
    let Some(core) = Core::start(&[format!("-loadblock={}", file.display())]) else { return };
    let height = u64::from(chain.height());
    until("bitcoind has loaded the chain", || (core.height() == height).then_some(()));
    let theirs = core.call("gettxoutsetinfo", json!(["muhash"]));
    let ours = import(&dir.path().join("adit"), &[&file]).done();
    assert_eq!(ours["tip"], json!(core.tip()));
    assert_eq!((&ours["utxos"], &ours["muhash"]), (&theirs["txouts"], &theirs["muhash"]));
    let theirs = core.call("gettxoutsetinfo", json!(["hash_serialized_3"]));
    assert_eq!(ours["hash_serialized_3"], theirs["hash_serialized_3"]);
}

#[test]
fn a_node_follows_bitcoind_through_a_reorganisation_and_sends_it_what_it_mines() {
    let Some(core) = Core::start(&[]) else { return };
    core.generate(500);
    let dir = folder();
    let node = Node::start(dir.path(), &["--connect", &core.peer()]);
    until("the node has bitcoind's tip", || (node.tip() == core.tip()).then_some(()));

    let fork = core.call("getblockhash", json!([491]));
    core.call("invalidateblock", json!([fork]));
    // To another script: the same blocks again would be the invalid ones.
    core.call("generatetodescriptor", json!([11, "raw(51)"]));
    assert_eq!(core.height(), 501);
    until("the node has followed ten blocks back", || (node.tip() == core.tip()).then_some(()));

    let before = core.height();
    let client = Client::start(node.stratum, "core");
    until("bitcoind has three of our blocks", || (core.height() >= before + 3).then_some(()));
    let journal = client.finish();
    assert!(journal.accepted >= 3, "{journal:?}");
    until("both have the same tip", || (node.tip() == core.tip()).then_some(()));

    // The other way round: bitcoind fetches the whole chain from the node.
    let Some(fresh) = Core::start(&[]) else { return };
    fresh.call("addnode", json!([node.p2p.to_string(), "onetry"]));
    until("a new bitcoind has synced from the node", || (fresh.tip() == core.tip()).then_some(()));
    node.stop();
}
