//! `adit db`, and what an import makes of a folder: through the binary, from outside.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::bitcoin_core::Core;
use crate::chain::{Chain, framed};
use crate::harness::{Node, Process, adit, folder, text, tries, until};
use crate::import::import;

/// `adit db ...` on regtest.
fn db(datadir: &Path, args: &[&str]) -> Output {
    adit().arg("db").args(args).args(["--network", "regtest", "--datadir"]).arg(datadir).output().unwrap()
}

/// What it printed, an object, when it ended with `code`.
#[track_caller]
fn object(output: &Output, code: i32) -> Value {
    assert_eq!(output.status.code(), Some(code), "{} {}", text(&output.stdout), text(&output.stderr));
    serde_json::from_str(&text(&output.stdout)).unwrap()
}

/// A chain in a datadir; the line that its import printed.
fn imported(dir: &Path, chain: &Chain) -> (PathBuf, Value) {
    let (file, datadir) = (dir.join("chain.dat"), dir.join("d"));
    std::fs::write(&file, chain.framed()).unwrap();
    let line = import(&datadir, &[&file]).done();
    (datadir, line)
}

/// Changes one byte of a block file, in the middle of it.
fn flip(datadir: &Path) {
    let path = datadir.join("regtest/blocks/blk00000.dat");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_datadir_is_looked_at_and_counted() {
    let dir = folder();
    let chain = Chain::signed(10, 10);
    let (datadir, line) = imported(dir.path(), &chain);
    let quick = db(&datadir, &["check"]);
    assert_eq!(quick.status.code(), Some(0), "{} {}", text(&quick.stdout), text(&quick.stderr));
    let deep = object(&db(&datadir, &["check", "--deep", "--json"]), 0);
    assert_eq!((&deep["sound"], &deep["problems"]), (&json!(true), &json!([])));
    for (ours, theirs) in [("muhash", "muhash"), ("coins", "utxos"), ("height", "height"), ("tip", "tip")] {
        assert_eq!(deep[ours], line[theirs], "{ours}");
    }
    let stats = object(&db(&datadir, &["stats", "--json"]), 0);
    for (ours, theirs) in [("tip", "tip"), ("height", "height"), ("coins", "utxos"), ("blocks", "height")] {
        assert_eq!(stats[ours], line[theirs], "{ours}");
    }
    let lines = text(&db(&datadir, &["stats", "--no-coins"]).stdout);
    assert!(lines.contains("chainstate") && !lines.contains(" in all"), "{lines}");
}

#[test]
fn damage_is_named_and_a_reindex_repairs_what_can_be() {
    let dir = folder();
    let chain = Chain::signed(20, 20);
    let (datadir, line) = imported(dir.path(), &chain);
    flip(&datadir);
    let found = db(&datadir, &["check", "--deep"]);
    assert_eq!(found.status.code(), Some(1));
    let (out, err) = (text(&found.stdout), text(&found.stderr));
    assert!(out.contains("blocks/blk00000.dat at byte "), "{out}");
    assert!(err.contains("adit db reindex"), "{err}");
    let again = object(&db(&datadir, &["reindex"]), 0);
    assert_eq!(again["blocks_left_out"], json!(1));
    assert!(again["height"].as_u64() < line["height"].as_u64(), "{again}");
    assert_eq!(object(&db(&datadir, &["check", "--deep", "--json"]), 0)["sound"], json!(true));
    // The block comes again, here from a file; what lay above it is still there.
    let whole = import(&datadir, &[&dir.path().join("chain.dat")]).done();
    assert_eq!((&whole["tip"], &whole["muhash"]), (&line["tip"], &line["muhash"]));
}

#[test]
fn every_flipped_bit_of_block_and_undo_files_is_found() {
    let dir = folder();
    let chain = Chain::signed(10, 10);
    let (datadir, _) = imported(dir.path(), &chain);
    // The first block is part of the program: what the file has of it is not asked for.
    for (name, from, flips) in [("blk00000.dat", 300, 12), ("rev00000.dat", 0, 6)] {
        let path = datadir.join("regtest/blocks").join(name);
        let sound = std::fs::read(&path).unwrap();
        for number in 0..flips {
            let at = from + (sound.len() - from) * number / flips + number;
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << (number % 8);
            std::fs::write(&path, bytes).unwrap();
            let out = db(&datadir, &["check", "--deep"]);
            assert_eq!(out.status.code(), Some(1), "{name} {at}: {}", text(&out.stdout));
            assert!(text(&out.stdout).contains(name), "{name} {at}: {}", text(&out.stdout));
        }
        std::fs::write(&path, sound).unwrap();
    }
    assert_eq!(db(&datadir, &["check", "--deep"]).status.code(), Some(0));
}

#[test]
fn a_reindex_that_is_killed_goes_on_and_no_node_starts_before_it_is_done() {
    let dir = folder();
    let chain = Chain::signed(30, 30);
    let (datadir, line) = imported(dir.path(), &chain);
    let unfinished = datadir.join("regtest/chainstate.rebuild.redb");
    for number in 0..tries(3) {
        let mut command = adit();
        command.args(["db", "reindex", "--network", "regtest", "--datadir"]).arg(&datadir);
        command.args(if number % 2 == 0 { &["--chainstate"][..] } else { &[] });
        let mut process = Process::start(command, dir.path(), "reindex");
        let begun = until("the reindex has begun, or is done", || {
            (unfinished.exists() || process.ended().is_some()).then(|| unfinished.exists())
        });
        process.kill_hard();
        // On a fast machine it may have been done before it was killed.
        if begun && unfinished.exists() {
            let refused = import(&datadir, &[&dir.path().join("chain.dat")]).output;
            assert_eq!(refused.status.code(), Some(69), "{}", text(&refused.stderr));
            assert!(text(&refused.stderr).contains("adit db reindex"), "{}", text(&refused.stderr));
            let checked = db(&datadir, &["check"]);
            assert_eq!(checked.status.code(), Some(69), "{}", text(&checked.stderr));
            let done = object(&db(&datadir, &["reindex"]), 0);
            assert_eq!(done["tip"], line["tip"]);
        }
        assert!(!unfinished.exists());
        let deep = object(&db(&datadir, &["check", "--deep", "--json"]), 0);
        assert_eq!((&deep["tip"], &deep["muhash"]), (&line["tip"], &line["muhash"]));
    }
}

#[test]
fn the_datadir_of_an_older_adit_is_brought_to_the_present_format() {
    let dir = folder();
    let chain = Chain::signed(5, 5);
    let (datadir, line) = imported(dir.path(), &chain);
    let (format, database) = (datadir.join("regtest/format"), datadir.join("regtest/chainstate.redb"));
    let present = std::fs::read_to_string(&format).unwrap();
    std::fs::write(&format, "adit-datadir 1 regtest\n").unwrap();
    std::fs::write(&database, "what an older one had").unwrap();
    for refused in [db(&datadir, &["check"]), import(&datadir, &[&dir.path().join("chain.dat")]).output] {
        assert_eq!(refused.status.code(), Some(69), "{}", text(&refused.stderr));
        assert!(text(&refused.stderr).contains("adit db reindex"), "{}", text(&refused.stderr));
    }
    let headers = db(&datadir, &["reindex", "--chainstate"]);
    assert_eq!(headers.status.code(), Some(66), "{}", text(&headers.stderr));
    assert_eq!(object(&db(&datadir, &["reindex"]), 0)["tip"], line["tip"]);
    assert_eq!(std::fs::read_to_string(&format).unwrap(), present);
    assert_eq!(object(&db(&datadir, &["check", "--deep", "--json"]), 0)["muhash"], line["muhash"]);
    std::fs::write(&format, "adit-datadir 99 regtest\n").unwrap();
    let newer = db(&datadir, &["reindex"]);
    assert_eq!(newer.status.code(), Some(69));
    assert!(text(&newer.stderr).contains("use a newer Adit"), "{}", text(&newer.stderr));
}

#[test]
fn what_is_no_datadir_is_not_made_into_one() {
    let dir = folder();
    let missing = dir.path().join("nothing");
    for args in [&["check"][..], &["stats"], &["reindex"], &["reindex", "--chainstate"]] {
        let out = db(&missing, args);
        assert_eq!(out.status.code(), Some(66), "{args:?}: {}", text(&out.stderr));
        assert!(text(&out.stderr).contains("no datadir of Adit"), "{}", text(&out.stderr));
        assert!(!missing.exists(), "{args:?}");
    }
}

#[test]
fn a_datadir_in_use_is_left_alone() {
    let dir = folder();
    let node = Node::start(dir.path(), &[]);
    for args in [&["check"][..], &["stats"], &["reindex"]] {
        let out = db(dir.path(), args);
        assert_eq!(out.status.code(), Some(69), "{args:?}: {}", text(&out.stderr));
    }
    node.stop();
}

/// What an import of `paths` says, on its last line, when it ends with `code` and has touched nothing.
#[track_caller]
fn check_refused(paths: &[&Path], code: i32, want: &str) {
    let dir = folder();
    let datadir = dir.path().join("d");
    let out = import(&datadir, paths).output;
    let err = text(&out.stderr);
    assert_eq!(out.status.code(), Some(code), "{want}: {err}");
    assert!(err.lines().last().unwrap_or_default().contains(want), "{want}: {err}");
    assert!(!datadir.exists(), "{want}: the datadir was made");
}

#[test]
fn what_cannot_be_imported_is_named_with_what_to_do_and_nothing_is_touched() {
    let dir = folder();
    let path = |name: &str| dir.path().join(name);
    let chain = Chain::signed(1, 1);
    let deep = path("core/regtest/blocks");
    for folder in [&deep, &path("empty"), &path("badkey")] {
        std::fs::create_dir_all(folder).unwrap();
    }
    for (file, bytes) in [
        ("core/regtest/blocks/blk00000.dat", chain.framed()),
        ("garbage.dat", vec![0x5a; 100_000]),
        ("nothing.dat", Vec::new()),
        ("badkey/blk00000.dat", chain.framed()),
        ("badkey/xor.dat", vec![1, 2, 3]),
    ] {
        std::fs::write(path(file), bytes).unwrap();
    }
    check_refused(&[&path("missing")], 66, "there is no such file");
    check_refused(&[&path("empty")], 66, "name a bitcoind's blocks folder");
    check_refused(&[&path("core")], 66, "core/regtest/blocks does; name that one");
    check_refused(&[&path("garbage.dat")], 66, "no block of regtest in");
    check_refused(&[&path("nothing.dat"), &path("garbage.dat")], 66, "and 1 more");
    check_refused(&[&path("badkey")], 66, "a key has 8 bytes");
    check_refused(&[Path::new("/dev/null")], 66, "is neither a file nor a folder");
    let other = adit()
        .args(["import", "--network", "signet", "--datadir"])
        .arg(path("d"))
        .arg(&deep)
        .output()
        .unwrap();
    assert_eq!(other.status.code(), Some(66));
    let said = "holds blocks of regtest, not of signet; --network regtest imports them";
    assert!(text(&other.stderr).contains(said), "{}", text(&other.stderr));
    assert!(!path("d").exists());
}

#[test]
fn what_may_not_be_read_or_written_is_named() {
    let dir = folder();
    let (locked, file) = (dir.path().join("locked"), dir.path().join("chain.dat"));
    std::fs::create_dir(&locked).unwrap();
    std::fs::write(&file, Chain::signed(1, 1).framed()).unwrap();
    let mode = |path: &Path, mode: &str| {
        assert!(Command::new("chmod").arg(mode).arg(path).status().unwrap().success());
    };
    mode(&locked, "000");
    let is_free = std::fs::read_dir(&locked).is_ok();
    if is_free {
        eprintln!("this user may read anything: no refusal was asked for");
    } else {
        check_refused(&[&locked], 66, "this user may not read it");
        mode(&file, "000");
        check_refused(&[&file], 66, "this user may not read it");
        mode(&file, "600");
        let out = import(&locked.join("d"), &[&file]).output;
        assert_eq!(out.status.code(), Some(69), "{}", text(&out.stderr));
        assert!(text(&out.stderr).contains("this user may not write here"), "{}", text(&out.stderr));
    }
    mode(&locked, "700");
}

/// The blocks as a node of Core's would have them: in several files, not in order, under a key, with room made ahead.
fn as_core_has_them(folder: &Path, chain: &Chain, key: [u8; 8]) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("xor.dat"), key).unwrap();
    let mut blocks: Vec<Vec<u8>> = chain.blocks.iter().map(framed).collect();
    for pair in blocks.chunks_mut(5) {
        pair.reverse();
    }
    let per_file = blocks.len().div_ceil(3);
    for (number, part) in blocks.chunks(per_file).enumerate() {
        let plain = part.concat();
        let mut bytes: Vec<u8> = plain.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k).collect();
        bytes.extend([0; 5000]);
        std::fs::write(folder.join(format!("blk{number:05}.dat")), bytes).unwrap();
    }
}

