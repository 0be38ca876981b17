//! Coins that anybody can spend, and what spends them.

use std::str::FromStr;
use std::time::Duration;

use adit_clients::Adit;
use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{Address, Amount, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};
use bitcoincore_rpc::jsonrpc::{self, minreq_http};
use bitcoincore_rpc::{Auth, Client, RpcApi};

/// `OP_TRUE` in version 0.
pub fn address() -> Address {
    Address::p2wsh(&inside(), Network::Regtest)
}

fn inside() -> ScriptBuf {
    ScriptBuf::from_bytes(vec![0x51])
}

/// An address whose key nobody here has.
pub fn elsewhere() -> Address {
    let address = Address::from_str("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080").unwrap();
    address.require_network(Network::Regtest).unwrap()
}

/// The client's own patience is 15 seconds, which a busy machine may need for a hundred blocks.
const PATIENCE: Duration = Duration::from_secs(600);

/// The client that tests steer with.
pub fn client(adit: &Adit) -> Client {
    let (user, password) = Auth::CookieFile(adit.cookie()).get_user_pass().unwrap();
    let builder = minreq_http::Builder::new().timeout(PATIENCE).url(&adit.url()).unwrap();
    let transport = builder.basic_auth(user.unwrap(), password).build();
    Client::from_jsonrpc(jsonrpc::Client::with_transport(transport))
}

/// Spends a coin of [`address`] of this amount to another address, with a fee of 10,000 satoshis.
pub fn spend(coin: OutPoint, value: Amount, to: &Address) -> Transaction {
    let witness = Witness::from_slice(&[inside().into_bytes()]);
    let input = TxIn {
        previous_output: coin,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness,
    };
    let output = TxOut { value: value - Amount::from_sat(10_000), script_pubkey: to.script_pubkey() };
    Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: vec![input], output: vec![output] }
}

/// Spends the reward of a block that is mature.
pub fn spend_reward(client: &Client, height: u64, to: &Address) -> Transaction {
    let block = client.get_block(&client.get_block_hash(height).unwrap()).unwrap();
    let coinbase = &block.txdata[0];
    spend(OutPoint::new(coinbase.compute_txid(), 0), coinbase.output[0].value, to)
}
