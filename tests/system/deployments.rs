//! Soft forks as Bitcoin Core tells them, with the same rules moved on both sides. Runs where `BITCOIND` names the binary.

use bitcoin::opcodes::OP_TRUE;
use bitcoin::{Address, Network, ScriptBuf};
use serde_json::{Value, json};

use crate::bitcoin_core::Core;
use crate::harness::{Node, adit, folder, text, until};

/// bitcoind and a node of the same rules, both at the same height.
fn both(flags: &[&str], keys: &[&str], blocks: &[u32]) -> Option<(Core, Node, tempfile::TempDir)> {
    let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
    let core = Core::start(&flags)?;
    let dir = folder();
    let peer = core.peer();
    let mut args = vec!["--connect", peer.as_str()];
    keys.iter().for_each(|key| args.extend(["--set", key]));
    let node = Node::start(dir.path(), &args);
    for blocks in blocks {
        core.generate(*blocks);
        until("the node has bitcoind's tip", || (node.tip() == core.tip()).then_some(()));
        same_version(&core, &node);
    }
    Some((core, node, dir))
}

/// What is mined next has the version that bitcoind would give it, where both make templates.
#[track_caller]
fn same_version(core: &Core, node: &Node) {
    let theirs = core.call("getblocktemplate", json!([{"rules": ["segwit"]}]));
    let previous = theirs["previousblockhash"].as_str().unwrap().to_owned();
    let ours = until("the template stands on the tip", || {
        let ours = node.ask(&["template"]);
        (ours["prev"] == json!(previous)).then_some(ours)
    });
    assert_eq!(ours["version"], theirs["version"], "{ours}");
}

/// The same object, to the last field, at a block.
#[track_caller]
fn same_at(core: &Core, node: &Node, height: u32) -> Value {
    let hash = core.call("getblockhash", json!([height]));
    let theirs = core.call("getdeploymentinfo", json!([hash]));
    let ours = node.ask(&["deployments", hash.as_str().unwrap()]);
    assert_eq!(ours, theirs, "{height}");
    ours["deployments"]["testdummy"].clone()
}

#[test]
fn votes_are_counted_as_by_bitcoind_until_the_rule_applies() {
    let flags = [
        "-testactivationheight=bip34@3",
        "-testactivationheight=dersig@30",
        "-testactivationheight=cltv@40",
        "-testactivationheight=csv@50",
        "-testactivationheight=segwit@2",
        "-vbparams=testdummy:1:999999999999:500",
    ];
    let keys = [
        "chain.test_activation_heights=bip34@3,dersig@30,cltv@40,csv@50,segwit@2",
        "chain.version_bits=testdummy:1:999999999999:500",
    ];
    let Some((core, node, _dir)) = both(&flags, &keys, &[60, 90, 200, 100, 140]) else { return };
    let mut states = Vec::new();
    for height in [
        0, 1, 2, 3, 28, 29, 30, 39, 40, 49, 50, 60, 142, 143, 144, 145, 250, 286, 287, 288, 289, 300, 430,
        431, 432, 433, 575, 576, 577, 590,
    ] {
        let vote = same_at(&core, &node, height);
        states.push(vote["bip9"]["status"].as_str().unwrap().to_owned());
    }
    states.dedup();
    assert_eq!(states, ["defined", "started", "locked_in", "active"]);
    assert_eq!(node.ask(&["deployments"]), core.call("getdeploymentinfo", json!([])));
    let unknown = node.ctl(&["deployments", &"11".repeat(32)]);
    assert_eq!((unknown.status.code(), text(&unknown.stderr).trim()), (Some(1), "adit ctl: Block not found"));
    node.stop();
}

#[test]
fn votes_are_lost_as_by_bitcoind_where_nobody_votes() {
    let flags = ["-vbparams=testdummy:0:1", "-blockversion=536870912"];
    let keys = ["chain.version_bits=testdummy:0:1"];
    let Some(core) = Core::start(&flags.map(str::to_owned)) else { return };
    let dir = folder();
    let node = Node::start(dir.path(), &["--connect", &core.peer(), "--set", keys[0]]);
    core.generate(300);
    until("the node has bitcoind's tip", || (node.tip() == core.tip()).then_some(()));
    let check = |height: u32, status: &str| {
        assert_eq!(same_at(&core, &node, height)["bip9"]["status"], json!(status), "{height}");
    };
    check(143, "defined");
    check(144, "started");
    check(181, "started");
    check(287, "started");
    check(288, "failed");
    check(300, "failed");
    node.stop();
}

