//! Mode `blocks`: what becomes of headers and blocks, one after the other, on a chain of its own?
//!
//! A message is a byte that says what it asks, and what it asks about; numbers are little-endian, hashes as in headers:
//!
//! | first byte | then | answer |
//! |---|---|---|
//! | 0 | the network: 0 regtest, or 1 signet; 4 bytes and as many of its challenge; a folder | a report |
//! | 1 | a header, 80 bytes | a report |
//! | 2 | a block in BIP144's encoding, whole or not | a report |
//! | 3 | hashes | of each block what it spent |
//! | 4 | a block of mainnet | 0 where it is sound by itself, or the class of what is wrong; 254 where it does not decode |
//!
//! The first opens a fresh chain in an empty folder and ends the one before; the last needs none. A report:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | 0 new, 1 known, 2 refused, 3 does not decode |
//! | 32, 4 | the tip's hash and height |
//! | 4 | the best header's height |
//! | 4 | how many verdicts; then for each, in order: |
//! | 32, 1 | the block; 0 valid, or the class of what is wrong, as in `class` |
//! | 4, n | the reject reason, empty where there is none |
//!
//! What a block spent: 1 where it is known, else 0 and no more; 4, the transactions but the coinbase; for each: 4, its inputs;
//! for each: 8 amount, 4 height, 1 whether a coinbase made it, 4 length of its script, the script.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bitcoinkernel::core::block::BlockHeader;
use bitcoinkernel::prelude::*;
use bitcoinkernel::{
    BLOCK_CHECK_ALL, Block, BlockCheckResult, BlockHash, BlockSpentOutputs, BlockValidationResult,
    BlockValidationStateRef, ChainParams, ChainType, ChainstateManager, Context, ContextBuilder, Log,
    LogCategory, Logger, ProcessBlockHeaderResult, ProcessBlockResult, ValidationMode,
};

use crate::frames::Answer;

const NEW: u8 = 0;
const KNOWN: u8 = 1;
const REFUSED: u8 = 2;
const NO_BLOCK: u8 = 3;
/// The same, where 3 is a class.
const NO_BLOCK_ALONE: u8 = 254;

/// Threads beside the one that connects: with none, scripts are run before the rules that come after them in a node.
const SCRIPT_THREADS: i32 = 1;

/// Answers messages of this mode; it takes no arguments.
pub(crate) fn mode(_arguments: &[String]) -> io::Result<Answer> {
    let heard = Heard::default();
    let logger = Logger::new(heard.clone()).map_err(io::Error::other)?;
    logger.enable_category(LogCategory::Validation);
    let mut node = None;
    Ok(Box::new(move |message| {
        let _listening = &logger;
        heard.forget();
        let (kind, rest) = message.split_first().ok_or(io::ErrorKind::UnexpectedEof)?;
        let answer = match (kind, &node) {
            (0, _) => {
                // The old one first: its folder may be the new one's.
                node = None;
                node.insert(Node::open(rest, &heard)?).report(NEW)
            }
            (1, Some(node)) => node.header(rest),
            (2, Some(node)) => node.block(rest),
            (3, Some(node)) => node.spent(rest),
            (4, _) => Ok(vec![check_alone(rest)]),
            (kind, _) => Err(io::Error::other(format!("message {kind} without a chain, or unknown"))),
        };
        heard.fault().map_or(answer, |fault| Err(io::Error::other(fault)))
    }))
}

/// A chain.
struct Node {
    chain: ChainstateManager,
    heard: Heard,
    /// What the chain stands on; ends after it.
    _context: Context,
}

impl Node {
    fn open(message: &[u8], heard: &Heard) -> io::Result<Node> {
        let (context, folder) = builder(message)?;
        let (checked, fatal) = (heard.clone(), heard.clone());
        let context = context
            .with_block_checked_validation(move |block: Block, state: BlockValidationStateRef<'_>| {
                checked.verdict(block.hash().to_bytes(), class(state.mode(), state.result()));
            })
            .with_fatal_error_notification(move |message: String| fatal.fail(message))
            .build()
            .map_err(io::Error::other)?;
        let chain = ChainstateManager::builder(&context, folder, &format!("{folder}/blocks"))
            .and_then(|options| {
                let options = options.block_tree_db_in_memory(true).chainstate_db_in_memory(true);
                options.worker_threads(SCRIPT_THREADS).build()
            })
            .map_err(io::Error::other)?;
        chain.import_blocks().map_err(io::Error::other)?;
        heard.forget();
        Ok(Node { chain, heard: heard.clone(), _context: context })
    }

    fn header(&self, raw: &[u8]) -> io::Result<Vec<u8>> {
        let header = BlockHeader::new(raw).map_err(io::Error::other)?;
        let result = self.chain.process_block_header(&header).map_err(io::Error::other)?;
        let ProcessBlockHeaderResult::Invalid(state) = result else { return self.report(NEW) };
        self.heard.header_verdict(header.hash().to_bytes(), class(state.mode(), state.result()));
        self.report(REFUSED)
    }

    fn block(&self, raw: &[u8]) -> io::Result<Vec<u8>> {
        let Ok(block) = Block::new(raw) else { return self.report(NO_BLOCK) };
        self.report(match self.chain.process_block(&block) {
            ProcessBlockResult::NewBlock => NEW,
            ProcessBlockResult::Duplicate => KNOWN,
            ProcessBlockResult::Rejected => REFUSED,
        })
    }

    fn report(&self, outcome: u8) -> io::Result<Vec<u8>> {
        let tip = self.chain.active_chain().tip();
        let mut answer = vec![outcome];
        answer.extend(tip.block_hash().to_bytes());
        answer.extend(tip.height().to_le_bytes());
        answer.extend(self.chain.best_entry().map_or(-1, |best| best.height()).to_le_bytes());
        let heard = self.heard.state();
        put_count(&mut answer, heard.verdicts.len())?;
        for verdict in &heard.verdicts {
            answer.extend(verdict.block);
            answer.push(verdict.class);
            put_bytes(&mut answer, verdict.reason.as_bytes())?;
        }
        Ok(answer)
    }

    fn spent(&self, hashes: &[u8]) -> io::Result<Vec<u8>> {
        let mut answer = Vec::new();
        for hash in hashes.chunks(32) {
            let hash = BlockHash::new(hash).map_err(io::Error::other)?;
            let entry = self.chain.get_block_tree_entry(&hash);
            match entry.and_then(|entry| self.chain.read_spent_outputs(&entry).ok()) {
                Some(spent) => put_spent(&mut answer, &spent)?,
                None => answer.push(0),
            }
        }
        Ok(answer)
    }
}

