//! Pruning by command, beside indexes and beside Bitcoin Core; and killed at each of its writes.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use adit_store::failpoint::Place;
use bitcoin::{Amount, ScriptBuf, TxOut};
use serde_json::{Value, json};

use crate::bitcoind::Core;
use crate::chain::{Chain, mined, subsidy_sat};
use crate::harness::{Node, Process, adit, folder, text, until};
use crate::line::Line;

/// Small files, and blocks go by command only.
const BY_COMMAND: [&str; 4] = ["--set", "chain.small_files=true", "--set", "chain.prune_mib=1"];
const FOLLOWING: [&str; 4] = ["--set", "index.filters=true", "--set", "index.coin_stats=true"];
const TRANSACTIONS: [&str; 2] = ["--set", "index.transactions=true"];

/// 420 blocks, the first 130 of about 8 kB: seven fill a small file, and two files or more may go.
fn chain() -> Chain {
    let mut chain = Chain::new(3);
    for height in 1..=420 {
        let mut block = chain.block(Vec::new(), subsidy_sat(height));
        if height <= 130 {
            let script_pubkey = ScriptBuf::from_bytes([&[0x6a], vec![0; 8000].as_slice()].concat());
            block.txdata[0].output.push(TxOut { value: Amount::ZERO, script_pubkey });
        }
        chain.push(mined(block));
    }
    chain
}

fn file(dir: &Path, chain: &Chain) -> PathBuf {
    let file = dir.join("chain.dat");
    fs::write(&file, chain.framed()).unwrap();
    file
}

/// A datadir with the chain in small files.
fn imported(dir: &Path, chain: &Chain, args: &[&str]) -> PathBuf {
    let datadir = dir.join("d");
    let mut command = adit();
    command.args(["import", "--network", "regtest"]).args(args).arg("--datadir").arg(&datadir);
    let out = command.arg(file(dir, chain)).output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    datadir
}

/// Waits until each index that is kept stands at the tip.
#[track_caller]
fn indexed(node: &Node) {
    until("the indexes are at the tip", || {
        let status = node.ask(&["index", "status"]);
        status.as_array().unwrap().iter().all(|row| row["synced"] == json!(true)).then_some(())
    });
}

/// What a refused command says.
#[track_caller]
fn refused(node: &Node, args: &[&str]) -> String {
    let out = node.ctl(args);
    assert_eq!(out.status.code(), Some(1), "{args:?}: {}", text(&out.stdout));
    text(&out.stderr)
}

/// A node that does not start: its exit code, and what it says.
fn not_started(datadir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let mut command = adit();
    command.args(["run", "--network", "regtest", "--set", "p2p.listen=127.0.0.1:0"]);
    command.args(["--set", "stratum.listen=127.0.0.1:0", "--datadir"]).arg(datadir).args(args);
    let out = command.output().unwrap();
    (out.status.code(), text(&out.stderr))
}

