//! Blocks from files: in any order, with rubbish between, to the last valid one.

use std::path::Path;
use std::process::Output;

use bitcoin::consensus::serialize;
use serde_json::{Value, json};

use crate::chain::{Chain, Coin, Lock, MAGIC, framed, mined, subsidy_sat};
use crate::harness::{Process, adit, folder, text, tries, until};

/// How an import ended.
pub struct Imported {
    pub output: Output,
}

/// `adit import` on regtest, with the hashes of the coins.
pub fn import(datadir: &Path, files: &[&Path]) -> Imported {
    import_with(datadir, files, &[])
}

/// The same with more flags.
pub fn import_with(datadir: &Path, files: &[&Path], flags: &[&str]) -> Imported {
    let mut command = adit();
    command.args(["import", "--network", "regtest", "--hash"]).args(flags);
    command.arg("--datadir").arg(datadir).args(files);
    Imported { output: command.output().unwrap() }
}

impl Imported {
    /// The one line on stdout.
    #[track_caller]
    fn json(&self) -> Value {
        let out = text(&self.output.stdout);
        assert_eq!(out.lines().count(), 1, "stdout: {out}\nstderr: {}", text(&self.output.stderr));
        serde_json::from_str(&out).unwrap()
    }

    /// The line of an import that met nothing invalid.
    #[track_caller]
    pub fn done(&self) -> Value {
        assert_eq!(self.output.status.code(), Some(0), "{}", text(&self.output.stderr));
        let line = self.json();
        assert!(line["rejected"].is_null(), "{line}");
        line
    }
}

/// A chain of bytes imports to the chain's tip; its line.
#[track_caller]
fn check_imports(bytes: &[u8], chain: &Chain) -> Value {
    let dir = folder();
    let file = dir.path().join("blk00000.dat");
    std::fs::write(&file, bytes).unwrap();
    let line = import(&dir.path().join("d"), &[&file]).done();
    assert_eq!(line["height"], json!(chain.height()));
    assert_eq!(line["tip"], json!(chain.tip().to_string()));
    line
}

#[test]
fn a_signed_chain_imports_and_a_second_time_finds_nothing_new() {
    let dir = folder();
    let file = dir.path().join("blk00000.dat");
    let chain = Chain::signed(20, 30);
    std::fs::write(&file, chain.framed()).unwrap();
    let first = import(&dir.path().join("d"), &[&file]).done();
    let txs: usize = chain.blocks.iter().map(|b| b.txdata.len()).sum();
    let inputs: usize = chain.blocks.iter().flat_map(|b| &b.txdata[1..]).map(|tx| tx.input.len()).sum();
    assert_eq!(first["height"], json!(chain.height()));
    assert_eq!(first["blocks"], json!(chain.height()));
    assert_eq!((&first["txs"], &first["inputs"]), (&json!(txs), &json!(inputs)));
    assert!(first["seconds"].is_number());
    assert_eq!(first["muhash"].as_str().unwrap().len(), 64);
    let second = import(&dir.path().join("d"), &[&file]).done();
    assert_eq!(second["blocks"], json!(0));
    for key in ["height", "tip", "utxos", "muhash"] {
        assert_eq!(first[key], second[key], "{key}");
    }
}

#[test]
fn blocks_may_come_in_any_order_and_in_several_files() {
    let chain = Chain::signed(10, 10);
    let straight = check_imports(&chain.framed(), &chain);
    let backwards: Vec<u8> = chain.blocks.iter().rev().flat_map(framed).collect();
    assert_eq!(check_imports(&backwards, &chain)["muhash"], straight["muhash"]);
    let dir = folder();
    let (one, two) = (dir.path().join("one.dat"), dir.path().join("two.dat"));
    let half = |odd: usize| -> Vec<u8> {
        chain.blocks.iter().enumerate().filter(|(n, _)| n % 2 == odd).flat_map(|(_, b)| framed(b)).collect()
    };
    std::fs::write(&one, half(1)).unwrap();
    std::fs::write(&two, half(0)).unwrap();
    let line = import(&dir.path().join("d"), &[&one, &two]).done();
    assert_eq!((&line["muhash"], &line["height"]), (&straight["muhash"], &straight["height"]));
}

