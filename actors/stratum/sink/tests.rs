use std::sync::Mutex;

use actix::{Actor, Arbiter, Context, Handler};
use adit_chainstate::{BlockAccepted, ChainFault, SubmitError};
use adit_domain::chain::Tip;
use adit_domain::consensus::Params;
use bitcoin::{BlockHash, Network, Work};
use tokio::sync::mpsc;

use super::*;
use crate::clock::SystemClock;
use crate::supervision::{ChildSpec, Fault, Intensity, Rebuild, Role, Supervisor};

/// A chain that fails so many times before it takes a block; it says what it answered.
struct Moody {
    faults: u32,
    invalid: bool,
    answers: mpsc::UnboundedSender<bool>,
}

impl Actor for Moody {
    type Context = Context<Self>;
}

impl Handler<SubmitBlock> for Moody {
    type Result = Result<BlockAccepted, SubmitError>;

    fn handle(&mut self, msg: SubmitBlock, _ctx: &mut Self::Context) -> Self::Result {
        self.answers.send(self.faults == 0).unwrap();
        if self.invalid {
            let (hash, reject) = (msg.block.hash(), "bad-cb-amount".to_owned());
            return Err(SubmitError::Invalid { hash, height: None, reject });
        }
        if self.faults > 0 {
            self.faults -= 1;
            return Err(ChainFault::State("built again".to_owned()).into());
        }
        let (header, height) = (*msg.block.header(), Height::new(1));
        let (hash, chain_work) = (header.block_hash(), Work::from_be_bytes([0; 32]));
        let tip = Arc::new(Tip { hash, height, header, median_time_past: 0, chain_work });
        Ok(BlockAccepted { duplicate: false, tip, disconnected: Vec::new(), connected: Vec::new() })
    }
}

/// How often a block is handed over until the sink is content; then as many blocks wait on disk.
async fn tries(faults: u32, invalid: bool, waiting: usize) -> Vec<bool> {
    let dir = tempfile::tempdir().unwrap();
    let kept = FoundBlocks::open(dir.path()).unwrap();
    let (answers, mut heard) = mpsc::unbounded_channel();
    let chain = Moody { faults, invalid, answers }.start();
    let block = Arc::new(ParsedBlock::new(Params::of(Network::Regtest).genesis.clone()));
    let events = EventBus::default();
    let mut listener = events.subscribe();
    let sink = NodeSink::new(chain.clone().recipient(), None, kept.clone(), events, Arc::new(SystemClock));
    sink.submit(Arc::clone(&block));
    let told = listener.try_recv().unwrap().kind;
    assert!(matches!(told, EventKind::BlockFound { hash, .. } if hash == block.hash()));
    drop((sink, chain));
    let mut all = Vec::new();
    while let Some(answer) = heard.recv().await {
        all.push(answer);
    }
    // The chain is let go before the disk is.
    while kept.all().unwrap().len() != waiting {
        tokio::task::yield_now().await;
    }
    all
}

#[actix::test]
async fn a_found_block_outlives_the_chains_panics() {
    // Its pauses take no time.
    tokio::time::pause();
    assert_eq!(tries(0, false, 0).await, [true]);
    assert_eq!(tries(2, false, 0).await, [false, false, true]);
    assert_eq!(tries(20, false, 0).await.len(), 21);
    assert_eq!(tries(0, true, 0).await, [true]);
    // Without a verdict it waits for the next start.
    assert_eq!(tries(u32::MAX, false, 1).await.len(), CHAIN_TRIES_MAX as usize);
}

