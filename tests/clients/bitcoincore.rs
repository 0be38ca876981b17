//! The crate `bitcoincore-rpc`: what most Rust programs around a node are built on.

use adit_clients::Adit;
use bitcoin::hashes::Hash;
use bitcoin::{Amount, BlockHash, OutPoint};
use bitcoincore_rpc::json::{EstimateMode, GetBlockTemplateModes, GetBlockTemplateRules, ScanTxOutRequest};
use bitcoincore_rpc::{Auth, Client, Error, RpcApi, jsonrpc};

use crate::coins;

/// The code of an error that came from the node.
#[track_caller]
fn code<T: std::fmt::Debug>(outcome: Result<T, Error>) -> i32 {
    match outcome {
        Err(Error::JsonRpc(jsonrpc::Error::Rpc(error))) => error.code,
        other => panic!("no error of the node's: {other:?}"),
    }
}

#[test]
fn a_program_mines_spends_and_looks_at_what_it_did() {
    let adit = Adit::start(&["-txindex"]);
    let client = coins::client(&adit);
    assert!(client.version().unwrap() >= 310_000);
    assert!(client.get_network_info().unwrap().subversion.starts_with("/Satoshi:"));
    let hashes = client.generate_to_address(101, &coins::address()).unwrap();
    assert_eq!((hashes.len(), client.get_block_count().unwrap()), (101, 101));
    let info = client.get_blockchain_info().unwrap();
    assert_eq!((info.blocks, info.best_block_hash, info.pruned), (101, hashes[100], false));
    assert_eq!(client.get_block_hash(1).unwrap(), hashes[0]);

    let tx = coins::spend_reward(&client, 1, &coins::elsewhere());
    let judged = client.test_mempool_accept(&[&tx]).unwrap();
    assert!(judged[0].allowed, "{judged:?}");
    assert_eq!(judged[0].fees.as_ref().unwrap().base, Amount::from_sat(10_000));
    let txid = client.send_raw_transaction(&tx).unwrap();
    assert_eq!(txid, tx.compute_txid());
    assert_eq!(client.get_raw_mempool().unwrap(), [txid]);
    // The crate's own type wants a field that Core left out after 31.0.
    let entry: serde_json::Value = client.call("getmempoolentry", &[serde_json::json!(txid)]).unwrap();
    assert_eq!(
        (&entry["fees"]["base"], &entry["vsize"]),
        (&serde_json::json!(0.0001), &serde_json::json!(tx.vsize()))
    );
    assert_eq!(client.get_mempool_info().unwrap().size, 1);
    assert!(client.get_tx_out(&tx.input[0].previous_output.txid, 0, Some(true)).unwrap().is_none());
    let waiting = client.get_tx_out(&txid, 0, Some(true)).unwrap().unwrap();
    assert_eq!((waiting.confirmations, waiting.value), (0, tx.output[0].value));

    let mined = client.generate_to_address(1, &coins::address()).unwrap()[0];
    let block = client.get_block(&mined).unwrap();
    assert_eq!(block.txdata[1], tx);
    let header = client.get_block_header_info(&mined).unwrap();
    assert_eq!((header.height, header.confirmations, header.n_tx), (102, 1, 2));
    assert_eq!(client.get_block_header(&mined).unwrap(), block.header);
    let shown = client.get_block_info(&mined).unwrap();
    assert_eq!((shown.tx, shown.nextblockhash), (vec![block.txdata[0].compute_txid(), txid], None));
    let raw = client.get_raw_transaction_info(&txid, None).unwrap();
    assert_eq!((raw.blockhash, raw.confirmations, raw.transaction().unwrap()), (Some(mined), Some(1), tx));
    assert_eq!(client.get_raw_transaction_info(&txid, Some(&mined)).unwrap().in_active_chain, Some(true));
    let stats = client.get_block_stats(102).unwrap();
    assert_eq!((stats.txs, stats.total_fee), (2, Amount::from_sat(10_000)));
    let proof = client.get_tx_out_proof(&[txid], Some(&mined)).unwrap();
    assert!(proof.len() > 80);
}

