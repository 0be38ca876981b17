use std::fs;
use std::path::Path;

use super::*;
use crate::tests::sim::Sim;

fn refusal(base: &Path, network: &str) -> String {
    DataDir::open(base, network).unwrap_err().to_string()
}

#[test]
fn a_folder_is_made_and_found_again() {
    let base = tempfile::tempdir().unwrap();
    let dir = DataDir::open(base.path(), "regtest").unwrap();
    assert_eq!(dir.path(), base.path().join("regtest"));
    assert_eq!(dir.network(), "regtest");
    assert_eq!(dir.socket(), DataDir::socket_of(base.path(), "regtest"));
    assert!(dir.blocks().is_dir() && dir.shares().is_dir());
    assert_eq!(dir.chainstate().file_name().unwrap(), "chainstate.redb");
    assert_eq!(dir.ledger().file_name().unwrap(), "ledger.redb");
    drop(dir);
    DataDir::open(base.path(), "regtest").unwrap();
}

#[test]
fn mainnet_lies_in_the_base_beside_the_other_networks() {
    let base = tempfile::tempdir().unwrap();
    let regtest = DataDir::open(base.path(), "regtest").unwrap();
    let mainnet = DataDir::open(base.path(), "mainnet").unwrap();
    assert_eq!(mainnet.path(), base.path());
    drop((regtest, mainnet));
}

#[test]
fn a_second_process_is_told_so() {
    let base = tempfile::tempdir().unwrap();
    let _first = DataDir::open(base.path(), "regtest").unwrap();
    assert!(matches!(DataDir::open(base.path(), "regtest"), Err(DataDirError::Locked { .. })));
    assert!(refusal(base.path(), "regtest").contains("in use by another process"));
}

#[test]
fn what_is_not_ours_is_refused() {
    let check = |file: &str, content: &str, want: &str| {
        let base = tempfile::tempdir().unwrap();
        fs::create_dir_all(base.path().join("regtest")).unwrap();
        fs::write(base.path().join("regtest").join(file), content).unwrap();
        let got = refusal(base.path(), "regtest");
        assert!(got.contains(want), "{file}: {got}");
    };
    check("chainstate", "", "another program (chainstate)");
    check("format", "adit-datadir 3 regtest\n", "has format 3, and this program knows formats up to 2");
    check(
        "format",
        "adit-datadir 1 regtest\n",
        "has format 1 of an older Adit, and this one needs 2; `adit db reindex`",
    );
    check("format", "adit-datadir 1 signet\n", "holds the network signet, not regtest");
    check("format", "something else", "is not a format file");
    check("format", "adit-datadir x regtest", "is not a format file");
    check("format", &"x".repeat(300), "is not a format file");
}

/// Nothing but the format and the blocks of an older folder is of use, and whoever has built the rest again says so.
#[test]
fn an_older_folder_is_opened_to_be_rebuilt() {
    let base = tempfile::tempdir().unwrap();
    drop(DataDir::open(base.path(), "regtest").unwrap());
    let format = base.path().join("regtest/format");
    for (version, opens) in [(0, false), (1, true), (2, true), (3, false)] {
        fs::write(&format, format!("adit-datadir {version} regtest\n")).unwrap();
        let opened = DataDir::open_to_rebuild(base.path(), "regtest");
        assert_eq!(opened.is_ok(), opens, "{version}");
        if let Ok(dir) = opened {
            dir.rebuilt().unwrap();
        }
        let written = fs::read_to_string(&format).unwrap();
        assert_eq!(written, format!("adit-datadir {} regtest\n", if opens { 2 } else { version }));
    }
}

#[test]
fn a_file_in_the_way_is_an_io_error() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("regtest"), "").unwrap();
    assert!(matches!(DataDir::open(base.path(), "regtest"), Err(DataDirError::Io { .. })));
}

#[test]
fn what_this_user_may_not_touch_is_named() {
    for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem] {
        let denied = io_error(Path::new("/srv/a"))(kind.into());
        assert!(matches!(denied, DataDirError::Denied { .. }), "{denied}");
    }
}

#[test]
fn a_power_cut_while_the_format_is_written_leaves_the_old_one_or_the_new_one() {
    let path = Path::new("folder");
    for seed in 0..20 {
        let sim = Sim::new();
        sim.capture(seed);
        let mut before = None;
        // A new folder; then one that an older Adit wrote, and that is built again.
        for older in [false, true] {
            if older {
                let text = b"adit-datadir 1 regtest\n";
                write_whole(&sim, (&path.join("format.new"), &format_path(path)), text, || {}).unwrap();
                before = Some((1, "regtest".to_owned()));
                sim.take_images();
            }
            write_format(&sim, path, "regtest").unwrap();
            let after = Some((FORMAT_VERSION, "regtest".to_owned()));
            let images = sim.take_images();
            assert!(images.len() > 1);
            for (cut, image) in images {
                let found = read_format(&Sim::of(&image), path).unwrap();
                assert!(found == before || found == after, "seed {seed}, {cut:?}: {found:?}");
            }
        }
    }
}

fn core(base: &Path) -> Result<DataDir, DataDirError> {
    DataDir::open_as(base.join("regtest"), "regtest", Layout::Core { blocks: None })
}

/// Whoever keeps a datadir of Core's throws away every file beside these folders, and expects no other folder.
#[test]
fn a_folder_laid_out_as_cores_lives_on_by_its_three_folders() {
    let base = tempfile::tempdir().unwrap();
    let dir = core(base.path()).unwrap();
    assert_eq!(dir.chainstate(), base.path().join("regtest/chainstate/chainstate.redb"));
    assert_eq!(dir.index("x"), base.path().join("regtest/indexes/x.redb"));
    assert!(matches!(core(base.path()), Err(DataDirError::Locked { .. })));
    fs::write(dir.chainstate(), "").unwrap();
    fs::write(dir.blocks().join("blk00000.dat"), "").unwrap();
    drop(dir);
    for entry in fs::read_dir(base.path().join("regtest")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            assert!(["blocks", "chainstate"].contains(&entry.file_name().to_str().unwrap()));
        } else {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    core(base.path()).unwrap();
}

#[test]
fn a_folder_of_bitcoin_core_is_not_taken_for_ours() {
    let check = |file: &str| {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("regtest").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
        assert!(matches!(core(base.path()), Err(DataDirError::Foreign { .. })), "{file}");
        assert!(!base.path().join("regtest/.lock").exists(), "{file}: touched");
    };
    for file in ["chainstate/CURRENT", "blocks/index/CURRENT", "blocks/blk00000.dat", "wallet.dat"] {
        check(file);
    }
}

#[test]
fn block_files_may_lie_elsewhere_and_are_locked_there() {
    let base = tempfile::tempdir().unwrap();
    let open = |folder: &str| {
        let blocks = Some(base.path().join("away/regtest"));
        DataDir::open_as(base.path().join(folder), "regtest", Layout::Core { blocks })
    };
    let dir = open("one").unwrap();
    assert_eq!(dir.blocks(), base.path().join("away/regtest/blocks"));
    fs::write(dir.blocks().join("blk00000.dat"), "").unwrap();
    assert!(matches!(open("two"), Err(DataDirError::Locked { path }) if path == dir.blocks()));
    let blocks = dir.blocks();
    drop(dir);
    assert!(
        matches!(open("two"), Err(DataDirError::Foreign { found: "blocks/blk00000.dat", .. })),
        "{blocks:?}"
    );
}
