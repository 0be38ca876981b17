//! Transactions, blocks and witnesses: what decodes is written back as it was, and is what the field's library sees.

use adit_domain::consensus::{Params, check_block, check_block_body, check_transaction};
use adit_domain::wire::{ParsedBlock, ParsedTx, decode_script_and_witness};
use bitcoin::consensus::encode::{deserialize, serialize};
use bitcoin::{Block, Transaction};

/// One whole transaction.
pub fn transaction(data: &[u8]) {
    let library = deserialize::<Transaction>(data);
    let Ok(parsed) = ParsedTx::decode(data) else {
        // The library takes a transaction without inputs that announces witnesses; Core does not. And it takes sizes
        // that are beyond what Core reads, but no data of that size is ever fed here.
        assert!(library.is_err_and(|_| true) || library_alone(data), "the library alone decodes it");
        return;
    };
    same_transaction(&parsed, data);
    if let Ok(library) = library {
        assert_eq!(parsed.tx(), &library);
    } else {
        assert!(parsed.tx().input.is_empty(), "Adit alone decodes it");
    }
    let _ = check_transaction(&parsed);
}

fn library_alone(data: &[u8]) -> bool {
    deserialize::<Transaction>(data).is_ok_and(|tx| tx.input.is_empty())
}

fn same_transaction(parsed: &ParsedTx, data: &[u8]) {
    assert_eq!(parsed.raw(), data);
    assert_eq!(parsed.total_size(), data.len());
    let detached = parsed.detached();
    assert_eq!((detached.raw(), detached.txid()), (data, parsed.txid()));
    // The library writes a transaction without inputs with a marker.
    if parsed.tx().input.is_empty() {
        return;
    }
    assert_eq!(serialize(parsed.tx()), data);
    assert_eq!(parsed.txid(), parsed.tx().compute_txid());
    assert_eq!(parsed.wtxid(), parsed.tx().compute_wtxid());
    assert_eq!(parsed.base_size(), parsed.tx().base_size());
    assert_eq!(parsed.weight(), parsed.tx().weight());
    assert_eq!(parsed, &ParsedTx::new(parsed.tx().clone()));
}

/// One whole block.
pub fn block(data: &[u8]) {
    let library = deserialize::<Block>(data);
    let Ok(parsed) = ParsedBlock::decode(data) else {
        let odd = library.as_ref().is_ok_and(|block| block.txdata.iter().any(|tx| tx.input.is_empty()));
        assert!(library.is_err() || odd, "the library alone decodes it");
        return;
    };
    assert_eq!(parsed.raw(), data);
    assert_eq!(parsed.hash(), parsed.header().block_hash());
    assert!(parsed.base_size_bytes() <= parsed.size_bytes());
    let _ = check_block(&parsed, &Params::regtest());
    let sound = check_block_body(&parsed);
    if parsed.txs().iter().any(|tx| tx.tx().input.is_empty()) {
        assert!(sound.is_err(), "a transaction without inputs");
        return;
    }
    let library = library.expect("the library decodes it too");
    assert_eq!(parsed.to_block(), library);
    assert_eq!(parsed.weight(), library.weight());
    let again = ParsedBlock::new(library);
    assert_eq!((again.raw(), &again), (data, &parsed));
    let again = ParsedBlock::of_parsed(*parsed.header(), parsed.txs().to_vec());
    assert_eq!((again.raw(), &again), (data, &parsed));
    if sound.is_ok() {
        assert!(again.to_block().check_merkle_root());
    }
}

/// A script and a witness, as a signet block carries them.
pub fn witness(data: &[u8]) {
    let Ok((script, witness)) = decode_script_and_witness(data) else { return };
    let again = [serialize(&script), serialize(&witness)].concat();
    assert_eq!(again, data);
}