#[test]
fn rubbish_foreign_frames_and_a_cut_end_are_skipped_and_said() {
    let chain = Chain::signed(5, 5);
    let mut bytes = vec![0; 100];
    for (n, block) in chain.blocks.iter().enumerate() {
        bytes.extend(framed(block));
        match n % 3 {
            0 => bytes.extend([0x5a; 33]),
            1 => bytes.extend([&[0xf9, 0xbe, 0xb4, 0xd9][..], &[80, 0, 0, 0], &[1; 80]].concat()),
            _ => bytes.extend(MAGIC),
        }
    }
    // The tip again, without its last bytes.
    let tail = framed(chain.blocks.last().unwrap());
    bytes.extend(&tail[..tail.len() - 7]);
    let line = check_imports(&bytes, &chain);
    for count in ["garbage_bytes", "padding_bytes", "foreign_blocks", "truncated_blocks"] {
        assert!(line["skipped"][count].as_u64().unwrap() > 0, "{count}: {line}");
    }
    check_imports(&chain.framed(), &chain);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let dir = folder();
    let missing = dir.path().join("nothing.dat");
    let output = import(&dir.path().join("d"), &[&missing]).output;
    assert_eq!(output.status.code(), Some(66));
    assert!(text(&output.stderr).contains("nothing.dat"), "{}", text(&output.stderr));
}

/// The chain with a last block that is refused: the import ends at the block before it and says why.
#[track_caller]
fn check_refused(chain: &Chain, bad: &bitcoin::Block, reason: &str) {
    let dir = folder();
    let file = dir.path().join("blk00000.dat");
    std::fs::write(&file, [chain.framed(), framed(bad)].concat()).unwrap();
    let Imported { output } = import(&dir.path().join("d"), &[&file]);
    let line = Imported { output: output.clone() }.json();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!((&line["height"], &line["tip"]), (&json!(chain.height()), &json!(chain.tip().to_string())));
    let rejected =
        json!({"hash": bad.block_hash().to_string(), "height": chain.height() + 1, "reason": reason});
    assert_eq!(line["rejected"], rejected);
    let err = text(&output.stderr);
    for part in [bad.block_hash().to_string(), (chain.height() + 1).to_string(), reason.to_owned()] {
        assert!(err.contains(&part), "{part} is not in {err}");
    }
    // What was valid stays: the next import starts from there.
    std::fs::write(&file, chain.framed()).unwrap();
    let again = import(&dir.path().join("d"), &[&file]).done();
    assert_eq!((&again["height"], &again["blocks"]), (&json!(chain.height()), &json!(0)));
}

#[test]
fn a_coinbase_that_takes_too_much_is_refused() {
    let chain = Chain::signed(2, 5);
    let bad = chain.block(Vec::new(), subsidy_sat(chain.height() + 1) + 1);
    check_refused(&chain, &bad, "bad-cb-amount");
}

#[test]
fn a_coin_locked_until_later_is_refused_in_cores_words() {
    let mut chain = Chain::signed(2, 5);
    let coin = chain.coins.pop_front().unwrap();
    let value = coin.out.value.to_sat() - 1000;
    let lock = Lock::Until(5000);
    let locking = chain.pay(&[coin], &[(lock, value)], 0);
    let height = chain.height() + 1;
    let block = chain.block(vec![locking.clone()], subsidy_sat(height));
    chain.push(block);
    let outpoint = bitcoin::OutPoint { txid: locking.compute_txid(), vout: 0 };
    let locked = Coin { outpoint, out: locking.output[0].clone(), lock };
    let early = chain.pay(&[locked], &[(Lock::Wpkh, value - 1000)], 0);
    let bad = chain.block(vec![early], subsidy_sat(height + 1));
    check_refused(&chain, &bad, "block-script-verify-flag-failed (Locktime requirement not satisfied)");
}

#[test]
fn a_false_signature_is_refused() {
    let mut chain = Chain::signed(2, 5);
    let at = chain.coins.iter().position(|c| c.lock == Lock::Tr).unwrap();
    let coin = chain.coins.remove(at).unwrap();
    let value = coin.out.value.to_sat() - 1000;
    let mut tx = chain.pay(&[coin], &[(Lock::Wpkh, value)], 0);
    tx.output[0].value = bitcoin::Amount::from_sat(value - 1);
    let bad = chain.block(vec![tx], subsidy_sat(chain.height() + 1));
    check_refused(&chain, &bad, "block-script-verify-flag-failed (Invalid Schnorr signature)");
}

