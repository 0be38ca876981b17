use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use adit_chainstate::{
    BATCH_BLOCKS_MAX, BATCH_BYTES_MAX, Behind, BlockAccepted, ChainConfig, ChainFault, ChainReader,
    Chainstate, FlushEnd, LoadError, Mark, MarkError, PruneError, SubmitError,
};
use adit_domain::units::UnixMillis;
use adit_domain::wire::ParsedBlock;
use bitcoin::BlockHash;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use super::ChainDeps;
use super::actor::ChainActor;
use super::link::{Ask, Begun, BlockReply, MarkReply, fault};
use super::listeners::TipListeners;
use crate::house::{Seat, Shared};
use crate::messages::chain::{EngineDied, TipChanged};
use crate::supervision::{Role, Supervisor};

/// The engine on its thread.
struct EngineThread {
    chain: Chainstate,
    reader: ChainReader,
    deps: ChainDeps,
    config: ChainConfig,
    listeners: TipListeners,
    asks: mpsc::Receiver<Ask>,
    /// What was taken out of the queue behind blocks, and comes next.
    next: Option<Ask>,
    actor: Arc<Seat<ChainActor>>,
    supervisor: Supervisor,
    /// The tip that the listeners were told of last.
    told: BlockHash,
    /// Restarts of the actor that follow a panic of the engine, for which it is built again already.
    rebuilds_due: u32,
    /// Who marked a block, and hears of it when the chain has gone where that leads.
    marked: Vec<MarkReply>,
}

/// Opens the chain on a thread of its own; returns when it is open, with what to read it by.
pub(super) fn start(
    shared: &Shared,
    deps: ChainDeps,
    config: ChainConfig,
    listeners: TipListeners,
    asks: mpsc::Receiver<Ask>,
    actor: Arc<Seat<ChainActor>>,
) -> Result<ChainReader, ChainFault> {
    let (opened, wait) = std::sync::mpsc::channel();
    let supervisor = shared.supervisor.clone();
    let run = move || {
        let open = Chainstate::open(config.clone(), Arc::clone(&deps.store), Arc::clone(&deps.verifier));
        let chain = match open {
            Ok(chain) => chain,
            // Nobody may wait any more: then the process ends anyway.
            Err(fault) => return opened.send(Err(fault)).unwrap_or_default(),
        };
        let reader = chain.reader();
        let told = reader.tip().hash;
        end_with_faults(&chain, &supervisor);
        opened.send(Ok(reader.clone())).unwrap_or_default();
        let thread = EngineThread {
            chain,
            reader,
            deps,
            config,
            listeners,
            asks,
            next: None,
            actor,
            supervisor,
            told,
            rebuilds_due: 0,
            marked: Vec::new(),
        };
        thread.run();
    };
    let spawned = thread::Builder::new().name("adit-chain".to_owned()).spawn(run);
    spawned.map_err(|e| ChainFault::State(format!("no thread for the chain: {e}")))?;
    wait.recv().map_err(|_| ChainFault::State("opening the chain panicked".to_owned()))?
}

impl EngineThread {
    fn run(mut self) {
        loop {
            let turn = match catch_unwind(AssertUnwindSafe(|| self.turn())) {
                Ok(turn) => turn,
                Err(_) => self.recover(),
            };
            match turn {
                Ok(true) => {}
                Ok(false) => return,
                Err(met) => return self.supervisor.fault(Role::Chain.as_str(), fault(met)),
            }
        }
    }

    /// Answers one request, or does a little of what nobody waits for; says whether the thread goes on.
    fn turn(&mut self) -> Result<bool, ChainFault> {
        let ask = match self.next.take().map_or_else(|| self.asks.try_recv(), Ok) {
            Ok(ask) => Some(ask),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => {
                if self.work_unasked()? {
                    return Ok(true);
                }
                self.asks.blocking_recv()
            }
        };
        let goes_on = ask.map_or(Ok(false), |ask| self.answer(ask))?;
        if !self.chain.has_more() {
            self.answer_marked()?;
        }
        Ok(goes_on)
    }

    /// A bounded piece of work; says whether there was any.
    fn work_unasked(&mut self) -> Result<bool, ChainFault> {
        match self.chain.advance()? {
            Some(accepted) => {
                self.tell(&accepted);
                Ok(true)
            }
            None if self.marked.is_empty() => self.follow(),
            None => self.answer_marked().map(|()| true),
        }
    }

