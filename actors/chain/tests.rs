use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler, MailboxError};
use adit_chainstate::{ChainConfig, DumpError, SubmitError};
use adit_domain::consensus::Params;
use adit_domain::script::{ScriptError, ScriptFlags, ScriptVerifier, Spend};
use adit_domain::units::{Clock, Entropy, Height, UnixMillis};
use adit_domain::wire::ParsedBlock;
use adit_store::DataDir;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::script::Builder;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode,
    TxOut, Witness,
};
use tokio::sync::mpsc;

use super::*;
use crate::messages::chain::{SubmitBlock, SubmitHeaders, TipChanged};
use crate::messages::store::GetStoreStatus;
use crate::messages::utxo::{DumpUtxoSet, FlushCoins, GetCoins, GetUtxoStats};
use crate::net::MachineNet;
use crate::supervision::{ExitReason, Supervisor};
use crate::utxo::{UtxoActor, UtxoConfig};

const GENESIS_TIME: u32 = 1_296_688_602;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> UnixMillis {
        UnixMillis::from_seconds(u64::from(GENESIS_TIME) + 365 * 24 * 3600)
    }
}

impl Entropy for Fixed {
    fn next_u64(&self) -> u64 {
        7
    }
}

/// Takes every script.
struct Yes;

impl ScriptVerifier for Yes {
    fn verify_input(&self, _: &Spend<'_>, _: usize, _: ScriptFlags) -> Result<(), ScriptError> {
        Ok(())
    }
}

/// Sends on what it hears.
struct Ear(mpsc::UnboundedSender<TipChanged>);

impl Actor for Ear {
    type Context = Context<Self>;
}

impl Handler<TipChanged> for Ear {
    type Result = ();

    fn handle(&mut self, msg: TipChanged, _ctx: &mut Self::Context) {
        self.0.send(msg).unwrap();
    }
}

struct Node {
    shared: Shared,
    chain: Chain,
    utxo: Addr<UtxoActor>,
    store: crate::store::OpenStore,
    heard: mpsc::UnboundedReceiver<TipChanged>,
}

async fn node(base: &Path) -> Node {
    let clock: Arc<dyn Clock> = Arc::new(Fixed);
    let supervisor = Supervisor::new(Arc::clone(&clock));
    let shared = Shared { clock, entropy: Arc::new(Fixed), net: Arc::new(MachineNet), supervisor };
    let intensity = Intensity::default();
    let config = crate::store::StoreConfig {
        base: base.to_owned(),
        network: "regtest".to_owned(),
        page_bytes: 1 << 20,
        layout: adit_store::Layout::Own,
        intensity,
    };
    let store = crate::store::start(&shared, config).unwrap();
    let deps = ChainDeps { store: Arc::clone(&store.store), verifier: Arc::new(Yes) };
    let setup = ChainSetup { chain: ChainConfig::new(Arc::new(Params::regtest())), intensity };
    let chain = start(&shared, deps, setup).unwrap();
    let (utxo, _) =
        crate::utxo::start(&shared, chain.link.clone(), chain.reader.clone(), UtxoConfig::default());
    let (tx, heard) = mpsc::unbounded_channel();
    chain.listeners.add("ear", Ear(tx).start().recipient());
    chain.listeners.add("utxo", utxo.clone().recipient());
    Node { shared, chain, utxo, store, heard }
}

/// A block on `prev` at `height` that pays to anyone.
fn block(prev: BlockHash, height: u32) -> Arc<ParsedBlock> {
    block_paying(prev, height, 50_0000_0000)
}