#[test]
fn a_changed_transaction_no_longer_fits_the_header() {
    let chain = Chain::signed(2, 5);
    let mut bad = chain.block(Vec::new(), subsidy_sat(chain.height() + 1));
    bad.txdata[0].output[0].value = bitcoin::Amount::from_sat(1);
    let dir = folder();
    let file = dir.path().join("blk00000.dat");
    // The same header with its right body comes after: a mutated body must not have marked it.
    let good = mined(chain.block(Vec::new(), subsidy_sat(chain.height() + 1)));
    assert_eq!(good.block_hash(), bad.block_hash());
    std::fs::write(&file, [chain.framed(), framed(&bad)].concat()).unwrap();
    let output = import(&dir.path().join("d"), &[&file]).output;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("bad-txnmrklroot"), "{}", text(&output.stderr));
    std::fs::write(&file, [chain.framed(), framed(&good)].concat()).unwrap();
    let line = import(&dir.path().join("d"), &[&file]).done();
    assert_eq!(line["height"], json!(chain.height() + 1));
    assert!(serialize(&good).len() > 80);
}

#[test]
fn an_import_that_is_killed_goes_on_and_ends_with_the_same_coins() {
    let chain = Chain::signed(60, 60);
    let bytes = chain.framed();
    let dir = folder();
    let file = dir.path().join("blk00000.dat");
    std::fs::write(&file, &bytes).unwrap();
    let whole = import(&dir.path().join("whole"), &[&file]).done();
    let millis = (whole["seconds"].as_f64().unwrap() * 1000.0) as u64;
    let tries = tries(4) as u64;
    for try_number in 0..tries {
        let datadir = dir.path().join(format!("d{try_number}"));
        let mut command = adit();
        command.args(["import", "--network", "regtest", "--datadir"]).arg(&datadir).arg(&file);
        // A small cache, so that there are flushes to be killed in.
        command.args(["--set", "chain.cache_mib=4"]);
        let mut process = Process::start(command, dir.path(), "import");
        std::thread::sleep(std::time::Duration::from_millis(2 + millis * try_number / tries));
        process.kill_hard();
        let line = import(&datadir, &[&file]).done();
        for key in ["height", "tip", "utxos", "muhash"] {
            assert_eq!(line[key], whole[key], "{key} after kill {try_number}");
        }
    }
}

#[test]
fn an_import_that_is_interrupted_says_so_and_goes_on() {
    let chain = Chain::signed(60, 60);
    let dir = folder();
    let (file, datadir) = (dir.path().join("blk00000.dat"), dir.path().join("d"));
    std::fs::write(&file, chain.framed()).unwrap();
    let mut command = adit();
    command.args(["import", "--network", "regtest", "--datadir"]).arg(&datadir).arg(&file);
    let mut process = Process::start(command, dir.path(), "import");
    until("the import has begun", || datadir.join("regtest").join("chainstate.redb").exists().then_some(()));
    process.signal("INT");
    let (code, line) = (process.wait().code(), process.out());
    // On a fast machine it may have been done before it was asked.
    assert!(!line.contains("muhash"), "nobody asked for the coins' hash: {line}");
    if code == Some(130) {
        assert!(line.contains("\"interrupted\":true"), "{line}");
    } else {
        assert_eq!(code, Some(0), "{}", process.err());
    }
    let line = import(&datadir, &[&file]).done();
    assert_eq!(line["tip"], json!(chain.tip().to_string()));
}

#[test]
fn the_first_600_blocks_of_mainnet_import() {
    let Some(data) = std::env::var_os("ADIT_DATA") else {
        eprintln!("ADIT_DATA names no folder: 0 real blocks were imported");
        return;
    };
    let dir = folder();
    let part = |n: u8| Path::new(&data).join(format!("blocks/mainnet-0-599.blk0000{n}.dat"));
    let mut command = adit();
    command.args(["import", "--network", "mainnet", "--datadir"]).arg(dir.path()).args([part(0), part(1)]);
    let line = Imported { output: command.output().unwrap() }.done();
    assert_eq!(line["height"], json!(599));
    assert!(line["muhash"].is_null(), "nobody asked for the coins' hash: {line}");
    eprintln!("600 real blocks were imported");
}