#[test]
fn rules_without_a_vote_are_told_as_by_bitcoind() {
    for vote in ["testdummy:-1:0", "testdummy:-2:0"] {
        let (flag, key) = (format!("-vbparams={vote}"), format!("chain.version_bits={vote}"));
        let Some((core, node, _dir)) = both(&[&flag], &[&key], &[1]) else { return };
        same_at(&core, &node, 0);
        same_at(&core, &node, 1);
        node.stop();
    }
}

#[test]
fn a_block_that_only_moved_rules_refuse_is_refused() {
    let flags = [
        "-testactivationheight=bip34@1000",
        "-testactivationheight=cltv@1000",
        "-testactivationheight=dersig@1000",
    ];
    let flags = [&flags[..], &["-blockversion=1"]].concat();
    let Some(core) = Core::start(&flags.iter().map(|&flag| flag.to_owned()).collect::<Vec<_>>()) else {
        return;
    };
    core.generate(3);
    let block = |height: u32| {
        let hash = core.call("getblockhash", json!([height]));
        core.call("getblock", json!([hash, 0])).as_str().unwrap().to_owned()
    };
    let (dir, moved) = (folder(), folder());
    let file = dir.path().join("blk00000.dat");
    let framed: Vec<u8> = (1..=3).flat_map(|height| framed(&block(height))).collect();
    std::fs::write(&file, framed).unwrap();
    let import = |datadir: &std::path::Path, keys: &str| {
        let mut command = adit();
        command.args(["import", "--network", "regtest", "--datadir"]).arg(datadir);
        command.args(["--set", &format!("chain.test_activation_heights={keys}")]).arg(&file);
        let out = command.output().unwrap();
        serde_json::from_slice::<Value>(&out.stdout).unwrap_or_else(|e| panic!("{e} {}", text(&out.stderr)))
    };
    let taken = import(moved.path(), "bip34@1000,cltv@1000,dersig@1000");
    assert_eq!((&taken["tip"], &taken["height"]), (&json!(core.tip()), &json!(3)));
    let refused = import(dir.path(), "bip34@3,cltv@1000,dersig@1000");
    assert_eq!(refused["height"], json!(2));
    assert_eq!(refused["rejected"]["reason"], json!("bad-version(0x00000001)"));
}

/// A block in hex as it lies in regtest's blk*.dat.
fn framed(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let block: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    let length = u32::try_from(block.len()).unwrap().to_le_bytes();
    [&[0xfa, 0xbf, 0xb5, 0xda], &length[..], &block].concat()
}

#[test]
fn a_signet_of_ones_own_is_followed() {
    let Some(core) = Core::on("-signet", &["-signetchallenge=51".to_owned()]) else { return };
    let dir = folder();
    let anyone = ScriptBuf::builder().push_opcode(OP_TRUE).into_script();
    let address = Address::p2wsh(&anyone, Network::Signet);
    let mut command = adit();
    command.args(["run", "--network", "signet", "--datadir"]).arg(dir.path());
    for key in ["p2p.listen=127.0.0.1:0", "stratum.listen=127.0.0.1:0", "chain.signet_challenge=51"] {
        command.args(["--set", key]);
    }
    command.args(["--set", &format!("pool.address={address}"), "--connect", &core.peer()]);
    let node = Node::of(command, dir.path());
    // One block takes five million hashes.
    core.call("generatetodescriptor", json!([1, "raw(51)", 1_000_000_000]));
    assert_eq!(core.height(), 1);
    let tip = || {
        let out = adit().args(["ctl", "--json", "--datadir"]).arg(dir.path()).arg("info").output().unwrap();
        let info: Value = serde_json::from_slice(&out.stdout).ok()?;
        (info["tip"] == json!(core.tip())).then_some(())
    };
    until("the node has bitcoind's block", tip);
    let folders =
        std::fs::read_dir(dir.path()).unwrap().filter_map(|e| e.unwrap().file_name().into_string().ok());
    assert!(folders.into_iter().any(|name| name == "signet-54d26fbd"));
    node.stop();
}
