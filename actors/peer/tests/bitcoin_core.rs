//! Beside a real Bitcoin Core, where `BITCOIND` names its binary and `bitcoin-cli` lies beside it.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;

use adit_domain::peer::TxRef;
use adit_domain::units::Height;
use adit_domain::wire::ParsedTx;
use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode;
use bitcoin::transaction::Version as TxVersion;
use bitcoin::{Address, Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};

use super::*;

/// A running bitcoind on regtest, stopped when it is dropped.
struct Core {
    cli: PathBuf,
    dir: TempDir,
    rpc_port: u16,
    p2p_port: u16,
    process: Child,
}

impl Core {
    /// None where no binary is named.
    fn start(connect: Option<&str>) -> Option<Core> {
        let Some(binary) = std::env::var_os("BITCOIND").map(PathBuf::from) else {
            eprintln!("BITCOIND names no binary: Bitcoin Core was not asked");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let (rpc_port, p2p_port) = (free_port(), free_port());
        let mut command = Command::new(&binary);
        command
            .arg(format!("-datadir={}", dir.path().display()))
            .args([
                "-regtest",
                "-server",
                "-fallbackfee=0.0001",
                "-dnsseed=0",
                "-fixedseeds=0",
                "-listenonion=0",
            ])
            .args([format!("-rpcport={rpc_port}"), format!("-bind=127.0.0.1:{p2p_port}")])
            .stdout(Stdio::null());
        if let Some(target) = connect {
            command.arg(format!("-connect={target}"));
        }
        let process = command.spawn().unwrap();
        let core = Core { cli: binary.with_file_name("bitcoin-cli"), dir, rpc_port, p2p_port, process };
        // Where somebody else took its port in between, it ends, and nobody waits for ever.
        core.ask(&["-rpcwait", "-rpcwaittimeout=120", "getblockcount"]);
        Some(core)
    }

    fn listens(&self) -> String {
        format!("127.0.0.1:{}", self.p2p_port)
    }

    fn ask(&self, args: &[&str]) -> String {
        let output = Command::new(&self.cli)
            .args([format!("-datadir={}", self.dir.path().display()), format!("-rpcport={}", self.rpc_port)])
            .arg("-regtest")
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn tip(&self) -> BlockHash {
        BlockHash::from_str(&self.ask(&["getbestblockhash"])).unwrap()
    }

    /// Mines to whoever takes it; gives the new tip.
    fn generate(&self, count: u32) -> BlockHash {
        self.generate_to(count, &anyones(0x51))
    }

    fn generate_to(&self, count: u32, address: &Address) -> BlockHash {
        self.ask(&["generatetoaddress", &count.to_string(), &address.to_string()]);
        self.tip()
    }

    /// Hands it a transaction.
    fn takes_tx(&self, tx: &Transaction) {
        self.ask(&["sendrawtransaction", &encode::serialize_hex(tx)]);
    }

    async fn holds_tx(&self, tx: &Transaction) {
        while !self.ask(&["getrawmempool"]).contains(&tx.compute_txid().to_string()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn reaches(&self, tip: BlockHash) {
        while self.tip() != tip {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address of a script of one opcode that anyone may satisfy: it needs no wallet.
fn anyones(op: u8) -> Address {
    Address::p2wsh(&ScriptBuf::from_bytes(vec![op]), Network::Regtest)
}

/// Spends the coinbase of the block at `height`, as the node knows it, once more to anyone.
fn spends(node: &TestNode, height: u32) -> Transaction {
    let hash = node.chain.reader.hash_at(Height::new(height)).unwrap();
    let block = node.chain.reader.block(&hash).unwrap().unwrap();
    let coinbase = &block.txs()[0];
    let input = TxIn {
        previous_output: OutPoint { txid: coinbase.txid(), vout: 0 },
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::from_slice(&[[0x51]]),
    };
    let value = coinbase.tx().output[0].value - Amount::from_sat(10_000);
    let output = TxOut { value, script_pubkey: anyones(0x51).script_pubkey() };
    Transaction {
        version: TxVersion::TWO,
        lock_time: LockTime::ZERO,
        input: vec![input],
        output: vec![output],
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[actix::test]
async fn core_is_followed_through_a_reorganisation_and_gets_what_is_found() {
    let Some(core) = Core::start(None) else { return };
    let tip = core.generate(500);
    let mut node = TestNode::start(&[core.listens()]);
    node.reaches(tip).await;
    assert_eq!(node.height(), 500);
    // Ten blocks are replaced by eleven.
    let cut = core.ask(&["getblockhash", "491"]);
    core.ask(&["invalidateblock", &cut]);
    // To another address: the same block again would be the invalid one.
    let tip = core.generate_to(11, &anyones(0x52));
    node.reaches(tip).await;
    assert_eq!(node.height(), 501);
    // A transaction that Core is handed arrives, and is in the snapshot for a block.
    let tx = spends(&node, 1);
    core.takes_tx(&tx);
    let txid = tx.compute_txid();
    let mut changes = node.mempool.reader.changes();
    changes.wait_for(|s| s.entries.iter().any(|e| e.tx.txid() == txid)).await.unwrap();
    assert!(node.mempool.reader.get(&TxRef::Txid(txid)).is_some());
    // A block with it empties the pool.
    let tip = core.generate(1);
    node.reaches(tip).await;
    changes.wait_for(|s| s.entries.is_empty()).await.unwrap();
    // A block that is found here, with the time that Core's has come to, is Core's tip.
    let parent = node.chain.reader.block(&tip).unwrap().unwrap();
    let found = mine(&parent, 5);
    node.peers.addr.send(RelayBlock { block: Arc::clone(&found) }).await.unwrap();
    core.reaches(found.hash()).await;
}

#[actix::test]
async fn core_synchronises_from_us_and_transactions_go_both_ways() {
    let Some(first) = Core::start(None) else { return };
    let tip = first.generate(200);
    let mut node = TestNode::start(&[first.listens()]);
    node.reaches(tip).await;
    let Some(fresh) = Core::start(Some(&node.listens())) else { return };
    fresh.reaches(tip).await;
    // What the first is handed reaches the other one by way of us alone, and what we are handed reaches both.
    let (handed, ours) = (spends(&node, 1), spends(&node, 2));
    first.takes_tx(&handed);
    fresh.holds_tx(&handed).await;
    let tx = Arc::new(ParsedTx::new(ours.clone()));
    let held = node.mempool.addr.send(SubmitTransaction { tx, from: None }).await.unwrap();
    assert_eq!(held, Ok(ours.compute_txid()));
    first.holds_tx(&ours).await;
    fresh.holds_tx(&ours).await;
    // So does a block; and the other one's block comes back.
    let tip = first.generate(1);
    fresh.reaches(tip).await;
    let tip = fresh.generate(1);
    first.reaches(tip).await;
    // A second one that has neither is given everything by us, after the disk has it.
    let Some(second) = Core::start(Some(&node.listens())) else { return };
    second.reaches(tip).await;
}
