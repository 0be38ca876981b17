use bitcoin::{Amount, ScriptBuf, TxOut, Txid};

use super::*;

fn hidden(n: u8) -> (OutPoint, Coin) {
    let script_pubkey = ScriptBuf::from_bytes(vec![n; usize::from(n)]);
    let output = TxOut { value: Amount::from_sat(50_0000_0000), script_pubkey };
    let outpoint = OutPoint { txid: Txid::from_byte_array([n; 32]), vout: u32::from(n) };
    (outpoint, Coin { output, height: Height::new(91_722), is_coinbase: true })
}

#[test]
fn hidden_coins_outlive_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.redb");
    let (block, other) = (BlockHash::from_byte_array([1; 32]), BlockHash::from_byte_array([2; 32]));
    let coins = vec![hidden(0), hidden(77)];
    ChainDb::open(&path).unwrap().keep_overwritten(&block, &coins).unwrap();
    let db = ChainDb::open(&path).unwrap();
    assert_eq!((db.overwritten(&block).unwrap(), db.overwritten(&other).unwrap()), (coins, vec![]));
}

#[test]
fn files_that_go_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.redb");
    assert!(ChainDb::open(&path).unwrap().unlinking().unwrap().is_empty());
    ChainDb::open(&path).unwrap().set_unlinking(&[0, 7]).unwrap();
    let db = ChainDb::open(&path).unwrap();
    assert_eq!(db.unlinking().unwrap(), [0, 7]);
    db.set_unlinking(&[]).unwrap();
    assert!(db.unlinking().unwrap().is_empty());
}

#[test]
fn the_height_of_segwit_outlives_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.redb");
    assert_eq!(ChainDb::open(&path).unwrap().segwit_from().unwrap(), None);
    ChainDb::open(&path).unwrap().set_segwit_from(Height::new(7)).unwrap();
    assert_eq!(ChainDb::open(&path).unwrap().segwit_from().unwrap(), Some(Height::new(7)));
}

#[test]
fn damage_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let db = ChainDb::open(&dir.path().join("c.redb")).unwrap();
    let txn = db.begin().unwrap();
    txn.open_table(OVERWRITTEN).unwrap().insert(&[1; 32], b"xxxxxx".as_slice()).unwrap();
    txn.open_table(META).unwrap().insert(UNLINKING, seal(vec![1, 2, 3]).as_slice()).unwrap();
    txn.commit().unwrap();
    let hidden = db.overwritten(&BlockHash::from_byte_array([1; 32])).unwrap_err();
    assert_eq!(hidden.to_string(), "a row of hidden coins is damaged: checksum mismatch");
    let files = db.unlinking().unwrap_err();
    assert_eq!(files.to_string(), "the list of files to unlink is damaged: cut short");
    let whole = encode(&[hidden_coin()]);
    let body = &whole[..whole.len() - 4];
    assert_eq!(decode(&seal([body, &[0]].concat())), Err(CodecError::Trailing));
    for cut in 0..body.len() {
        assert_eq!(decode(&seal(body[..cut].to_vec())), Err(CodecError::Short), "{cut}");
    }
}

fn hidden_coin() -> (OutPoint, Coin) {
    hidden(22)
}
