use adit_domain::chain::coin_codec::{coin_code, compress_amount, put_compact_size, put_output, put_varint};

use super::*;

/// A head that says so many coins, then this.
fn snapshot(count: u64, rows: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&Params::regtest().magic);
    bytes.extend_from_slice(&[7; 32]);
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(rows);
    bytes
}

/// One transaction's coins, of 5 satoshis each, made at these heights.
fn group(txid: u8, heights: &[u32]) -> Vec<u8> {
    let mut bytes = vec![txid; 32];
    put_compact_size(&mut bytes, heights.len() as u64);
    for (vout, height) in heights.iter().enumerate() {
        put_compact_size(&mut bytes, vout as u64);
        put_varint(&mut bytes, coin_code(Height::new(*height), true));
        put_output(&mut bytes, Amount::from_sat(5), &[0x51]);
    }
    bytes
}

/// All coins, or why there are none; the snapshot's block has height 100.
fn read(bytes: &[u8]) -> Result<Vec<(OutPoint, Coin)>, LoadError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("coins.dat");
    std::fs::write(&path, bytes).unwrap();
    let mut file = SnapshotFile::open(&path, &Params::regtest())?;
    let mut coins = Vec::new();
    while let Some(coin) = file.next(Height::new(100))? {
        coins.push(coin);
    }
    Ok(coins)
}

#[test]
fn coins_are_read_as_they_were_written() {
    let rows = [group(1, &[3, 100, 7]), group(2, &[]), group(3, &[0])].concat();
    let coins = read(&snapshot(4, &rows)).unwrap();
    let place = |(outpoint, coin): &(OutPoint, Coin)| {
        (outpoint.txid.to_byte_array()[0], outpoint.vout, coin.height.to_u32(), coin.is_coinbase)
    };
    let places: Vec<_> = coins.iter().map(place).collect();
    assert_eq!(places, [(1, 0, 3, true), (1, 1, 100, true), (1, 2, 7, true), (3, 0, 0, true)]);
    assert!(coins.iter().all(|(_, coin)| coin.output.value == Amount::from_sat(5)));
    assert_eq!(read(&snapshot(0, &[])).unwrap(), []);
    // More than is read at a time, with scripts as long as there may be.
    let mut long = vec![9; 32];
    put_compact_size(&mut long, 300);
    for vout in 0..300 {
        put_compact_size(&mut long, vout);
        put_varint(&mut long, 2);
        put_output(&mut long, Amount::MAX_MONEY, &[0x61; 10_000]);
    }
    assert_eq!(read(&snapshot(300, &long)).unwrap().len(), 300);
}

#[test]
fn what_is_no_snapshot_is_refused_by_its_head() {
    let check = |change: &dyn Fn(&mut Vec<u8>), says: &str| {
        let mut bytes = snapshot(1, &group(1, &[1]));
        change(&mut bytes);
        assert_eq!(read(&bytes).unwrap_err().to_string(), says);
    };
    let no_snapshot = "the file is no snapshot of a coin set";
    check(&|b| b.clear(), no_snapshot);
    check(&|b| b[..5].copy_from_slice(&[0xf0, 0x0f, 0, 0xf0, 0]), no_snapshot);
    for version in [0u8, 1, 3] {
        let says = format!("the snapshot has version {version}, and this program knows version 2");
        check(&|b| b[5] = version, &says);
    }
    for name in ["mainnet", "testnet3", "testnet4", "signet"] {
        let magic = Params::from_name(name).unwrap().magic;
        let says = format!("the snapshot is of {name}, and this node is on regtest");
        check(&|b| b[7..11].copy_from_slice(&magic), &says);
    }
    for magic in [[0; 4], [0xff; 4]] {
        let says = "the snapshot is of a network that is not known, and this node is on regtest";
        check(&|b| b[7..11].copy_from_slice(&magic), says);
    }
    for len in [6, 9, 20, 50] {
        check(&|b| b.truncate(len), "after 0 coins: the file is cut short or damaged");
    }
}

#[test]
fn coins_that_do_not_read_are_refused_where_they_are() {
    let check = |count: u64, rows: &[u8], says: &str| {
        assert_eq!(read(&snapshot(count, rows)).unwrap_err().to_string(), says);
    };
    let two = group(1, &[1, 2]);
    let damaged = |coins: u64| format!("after {coins} coins: the file is cut short or damaged");
    check(3, &two, &damaged(2));
    check(2, &two[..two.len() - 1], &damaged(1));
    check(2, &two[..31], &damaged(0));
    check(1, &[&group(1, &[1])[..], &[0]].concat(), "after 1 coins, which are all: the file goes on");
    check(1, &two, "after 0 coins: more are told of than the file's head says");
    let both = [two.clone(), group(2, &[1, 1])].concat();
    check(3, &both, "after 2 coins: more are told of than the file's head says");
    check(2, &group(1, &[1, 101]), "after 1 coins: one of a block above the snapshot's");
    // No count is believed before its coins are there.
    let mut boast = vec![1; 32];
    put_compact_size(&mut boast, COUNT_MAX);
    check(u64::MAX, &boast, &damaged(0));
    let mut too_many = vec![1; 32];
    put_compact_size(&mut too_many, COUNT_MAX + 1);
    check(u64::MAX, &too_many, &damaged(0));
    // A CompactSize that is longer than it need be; an output's number that no transaction has.
    check(1, &[&[1; 32][..], &[0xfd, 1, 0], &two[33..]].concat(), &damaged(0));
    check(1, &[&[1; 32][..], &[1], &[0xfe, 0, 0, 0, 3], &[2, 5, 0]].concat(), &damaged(0));
    // A height beyond 32 bits, an amount that is too large, a script too long for any coin, a key off the curve.
    let coin = |code: u64, amount: u64, script: &[u8]| {
        let mut bytes = [vec![1; 32], vec![1, 0]].concat();
        put_varint(&mut bytes, code);
        put_varint(&mut bytes, amount);
        [bytes, script.to_vec()].concat()
    };
    check(1, &coin(u64::MAX, 1, &[0; 21]), &damaged(0));
    let rich = compress_amount(Amount::MAX_MONEY.to_sat() + 1);
    check(1, &coin(2, rich, &[0; 21]), "after 0 coins: one of more than 21 million bitcoin");
    check(1, &coin(2, u64::MAX, &[0; 21]), &damaged(0));
    let mut long = Vec::new();
    put_varint(&mut long, 10_001 + 6);
    check(1, &coin(2, 1, &[long, vec![0; 10_001]].concat()), &damaged(0));
    check(1, &coin(2, 1, &[&[4][..], &[0xff; 32]].concat()), &damaged(0));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let path = Path::new("/nowhere/coins.dat");
    let refused = SnapshotFile::open(path, &Params::regtest()).err().unwrap();
    assert!(matches!(&refused, LoadError::Unread { path: named, .. } if named == path), "{refused}");
}
