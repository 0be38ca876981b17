use bitcoin::Network;
use bitcoin::constants::genesis_block;

use super::*;

fn tx() -> Arc<ParsedTx> {
    Arc::new(ParsedTx::new(genesis_block(Network::Regtest).txdata[0].clone()))
}

fn archive() -> Archive {
    let row = |seconds: u64, delta_sat| ArchivedTx {
        tx: tx(),
        added_at: UnixMillis::new(seconds * 1_000),
        delta_sat,
    };
    Archive {
        txs: vec![row(5, 0), row(1_700_000_000, -3)],
        deltas: vec![(Txid::from_byte_array([7; 32]), i64::MIN)],
        unbroadcast: (0..300u16).map(|n| Txid::from_byte_array([(n % 251) as u8; 32])).collect(),
    }
}

#[test]
fn what_is_written_is_read() {
    for key in [None, Some([0; 8]), Some([1, 2, 3, 4, 5, 6, 7, 8])] {
        for kept in [Archive::default(), archive()] {
            assert_eq!(Archive::decode(kept.encode(key)), Ok(kept));
        }
    }
}

/// The layout, byte by byte, as Core writes it.
#[test]
fn the_bytes_are_cores() {
    let kept = Archive { txs: vec![], deltas: vec![], unbroadcast: vec![Txid::from_byte_array([0; 32])] };
    let mut want = vec![1, 0, 0, 0, 0, 0, 0, 0];
    want.extend([0; 8]);
    want.extend([0, 1]);
    want.extend([0; 32]);
    assert_eq!(kept.encode(None), want);
    let key = [10, 11, 12, 13, 14, 15, 16, 17];
    let xored = kept.encode(Some(key));
    assert_eq!(xored[..9], [2, 0, 0, 0, 0, 0, 0, 0, 8]);
    assert_eq!(xored[9..17], key);
    // The first byte behind the key has place 17.
    assert_eq!(xored[17..19], [11, 12]);
    assert_eq!(xored.len(), want.len() + 9);
}

#[test]
fn what_is_not_one_is_said() {
    let whole = archive().encode(None);
    let mut key = archive().encode(Some([9; 8]));
    key[8] = 7;
    for (bytes, want) in [
        (vec![], ArchiveError::Truncated),
        (b"ADITMEM1".to_vec(), ArchiveError::Version),
        (key, ArchiveError::Key),
        (whole[..8].to_vec(), ArchiveError::Truncated),
        (whole[..whole.len() - 1].to_vec(), ArchiveError::Truncated),
    ] {
        assert_eq!(Archive::decode(bytes), Err(want));
    }
    assert!(matches!(Archive::decode(whole[..30].to_vec()), Err(ArchiveError::Tx(_))));
    // A count that no file could have is not believed.
    let mut many = whole[..16].to_vec();
    many[8..16].fill(0xff);
    assert!(matches!(Archive::decode(many), Err(ArchiveError::Tx(_))));
}

#[test]
fn no_cut_and_no_flipped_bit_panics() {
    let mut few = archive();
    few.unbroadcast.truncate(2);
    let whole = few.encode(None);
    for end in 0..whole.len() {
        assert!(Archive::decode(whole[..end].to_vec()).is_err());
    }
    for bit in 0..whole.len() * 8 {
        let mut changed = whole.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        drop(Archive::decode(changed));
    }
}
