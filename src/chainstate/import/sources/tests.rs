use bitcoin::consensus::encode::serialize;

use super::*;

fn genesis_file(params: &Params) -> Vec<u8> {
    let raw = serialize(&params.genesis);
    [params.magic.as_slice(), &u32::try_from(raw.len()).unwrap().to_le_bytes(), &raw].concat()
}

/// The folder's files that a walk over `names` finds, or what is said.
fn check(dir: &Path, names: &[&str], want: &[&str]) {
    let paths: Vec<PathBuf> = names.iter().map(|name| dir.join(name)).collect();
    let found = match Sources::find(&paths) {
        Ok(sources) => {
            sources.files().iter().map(|f| f.path.strip_prefix(dir).unwrap().display().to_string()).collect()
        }
        Err(error) => vec![error.to_string().replace(&format!("{}/", dir.display()), "")],
    };
    assert_eq!(found, want, "{names:?}");
}

#[test]
fn files_folders_and_datadirs_are_found() {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["core/regtest/blocks", "core/blocks", "empty", "deep/signet/blocks"] {
        std::fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    for file in [
        "core/blocks/blk00010.dat",
        "core/blocks/blk00002.dat",
        "core/blocks/rev00002.dat",
        "core/blocks/blkx.dat",
        "core/blocks/blk100000.dat",
        "deep/signet/blocks/blk00000.dat",
        "any.bin",
    ] {
        std::fs::write(dir.path().join(file), [0]).unwrap();
    }
    let all = ["core/blocks/blk00002.dat", "core/blocks/blk00010.dat", "core/blocks/blk100000.dat"];
    check(dir.path(), &["core/blocks"], &all);
    check(dir.path(), &["core"], &all);
    check(dir.path(), &["any.bin", "core/blocks/blk00010.dat"], &["any.bin", "core/blocks/blk00010.dat"]);
    check(
        dir.path(),
        &["empty"],
        &["empty holds no blk*.dat; name a bitcoind's blocks folder, or files of blocks"],
    );
    check(dir.path(), &["deep"], &["deep holds no blk*.dat, but deep/signet/blocks does; name that one"]);
    check(dir.path(), &["nothing"], &["nothing: there is no such file"]);
    let null = Sources::find(&[PathBuf::from("/dev/null")]);
    assert!(matches!(null, Err(SourceError::Special { .. })));
}

#[test]
fn the_key_beside_a_file_is_for_files_of_a_node() {
    let dir = tempfile::tempdir().unwrap();
    let key = [1, 2, 3, 4, 5, 6, 7, 8];
    for (name, bytes) in [("blk00000.dat", &[0][..]), ("other.dat", &[0]), ("xor.dat", &key)] {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    let keys = |paths: &[PathBuf]| -> Vec<XorKey> {
        Sources::find(paths).unwrap().files().iter().map(|f| f.key).collect()
    };
    let named = [dir.path().join("blk00000.dat"), dir.path().join("other.dat")];
    assert_eq!(keys(&named), [XorKey::new(key), XorKey::NONE]);
    assert_eq!(keys(&[dir.path().to_owned()]), [XorKey::new(key)]);
    std::fs::write(dir.path().join("xor.dat"), [1, 2]).unwrap();
    assert!(matches!(Sources::find(&[dir.path().to_owned()]), Err(SourceError::Key(_))));
}

#[test]
fn what_no_block_is_in_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (regtest, mainnet) = (Params::regtest(), Params::mainnet());
    let probe = |bytes: &[u8]| {
        let path = dir.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        Sources::find(&[path.clone(), path]).unwrap().probe(&regtest)
    };
    probe(&genesis_file(&regtest)).unwrap();
    probe(&[vec![7; 300], genesis_file(&mainnet), genesis_file(&regtest)].concat()).unwrap();
    let other = probe(&genesis_file(&mainnet));
    assert!(
        matches!(other, Err(SourceError::OtherNetwork { found: "mainnet", wanted: "regtest", .. })),
        "{other:?}"
    );
    for bytes in [vec![], vec![0; 5000], genesis_file(&regtest)[..100].to_vec()] {
        let nothing = probe(&bytes);
        assert!(matches!(nothing, Err(SourceError::NoBlocks { more: 1, .. })), "{nothing:?}");
    }
    let sources = Sources::find(&[dir.path().join("file")]).unwrap();
    std::fs::remove_file(dir.path().join("file")).unwrap();
    assert!(matches!(sources.probe(&regtest), Err(SourceError::Read { .. })));
}
