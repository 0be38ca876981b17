use adit_domain::chain::Tip;
use adit_domain::consensus::Params;
use adit_store::{ChainDb, Flush, FlushState};
use bitcoin::absolute::LockTime;
use bitcoin::block::Header;
use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash;
use bitcoin::transaction::Version;
use bitcoin::{Amount, Network, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, Work};

use super::*;

fn outside(n: u8) -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([n; 32]), vout: u32::from(n) }
}

fn tx(inputs: &[OutPoint], outputs: &[&[u8]]) -> Transaction {
    let input = |previous_output: &OutPoint| TxIn {
        previous_output: *previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let output = |script: &&[u8]| TxOut {
        value: Amount::ONE_SAT,
        script_pubkey: ScriptBuf::from_bytes(script.to_vec()),
    };
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: inputs.iter().map(input).collect(),
        output: outputs.iter().map(output).collect(),
    }
}

fn block(txs: &[Transaction]) -> ParsedBlock {
    let mut block = genesis_block(Network::Regtest);
    block.txdata.extend(txs.iter().cloned());
    ParsedBlock::new(block)
}

/// What of a block's transactions is spent from outside, in order, and what they make beside the coinbase.
fn check(txs: &[Transaction], spends: &[OutPoint], makes: &[OutPoint]) {
    let block = block(txs);
    let prepared = Prepared::new(&block, Height::new(7));
    assert_eq!(prepared.spends().copied().collect::<Vec<_>>(), spends);
    let coinbase = block.txs()[0].txid();
    let changes = prepared.into_changes();
    let (spent, made) = changes.split_at(spends.len());
    assert!(spent.iter().all(|(_, coin)| coin.is_none()));
    let ours = made.iter().filter(|(outpoint, _)| outpoint.txid != coinbase);
    assert_eq!(ours.map(|(outpoint, _)| *outpoint).collect::<Vec<_>>(), makes);
    for (outpoint, coin) in made {
        let coin = coin.as_ref().unwrap();
        assert_eq!((coin.height(), coin.is_coinbase()), (Height::new(7), outpoint.txid == coinbase));
    }
}

#[test]
fn what_a_block_spends_and_makes() {
    let at = |tx: &Transaction, vout| OutPoint { txid: tx.compute_txid(), vout };
    check(&[], &[], &[]);
    let first = tx(&[outside(2), outside(1)], &[b"\x51", b"\x6a", b"\x51"]);
    check(std::slice::from_ref(&first), &[outside(2), outside(1)], &[at(&first, 0), at(&first, 2)]);
    let second = tx(&[at(&first, 0), outside(3)], &[b"\x51"]);
    let spends = [outside(2), outside(1), outside(3)];
    check(&[first.clone(), second.clone()], &spends, &[at(&first, 2), at(&second, 0)]);
    // What comes later in the block is outside as far as the rules go, and so it is here.
    let spends = [at(&first, 0), outside(3), outside(2), outside(1)];
    check(&[second.clone(), first.clone()], &spends, &[at(&second, 0), at(&first, 0), at(&first, 2)]);
}

#[test]
fn coins_are_read_in_the_order_in_which_they_are_spent() {
    let dir = tempfile::tempdir().unwrap();
    let db = ChainDb::open(&dir.path().join("db")).unwrap();
    let coin = CompactCoin::new(&tx(&[], &[b"\x51"]).output[0], Height::new(3), false);
    let header: Header = Params::regtest().genesis.header;
    let tip = Tip {
        hash: header.block_hash(),
        height: Height::new(3),
        header,
        median_time_past: 0,
        chain_work: Work::from_be_bytes([0; 32]),
    };
    let cache = CoinCache::new(db.snapshot().unwrap(), Arc::new(tip));
    // Their first bytes are among those that a flush looks at, to know what it may drop.
    let changes = [(outside(32), Some(coin.clone())), (outside(64), Some(coin.clone()))];
    cache.apply(std::iter::once(&changes[..]), Arc::new(tip)).unwrap();
    let frozen = cache.freeze().unwrap();
    let state = FlushState { tip: tip.hash, height: tip.height, flushes: 1, blocks_end: Default::default() };
    db.flush(Flush { state, nodes: Vec::new(), coins: &mut frozen.changes() }).unwrap();
    cache.flushed(frozen, db.snapshot().unwrap(), 0).unwrap();

    // In the cache behind the disk: one that is new, and one that is spent.
    let newer = CompactCoin::new(&tx(&[], &[b"\x52"]).output[0], Height::new(4), false);
    cache
        .apply(std::iter::once(&[(outside(64), None), (outside(8), Some(newer.clone()))][..]), Arc::new(tip))
        .unwrap();
    let check = |spends: &[(u8, Option<&CompactCoin>)]| {
        let outpoints: Vec<OutPoint> = spends.iter().map(|(n, _)| outside(*n)).collect();
        let prepared = Prepared::new(&block(&[tx(&outpoints, &[b"\x51"])]), Height::new(5));
        let read = ReadAhead::read(&prepared, &cache).unwrap().into_coins();
        assert_eq!(
            read.iter().map(Option::as_ref).collect::<Vec<_>>(),
            spends.iter().map(|s| s.1).collect::<Vec<_>>()
        );
    };
    check(&[]);
    check(&[(64, None), (96, None), (32, Some(&coin)), (8, Some(&newer))]);
    check(&[(8, Some(&newer)), (32, Some(&coin)), (7, None)]);
}
