use bitcoin::block::Version;

use super::*;
use crate::template::fixtures::{build, many, next_at};

const FOUND: FoundHeader =
    FoundHeader { version: Version::from_consensus(0x2000_2000), time: 1_700_000_123, nonce: 42 };

#[test]
fn a_found_header_becomes_a_block_that_the_field_s_library_agrees_with() {
    for n in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 32, 33] {
        let template = build(&next_at(101), Some(many(n)));
        let parts = template.coinbase_parts(16).unwrap();
        let raw = [parts.before.as_slice(), &[5; 16], parts.after.as_slice()].concat();
        let block = template.assemble(&raw, &FOUND).unwrap();
        let whole = block.to_block();
        assert!(whole.check_merkle_root(), "{n} transactions");
        assert_eq!(block.raw(), bitcoin::consensus::serialize(&whole));
        let read_back = ParsedBlock::decode(block.raw()).unwrap();
        assert_eq!(read_back, block);
        for (ours, theirs) in block.txs().iter().zip(read_back.txs()) {
            assert_eq!((ours.raw(), ours.txid()), (theirs.raw(), theirs.txid()));
        }
        assert!(whole.check_witness_commitment(), "{n} transactions");
        assert_eq!(whole.bip34_block_height(), Ok(101));
        assert_eq!(block.txs().len(), usize::try_from(n).unwrap() + 1);
        assert_eq!(
            (whole.header.version, whole.header.time, whole.header.nonce),
            (FOUND.version, FOUND.time, 42)
        );
        assert_eq!(whole.header.prev_blockhash, template.prev);
        assert_eq!(template.header(block.txs()[0].txid(), &FOUND), *block.header());
        assert_eq!(whole.txdata[0].input[0].witness.to_vec(), [[0u8; 32].to_vec()]);
    }
}

#[test]
fn every_refusal_has_its_reason() {
    let template = build(&next_at(101), Some(many(1)));
    assert!(matches!(template.assemble(&[], &FOUND), Err(AssembleError::Coinbase(_))));
    let spend = bitcoin::consensus::serialize(template.txs[0].tx());
    assert!(matches!(template.assemble(&spend, &FOUND), Err(AssembleError::NotACoinbase)));
}
