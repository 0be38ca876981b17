//! Bitcoin Core and we, side by side: blocks that break one rule each, refused in the same words. It runs where `BITCOIND`
//! names a Bitcoin Core (with its `bitcoin-cli` beside it), and says so where it does not.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::hashes::Hash;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxMerkleNode,
    Witness,
};

use super::fixtures::{Chain, Coins, block, coinbase, committed, mined, outpoint, parsed, solved, spend};
use super::{BlockContext, Coin, HeaderView, Params, check_block, connect_block, contextual_check_block};
use crate::chain::HeaderTree;
use crate::units::{Height, UnixMillis};
use crate::wire::ParsedBlock;

const NOW_S: u64 = 1_500_000_000;

/// A Bitcoin Core of its own on regtest, ended when this is dropped.
struct Core {
    cli: PathBuf,
    folder: PathBuf,
    port: u16,
    child: Child,
}

/// How often another is started where somebody else took the port of one in between.
const STARTS_MAX: usize = 5;
/// Looks at whether one answers, a tenth of a second between two: two minutes.
const LOOKS_MAX: usize = 1_200;

impl Core {
    fn start() -> Option<Core> {
        let bitcoind = PathBuf::from(std::env::var_os("BITCOIND")?);
        Some((0..STARTS_MAX).find_map(|_| Core::run(&bitcoind)).expect("bitcoind starts"))
    }