    /// Verifies blocks below a snapshot until somebody asks for something.
    fn follow(&mut self) -> Result<bool, ChainFault> {
        let asks = &self.asks;
        match self.chain.follow(&mut || asks.is_empty())? {
            Behind::Idle => self.chain.maintain(),
            Behind::More => Ok(true),
            Behind::Verified => {
                // Whoever waited for blocks in their order goes on.
                self.tell_of_jump();
                Ok(true)
            }
        }
    }

    /// The chain has come to where the marks lead: they are made durable with its tip, and those who made them hear of it.
    fn answer_marked(&mut self) -> Result<(), ChainFault> {
        if self.marked.is_empty() {
            return Ok(());
        }
        let flushed = self.chain.flush();
        let tip = self.reader.tip();
        for reply in self.marked.drain(..) {
            let _ = reply.send(flushed.clone().map(|()| Arc::clone(&tip)).map_err(MarkError::from));
        }
        flushed
    }

    /// Who asked may be gone when the answer comes: that is no matter of ours.
    fn answer(&mut self, ask: Ask) -> Result<bool, ChainFault> {
        match ask {
            Ask::Headers(headers, now, reply) => {
                let taken = self.chain.accept_headers(&headers, now);
                let met = fault_in(&taken);
                let _ = reply.send(taken);
                met?;
            }
            Ask::Block(block, now, reply) => self.take_blocks(block, now, reply)?,
            Ask::Mark(hash, mark, reply) => self.mark(&hash, mark, reply)?,
            Ask::Prune(up_to, reply) => {
                let pruned = self.chain.prune(up_to);
                let met = if let Err(PruneError::Fault(met)) = &pruned { Err(met.clone()) } else { Ok(()) };
                let _ = reply.send(pruned);
                met?;
            }
            Ask::FlushSoon(reply, begun) => {
                let asked = self.chain.ask_flush(|| reply.send(()).unwrap_or_default());
                answer_begun(asked, begun)?;
            }
            Ask::Stats(reply, begun) => {
                let asked = self.chain.ask_stats(|job| drop(reply.send(job)));
                answer_begun(asked, begun)?;
            }
            Ask::Nudge => drop(self.chain.maintain()?),
            Ask::BeginSnapshot(path, reply) => {
                let begun = self.chain.load_snapshot(&path);
                let met = load_fault(&begun);
                let _ = reply.send(begun);
                met?;
            }
            Ask::ActivateSnapshot(loaded, reply) => {
                let activated = self.chain.activate_snapshot(*loaded);
                let met = load_fault(&activated);
                if activated.is_ok() {
                    end_with_faults(&self.chain, &self.supervisor);
                    self.tell_of_jump();
                }
                let _ = reply.send(activated);
                met?;
            }
            Ask::Rebuild => self.rebuild_for_actor()?,
            Ask::Stop(reply) => {
                let _ = reply.send(self.chain.close());
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Accepts a block and those that wait right behind it and follow each other from the tip on: in a first sync there are many, and they
    /// connect faster together. Of any others a step might not come as far as the last, and its verdict would be missing.
    fn take_blocks(
        &mut self,
        block: Arc<ParsedBlock>,
        now: UnixMillis,
        reply: BlockReply,
    ) -> Result<(), ChainFault> {
        let mut bytes = block.size_bytes();
        let (mut blocks, mut replies) = (vec![block], vec![reply]);
        let mut tip = self.reader.tip().hash;
        while blocks.len() < BATCH_BLOCKS_MAX && bytes < BATCH_BYTES_MAX {
            match blocks.last() {
                Some(last) if last.header().prev_blockhash == tip => tip = last.hash(),
                _ => break,
            }
            match self.asks.try_recv() {
                Ok(Ask::Block(block, _, reply)) if block.header().prev_blockhash == tip => {
                    bytes = bytes.saturating_add(block.size_bytes());
                    blocks.push(block);
                    replies.push(reply);
                }
                other => {
                    self.next = other.ok();
                    break;
                }
            }
        }
        let taken = self.chain.accept_blocks(&blocks, now);
        let met = taken.each.iter().try_for_each(fault_in);
        let told = match &taken.moved {
            // What lies below a block that was refused may have connected on the way.
            None if met.is_ok() => self.catch_up(),
            moved => {
                moved.iter().for_each(|moved| self.tell(moved));
                Ok(())
            }
        };
        for (reply, answer) in replies.into_iter().zip(taken.each) {
            let _ = reply.send(answer);
        }
        met.and(told)
    }

    /// What follows from a mark is done in steps, as everything that nobody waits for: others are heard in between.
    fn mark(&mut self, hash: &BlockHash, mark: Mark, reply: MarkReply) -> Result<(), ChainFault> {
        match self.chain.mark(hash, mark) {
            Ok(()) => self.marked.push(reply),
            Err(error) => {
                let met = if let MarkError::Fault(fault) = &error { Err(fault.clone()) } else { Ok(()) };
                let _ = reply.send(Err(error));
                met?;
            }
        }
        Ok(())
    }

    fn tell(&mut self, accepted: &BlockAccepted) {
        if accepted.connected.is_empty() && accepted.disconnected.is_empty() {
            return;
        }
        self.told = accepted.tip.hash;
        self.listeners.tell(&TipChanged {
            tip: Arc::clone(&accepted.tip),
            disconnected: accepted.disconnected.clone(),
            connected: accepted.connected.clone(),
        });
    }

    /// The tip is where no block led to: whoever hears of it looks at the chain anew.
    fn tell_of_jump(&mut self) {
        let tip = self.reader.tip();
        self.told = tip.hash;
        self.listeners.tell(&TipChanged { tip, disconnected: Vec::new(), connected: Vec::new() });
    }

    /// After a panic of the engine: builds it again, and has the panic counted as the actor's.
    fn recover(&mut self) -> Result<bool, ChainFault> {
        self.rebuilds_due = self.rebuilds_due.saturating_add(1);
        let counted = self.actor.addr().is_some_and(|actor| actor.try_send(EngineDied).is_ok());
        if !counted {
            return Err(ChainFault::State("the chain's engine panics faster than it is counted".to_owned()));
        }
        self.reopen().map(|()| true)
    }

    fn rebuild_for_actor(&mut self) -> Result<(), ChainFault> {
        if self.rebuilds_due > 0 {
            self.rebuilds_due = self.rebuilds_due.saturating_sub(1);
            return Ok(());
        }
        self.reopen()
    }

    fn reopen(&mut self) -> Result<(), ChainFault> {
        // What was marked and is not durable yet is lost, and whoever marked it is told so.
        self.marked.clear();
        let (store, verifier) = (Arc::clone(&self.deps.store), Arc::clone(&self.deps.verifier));
        let open = || Chainstate::reopen(&self.reader, self.config.clone(), store, verifier);
        let opened = catch_unwind(AssertUnwindSafe(open));
        let panicked = |_| ChainFault::State("building the chain again panicked".to_owned());
        self.chain = opened.map_err(panicked)??;
        end_with_faults(&self.chain, &self.supervisor);
        self.catch_up()
    }

    /// Tells the listeners what they have not heard: a tip that moved on the way to a block that was refused, or to a panic.
    fn catch_up(&mut self) -> Result<(), ChainFault> {
        let tip = self.reader.tip();
        let Some((left, joined)) = self.reader.path_from(&self.told).filter(|_| tip.hash != self.told) else {
            return Ok(());
        };
        let missing = |hash: BlockHash| ChainFault::State(format!("block {hash} is missing"));
        let block = |hash: BlockHash| self.reader.block(&hash)?.ok_or_else(|| missing(hash));
        let disconnected = left.into_iter().map(block).collect::<Result<_, _>>()?;
        let connected = joined.into_iter().map(block).collect::<Result<_, _>>()?;
        self.tell(&BlockAccepted { duplicate: false, tip, disconnected, connected });
        Ok(())
    }
}

/// Says whether an earlier flush is to be waited for.
fn answer_begun(asked: Result<Option<FlushEnd>, ChainFault>, begun: Begun) -> Result<(), ChainFault> {
    let met = asked.as_ref().err().cloned();
    let _ = begun.send(asked);
    met.map_or(Ok(()), Err)
}

/// What fails in the background while nobody asks for anything ends the process too.
fn end_with_faults(chain: &Chainstate, supervisor: &Supervisor) {
    let supervisor = supervisor.clone();
    chain.on_fault(move |met| supervisor.fault(Role::Chain.as_str(), fault(met)));
}

/// As [`fault_in`], of a snapshot.
fn load_fault<T>(answer: &Result<T, LoadError>) -> Result<(), ChainFault> {
    match answer {
        Err(LoadError::Fault(fault)) => Err(fault.clone()),
        _ => Ok(()),
    }
}

/// A fault of ours in an answer: it ends the process, whoever hears of it.
fn fault_in<T>(answer: &Result<T, SubmitError>) -> Result<(), ChainFault> {
    match answer {
        Err(SubmitError::Fault(fault)) => Err(fault.clone()),
        _ => Ok(()),
    }
}
