use super::{heed_key, make_index_folder};
use crate::cli::bitcoind::config::Config;
use crate::cli::bitcoind::line::Line;

fn config(dir: &tempfile::TempDir, words: &[&str]) -> Config {
    let datadir = format!("-datadir={}", dir.path().display());
    let words: Vec<String> =
        [datadir.as_str(), "-regtest"].iter().chain(words).map(|word| (*word).to_owned()).collect();
    Config::read(Line::read(&words).unwrap()).unwrap()
}

#[test]
fn a_key_that_is_in_use_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("regtest/blocks/xor.dat");
    heed_key(&config(&dir, &[])).unwrap();
    assert!(!path.exists());
    for _ in 0..2 {
        heed_key(&config(&dir, &["-blocksxor=0"])).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [0; 8]);
    }
    std::fs::write(&path, [1, 2, 3, 4, 5, 6, 7, 0xff]).unwrap();
    heed_key(&config(&dir, &["-blocksxor"])).unwrap();
    let said = heed_key(&config(&dir, &["-blocksxor=0"])).unwrap_err().to_string();
    let wanted = format!(
        "The blocksdir XOR-key can not be disabled when a random key was already stored! Stored key: '01020304050607ff', stored \
         path: '{}'.",
        path.display()
    );
    assert_eq!(said, wanted);
    std::fs::write(&path, [0; 7]).unwrap();
    assert!(
        heed_key(&config(&dir, &["-blocksxor=0"])).unwrap_err().to_string().contains("a key has 8 bytes")
    );
}

#[test]
fn the_index_is_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir, &[]);
    make_index_folder(&config).unwrap();
    let path = dir.path().join("regtest/blocks/index");
    assert!(path.is_dir());
    std::fs::remove_dir(&path).unwrap();
    std::fs::write(&path, "").unwrap();
    assert!(make_index_folder(&config).is_err());
}