#[test]
fn blocks_go_by_command_and_indexes_that_need_them_are_refused() {
    let dir = folder();
    let chain = chain();
    let datadir = imported(dir.path(), &chain, &BY_COMMAND[..2]);
    let node = Node::start(&datadir, &[&BY_COMMAND[..2], &TRANSACTIONS].concat());
    assert!(refused(&node, &["prune", "10"]).contains("chain.prune_mib is 0"));
    indexed(&node);
    node.stop();

    let with_filters = [&BY_COMMAND[..], &FOLLOWING[..2]].concat();
    let node = Node::start(&datadir, &with_filters);
    indexed(&node);
    let coins = node.ask(&["utxo"]);
    let info = node.ask(&["info"]);
    assert_eq!(
        (&info["pruned"], &info["kept_from"], &info["prune_target_mib"]),
        (&json!(true), &json!(0), &json!(1))
    );
    assert!(refused(&node, &["prune", "421"]).contains("the chain ends at height 420, below 421"));
    assert!(refused(&node, &["prune", "4000000000"]).contains("no block is as late"));
    let pruned = node.ask(&["prune", "420"]);
    let last = pruned["last_pruned"].as_u64().unwrap();
    assert!((100..=132).contains(&last) && pruned["files"].as_u64().unwrap() > 10, "{pruned}");
    assert_eq!(node.ask(&["info"])["kept_from"], json!(last + 1));
    assert!(refused(&node, &["invalidate", &chain.blocks[5].block_hash().to_string()]).contains("is pruned"));
    // What was made of them is there.
    assert_eq!(node.ask(&["index", "filter", &chain.blocks[5].block_hash().to_string()])["height"], json!(6));
    assert_eq!(node.ask(&["utxo"]), coins);
    node.stop();

    let stats = adit()
        .args(["db", "stats", "--json", "--network", "regtest", "--set", "chain.prune_mib=1"])
        .arg("--datadir")
        .arg(&datadir)
        .output()
        .unwrap();
    let stats: Value = serde_json::from_slice(&stats.stdout).unwrap();
    assert_eq!((&stats["lowest_block"], &stats["prune_target_mib"]), (&json!(last + 1), &json!(1)));

    let (code, said) = not_started(&datadir, &[&BY_COMMAND[..], &TRANSACTIONS].concat());
    assert!(
        code == Some(78) && said.contains("expected false where chain.prune_mib is not 0"),
        "{code:?} {said}"
    );
    let (code, said) = not_started(&datadir, &TRANSACTIONS);
    assert!(
        code == Some(78) && said.contains("set index.transactions = false, or begin anew"),
        "{code:?} {said}"
    );
    let (code, said) = not_started(&datadir, &[&BY_COMMAND[..], &FOLLOWING].concat());
    assert!(
        code == Some(78) && said.contains("index.coin_stats needs the blocks from height 1 on"),
        "{code:?} {said}"
    );
    let node = Node::start(&datadir, &with_filters);
    assert_eq!(node.ask(&["info"])["kept_from"], json!(last + 1));
    node.stop();
}

#[test]
fn bitcoind_prunes_as_far_by_the_same_commands() {
    let dir = folder();
    let chain = chain();
    let args = ["-prune=1", "-fastprune"].map(str::to_owned).to_vec();
    let args = [args, vec![format!("-loadblock={}", file(dir.path(), &chain).display())]].concat();
    let Some(core) = Core::start(&args) else { return };
    until("bitcoind has loaded the chain", || (core.height() == 420).then_some(()));
    let datadir = imported(dir.path(), &chain, &BY_COMMAND[..2]);
    let node = Node::start(&datadir, &BY_COMMAND);
    let time_of = |height: usize| u64::from(chain.blocks[height - 1].header.time);
    for up_to in [0, 1, 7, 8, 40, time_of(80), time_of(60), 100, 300, 420] {
        let theirs = core.call("pruneblockchain", json!([up_to]));
        let ours = &node.ask(&["prune", &up_to.to_string()])["last_pruned"];
        // Bitcoin Core says -1 where all blocks are there.
        assert_eq!(ours.as_i64().unwrap_or(-1), theirs.as_i64().unwrap(), "{up_to}");
        let info = core.call("getblockchaininfo", json!([]));
        assert_eq!(node.ask(&["info"])["kept_from"], info["pruneheight"], "{up_to}");
    }
    node.stop();
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, target) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if path.is_dir() {
            copy(&path, &target);
        } else if path.is_file() {
            fs::copy(path, target).unwrap();
        }
    }
}

/// `adit run` with a failpoint.
fn doomed(datadir: &Path, args: &[&str], point: &str) -> std::process::Command {
    let mut command = adit();
    command.args(["run", "--network", "regtest", "--set", "p2p.listen=127.0.0.1:0"]);
    command.args(["--set", "stratum.listen=127.0.0.1:0", "--datadir"]).arg(datadir).args(args);
    command.env("ADIT_FAILPOINT", point);
    command
}

#[track_caller]
fn dies(process: &mut Process, point: &str) {
    let status = process.wait();
    assert_eq!(status.signal(), Some(9), "{point}: {status}\n{}", process.err());
}

