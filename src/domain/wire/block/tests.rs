use bitcoin::consensus::encode::serialize;
use bitcoin::constants::genesis_block;
use bitcoin::{Block, Network, Transaction, Witness};

use super::super::DecodeError;
use super::ParsedBlock;

fn block_of(count: usize) -> Block {
    let mut block = genesis_block(Network::Regtest);
    let mut tx: Transaction = block.txdata[0].clone();
    tx.input[0].witness = Witness::from_slice(&[[7u8; 32]]);
    block.txdata.extend(std::iter::repeat_n(tx, count - 1));
    block
}

#[test]
fn a_block_is_what_the_library_says() {
    let check = |count: usize| {
        let block = block_of(count);
        let raw = serialize(&block);
        let parsed = ParsedBlock::decode(&raw).unwrap();
        assert_eq!(parsed.to_block(), block);
        assert_eq!(parsed.hash(), block.block_hash());
        assert_eq!(parsed.header(), &block.header);
        assert_eq!(parsed.raw(), raw);
        assert_eq!(parsed.shared_raw().len(), block.total_size());
        assert_eq!(parsed.size_bytes(), block.total_size());
        assert_eq!(parsed.weight(), block.weight());
        let made = ParsedBlock::new(block);
        assert_eq!(made, parsed);
        assert!(made.txs().iter().zip(parsed.txs()).all(|(a, b)| a.raw() == b.raw()));
    };
    check(1);
    check(2);
    check(253);
}

#[test]
fn d09_the_weight_counts_header_and_count() {
    let block = block_of(300);
    let parsed = ParsedBlock::new(block.clone());
    let of_txs: usize = block.txdata.iter().map(Transaction::base_size).sum();
    assert_eq!(parsed.base_size_bytes(), of_txs + 80 + 3);
}

#[test]
fn what_is_no_block() {
    let raw = serialize(&block_of(2));
    let check = |raw: &[u8], error: DecodeError| assert_eq!(ParsedBlock::decode(raw), Err(error.into()));
    check(&raw[..79], DecodeError::Truncated);
    check(&raw[..raw.len() - 1], DecodeError::Truncated);
    check(&[raw.as_slice(), &[0]].concat(), DecodeError::TrailingBytes);
    let mut many = raw.clone();
    many[80] = 0xfc;
    check(&many, DecodeError::Truncated);
}

#[test]
fn a_block_without_transactions_decodes() {
    let mut raw = serialize(&block_of(1))[..80].to_vec();
    raw.push(0);
    assert!(ParsedBlock::decode(&raw).unwrap().txs().is_empty());
}