fn block_paying(prev: BlockHash, height: u32, reward_sat: u64) -> Arc<ParsedBlock> {
    let script_sig = Builder::new().push_int(i64::from(height)).push_int(7).into_script();
    let input = TxIn {
        previous_output: OutPoint::null(),
        script_sig,
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let value = Amount::from_sat(reward_sat);
    let coinbase = Transaction {
        version: bitcoin::transaction::Version::ONE,
        lock_time: bitcoin::absolute::LockTime::ZERO,
        input: vec![input],
        output: vec![TxOut { value, script_pubkey: ScriptBuf::from_bytes(vec![0x51]) }],
    };
    let header = Header {
        version: Version::from_consensus(0x2000_0000),
        prev_blockhash: prev,
        merkle_root: TxMerkleNode::all_zeros(),
        time: GENESIS_TIME + height * 600,
        bits: CompactTarget::from_consensus(0x207f_ffff),
        nonce: 0,
    };
    let mut block = Block { header, txdata: vec![coinbase] };
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    while block.header.validate_pow(block.header.target()).is_err() {
        block.header.nonce += 1;
    }
    Arc::new(ParsedBlock::new(block))
}

fn blocks(count: u32) -> Vec<Arc<ParsedBlock>> {
    let mut prev = Params::regtest().genesis_hash;
    let mut blocks = Vec::new();
    for height in 1..=count {
        let block = block(prev, height);
        prev = block.hash();
        blocks.push(block);
    }
    blocks
}

async fn submit(
    node: &Node,
    block: &Arc<ParsedBlock>,
) -> Result<adit_chainstate::BlockAccepted, SubmitError> {
    node.chain.addr.send(SubmitBlock { block: Arc::clone(block) }).await.unwrap()
}

#[actix::test]
async fn blocks_connect_and_listeners_hear_of_each_tip() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = node(dir.path()).await;
    let blocks = blocks(3);
    let headers = blocks.iter().map(|b| *b.header()).collect();
    let taken = node.chain.addr.send(SubmitHeaders { headers }).await.unwrap().unwrap();
    assert_eq!((taken.new, taken.blocks_wanted), (3, true));
    // In the wrong order: the first one connects all three.
    assert!(submit(&node, &blocks[2]).await.unwrap().connected.is_empty());
    assert!(submit(&node, &blocks[1]).await.unwrap().connected.is_empty());
    assert_eq!(submit(&node, &blocks[0]).await.unwrap().connected, blocks);
    let heard = node.heard.recv().await.unwrap();
    assert_eq!((heard.tip.hash, heard.connected), (blocks[2].hash(), blocks.clone()));
    assert_eq!(node.chain.reader.tip().hash, blocks[2].hash());
    assert!(submit(&node, &blocks[0]).await.unwrap().duplicate);
    assert!(node.heard.try_recv().is_err());
    let orphan = block(BlockHash::all_zeros(), 9);
    assert!(matches!(submit(&node, &orphan).await, Err(SubmitError::Orphan { .. })));
}

#[actix::test]
async fn listeners_hear_of_what_connected_below_a_block_that_was_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = node(dir.path()).await;
    // More than the engine connects in one step: the rest is still to come when the refused block does.
    let blocks = blocks(40);
    let refused = block_paying(blocks[39].hash(), 41, 50_0000_0001);
    let headers = blocks.iter().map(|b| *b.header()).collect();
    node.chain.addr.send(SubmitHeaders { headers }).await.unwrap().unwrap();
    for block in &blocks[1..] {
        assert!(submit(&node, block).await.unwrap().connected.is_empty());
    }
    let first = node.chain.addr.send(SubmitBlock { block: Arc::clone(&blocks[0]) });
    let last = node.chain.addr.send(SubmitBlock { block: refused });
    // The two may have been taken at once.
    assert_eq!(first.await.unwrap().unwrap().connected.first(), Some(&blocks[0]));
    assert_eq!(last.await.unwrap().unwrap_err().to_string(), "bad-cb-amount");
    assert_eq!(node.chain.reader.tip().hash, blocks[39].hash());
    let mut connected = Vec::new();
    while connected.len() < blocks.len() {
        let heard = tokio::time::timeout(Duration::from_secs(60), node.heard.recv()).await;
        connected.extend(heard.expect("the listeners were not told").unwrap().connected);
    }
    assert_eq!(connected, blocks);
}

#[actix::test]
async fn a_panic_of_the_actor_costs_nothing_but_its_message() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = node(dir.path()).await;
    let blocks = blocks(20);
    for (round, block) in blocks.iter().enumerate() {
        submit(&node, block).await.unwrap();
        assert_eq!(node.heard.recv().await.unwrap().tip.hash, block.hash());
        if round % 5 == 0 {
            node.shared.supervisor.crash("chain").unwrap();
            node.shared.supervisor.crash("utxo").unwrap();
            node.shared.supervisor.crash("store").unwrap();
        }
    }
    assert_eq!(node.chain.reader.tip().hash, blocks[19].hash());
    // Behind the last panic in their mailboxes: once these are answered, it is counted.
    let stats = node.utxo.send(GetUtxoStats).await.unwrap().unwrap();
    node.store.addr.send(GetStoreStatus).await.unwrap().unwrap();
    let restarts = |name: &str| {
        let actors = node.shared.supervisor.actors();
        actors.iter().find(|a| a.name == name).unwrap().restarts
    };
    assert_eq!(["chain", "utxo", "store"].map(restarts), [4, 4, 4]);
    assert_eq!((stats.coins, stats.height), (20, Height::new(20)));
}

#[actix::test]
async fn a_panic_of_the_engine_is_the_actors() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = node(dir.path()).await;
    let blocks = blocks(2);
    submit(&node, &blocks[0]).await.unwrap();
    assert_eq!(node.heard.recv().await.unwrap().tip.hash, blocks[0].hash());
    let died = node.chain.addr.send(crate::messages::chain::EngineDied).await;
    assert!(matches!(died, Err(MailboxError::Closed)));
    submit(&node, &blocks[1]).await.unwrap();
    assert_eq!(node.heard.recv().await.unwrap().tip.hash, blocks[1].hash());
}