#[test]
fn a_folder_of_cores_is_imported_whole() {
    let dir = folder();
    let chain = Chain::signed(10, 10);
    let (_, want) = imported(dir.path(), &chain);
    for (name, key) in [("keyed", [3, 1, 4, 1, 5, 9, 2, 6]), ("plain", [0; 8])] {
        let blocks = dir.path().join(name).join("blocks");
        as_core_has_them(&blocks, &chain, key);
        let before: Vec<u8> = std::fs::read(blocks.join("blk00000.dat")).unwrap();
        // The folder itself, and the datadir that it is in.
        for (number, path) in [blocks.as_path(), blocks.parent().unwrap()].into_iter().enumerate() {
            let line = import(&dir.path().join(format!("{name}{number}")), &[path]).done();
            for figure in ["tip", "height", "muhash", "utxos"] {
                assert_eq!(line[figure], want[figure], "{name} {figure}");
            }
            assert_eq!(line["skipped"]["garbage_bytes"], json!(0));
        }
        assert!(std::fs::read(blocks.join("blk00000.dat")).unwrap() == before);
        assert_eq!(std::fs::read_dir(&blocks).unwrap().count(), 4);
    }
}

#[test]
fn an_import_stops_at_a_height_and_its_last_block_may_be_cut() {
    let dir = folder();
    let chain = Chain::signed(10, 3);
    let (file, datadir) = (dir.path().join("blk00000.dat"), dir.path().join("d"));
    let bytes = chain.framed();
    std::fs::write(&file, &bytes[..bytes.len() - 10]).unwrap();
    let at = |more: &[&str]| {
        let mut command = adit();
        command.args(["import", "--network", "regtest", "--threads", "1", "--cache-mib", "8", "--datadir"]);
        object(&command.arg(&datadir).args(more).arg(&file).output().unwrap(), 0)
    };
    let fourth = at(&["--stop-at", "4"]);
    assert_eq!(fourth["height"], json!(4));
    let last = at(&["--assume-valid", &chain.tip().to_string()]);
    assert_eq!((&last["height"], &last["blocks"]), (&json!(chain.height() - 1), &json!(chain.height() - 5)));
    assert_eq!(last["skipped"]["truncated_blocks"], json!(1));
}

