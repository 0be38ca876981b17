//! A wallet of the Bitcoin Dev Kit that follows the chain through `bdk_bitcoind_rpc`.

use std::sync::Arc;

use adit_clients::{Adit, until};
use bdk_bitcoind_rpc::Emitter;
use bdk_bitcoind_rpc::bip158::FilterIter;
use bdk_wallet::{Balance, KeychainKind, SignOptions, Update, Wallet};
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

/// A wallet that knows its key and nothing else.
fn wallet() -> Wallet {
    let [receives, changes] = [0, 1].map(|branch| format!("wpkh({KEY}/84'/1'/0'/{branch}/*)"));
    let wallet = Wallet::create(receives, changes).network(Network::Regtest);
    wallet.create_wallet_no_persist().unwrap()
}

impl Owner {
    fn new(adit: &Adit) -> Owner {
        let wallet = wallet();
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

/// The blocks whose filters say that they concern the wallet, and the chain up to the tip.
fn restore(wallet: &mut Wallet, client: &Client) -> Vec<u32> {
    const ADDRESSES: u32 = 10;
    let scripts = [KeychainKind::External, KeychainKind::Internal]
        .into_iter()
        .flat_map(|keychain| (0..ADDRESSES).map(move |index| (keychain, index)));
    let scripts: Vec<_> =
        scripts.map(|(keychain, index)| wallet.peek_address(keychain, index).script_pubkey()).collect();
    let mut found = Vec::new();
    for event in FilterIter::new(client, wallet.latest_checkpoint(), scripts) {
        let event = event.unwrap();
        let height = event.height();
        wallet.apply_update(Update { chain: Some(event.cp), ..Update::default() }).unwrap();
        if let Some(block) = event.block {
            wallet.apply_block(&block, height).unwrap();
            found.push(height);
        }
    }
    assert_eq!(wallet.latest_checkpoint().hash(), client.get_best_block_hash().unwrap());
    found
}

#[test]
fn a_wallet_is_restored_by_filters_and_follows_a_reorganisation() {
    let adit = Adit::start(&["-blockfilterindex"]);
    let mut owner = Owner::new(&adit);
    owner.mine(3);
    let address = owner.wallet.reveal_next_address(KeychainKind::External).address;
    owner.client.generate_to_address(1, &address).unwrap();
    owner.mine(100);
    owner.sync();
    let tx = owner.pay(Amount::from_int_btc(7));
    owner.client.send_raw_transaction(&tx).unwrap();
    let spending = owner.mine(1);
    owner.mine(2);
    let known = owner.sync();
    // Filters follow the chain: until they have come there the client waits.
    let indexed = || {
        let info = owner.client.get_index_info().unwrap().basic_block_filter_index.unwrap();
        (info.best_block_height == owner.client.get_block_count().unwrap() as u32).then_some(())
    };
    until("filters", indexed);
    let mut restored = wallet();
    let found = restore(&mut restored, &owner.client);
    // A filter may say yes for nothing, and never no for something.
    assert!(found.contains(&4) && found.contains(&105) && found.len() < 20, "{found:?}");
    assert_eq!(restored.balance(), known);

    owner.client.invalidate_block(&spending).unwrap();
    (0..5).for_each(|_| owner.mine_empty());
    until("filters", indexed);
    restore(&mut restored, &owner.client);
    assert_eq!((restored.balance().total(), restored.balance().confirmed), (known.total(), Amount::ZERO));
    owner.mine(1);
    until("filters", indexed);
    restore(&mut restored, &owner.client);
    assert_eq!(restored.balance(), known);
}
