//! A wallet of the Bitcoin Dev Kit that follows the chain through `bdk_bitcoind_rpc`.

use std::sync::Arc;

use adit_clients::Adit;
use bdk_bitcoind_rpc::Emitter;
use bdk_wallet::{Balance, KeychainKind, SignOptions, Wallet};
use bitcoin::bip32::Xpriv;
use bitcoin::{Amount, BlockHash, FeeRate, Network, Transaction};
use bitcoincore_rpc::{Client, RpcApi};
use serde_json::json;

use crate::coins;

/// A key for tests.
const KEY: &str = "tprv8ZgxMBicQKsPdy6LMhUtFHAgpocR8GC6QmwMSFpZs7h6Eziw3SpThFfczTDh5rW2krkqffa11UpX3XkeTTB2FvzZKWXqPY54Y6Rq4AQ5R8L";

/// What a block pays on regtest, as long as the tests mine.
const REWARD: Amount = Amount::from_int_btc(50);

struct Owner {
    wallet: Wallet,
    emitter: Emitter<Arc<Client>>,
    client: Arc<Client>,
}

impl Owner {
    fn new(adit: &Adit) -> Owner {
        let [receives, changes] = [0, 1].map(|branch| format!("wpkh({KEY}/84'/1'/0'/{branch}/*)"));
        let wallet = Wallet::create(receives, changes).network(Network::Regtest);
        let wallet = wallet.create_wallet_no_persist().unwrap();
        let client = Arc::new(coins::client(adit));
        let none = std::iter::empty::<Arc<Transaction>>();
        let emitter = Emitter::new(Arc::clone(&client), wallet.latest_checkpoint(), 0, none);
        Owner { wallet, emitter, client }
    }

    /// Takes whatever is new, and ends where the node stands.
    fn sync(&mut self) -> Balance {
        while let Some(block) = self.emitter.next_block().unwrap() {
            let (height, below) = (block.block_height(), block.connected_to());
            self.wallet.apply_block_connected_to(&block.block, height, below).unwrap();
        }
        let event = self.emitter.mempool().unwrap();
        self.wallet.apply_evicted_txs(event.evicted);
        self.wallet.apply_unconfirmed_txs(event.update);
        assert_eq!(self.wallet.latest_checkpoint().hash(), self.client.get_best_block_hash().unwrap());
        self.wallet.balance()
    }

    fn mine(&self, blocks: u64) -> BlockHash {
        *self.client.generate_to_address(blocks, &coins::elsewhere()).unwrap().last().unwrap()
    }

    /// A block in which nothing of what waits is.
    fn mine_empty(&self) {
        let _: serde_json::Value =
            self.client.call("generateblock", &[json!(coins::address().to_string()), json!([])]).unwrap();
    }

    fn pay(&mut self, amount: Amount) -> Transaction {
        let mut order = self.wallet.build_tx();
        order.add_recipient(coins::elsewhere().script_pubkey(), amount);
        order.fee_rate(FeeRate::from_sat_per_vb(5).unwrap());
        let mut psbt = order.finish().unwrap();
        psbt.sign(&KEY.parse::<Xpriv>().unwrap(), self.wallet.secp_ctx()).unwrap();
        assert!(self.wallet.finalize_psbt(&mut psbt, SignOptions::default()).unwrap());
        psbt.extract_tx().unwrap()
    }
}

fn balance(immature: Amount, pending: Amount, confirmed: Amount) -> Balance {
    Balance { immature, trusted_pending: pending, untrusted_pending: Amount::ZERO, confirmed }
}

#[test]
fn a_wallet_syncs_receives_spends_and_follows_reorganisations() {
    const NOTHING: Amount = Amount::ZERO;
    let adit = Adit::start(&[]);
    let mut owner = Owner::new(&adit);
    owner.mine(5);
    assert_eq!(owner.sync(), balance(NOTHING, NOTHING, NOTHING));

    let address = owner.wallet.reveal_next_address(KeychainKind::External).address;
    let funding = owner.client.generate_to_address(1, &address).unwrap()[0];
    assert_eq!(owner.sync(), balance(REWARD, NOTHING, NOTHING));
    owner.mine(100);
    assert_eq!(owner.sync(), balance(NOTHING, NOTHING, REWARD));

    let paid = Amount::from_int_btc(10);
    let tx = owner.pay(paid);
    let left = REWARD - paid - owner.wallet.calculate_fee(&tx).unwrap();
    let txid = owner.client.send_raw_transaction(&tx).unwrap();
    assert_eq!(owner.sync(), balance(NOTHING, left, NOTHING));
    let spending = owner.mine(1);
    assert_eq!(owner.sync(), balance(NOTHING, NOTHING, left));

    // The block with the payment leaves the chain; two without it take its place, and it waits again.
    owner.client.invalidate_block(&spending).unwrap();
    assert_eq!(owner.client.get_raw_mempool().unwrap(), [txid]);
    owner.mine_empty();
    owner.mine_empty();
    assert_eq!(owner.sync(), balance(NOTHING, left, NOTHING));
    owner.mine(1);
    assert_eq!(owner.sync(), balance(NOTHING, NOTHING, left));

    // The block that paid the wallet goes too, and all that followed from it.
    owner.client.invalidate_block(&funding).unwrap();
    assert_eq!(owner.client.get_block_count().unwrap(), 5);
    owner.mine(110);
    // What it once saw confirmed of its own the wallet holds for waiting still, until it is told otherwise.
    let after = owner.sync();
    assert_eq!((after.immature, after.confirmed), (NOTHING, NOTHING));
    assert_eq!(owner.client.get_raw_mempool().unwrap(), []);
}
