//! Blocks that are assumed to be valid: a script that fails below one is not noticed, above one it is; by Bitcoin Core as by us.

use std::path::Path;
use std::process::Output;

use bitcoin::Block;
use bitcoin::consensus::encode::serialize_hex;
use serde_json::{Value, json};

use crate::bitcoind::Core;
use crate::chain::{Chain, Lock, subsidy_sat};
use crate::harness::{adit, folder, text};

/// Blocks that bury one deep enough: two weeks of work, and a few more.
const BURIED: u32 = 2_020;
const REASON: &str = "block-script-verify-flag-failed (Invalid Schnorr signature)";

/// A chain with a block whose script fails, and the height of that.
fn chain() -> (Chain, usize) {
    let mut chain = Chain::signed(4, 6);
    let at = chain.coins.iter().position(|coin| coin.lock == Lock::Tr).unwrap();
    let coin = chain.coins.remove(at).unwrap();
    let value = coin.out.value.to_sat() - 1000;
    let mut tx = chain.pay(&[coin], &[(Lock::Wpkh, value)], 0);
    tx.output[0].value = bitcoin::Amount::from_sat(value - 1);
    let bad = chain.block(vec![tx], subsidy_sat(chain.height() + 1));
    chain.push(bad);
    let height = chain.blocks.len();
    (0..BURIED + 2).for_each(|_| chain.grow(0));
    (chain, height)
}

fn imported(dir: &Path, file: &Path, assumed: &Block) -> Output {
    let datadir = dir.join(assumed.block_hash().to_string());
    let mut command = adit();
    command.args(["import", "--network", "regtest", "--assume-valid", &assumed.block_hash().to_string()]);
    command.arg("--datadir").arg(datadir).arg(file).output().unwrap()
}

#[test]
fn a_script_that_fails_is_noticed_above_the_assumed_block_and_not_below_it() {
    let dir = folder();
    let (chain, bad) = chain();
    let file = dir.path().join("chain.dat");
    std::fs::write(&file, chain.framed()).unwrap();
    // The bad one is the last of the assumed blocks, and the first that is not.
    for (assumed, is_taken) in [(bad, true), (bad - 1, false)] {
        let assumed = &chain.blocks[assumed - 1];
        let output = imported(dir.path(), &file, assumed);
        let line: Value = serde_json::from_slice(&output.stdout).unwrap();
        let (height, code) = if is_taken { (chain.height() as usize, 0) } else { (bad - 1, 1) };
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        assert_eq!(line["height"], json!(height));
        assert_eq!(line["rejected"]["reason"].as_str(), (!is_taken).then_some(REASON));

        let Some(core) = Core::start(&[format!("-assumevalid={}", assumed.block_hash())]) else { continue };
        for block in &chain.blocks {
            core.call("submitheader", json!([serialize_hex(&block.header)]));
        }
        // As far as the bad one, and a few on it.
        for (number, block) in (1..).zip(&chain.blocks[..bad + 3]) {
            let answer = core.call("submitblock", json!([serialize_hex(block)]));
            if number == bad && !is_taken {
                assert_eq!(answer, json!(REASON));
                break;
            }
            assert_eq!(answer, Value::Null, "block {number}");
        }
        assert_eq!(core.height(), if is_taken { bad as u64 + 3 } else { bad as u64 - 1 });
        println!("assumed up to height {}: taken {is_taken}, by both", if is_taken { bad } else { bad - 1 });
    }
}
