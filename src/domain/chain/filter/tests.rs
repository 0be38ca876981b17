use super::*;
use crate::consensus::Params;
use crate::consensus::fixtures::header;
use bitcoin::absolute::LockTime;
use bitcoin::hex::FromHex;
use bitcoin::transaction::Version;
use bitcoin::{Amount, Block, ScriptBuf, Transaction, TxIn, TxOut};

fn hex(text: &str) -> Vec<u8> {
    Vec::from_hex(text).unwrap()
}

fn block_paying(scripts: &[&[u8]]) -> ParsedBlock {
    let output = |script: &&[u8]| TxOut {
        value: Amount::ONE_SAT,
        script_pubkey: ScriptBuf::from_bytes(script.to_vec()),
    };
    let coinbase = Transaction {
        version: Version::ONE,
        lock_time: LockTime::ZERO,
        input: vec![TxIn::default()],
        output: scripts.iter().map(output).collect(),
    };
    ParsedBlock::new(Block { header: header(0, 0x207f_ffff), txdata: vec![coinbase] })
}

/// The first row of BIP-0158's vectors.
#[test]
fn the_first_block_of_testnet3_has_its_filter() {
    let block = ParsedBlock::new(Params::testnet3().genesis);
    let filter = basic_filter(&block, []);
    assert_eq!(filter, hex("019dfca8"));
    let first = filter_header(&filter, &FilterHeader::from_byte_array([0; 32]));
    assert_eq!(first.to_string(), "21584579b7eb08997773e5aeff3a7f932700042d0ed2a6129012b7d7ae81b750");
}

#[test]
fn nobody_looks_for_what_is_empty_or_data() {
    assert_eq!(basic_filter(&block_paying(&[&[], &[OP_RETURN], &[OP_RETURN, 1, 7]]), []), [0]);
    assert_eq!(basic_filter(&block_paying(&[]), [Script::from_bytes(&[])]), [0]);
}

#[test]
fn a_script_is_in_the_filter_once_spent_or_paid_to() {
    let (a, b) = (Script::from_bytes(&[0x51]), Script::from_bytes(&[0x52]));
    let block = block_paying(&[a.as_bytes(), a.as_bytes()]);
    let filter = basic_filter(&block, [b, b, a]);
    assert_eq!(filter.first(), Some(&2));
    assert_eq!(filter, basic_filter(&block, [b]));
    let found = BlockFilter::new(&filter);
    let holds = |script: &Script| found.match_any(&block.hash(), [script.as_bytes()].into_iter());
    assert!(holds(a).unwrap() && holds(b).unwrap());
    assert!(!holds(Script::from_bytes(&[0x53])).unwrap());
}
