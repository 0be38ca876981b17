use std::sync::Mutex;

use actix::{Actor, Arbiter, Context, Handler};
use adit_chainstate::{BlockAccepted, ChainFault, SubmitError};
use adit_domain::chain::Tip;
use adit_domain::consensus::Params;
use bitcoin::{BlockHash, Network, Work};
use tokio::sync::mpsc;

use super::*;
use crate::clock::SystemClock;
use crate::supervision::{ChildSpec, Fault, Intensity, OnExceeded, Rebuild, Role, Strategy, Supervisor};

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

/// How often a block is handed over until the sink is content.
async fn tries(faults: u32, invalid: bool) -> Vec<bool> {
    let (answers, mut heard) = mpsc::unbounded_channel();
    let chain = Moody { faults, invalid, answers }.start();
    let block = Arc::new(ParsedBlock::new(Params::of(Network::Regtest).genesis.clone()));
    let events = EventBus::default();
    let mut listener = events.subscribe();
    let sink = NodeSink::new(chain.clone().recipient(), None, events, Arc::new(SystemClock));
    sink.submit(Arc::clone(&block));
    let told = listener.try_recv().unwrap().kind;
    assert!(matches!(told, EventKind::BlockFound { hash, .. } if hash == block.hash()));
    drop((sink, chain));
    let mut all = Vec::new();
    while let Some(answer) = heard.recv().await {
        all.push(answer);
    }
    all
}

#[actix::test]
async fn a_found_block_outlives_the_chains_panics() {
    assert_eq!(tries(0, false).await, [true]);
    assert_eq!(tries(2, false).await, [false, false, true]);
    assert_eq!(tries(9, false).await, [false, false, false]);
    assert_eq!(tries(0, true).await, [true]);
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
    let spec = ChildSpec {
        name: "chain".to_owned(),
        role: Role::Chain,
        strategy: Strategy::OneForOne,
        intensity: Intensity::default(),
        on_exceeded: OnExceeded::EndProcess,
        mailbox_max: 8,
        shutdown: Duration::from_secs(1),
    };
    let ((heard, mut connected), (relayed, mut at_peers)) =
        (mpsc::unbounded_channel(), mpsc::unbounded_channel());
    let panics = Arc::new(Mutex::new(3));
    let chain = supervisor.start(spec, &arbiter.handle(), move |_| Chain { panics, heard });
    let peers = Peers(relayed).start();
    let events = EventBus::default();
    let mut bus = events.subscribe();
    let sink = NodeSink::new(chain.recipient(), Some(peers.recipient()), events, Arc::new(SystemClock));
    let block = Arc::new(ParsedBlock::new(Params::of(Network::Regtest).genesis.clone()));
    sink.submit(Arc::clone(&block));
    assert_eq!(at_peers.recv().await, Some(block.hash()));
    assert_eq!(connected.recv().await, Some(block.hash()));
    let event = bus.recv().await.unwrap();
    assert!(matches!(event.kind, EventKind::BlockFound { hash, .. } if hash == block.hash()));
}