#[actix::test]
async fn coins_are_flushed_counted_and_found() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path()).await;
    let blocks = blocks(5);
    for block in &blocks {
        submit(&node, block).await.unwrap();
    }
    let before = node.store.addr.send(GetStoreStatus).await.unwrap().unwrap();
    assert_eq!((before.flushed, before.flushes, before.tiers), (None, 0, 0));
    node.utxo.send(FlushCoins).await.unwrap().unwrap();
    let after = node.store.addr.send(GetStoreStatus).await.unwrap().unwrap();
    assert_eq!((after.flushed, after.flushes), (Some((blocks[4].hash(), Height::new(5))), 1));
    assert!(after.free_bytes > 0);
    let coin = OutPoint { txid: blocks[0].txs()[0].txid(), vout: 0 };
    let found = node.utxo.send(GetCoins { outpoints: vec![coin, OutPoint::null()] }).await.unwrap().unwrap();
    assert_eq!(found.tip.hash, blocks[4].hash());
    assert_eq!(found.coins.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
    let many = vec![coin; GetCoins::OUTPOINTS_MAX + 1];
    assert!(node.utxo.send(GetCoins { outpoints: many }).await.unwrap().is_err());
}

/// The walk over the coins stands still before its first byte: nobody reads the pipe that it writes to.
#[actix::test]
async fn blocks_connect_and_coins_are_flushed_while_all_coins_are_walked_over() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path()).await;
    let blocks = blocks(6);
    submit(&node, &blocks[0]).await.unwrap();
    let path = dir.path().join("coins.dat");
    let pipe = dir.path().join("coins.dat.incomplete");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let dumping = actix::spawn(node.utxo.send(DumpUtxoSet { path, at: None }));
    for block in &blocks[1..] {
        submit(&node, block).await.unwrap();
        node.utxo.send(FlushCoins).await.unwrap().unwrap();
    }
    let stats = node.utxo.send(GetUtxoStats).await.unwrap().unwrap();
    assert_eq!((stats.height, stats.coins), (Height::new(6), 6));
    assert!(!dumping.is_finished());
    let read = tokio::task::spawn_blocking(move || std::fs::read(pipe)).await.unwrap().unwrap();
    assert!(read.starts_with(b"utxo\xff"));
    // A pipe has no beginning to go back to.
    assert!(matches!(dumping.await.unwrap().unwrap(), Err(DumpError::Write { .. })));
}

#[actix::test]
async fn an_orderly_end_leaves_everything_durable() {
    let dir = tempfile::tempdir().unwrap();
    let blocks = blocks(5);
    {
        let node = node(dir.path()).await;
        for block in &blocks {
            submit(&node, block).await.unwrap();
        }
        assert_eq!(node.shared.supervisor.stop_all().await, None);
        let state = node.store.store.db().state().unwrap().unwrap();
        assert_eq!(state.tip, blocks[4].hash());
        assert!(matches!(submit_closed(&node, &blocks[0]).await, Err(MailboxError::Closed)));
    }
}

async fn submit_closed(node: &Node, block: &Arc<ParsedBlock>) -> Result<(), MailboxError> {
    node.chain.addr.send(SubmitBlock { block: Arc::clone(block) }).await.map(|_| ())
}

#[actix::test]
async fn a_disk_that_fails_ends_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path()).await;
    // A folder where the undo file should be: it cannot be opened.
    let undo = dir.path().join("regtest/blocks/rev00000.dat");
    std::fs::remove_file(&undo).unwrap();
    std::fs::create_dir(&undo).unwrap();
    node.shared.supervisor.restart("chain").unwrap();
    let answer = submit(&node, &blocks(1)[0]).await;
    assert!(matches!(answer, Err(SubmitError::Fault(_))), "{answer:?}");
    let reason = tokio::time::timeout(Duration::from_secs(60), node.shared.supervisor.exit_reason()).await;
    assert!(matches!(reason, Ok(ExitReason::Fault { child, .. }) if child == "chain"));
}

#[actix::test]
async fn a_datadir_in_use_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    let _lock = DataDir::open(dir.path(), "regtest").unwrap();
    let clock: Arc<dyn Clock> = Arc::new(Fixed);
    let supervisor = Supervisor::new(Arc::clone(&clock));
    let shared = Shared { clock, entropy: Arc::new(Fixed), net: Arc::new(MachineNet), supervisor };
    let config = crate::store::StoreConfig {
        base: dir.path().to_owned(),
        network: "regtest".to_owned(),
        page_bytes: 1 << 20,
        layout: adit_store::Layout::Own,
        intensity: Intensity::default(),
    };
    let refused = crate::store::start(&shared, config).err().unwrap();
    assert!(refused.to_string().contains("in use by another process"));
}
