//! The crate `corepc-client`, made for Bitcoin Core 31: it looks at the version, and takes no field that it does not know.

use adit_clients::Adit;
use bitcoincore_rpc::RpcApi;
use corepc_client::client_sync::Auth;
use corepc_client::client_sync::v31::{Client, TemplateRequest, TemplateRules};

use crate::coins;

#[test]
fn a_client_of_version_31_takes_it_for_what_it_knows() {
    let adit = Adit::start(&["-txindex"]);
    let client = Client::new_with_auth(&adit.url(), Auth::CookieFile(adit.cookie())).unwrap();
    client.check_expected_server_version().unwrap();
    // By the client with more patience.
    let mined = coins::client(&adit).generate_to_address(101, &coins::address()).unwrap();
    let info = client.get_blockchain_info().unwrap().into_model().unwrap();
    assert_eq!((info.blocks, info.best_block_hash), (101, mined[100]));

    let tx = coins::spend_reward(&coins::client(&adit), 1, &coins::elsewhere());
    let judged = client.test_mempool_accept(std::slice::from_ref(&tx)).unwrap().into_model().unwrap();
    assert!(judged.results[0].allowed);
    let txid = client.send_raw_transaction(&tx).unwrap().into_model().unwrap().0;
    let waiting = client.get_raw_mempool().unwrap().into_model().unwrap();
    assert_eq!(waiting.0, [txid]);

    let request = TemplateRequest { rules: vec![TemplateRules::Segwit], ..Default::default() };
    let template = client.get_block_template(&request).unwrap().into_model().unwrap();
    assert_eq!((template.height, template.transactions.len()), (102, 1));
    assert_eq!(template.transactions[0].data, tx);

    let hash = client.generate_to_address(1, &coins::address()).unwrap().into_model().unwrap().0[0];
    let block = client.get_block(hash).unwrap();
    assert_eq!(block.txdata[1], tx);
    let verbose = client.get_block_verbose_two(hash).unwrap().into_model().unwrap();
    assert_eq!((verbose.height, verbose.n_tx), (102, 2));
    let coin = client.get_tx_out(txid, 0).unwrap().into_model().unwrap();
    assert_eq!((coin.confirmations, coin.tx_out.value), (1, tx.output[0].value));
    let raw = client.get_raw_transaction_verbose(txid).unwrap().into_model().unwrap();
    assert_eq!((raw.block_hash, raw.confirmations), (Some(hash), Some(1)));
    client.stop().unwrap();
    adit.ended();
}