    /// None where it ends before it answers.
    fn run(bitcoind: &Path) -> Option<Core> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = std::env::temp_dir().join(format!("adit-core-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let child = Command::new(bitcoind)
            .arg(format!("-datadir={}", folder.display()))
            .arg(format!("-rpcport={port}"))
            .arg(format!("-mocktime={NOW_S}"))
            .args(["-regtest", "-server", "-listen=0", "-connect=0", "-checkblockindex=0"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut core = Core { cli: bitcoind.with_file_name("bitcoin-cli"), folder, port, child };
        for _ in 0..LOOKS_MAX {
            if core.try_call("getblockcount", "").is_some() {
                return Some(core);
            }
            if core.child.try_wait().unwrap().is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("bitcoind does not answer");
    }

    /// What it answers to a call whose argument comes from its standard input; none where it does not.
    fn try_call(&self, method: &str, argument: &str) -> Option<String> {
        let mut child = Command::new(&self.cli)
            .arg(format!("-datadir={}", self.folder.display()))
            .arg(format!("-rpcport={}", self.port))
            .args(["-regtest", "-stdin", method])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // One that has ended already does not read it.
        let _ = child.stdin.take().unwrap().write_all(argument.as_bytes());
        let output = child.wait_with_output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    fn call(&self, method: &str, argument: &str) -> String {
        self.try_call(method, argument).unwrap_or_else(|| panic!("bitcoind does not answer {method}"))
    }

    fn submit(&self, block: &Block) -> String {
        self.call("submitblock", &serialize_hex(block))
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if self.try_call("stop", "").is_none() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Us: a chain of which each block's coinbase can be spent by anyone.
struct Ours {
    tree: HeaderTree,
    chain: Chain,
    coins: Coins,
}

impl Ours {
    /// The first refusal in Core's order, or nothing.
    fn verdict(&self, block: &ParsedBlock) -> String {
        let params = Params::regtest();
        let mut tree = self.tree.clone();
        let now = UnixMillis::from_seconds(NOW_S);
        let context = BlockContext { params: &params, parent: &self.chain };
        let refusals = [
            check_block(block, &params).err().map(|error| error.to_string()),
            tree.insert(*block.header(), now).err().map(|error| error.to_string()),
            contextual_check_block(block, &context).err().map(|error| error.to_string()),
            connect_block(block, &context, &self.coins).err().map(|error| error.to_string()),
        ];
        refusals.into_iter().flatten().next().unwrap_or_default()
    }

    fn take(&mut self, block: &ParsedBlock) {
        let id = self.tree.insert(*block.header(), UnixMillis::from_seconds(NOW_S)).unwrap();
        self.tree.body_stored(id);
        self.tree.set_tip(id);
        self.chain.0.push(*block.header());
        let tx = &block.txs()[0];
        let coin =
            Coin { output: tx.tx().output[0].clone(), height: self.chain.tip_height(), is_coinbase: true };
        self.coins.coins.insert(OutPoint { txid: tx.txid(), vout: 0 }, coin);
    }

    /// The coinbase of the block at a height, worth 50 bitcoin.
    fn coin_of(&self, height: u32) -> OutPoint {
        let made_there = |(_, coin): &(&OutPoint, &Coin)| coin.height == Height::new(height);
        *self.coins.coins.iter().find(made_there).unwrap().0
    }

    fn block(&self, txs: Vec<Transaction>) -> Block {
        block(&self.chain, txs)
    }
}

fn both() -> Option<(Core, Ours)> {
    let Some(core) = Core::start() else {
        println!("0 cases: BITCOIND is not set");
        return None;
    };
    let params = Params::regtest();
    let chain = Chain(vec![params.genesis.header]);
    let mut ours = Ours { tree: HeaderTree::new(Arc::new(params)), chain, coins: Coins::default() };
    for _ in 0..110 {
        let next = ours.block(vec![]);
        assert_eq!(core.submit(&next), "");
        ours.take(&parsed(next));
    }
    Some((core, ours))
}

const COIN: u64 = 100_000_000;

/// Blocks that break one rule in their header or as a whole.
fn whole_blocks(ours: &Ours) -> Vec<(&'static str, Block)> {
    let header = |change: &dyn Fn(&mut Header)| {
        let mut block = ours.block(vec![]);
        change(&mut block.header);
        mined(block)
    };
    let changed = |change: &dyn Fn(&mut Block)| {
        let mut block = ours.block(vec![spend(&[ours.coin_of(1)], &[1])]);
        change(&mut block);
        solved(block)
    };
    let mut unsolved = ours.block(vec![]);
    while bitcoin::Target::from_compact(unsolved.header.bits).is_met_by(unsolved.block_hash()) {
        unsolved.header.nonce += 1;
    }
    let script = |bytes: &[u8]| ScriptBuf::from_bytes(bytes.to_vec());
    vec![
        ("high-hash", unsolved),
        ("bad-diffbits", header(&|h| h.bits = CompactTarget::from_consensus(0x207f_fffe))),
        ("time-too-old", header(&|h| h.time -= 6 * 600)),
        ("time-too-new", header(&|h| h.time = 4_000_000_000)),
        ("bad-version(0x00000003)", header(&|h| h.version = Version::from_consensus(3))),
        ("bad-version(0xffffffff)", header(&|h| h.version = Version::from_consensus(-1))),
        ("prev-blk-not-found", header(&|h| h.prev_blockhash = BlockHash::from_byte_array([1; 32]))),
        ("bad-txnmrklroot", header(&|h| h.merkle_root = TxMerkleNode::all_zeros())),
        ("bad-txns-duplicate", changed(&|b| b.txdata.extend([b.txdata[1].clone(), b.txdata[1].clone()]))),
        ("bad-cb-multiple", changed(&|b| b.txdata.push(coinbase(Height::new(1), 1)))),
        ("bad-blk-length", changed(&|b| b.txdata[1].input[0].script_sig = script(&[0; 1_000_000]))),
        ("bad-blk-sigops", changed(&|b| b.txdata[1].output[0].script_pubkey = script(&[0xac; 20_001]))),
        ("bad-cb-height", changed(&|b| b.txdata[0].input[0].script_sig = script(&[1, 110]))),
        ("bad-cb-length", changed(&|b| b.txdata[0].input[0].script_sig = script(&[1]))),
        ("bad-cb-amount", changed(&|b| b.txdata[0].output[0].value = Amount::from_sat(101 * COIN))),
    ]
}

/// Blocks of which the witnesses or the commitment to them are wrong.
fn witness_blocks(ours: &Ours) -> Vec<(&'static str, Block)> {
    let base = || {
        let mut tx = spend(&[ours.coin_of(1)], &[1]);
        tx.input[0].witness = Witness::from_slice(&[[7u8; 9]]);
        ours.block(vec![tx])
    };
    let changed = |change: &dyn Fn(&mut Block)| {
        let mut block = committed(base());
        change(&mut block);
        block
    };
    let item = |item: &[u8]| Witness::from_slice(&[item]);
    let heavy = {
        let mut block = base();
        block.txdata[1].input[0].witness = Witness::from_slice(&vec![vec![0u8; 400_000]; 10]);
        committed(block)
    };
    vec![
        ("unexpected-witness", base()),
        ("bad-witness-nonce-size", changed(&|b| b.txdata[0].input[0].witness = item(&[0; 31]))),
        ("bad-witness-merkle-match", changed(&|b| b.txdata[0].input[0].witness = item(&[1; 32]))),
        ("bad-witness-merkle-match", changed(&|b| b.txdata[1].input[0].witness = item(&[1; 9]))),
        ("bad-blk-weight", heavy),
    ]
}

/// Blocks of which one transaction is wrong.
fn transaction_blocks(ours: &Ours) -> Vec<(&'static str, Block)> {
    let (old, young) = (ours.coin_of(1), ours.coin_of(12));
    let with = |tx: Transaction| ours.block(vec![tx]);
    let locked = |lock_time: u32, sequence: u32| {
        let mut tx = spend(&[old], &[1]);
        tx.lock_time = LockTime::from_consensus(lock_time);
        tx.input[0].sequence = Sequence(sequence);
        ours.block(vec![tx])
    };
    let versioned = |version: i32, sequence: u32| {
        let mut block = locked(0, sequence);
        block.txdata[1].version = bitcoin::transaction::Version(version);
        solved(block)
    };
    let parent = spend(&[old], &[COIN]);
    let child = spend(&[OutPoint { txid: parent.compute_txid(), vout: 0 }], &[1]);
    let mut data = parent.clone();
    data.output[0].script_pubkey = ScriptBuf::from_bytes(vec![0x6a]);
    let of_data = spend(&[OutPoint { txid: data.compute_txid(), vout: 0 }], &[1]);
    vec![
        ("bad-txns-vout-empty", with(spend(&[old], &[]))),
        ("bad-txns-vout-negative", with(spend(&[old], &[u64::MAX]))),
        ("bad-txns-vout-toolarge", with(spend(&[old], &[21_000_001 * COIN]))),
        ("bad-txns-txouttotal-toolarge", with(spend(&[old], &[21_000_000 * COIN, 1]))),
        ("bad-txns-inputs-duplicate", with(spend(&[old, old], &[1]))),
        ("bad-txns-prevout-null", with(spend(&[old, OutPoint::null()], &[1]))),
        ("bad-txns-inputs-missingorspent", with(spend(&[outpoint(9)], &[1]))),
        ("bad-txns-inputs-missingorspent", ours.block(vec![child.clone(), parent.clone()])),
        ("bad-txns-inputs-missingorspent", ours.block(vec![parent.clone(), spend(&[old], &[1])])),
        ("bad-txns-inputs-missingorspent", ours.block(vec![data, of_data])),
        ("bad-txns-premature-spend-of-coinbase", with(spend(&[young], &[1]))),
        ("bad-txns-in-belowout", with(spend(&[old], &[50 * COIN + 1]))),
        ("bad-txns-nonfinal", locked(111, 0)),
        ("bad-txns-nonfinal", locked(NOW_S as u32, 0)),
        ("bad-txns-nonfinal", versioned(2, 111)),
        ("bad-txns-nonfinal", versioned(-1, 111)),
        ("bad-txns-nonfinal", versioned(2, (1 << 22) | 0xffff)),
    ]
}

#[test]
fn core_refuses_in_the_same_words() {
    let Some((core, mut ours)) = both() else { return };
    let cases = [whole_blocks(&ours), witness_blocks(&ours), transaction_blocks(&ours)].concat();
    for (expected, block) in &cases {
        assert_eq!(ours.verdict(&parsed(block.clone())), *expected);
        assert_eq!(core.submit(block), *expected);
    }
    // And what breaks none is taken by both: all old coins, a child after its parent, lock times just reached.
    let parent = spend(&[ours.coin_of(1)], &[COIN]);
    let child = spend(&[OutPoint { txid: parent.compute_txid(), vout: 0 }], &[1]);
    let mut locked = spend(&[ours.coin_of(2)], &[1]);
    locked.lock_time = LockTime::from_consensus(110);
    locked.input[0].sequence = Sequence(109);
    let mut old_version = spend(&[ours.coin_of(3)], &[1]);
    old_version.version = bitcoin::transaction::Version(1);
    old_version.input[0].sequence = Sequence(0xffff);
    let mut good = ours.block(vec![parent, child, locked, old_version]);
    good.txdata[0].output[0].value += Amount::from_sat(150 * COIN - 3);
    let good = committed(good);
    assert_eq!((ours.verdict(&parsed(good.clone())), core.submit(&good)), (String::new(), String::new()));
    ours.take(&parsed(good));
    assert_eq!(core.call("getbestblockhash", ""), ours.chain.last().block_hash().to_string());
    println!("{} cases", cases.len() + 1);
}
