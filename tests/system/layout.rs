//! Block and undo files beside those of Bitcoin Core: the same bytes, and each reads what the other wrote. Runs where `BITCOIND` names
//! the binary.

use std::path::Path;

use serde_json::json;

use crate::bitcoind::Core;
use crate::chain::Chain;
use crate::harness::{adit, folder, text, until};
use crate::import::import;

/// The files of a row in their order: their bytes, and those with the key taken off.
fn files(blocks: &Path, prefix: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let key = std::fs::read(blocks.join("xor.dat")).unwrap();
    assert_eq!(key.len(), 8);
    let paths = (0..).map(|number| blocks.join(format!("{prefix}{number:05}.dat")));
    let bytes = paths.map_while(|path| std::fs::read(path).ok());
    bytes.map(|raw| (raw.clone(), raw.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k).collect())).collect()
}

/// Every file has the same bytes; theirs may end in room that was made ahead.
#[track_caller]
fn check_same(ours: &Path, theirs: &Path, prefix: &str) -> usize {
    let (ours, theirs) = (files(ours, prefix), files(theirs, prefix));
    assert_eq!(ours.len(), theirs.len(), "{prefix}");
    for (number, ((_, our), (raw, their))) in ours.iter().zip(&theirs).enumerate() {
        let first = our.iter().zip(their).position(|(a, b)| a != b);
        assert_eq!(first, None, "{prefix}{number:05}.dat: the first byte that differs");
        assert!(our.len() <= their.len() && raw[our.len()..].iter().all(|byte| *byte == 0));
    }
    ours.iter().map(|(_, our)| our.len()).sum()
}

fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn our_block_and_undo_files_are_those_of_bitcoind_and_it_reads_them() {
    let dir = folder();
    let chain = Chain::signed(60, 40);
    let file = dir.path().join("chain.dat");
    std::fs::write(&file, chain.framed()).unwrap();
    let blocks_dir = dir.path().join("theirs");
    std::fs::create_dir(&blocks_dir).unwrap();
    let in_folder = |folder: &Path| format!("-blocksdir={}", folder.display());
    let args = [format!("-loadblock={}", file.display()), in_folder(&blocks_dir), "-fastprune".to_owned()];
    let Some(core) = Core::start(&args) else { return };
    let height = u64::from(chain.height());
    until("bitcoind has loaded the chain", || (core.height() == height).then_some(()));
    let want = core.call("gettxoutsetinfo", json!(["muhash"]));
    drop(core);

    let datadir = dir.path().join("adit");
    let mut command = adit();
    command.args(["import", "--network", "regtest", "--set", "chain.small_files=true", "--datadir"]);
    let output = command.arg(&datadir).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let (ours, theirs) = (datadir.join("regtest/blocks"), blocks_dir.join("regtest/blocks"));
    for prefix in ["blk", "rev"] {
        println!("{prefix}: {} bytes are the same", check_same(&ours, &theirs, prefix));
    }

    // Theirs, read by us, with their key.
    let line = import(&dir.path().join("again"), &[&theirs]).done();
    assert_eq!((&line["tip"], &line["utxos"]), (&want["bestblock"], &want["txouts"]));

    // Ours, read by them, with our key.
    let copied = dir.path().join("copied");
    copy_files(&ours, &copied.join("regtest/blocks"));
    let args = [in_folder(&copied), "-reindex".to_owned(), "-fastprune".to_owned()];
    let Some(core) = Core::start(&args) else { return };
    until("bitcoind has read our blocks", || (core.height() == height).then_some(()));
    let found = core.call("gettxoutsetinfo", json!(["muhash"]));
    for figure in ["bestblock", "height", "txouts", "muhash"] {
        assert_eq!(found[figure], want[figure], "{figure}");
    }
}