#[test]
fn a_program_reads_the_coins_and_what_a_miner_needs() {
    let adit = Adit::start(&["-blockfilterindex", "-coinstatsindex"]);
    let client = coins::client(&adit);
    client.generate_to_address(110, &coins::address()).unwrap();
    let set = client.get_tx_out_set_info(None, None, None).unwrap();
    assert_eq!((set.height, set.tx_outs), (110, 110));
    let what = ScanTxOutRequest::Single(format!("addr({})", coins::address()));
    let found = client.scan_tx_out_set_blocking(&[what]).unwrap();
    assert_eq!((found.success, found.unspents.len()), (Some(true), 110));
    assert_eq!(found.total_amount, found.unspents.iter().map(|coin| coin.amount).sum());
    let tip = client.get_best_block_hash().unwrap();
    assert!(!client.get_block_filter(&tip).unwrap().filter.is_empty());
    let index = client.get_index_info().unwrap();
    assert!(index.basic_block_filter_index.is_some() && index.coinstatsindex.is_some());
    let rules = [GetBlockTemplateRules::SegWit];
    let template = client.get_block_template(GetBlockTemplateModes::Template, &rules, &[]).unwrap();
    assert_eq!((template.height, template.previous_block_hash), (111, tip));
    assert_eq!(client.get_mining_info().unwrap().blocks, 110);
    // Nothing has been seen to confirm yet.
    let estimate = client.estimate_smart_fee(6, Some(EstimateMode::Economical)).unwrap();
    assert!(estimate.fee_rate.is_none() && !estimate.errors.unwrap().is_empty());
    let tips = client.get_chain_tips().unwrap();
    assert_eq!((tips.len(), tips[0].hash), (1, tip));
    assert!(client.get_peer_info().unwrap().is_empty());
    assert_eq!(client.get_connection_count().unwrap(), 0);
    let multi = "wpkh(0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798)";
    assert!(client.get_descriptor_info(multi).unwrap().is_solvable);
    let block = client.get_block(&tip).unwrap();
    assert_eq!(client.wait_for_block(&block.block_hash(), 0).unwrap().height, 110);
    client.invalidate_block(&tip).unwrap();
    assert_eq!(client.get_block_count().unwrap(), 109);
    client.reconsider_block(&tip).unwrap();
    assert_eq!(client.get_best_block_hash().unwrap(), tip);
}

#[test]
fn a_template_has_what_waits_at_the_moment_of_each_call() {
    let adit = Adit::start(&[]);
    let client = coins::client(&adit);
    client.generate_to_address(103, &coins::address()).unwrap();
    let template = || {
        let rules = [GetBlockTemplateRules::SegWit];
        client.get_block_template(GetBlockTemplateModes::Template, &rules, &[]).unwrap()
    };
    let mut sent = Vec::new();
    for height in 1..=3 {
        for _ in 0..2 {
            let shown: Vec<_> = template().transactions.iter().map(|tx| tx.txid).collect();
            assert_eq!(shown.len(), sent.len());
            assert!(sent.iter().all(|txid| shown.contains(txid)), "{shown:?}");
        }
        let tx = coins::spend_reward(&client, height, &coins::elsewhere());
        sent.push(client.send_raw_transaction(&tx).unwrap());
    }
    let before = template();
    assert_eq!(before.coinbase_value, Amount::from_int_btc(50) + Amount::from_sat(30_000));
    let mined = client.generate_to_address(1, &coins::address()).unwrap()[0];
    let after = template();
    assert_eq!((after.transactions.len(), after.previous_block_hash), (0, mined));
    assert_eq!((after.height, after.coinbase_value), (before.height + 1, Amount::from_int_btc(50)));
}

#[test]
fn a_program_is_refused_with_the_codes_that_it_looks_for() {
    let adit = Adit::start(&[]);
    let client = coins::client(&adit);
    client.generate_to_address(101, &coins::address()).unwrap();
    let unknown = BlockHash::all_zeros();
    assert_eq!(code(client.get_block(&unknown)), -5);
    assert_eq!(code(client.get_block_hash(5_000)), -8);
    assert_eq!(code(client.get_raw_transaction(&bitcoin::Txid::all_zeros(), None)), -5);
    assert_eq!(code(client.send_raw_transaction("00")), -22);
    let lost = coins::spend(OutPoint::new(bitcoin::Txid::all_zeros(), 0), Amount::ONE_BTC, &coins::address());
    assert_eq!(code(client.send_raw_transaction(&lost)), -25);
    let early = coins::spend_reward(&client, 50, &coins::elsewhere());
    assert_eq!(code(client.send_raw_transaction(&early)), -26);
    assert_eq!(code(client.call::<serde_json::Value>("getinfo", &[])), -32601);
    let stranger = Client::new(&adit.url(), Auth::UserPass("a".into(), "b".into())).unwrap();
    let refused = stranger.get_block_count();
    assert!(
        matches!(&refused, Err(Error::JsonRpc(jsonrpc::Error::Transport(why))) if why.to_string().contains("401")),
        "{refused:?}"
    );
    // It says goodbye as bitcoin-cli does, and the process ends by itself.
    client.stop().unwrap();
    adit.ended();
}
