use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use adit_chainstate::ChainFault;
use adit_domain::payout::{
    AuditError, Booking, ChainEvent, ChainPoint, Ledger, LedgerError, LedgerFault, LedgerStep, ShareLog,
    ShareLogFault, split_reward,
};
use adit_domain::template::pool_reward;
use adit_domain::units::Height;
use adit_domain::wire::ParsedBlock;
use bitcoin::{Amount, BlockHash, CompactTarget};

use super::figures::worker_name;
use super::{PayoutConfig, PayoutDeps};
use crate::supervision::Fault;

/// Blocks that one step of the ledger takes: a month of them, some hundred kilobytes of memory.
const STEP_BLOCKS_MAX: usize = 4_096;
/// Blocks whose facts are kept from the event that brought them, so that they need not be read again: an hour of an initial
/// sync's fastest minute is lost without harm, each row has 100 bytes.
const FACTS_MAX: usize = 4_096;

/// What the books must know of a block.
#[derive(Clone, Copy, Debug)]
struct Facts {
    bits: CompactTarget,
    /// What it pays to the pool, if it is one of the pool's.
    reward: Option<Amount>,
}

/// For how long a block waits for the credit of the share that found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Those above this height, at which the chain stood when the process began: whoever sent the others is gone with the last one.
    Above(Height),
    /// All but this one wait: it has waited long enough.
    AllBut(BlockHash),
    /// All wait.
    All,
}

impl Patience {
    fn waits_for(self, hash: &BlockHash, height: Height) -> bool {
        match self {
            Patience::Above(start) => height > start,
            Patience::AllBut(other) => other != *hash,
            Patience::All => true,
        }
    }
}

/// Where a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walked {
    /// At the tip, or at the last block that was noted of a chain that goes on.
    Done,
    /// Before a block whose finding share is not credited yet.
    Waiting(BlockHash),
    /// Where it was: the chain ends below, on the same branch. It will come back, or another branch will win.
    Ahead(ChainPoint),
    /// Before this block, whose body has not come: the chain stands on a snapshot, and the blocks below follow.
    Missing(ChainPoint),
    /// Where it was: the chain does not know the block that the books stand at (yet: it may be in its first sync).
    Unknown(ChainPoint),
}

/// Walks the ledger along the chain. Holds nothing that counts.
pub(super) struct Booker {
    deps: PayoutDeps,
    config: PayoutConfig,
    facts: Mutex<HashMap<BlockHash, Facts>>,
    /// The height of the tip that was heard of last: what lies above it is about to be noted, and is not read from disk for that.
    heard: AtomicU32,
    /// Held by whoever walks: a panic of the actor leaves its walk behind, and the next one would do the same work beside it.
    turn: Mutex<()>,
}

impl Booker {
    pub(super) fn new(deps: PayoutDeps, config: PayoutConfig) -> Booker {
        Booker { deps, config, facts: Mutex::default(), heard: AtomicU32::new(0), turn: Mutex::default() }
    }

    pub(super) fn ledger(&self) -> &dyn Ledger {
        &*self.deps.books.ledger
    }

    pub(super) fn log(&self) -> &dyn ShareLog {
        &*self.deps.books.log
    }

    pub(super) fn tip(&self) -> ChainPoint {
        self.deps.chain.tip()
    }

    /// New books begin at the tip: what lies below was mined before there was a pool.
    pub(super) fn begin(&self) -> Result<(), Fault> {
        if self.ledger().cursor().map_err(ledger_fault)?.is_some() {
            return Ok(());
        }
        let to = self.tip();
        self.ledger().apply(&LedgerStep { from: None, to, events: Vec::new() }).map_err(step_fault)?;
        Ok(())
    }

    /// Keeps what the books must know of blocks that are at hand.
    pub(super) fn note(&self, blocks: &[Arc<ParsedBlock>], tip: Height) {
        self.heard.store(tip.to_u32(), Ordering::Relaxed);
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if facts.len() > FACTS_MAX {
            facts.clear();
        }
        let mut height = Some(tip);
        for block in blocks.iter().rev().take(FACTS_MAX) {
            let Some(at) = height else { return };
            facts.insert(block.hash(), self.facts_of(block, at));
            height = at.parent();
        }
    }