/// The network of a message that opens a chain, and the folder.
fn builder(message: &[u8]) -> io::Result<(ContextBuilder, &str)> {
    let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let (network, rest) = message.split_first().ok_or_else(short)?;
    let (len, rest) = rest.split_first_chunk().ok_or_else(short)?;
    let len = usize::try_from(u32::from_le_bytes(*len)).map_err(io::Error::other)?;
    let (challenge, folder) = rest.split_at_checked(len).ok_or_else(short)?;
    let context = match network {
        0 => Context::builder().chain_type(ChainType::Regtest),
        1 => Context::builder().signet(challenge),
        other => return Err(io::Error::other(format!("network {other}"))),
    };
    Ok((context, std::str::from_utf8(folder).map_err(io::Error::other)?))
}

/// What a block of mainnet is by itself: proof of work, merkle root, and the rules that need nothing but the block.
fn check_alone(raw: &[u8]) -> u8 {
    let Ok(block) = Block::new(raw) else { return NO_BLOCK_ALONE };
    match block.check(&ChainParams::new(ChainType::Mainnet), BLOCK_CHECK_ALL) {
        BlockCheckResult::Valid => 0,
        BlockCheckResult::Invalid(state) => class(state.mode(), state.result()),
    }
}

/// 0 for what is valid; 255 where the library itself failed.
fn class(mode: ValidationMode, result: BlockValidationResult) -> u8 {
    match (mode, result) {
        (ValidationMode::Valid, _) => 0,
        (ValidationMode::InternalError, _) | (_, BlockValidationResult::Unset) => 255,
        (_, BlockValidationResult::Consensus) => 1,
        (_, BlockValidationResult::CachedInvalid) => 2,
        (_, BlockValidationResult::InvalidHeader) => 3,
        (_, BlockValidationResult::Mutated) => 4,
        (_, BlockValidationResult::MissingPrev) => 5,
        (_, BlockValidationResult::InvalidPrev) => 6,
        (_, BlockValidationResult::TimeFuture) => 7,
        (_, BlockValidationResult::HeaderLowWork) => 8,
    }
}

fn put_count(answer: &mut Vec<u8>, count: usize) -> io::Result<()> {
    answer.extend(u32::try_from(count).map_err(io::Error::other)?.to_le_bytes());
    Ok(())
}

fn put_bytes(answer: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
    put_count(answer, bytes.len())?;
    answer.extend(bytes);
    Ok(())
}

fn put_spent(answer: &mut Vec<u8>, spent: &BlockSpentOutputs) -> io::Result<()> {
    answer.push(1);
    put_count(answer, spent.count())?;
    for tx in spent.iter() {
        put_count(answer, tx.count())?;
        for coin in tx.coins() {
            let output = coin.output();
            answer.extend(output.value().to_le_bytes());
            answer.extend(coin.confirmation_height().to_le_bytes());
            answer.push(u8::from(coin.is_coinbase()));
            put_bytes(answer, &output.script_pubkey().to_bytes())?;
        }
    }
    Ok(())
}

/// What the library says while it answers one message: verdicts by callback, and their reasons only in its log.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    verdicts: Vec<Verdict>,
    /// What was last said of a header.
    header_reason: String,
    fault: Option<String>,
}

struct Verdict {
    block: [u8; 32],
    class: u8,
    reason: String,
}

impl Heard {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self) {
        *self.state() = State::default();
    }

    fn verdict(&self, block: [u8; 32], class: u8) {
        self.state().verdicts.push(Verdict { block, class, reason: String::new() });
    }

    fn header_verdict(&self, block: [u8; 32], class: u8) {
        let mut state = self.state();
        let reason = std::mem::take(&mut state.header_reason);
        state.verdicts.push(Verdict { block, class, reason });
    }

    fn fail(&self, message: String) {
        self.state().fault = Some(message);
    }

    fn fault(&self) -> Option<String> {
        self.state().fault.take()
    }
}

/// The reason of a verdict is logged right behind it.
impl Log for Heard {
    fn log(&self, line: &str) {
        let line = line.trim_end();
        let accepting = line.split_once("AcceptBlock FAILED (").and_then(|(_, rest)| rest.strip_suffix(')'));
        let connecting = || {
            line.split_once("ConnectTip: ConnectBlock ").and_then(|(_, rest)| rest.split_once(" failed, "))
        };
        let mut state = self.state();
        if let Some(reason) = accepting.or_else(|| connecting().map(|(_, reason)| reason)) {
            let last = state.verdicts.last_mut().filter(|verdict| verdict.class != 0);
            last.into_iter().for_each(|verdict| reason.clone_into(&mut verdict.reason));
        } else if let Some((_, rest)) = line.split_once("CheckBlockHeader: ") {
            rest.split_once(", ").map_or("", |(_, reason)| reason).clone_into(&mut state.header_reason);
        }
    }
}