#[test]
fn killed_before_and_after_each_write_of_pruning_it_is_done_again() {
    let dir = folder();
    let base = imported(dir.path(), &chain(), &BY_COMMAND[..2]);
    let datadir = dir.path().join("try");
    copy(&base, &datadir);
    let node = Node::start(&datadir, &BY_COMMAND);
    let coins = node.ask(&["utxo"]);
    let done = node.ask(&["prune", "420"])["last_pruned"].clone();
    assert!(done.as_u64().unwrap() > 100, "{done}");
    node.stop();
    for place in [Place::PruneList, Place::PruneRecords, Place::FileRemove, Place::PruneDone] {
        for moment in ["before", "after"] {
            let point = format!("{}.{moment}", place.name());
            copy(&base, &datadir);
            let mut node = Node::of(doomed(&datadir, &BY_COMMAND, &point), &datadir);
            assert!(!node.ctl(&["prune", "420"]).status.success(), "{point}");
            dies(&mut node.process, &point);
            let node = Node::start(&datadir, &BY_COMMAND);
            let kept_from = node.ask(&["info"])["kept_from"].as_u64().unwrap();
            assert!(kept_from == 0 || kept_from == done.as_u64().unwrap() + 1, "{point}: {kept_from}");
            assert_eq!(node.ask(&["prune", "420"])["last_pruned"], done, "{point}");
            assert_eq!(node.ask(&["utxo"]), coins, "{point}");
            let left = fs::read_dir(datadir.join("regtest/blocks")).unwrap().count();
            node.stop();
            let check =
                adit().args(["db", "check", "--network", "regtest", "--datadir"]).arg(&datadir).output();
            let check = check.unwrap();
            assert_eq!(check.status.code(), Some(0), "{point}: {}", text(&check.stdout));
            println!("{point}: kept from {kept_from} after the kill, {left} files left in the end");
        }
    }
}

#[test]
fn killed_before_and_after_each_write_of_an_index_it_goes_on() {
    let dir = folder();
    let mut chain = Chain::signed(1, 60);
    let datadir = imported(dir.path(), &chain, &[]);
    let node = Node::start(&datadir, &TRANSACTIONS);
    let mut line = Line::to(&node);
    indexed(&node);
    // Behind one large run three of one block: one more, and they are merged.
    let grow = |chain: &mut Chain, line: &mut Line| {
        chain.grow(0);
        line.submit(chain.blocks.last().unwrap())
    };
    for _ in 0..3 {
        grow(&mut chain, &mut line).unwrap();
        indexed(&node);
    }
    node.stop();
    let base = dir.path().join("base");
    copy(&datadir, &base);
    let all = [&TRANSACTIONS[..], &FOLLOWING].concat();
    for moment in ["before", "after"] {
        // The others begin: their first commit is the end.
        let point = format!("{}.{moment}", Place::IndexCommit.name());
        copy(&base, &datadir);
        dies(&mut Process::start(doomed(&datadir, &all, &point), &datadir, "doomed"), &point);
        check_indexes(&datadir, &chain, &point);

        let point = format!("{}.{moment}", Place::IndexMerge.name());
        copy(&base, &datadir);
        let mut node = Node::of(doomed(&datadir, &TRANSACTIONS, &point), &datadir);
        let mut longer = chain.clone();
        // The answer may be lost.
        let _ = grow(&mut longer, &mut Line::to(&node));
        dies(&mut node.process, &point);
        check_indexes(&datadir, &longer, &point);
    }
}

/// After the next start the indexes come to the tip, and say what the coins say.
#[track_caller]
fn check_indexes(datadir: &Path, chain: &Chain, point: &str) {
    let node = Node::start(datadir, &[&TRANSACTIONS[..], &FOLLOWING].concat());
    let mut line = Line::to(&node);
    line.submit(chain.blocks.last().unwrap()).unwrap();
    indexed(&node);
    let (of_index, coins) = (node.ask(&["index", "coins"]), node.ask(&["utxo"]));
    assert_eq!((&of_index["muhash"], &of_index["block"]), (&coins["muhash"], &coins["tip"]), "{point}");
    for block in [&chain.blocks[3], chain.blocks.last().unwrap()] {
        let txid = block.txdata[0].compute_txid().to_string();
        assert_eq!(
            node.ask(&["index", "tx", &txid])["block"],
            json!(block.block_hash().to_string()),
            "{point}"
        );
    }
    node.stop();
    println!("{point}: equal");
}