#[actix::test]
async fn a_block_that_an_earlier_process_found_is_handed_over() {
    let (answers, mut heard) = mpsc::unbounded_channel();
    let chain = Moody { faults: 0, invalid: false, answers }.start();
    let dir = tempfile::tempdir().unwrap();
    let kept = FoundBlocks::open(dir.path()).unwrap();
    kept.keep(&ParsedBlock::new(Params::of(Network::Regtest).genesis.clone())).unwrap();
    let events = EventBus::default();
    let sink = NodeSink::new(chain.recipient(), None, kept.clone(), events, Arc::new(SystemClock));
    sink.submit_kept().unwrap();
    assert_eq!(heard.recv().await, Some(true));
    while !kept.all().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[actix::test]
async fn a_block_whose_parent_is_still_missing_waits_for_it() {
    tokio::time::pause();
    let dir = tempfile::tempdir().unwrap();
    let kept = FoundBlocks::open(dir.path()).unwrap();
    let block = ParsedBlock::new(Params::of(Network::Regtest).genesis.clone());
    kept.keep(&block).unwrap();
    let (answers, mut heard) = mpsc::unbounded_channel();
    let chain = Syncing { orphaned: 3, answers }.start();
    let events = EventBus::default();
    let sink = NodeSink::new(chain.recipient(), None, kept.clone(), events, Arc::new(SystemClock));
    sink.submit_kept().unwrap();
    for is_orphan in [true, true, true, false] {
        assert_eq!(heard.recv().await, Some(is_orphan));
    }
    while !kept.all().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
}

/// Has not got the parent so many times.
struct Syncing {
    orphaned: u32,
    answers: mpsc::UnboundedSender<bool>,
}

impl Actor for Syncing {
    type Context = Context<Self>;
}

impl Handler<SubmitBlock> for Syncing {
    type Result = Result<BlockAccepted, SubmitError>;

    fn handle(&mut self, msg: SubmitBlock, _ctx: &mut Self::Context) -> Self::Result {
        self.answers.send(self.orphaned > 0).unwrap();
        if self.orphaned > 0 {
            self.orphaned -= 1;
            return Err(SubmitError::Orphan { prev: msg.block.header().prev_blockhash });
        }
        let (hash, reject) = (msg.block.hash(), "bad-cb-amount".to_owned());
        Err(SubmitError::Invalid { hash, height: None, reject })
    }
}

/// Panics over the first block.
struct Chain {
    panics: Arc<Mutex<u32>>,
    heard: mpsc::UnboundedSender<BlockHash>,
}
impl Actor for Chain {
    type Context = Context<Self>;
}
impl Rebuild for Chain {
    fn rebuild(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}
crate::supervised!(Chain);
impl Handler<SubmitBlock> for Chain {
    type Result = Result<BlockAccepted, SubmitError>;
    fn handle(&mut self, msg: SubmitBlock, _ctx: &mut Context<Self>) -> Self::Result {
        {
            let mut panics = self.panics.lock().unwrap();
            if *panics > 0 {
                *panics -= 1;
                drop(panics);
                panic!("poison");
            }
        }
        self.heard.send(msg.block.hash()).unwrap();
        Err(SubmitError::Fault(ChainFault::State("a test has no chain".to_owned())))
    }
}

struct Peers(mpsc::UnboundedSender<BlockHash>);
impl Actor for Peers {
    type Context = Context<Self>;
}
impl Handler<RelayBlock> for Peers {
    type Result = ();
    fn handle(&mut self, msg: RelayBlock, _ctx: &mut Context<Self>) {
        self.0.send(msg.block.hash()).unwrap();
    }
}

#[actix::test]
async fn a_found_block_reaches_the_chain_over_its_panics_and_the_peers_beside_it() {
    let (supervisor, arbiter) = (Supervisor::new(Arc::new(SystemClock)), Arbiter::new());
    let spec = ChildSpec::of_role(Role::Chain, 8, Duration::from_secs(1), Intensity::default());
    let ((heard, mut connected), (relayed, mut at_peers)) =
        (mpsc::unbounded_channel(), mpsc::unbounded_channel());
    let panics = Arc::new(Mutex::new(3));
    let chain = supervisor.start(spec, &arbiter.handle(), move |_| Chain { panics, heard });
    let peers = Peers(relayed).start();
    let events = EventBus::default();
    let mut bus = events.subscribe();
    let dir = tempfile::tempdir().unwrap();
    let kept = FoundBlocks::open(dir.path()).unwrap();
    let sink = NodeSink::new(chain.recipient(), Some(peers.recipient()), kept, events, Arc::new(SystemClock));
    let block = Arc::new(ParsedBlock::new(Params::of(Network::Regtest).genesis.clone()));
    sink.submit(Arc::clone(&block));
    assert_eq!(at_peers.recv().await, Some(block.hash()));
    assert_eq!(connected.recv().await, Some(block.hash()));
    let event = bus.recv().await.unwrap();
    assert!(matches!(event.kind, EventKind::BlockFound { hash, .. } if hash == block.hash()));
}