    /// Walks from where the ledger stands to the tip, a step at a time, once nobody else does.
    pub(super) fn walk(&self, patience: Patience) -> Result<Walked, Fault> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let Some(cursor) = self.ledger().cursor().map_err(ledger_fault)? else {
                self.begin()?;
                continue;
            };
            let Some((leaves, joins)) = self.deps.chain.path_from(&cursor.hash) else {
                return Ok(Walked::Unknown(cursor));
            };
            if joins.is_empty() && !leaves.is_empty() {
                return Ok(Walked::Ahead(cursor));
            }
            let (step, stopped) = self.step(cursor, &leaves, &joins, patience)?;
            if !step.events.is_empty() {
                match self.ledger().apply(&step) {
                    // Another walk was there first: go on from where it left the ledger.
                    Ok(_) | Err(LedgerError::OutOfStep { .. }) => {}
                    Err(error) => return Err(step_fault(error)),
                }
            }
            match stopped {
                Some(stopped) => return Ok(stopped),
                None if step.events.is_empty() => return Ok(Walked::Done),
                None => {}
            }
        }
    }

    /// The next step on a way, up to its end, its longest, or a block that must wait (then that is said).
    fn step(
        &self,
        from: ChainPoint,
        leaves: &[BlockHash],
        joins: &[BlockHash],
        patience: Patience,
    ) -> Result<(LedgerStep, Option<Walked>), Fault> {
        let mut step = LedgerStep { from: Some(from), to: from, events: Vec::new() };
        let mut height = from.height;
        for (i, hash) in leaves.iter().enumerate() {
            step.events.push(ChainEvent::Disconnected { point: ChainPoint { hash: *hash, height } });
            let lower = height.parent();
            height =
                lower.ok_or_else(|| Fault::State("a way of the chain leads below genesis".to_owned()))?;
            let below = leaves.get(i.saturating_add(1)).copied();
            let below = below.map_or_else(|| self.below(hash), Ok)?;
            step.to = ChainPoint { hash: below, height };
        }
        for hash in joins.iter().take(STEP_BLOCKS_MAX) {
            height = height.next();
            let point = ChainPoint { hash: *hash, height };
            if self.is_coming(hash, height) {
                return Ok((step, Some(Walked::Done)));
            }
            let Some(facts) = self.facts(hash, height)? else {
                return Ok((step, Some(Walked::Missing(point))));
            };
            if facts.reward.is_some() && patience.waits_for(hash, height) && self.log().find(hash).is_none() {
                return Ok((step, Some(Walked::Waiting(*hash))));
            }
            let ours = facts.reward.map(|reward| self.booking(hash, reward, facts.bits)).transpose()?;
            step.events.push(ChainEvent::Connected { point, ours });
            step.to = point;
        }
        Ok((step, None))
    }

    /// Splits a reward over the shares up to the one that found the block, or up to the newest where that one was lost.
    fn booking(&self, hash: &BlockHash, reward: Amount, bits: CompactTarget) -> Result<Booking, Fault> {
        let log = self.log();
        let found = log.find(hash);
        let finder = match found {
            Some(seq) => log.share(seq).map_err(log_fault)?,
            None => None,
        };
        let work = match found.or_else(|| log.last()) {
            Some(end) => log.window(end, self.config.window.work(bits)).map_err(log_fault)?,
            None => Default::default(),
        };
        let split = split_reward(reward, self.config.fee_basis_points, &work);
        let split = split.map_err(|e| Fault::State(format!("block {hash}: {e}")))?;
        let finder = finder.map(|s| worker_name(&s.address, &s.worker)).unwrap_or_default();
        tracing::info!(%hash, %reward, finder, payees = split.payees().len(), "a block of the pool is booked");
        Ok(Booking { finder, split })
    }

    /// Whether a block has joined a chain that goes on, and is about to be noted: then it need not be read.
    fn is_coming(&self, hash: &BlockHash, height: Height) -> bool {
        let is_noted = self.facts.lock().unwrap_or_else(PoisonError::into_inner).contains_key(hash);
        !is_noted && height.to_u32() > self.heard.load(Ordering::Relaxed) && !self.deps.chain.is_settled()
    }

    fn facts(&self, hash: &BlockHash, height: Height) -> Result<Option<Facts>, Fault> {
        let known = self.facts.lock().unwrap_or_else(PoisonError::into_inner).get(hash).copied();
        match known {
            Some(facts) => Ok(Some(facts)),
            None => Ok(self.body(hash)?.map(|block| self.facts_of(&block, height))),
        }
    }

    fn facts_of(&self, block: &ParsedBlock, height: Height) -> Facts {
        let coinbase = block.txs().first();
        let reward = coinbase.and_then(|tx| pool_reward(tx.tx(), height, &self.config.payout_script));
        Facts { bits: block.header().bits, reward }
    }

    /// The block under one that has left.
    fn below(&self, hash: &BlockHash) -> Result<BlockHash, Fault> {
        let block = self.body(hash)?;
        let block = block.ok_or_else(|| Fault::State(format!("the body of block {hash} is missing")))?;
        Ok(block.header().prev_blockhash)
    }

    fn body(&self, hash: &BlockHash) -> Result<Option<Arc<ParsedBlock>>, Fault> {
        self.deps.chain.block(hash).map_err(|fault| match fault {
            ChainFault::Storage(text) => Fault::Storage(text),
            ChainFault::State(text) => Fault::State(text),
        })
    }
}

pub(super) fn log_fault(fault: ShareLogFault) -> Fault {
    match fault {
        ShareLogFault::Damaged(_) => Fault::State(fault.to_string()),
        ShareLogFault::Storage(_) | ShareLogFault::Stopped => Fault::Storage(fault.to_string()),
    }
}

pub(super) fn ledger_fault(fault: LedgerFault) -> Fault {
    match fault {
        LedgerFault::Damaged(_) => Fault::State(fault.to_string()),
        LedgerFault::Storage(_) => Fault::Storage(fault.to_string()),
    }
}

pub(super) fn audit_fault(error: AuditError) -> Fault {
    match error {
        AuditError::Fault(fault) => ledger_fault(fault),
        other => Fault::State(other.to_string()),
    }
}

fn step_fault(error: LedgerError) -> Fault {
    match error {
        LedgerError::Fault(fault) => ledger_fault(fault),
        other => Fault::State(other.to_string()),
    }
}
