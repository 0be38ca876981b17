use bitcoin::Network;
use bitcoin::constants::genesis_block;

use super::*;

fn tx() -> ParsedTx {
    ParsedTx::new(genesis_block(Network::Regtest).txdata[0].clone())
}

fn sealed(body: &[u8]) -> Vec<u8> {
    [body, sha256d::Hash::hash(body).as_byte_array()].concat()
}

#[test]
fn what_is_written_is_read() {
    let (a, b) = (tx(), tx());
    let rows = [(&a, UnixMillis::new(5)), (&b, UnixMillis::new(6))];
    let read = decode_archive(&encode_archive(rows.into_iter())).unwrap();
    assert_eq!(read, [(Arc::new(tx()), UnixMillis::new(5)), (Arc::new(tx()), UnixMillis::new(6))]);
    assert_eq!(decode_archive(&encode_archive(std::iter::empty())), Ok(vec![]));
}

#[test]
fn what_is_not_one_is_said() {
    let whole = encode_archive([(&tx(), UnixMillis::new(5))].into_iter());
    let mut changed = whole.clone();
    changed[30] ^= 1;
    let mut row = MAGIC.to_vec();
    row.extend_from_slice(&[0; 8]);
    let cut = sealed(&row);
    row.extend_from_slice(&4u32.to_le_bytes());
    let short = sealed(&row);
    row.extend_from_slice(&[1; 4]);
    for (bytes, want) in [
        (vec![], ArchiveError::Magic),
        (vec![0; 50], ArchiveError::Magic),
        (changed, ArchiveError::Checksum),
        (whole[..whole.len() - 1].to_vec(), ArchiveError::Checksum),
        (cut, ArchiveError::Truncated),
        (short, ArchiveError::Truncated),
    ] {
        assert_eq!(decode_archive(&bytes), Err(want));
    }
    assert!(matches!(decode_archive(&sealed(&row)), Err(ArchiveError::Tx(_))));
}
