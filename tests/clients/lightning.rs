//! What a Lightning node of LDK follows the chain with: `lightning-block-sync`, over JSON-RPC and over REST.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Mutex;

use adit_clients::{Adit, base64};
use bitcoin::block::Header;
use bitcoin::{Block, BlockHash, Network, OutPoint};
use bitcoincore_rpc::{Client, RpcApi};
use lightning::chain::transaction::TransactionData;
use lightning::chain::{BestBlock, Listen};
use lightning_block_sync::gossip::UtxoSource;
use lightning_block_sync::http::HttpEndpoint;
use lightning_block_sync::init::synchronize_listeners;
use lightning_block_sync::poll::{ChainPoller, ChainTip};
use lightning_block_sync::rest::RestClient;
use lightning_block_sync::rpc::RpcClient;
use lightning_block_sync::{BlockSource, SpvClient, UnboundedCache};
use serde_json::json;

use crate::coins;

/// The chain as it was told.
#[derive(Default)]
struct Journal(Mutex<Vec<(u32, BlockHash)>>);

impl Listen for Journal {
    fn filtered_block_connected(&self, _: &Header, _: &TransactionData, _: u32) {
        panic!("blocks come whole");
    }

    fn block_connected(&self, block: &Block, height: u32) {
        let mut chain = self.0.lock().unwrap();
        assert_eq!(
            chain.last().map_or(block.header.prev_blockhash, |(_, hash)| *hash),
            block.header.prev_blockhash
        );
        chain.push((height, block.block_hash()));
    }

    fn blocks_disconnected(&self, fork: BestBlock) {
        self.0.lock().unwrap().retain(|(height, _)| *height <= fork.height);
    }
}

impl Journal {
    /// It is what the node says.
    fn check(&self, client: &Client) {
        let told = self.0.lock().unwrap().clone();
        let height = client.get_block_count().unwrap();
        let ours: Vec<_> =
            (1..=height).map(|height| (height as u32, client.get_block_hash(height).unwrap())).collect();
        assert_eq!(told, ours);
    }
}

/// Follows the chain from its first block on, through three blocks more and a reorganisation.
async fn follow<S>(source: S, client: &Client)
where
    S: Deref + Clone + Send + Sync,
    S::Target: BlockSource + UtxoSource + Sized,
{
    client.generate_to_address(120, &coins::address()).unwrap();
    let (journal, mut cache): (_, UnboundedCache) = (Journal::default(), HashMap::new());
    let genesis = client.get_block_hash(0).unwrap();
    let tip =
        synchronize_listeners(source.clone(), Network::Regtest, &mut cache, vec![(genesis, &journal)]).await;
    let tip = tip.map_err(|error| error.into_inner()).unwrap();
    journal.check(client);

    let poller = ChainPoller::new(source.clone(), Network::Regtest);
    let mut spv = SpvClient::new(tip, poller, &mut cache, &journal);
    assert!(matches!(spv.poll_best_tip().await.unwrap(), (ChainTip::Common, false)));
    client.generate_to_address(3, &coins::address()).unwrap();
    assert!(matches!(spv.poll_best_tip().await.unwrap(), (ChainTip::Better(_), true)));
    journal.check(client);

    client.invalidate_block(&client.get_block_hash(119).unwrap()).unwrap();
    client.generate_to_address(8, &coins::elsewhere()).unwrap();
    assert!(matches!(spv.poll_best_tip().await.unwrap(), (ChainTip::Better(_), true)));
    journal.check(client);

    // A channel's output is looked up by height, and whether it is unspent.
    let hash = source.get_block_hash_by_height(1).await.unwrap();
    assert_eq!(hash, client.get_block_hash(1).unwrap());
    let coin = OutPoint::new(client.get_block(&hash).unwrap().txdata[0].compute_txid(), 0);
    assert!(source.is_output_unspent(coin).await.unwrap());
    client.send_raw_transaction(&coins::spend_reward(client, 1, &coins::elsewhere())).unwrap();
    client.generate_to_address(1, &coins::elsewhere()).unwrap();
    assert!(!source.is_output_unspent(coin).await.unwrap());
}

fn endpoint(adit: &Adit) -> HttpEndpoint {
    HttpEndpoint::for_host("127.0.0.1".to_owned()).with_port(adit.port())
}

fn run(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

#[test]
fn a_lightning_node_follows_the_chain_over_rpc() {
    let adit = Adit::start(&[]);
    let client = coins::client(&adit);
    let credentials = base64(&std::fs::read(adit.cookie()).unwrap());
    run(async {
        let source = RpcClient::new(&credentials, endpoint(&adit));
        follow(&source, &client).await;
        let told = source.call_method::<serde_json::Value>("getblockhash", &[json!(1_000_000)]).await;
        assert!(told.unwrap_err().to_string().contains("RPC error -8"));
    });
}

#[test]
fn a_lightning_node_follows_the_chain_over_rest() {
    let adit = Adit::start(&["-rest"]);
    let client = coins::client(&adit);
    run(async {
        let source = RestClient::new(endpoint(&adit).with_path("/rest".to_owned()));
        follow(&source, &client).await;
    });
}