#[test]
fn an_import_that_finds_no_room_ends_and_goes_on_when_there_is() {
    let dir = folder();
    let chain = Chain::signed(30, 60);
    let (file, datadir) = (dir.path().join("chain.dat"), dir.path().join("d"));
    std::fs::write(&file, chain.framed()).unwrap();
    // No file may grow beyond 400 kB, in units of 512 bytes as every shell has them, and the signal that says so is ignored.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 800; exec \"$0\" \"$@\""]).arg(env!("CARGO_BIN_EXE_adit"));
    command.args(["import", "--network", "regtest", "--datadir"]).arg(&datadir).arg(&file);
    let out = command.env("RUST_BACKTRACE", "0").output().unwrap();
    assert_eq!(out.status.code(), Some(74), "{} {}", text(&out.stdout), text(&out.stderr));
    assert!(text(&out.stderr).contains("File too large"), "{}", text(&out.stderr));
    let line = import(&datadir, &[&file]).done();
    assert_eq!(line["tip"], json!(chain.tip().to_string()));
    assert_eq!(object(&db(&datadir, &["check", "--deep", "--json"]), 0)["sound"], json!(true));
}

#[test]
fn what_a_bitcoind_has_stored_is_imported() {
    let dir = folder();
    let chain = Chain::signed(60, 60);
    let file = dir.path().join("chain.dat");
    std::fs::write(&file, chain.framed()).unwrap();
    let blocks = dir.path().join("blocks");
    std::fs::create_dir(&blocks).unwrap();
    // Files of 64 kB, with whatever key it chooses.
    let args = [
        format!("-loadblock={}", file.display()),
        format!("-blocksdir={}", blocks.display()),
        "-fastprune".to_owned(),
    ];
    let Some(core) = Core::start(&args) else { return };
    let height = u64::from(chain.height());
    until("bitcoind has loaded the chain", || (core.height() == height).then_some(()));
    // A branch that is stale when it ends.
    let stale = core.call("getblockhash", json!([height - 2]));
    core.call("invalidateblock", json!([stale]));
    core.call("generatetodescriptor", json!([2, "raw(51)"]));
    core.call("reconsiderblock", json!([stale]));
    until("bitcoind is back", || (core.height() == height).then_some(()));
    let theirs = core.call("gettxoutsetinfo", json!(["muhash"]));
    let tip = core.tip();
    drop(core);
    let folder = blocks.join("regtest/blocks");
    assert!(folder.join("blk00001.dat").exists() && folder.join("xor.dat").exists());
    let line = import(&dir.path().join("adit"), &[&folder]).done();
    assert_eq!(line["tip"], json!(tip));
    assert_eq!((&line["utxos"], &line["muhash"]), (&theirs["txouts"], &theirs["muhash"]));
    assert_eq!(line["side_blocks"], json!(2));
    let deep = object(&db(&dir.path().join("adit"), &["check", "--deep", "--json"]), 0);
    assert_eq!((&deep["sound"], &deep["muhash"]), (&json!(true), &theirs["muhash"]));
}
