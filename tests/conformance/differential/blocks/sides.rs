//! Both nodes: the same headers and blocks go to each, and what each says is compared.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use adit_chainstate::{BlockVerifier, ChainConfig, Chainstate, PoolVerifier, ScriptCaches, SubmitError};
use adit_domain::consensus::{BlockUndo, Coin, Params, UtxoView};
use adit_domain::script::{ScriptFlags, ScriptVerifier, Spend};
use adit_domain::units::{Height, UnixMillis};
use adit_domain::wire::{BlockDecodeError, DecodeError, ParsedBlock};
use adit_store::{DataDir, Store};
use bitcoin::block::Header;
use bitcoin::hashes::{Hash, sha256d};
use bitcoin::{Amount, BlockHash, OutPoint, ScriptBuf, Transaction, TxOut, Txid};

use super::super::child::{Died, Oracle};

/// What is wrong, as Core sorts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    Consensus,
    CachedInvalid,
    InvalidHeader,
    Mutated,
    MissingPrev,
    InvalidPrev,
    TimeFuture,
    HeaderLowWork,
}

impl Class {
    pub(crate) fn of_byte(byte: u8) -> Option<Class> {
        Some(match byte {
            1 => Class::Consensus,
            2 => Class::CachedInvalid,
            3 => Class::InvalidHeader,
            4 => Class::Mutated,
            5 => Class::MissingPrev,
            6 => Class::InvalidPrev,
            7 => Class::TimeFuture,
            8 => Class::HeaderLowWork,
            _ => return None,
        })
    }

    /// Of a header of these classes Core does not log the reason, for there is only one.
    fn only_reason(self) -> &'static str {
        match self {
            Class::CachedInvalid => "duplicate-invalid",
            Class::MissingPrev => "prev-blk-not-found",
            Class::InvalidPrev => "bad-prevblk",
            _ => "",
        }
    }

    /// The class of one of our refusals.
    pub(crate) fn of_reject(reject: &str) -> Class {
        match reject.split(['(', ',']).next().unwrap_or_default() {
            "high-hash" | "bad-diffbits" | "time-too-old" | "time-timewarp-attack" | "bad-version" => {
                Class::InvalidHeader
            }
            "time-too-new" => Class::TimeFuture,
            "bad-txnmrklroot"
            | "bad-txns-duplicate"
            | "bad-witness-nonce-size"
            | "bad-witness-merkle-match"
            | "unexpected-witness" => Class::Mutated,
            "duplicate-invalid" => Class::CachedInvalid,
            "bad-prevblk" => Class::InvalidPrev,
            "prev-blk-not-found" => Class::MissingPrev,
            _ => Class::Consensus,
        }
    }
}

/// What became of a header or a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    New,
    Known,
    Refused(Refusal),
    /// The bytes do not decode.
    NoBlock,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) class: Class,
    pub(crate) reason: String,
}

/// What one node says to a message.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) outcome: Outcome,
    pub(crate) tip: (BlockHash, u32),
    /// The height of the header with the most work that may be valid.
    pub(crate) best_header: u32,
    /// Blocks that were refused on the way, the message's own not among them.
    pub(crate) fallen: BTreeMap<BlockHash, Refusal>,
}

/// Where the two are apart.
pub(crate) struct Apart {
    pub(crate) what: &'static str,
    pub(crate) ours: String,
    pub(crate) theirs: String,
}

impl fmt::Display for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  adit: {}\n  core: {}", self.what, self.ours, self.theirs)
    }
}

impl From<Died> for Apart {
    fn from(died: Died) -> Apart {
        Apart { what: "the oracle died", ours: String::new(), theirs: died.0 }
    }
}

/// Refusals of one class in other words, ours and theirs, and why that is so.
const OTHER_WORDS: [(&str, &str); 1] = [
    // A transaction that is there already, of which an output is unspent: where BIP34 holds from block 1 nothing is
    // looked up for BIP30, since its inputs are spent.
    ("bad-txns-inputs-missingorspent", "bad-txns-BIP30"),
];

const SCRIPT: &str = "block-script-verify-flag-failed (";

/// Whether a refusal of ours is theirs too. Of a block whose scripts fail in several places Core names any one.
fn agree(ours: &Refusal, theirs: &Refusal, scripts: usize) -> bool {
    let same = theirs.reason.strip_prefix(&ours.reason);
    let same_words = same.is_some_and(|rest| rest.is_empty() || rest.starts_with(", "));
    let begins = |said: &str, token| said.split(", ").next() == Some(token);
    let other_words = OTHER_WORDS.iter().any(|(a, b)| begins(&ours.reason, *a) && begins(&theirs.reason, *b));
    let any_script = scripts > 1 && ours.reason.starts_with(SCRIPT) && theirs.reason.starts_with(SCRIPT);
    ours.class == theirs.class && (same_words || other_words || any_script)
}

/// So little that what is known is also pushed out.
const CACHES_MIB: usize = 1;

/// The two nodes on one network, each with a fresh chain.
pub(crate) struct Sides {
    ours: Chainstate,
    theirs: Oracle,
    params: Params,
    caches: Arc<ScriptCaches>,
    folders: (tempfile::TempDir, tempfile::TempDir),
}

fn open_ours(folder: &Path, params: Params, caches: &Arc<ScriptCaches>) -> Chainstate {
    let store = Store::open(DataDir::open(folder, params.name()).unwrap()).unwrap();
    let config = ChainConfig { cache_mib: 64, script_threads: 1, ..ChainConfig::new(Arc::new(params)) };
    Chainstate::open(config, Arc::new(store), Arc::new(BlockVerifier::new(caches))).unwrap()
}

impl Sides {
    /// Opens both; the oracle's last chain ends.
    pub(crate) fn open(mut theirs: Oracle, params: Params) -> Result<Sides, Apart> {
        let folders = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let challenge = params.signet_challenge.clone();
        let mut message = vec![0, u8::from(challenge.is_some())];
        let challenge = challenge.unwrap_or_default();
        message.extend((challenge.len() as u32).to_le_bytes());
        message.extend(challenge);
        message.extend(folders.1.path().to_str().expect("a path in UTF-8").as_bytes());
        theirs.ask(&message)?;
        let caches = ScriptCaches::new([7; 32], CACHES_MIB);
        let ours = open_ours(folders.0.path(), params.clone(), &caches);
        Ok(Sides { ours, theirs, params, caches, folders })
    }

    pub(crate) fn tip(&self) -> (BlockHash, u32) {
        let tip = self.ours.reader().tip();
        (tip.hash, tip.height.to_u32())
    }

    fn said(&self, outcome: Outcome, fallen: BTreeMap<BlockHash, Refusal>) -> Said {
        let best_header = self.ours.reader().best_header().1.to_u32();
        Said { outcome, tip: self.tip(), best_header, fallen }
    }

    /// Writes our coins to disk, so that what comes finds them there.
    pub(crate) fn flush(&mut self) -> Result<(), Apart> {
        self.ours.flush().map_err(|fault| fault_of(&fault.into()))?;
        self.ours.wait_for_merges().map_err(|fault| fault_of(&fault.into()))?;
        Ok(())
    }

    /// Ends our side as a crash does, and starts it again: it must come to as much work as it had. Of equal work it may be
    /// another block: a branch that fails further up is tried again on the way, and what was good of it stays.
    pub(crate) fn restart(mut self) -> Result<Oracle, Apart> {
        let before = self.tip();
        drop(self.ours);
        self.ours = open_ours(self.folders.0.path(), self.params.clone(), &self.caches);
        let after = self.tip();
        let theirs = format!("{before:?}");
        match before.1 == after.1 {
            true => Ok(self.theirs),
            false => Err(Apart { what: "the tip after a restart", ours: format!("{after:?}"), theirs }),
        }
    }

    /// A header alone.
    pub(crate) fn header(&mut self, header: &Header) -> Result<Outcome, Apart> {
        let mut message = vec![1];
        message.extend(bitcoin::consensus::serialize(header));
        let theirs = read_report(&self.theirs.ask(&message)?, header.block_hash())?;
        let outcome = match self.ours.accept_headers(&[*header], now()) {
            Ok(_) => Outcome::New,
            Err(error) => Outcome::Refused(refusal(&error)?.1),
        };
        let ours = self.said(outcome, BTreeMap::new());
        compare(&ours, &theirs, 0)?;
        Ok(ours.outcome)
    }

    /// A block, whole or not.
    pub(crate) fn block(&mut self, raw: &[u8]) -> Result<Outcome, Apart> {
        let mut message = vec![2];
        message.extend(raw);
        self.theirs.send(&message)?;
        let decoded = ParsedBlock::decode(raw);
        let scripts = decoded
            .as_ref()
            .map_or(0, |block| block.txs().iter().skip(1).map(|tx| tx.tx().input.len()).sum::<usize>());
        let hash = raw.get(..80).map_or(sha256d::Hash::all_zeros(), sha256d::Hash::hash).into();
        let mut longer = false;
        let (ours, joined) = match decoded {
            Ok(block) => {
                self.meet_before(&block);
                self.accept(block)?
            }
            Err(error) => {
                longer = error == BlockDecodeError(DecodeError::TrailingBytes);
                (self.said(Outcome::NoBlock, BTreeMap::new()), vec![])
            }
        };
        let mut theirs = read_report(&self.theirs.receive()?, hash)?;
        // Core reads a block from the beginning of the bytes and leaves the rest: what it refuses we may refuse as longer.
        if longer && matches!(theirs.outcome, Outcome::Refused(_)) {
            theirs.outcome = Outcome::NoBlock;
        }
        compare(&ours, &theirs, scripts)?;
        self.compare_spent(&joined)?;
        Ok(ours.outcome)
    }

    /// Transactions whose scripts did not run, since they were met before.
    pub(crate) fn found(&self) -> u64 {
        self.caches.found()
    }

    /// Half of all blocks find their transactions in the caches, as those do that the mempool has seen.
    fn meet_before(&self, block: &ParsedBlock) {
        if block.hash().as_byte_array()[0] & 1 == 0 {
            return;
        }
        let made: HashMap<Txid, &Transaction> = block.txs().iter().map(|tx| (tx.txid(), tx.tx())).collect();
        let reader = self.ours.reader();
        let prevout = |outpoint: &OutPoint| match made.get(&outpoint.txid) {
            Some(tx) => tx.output.get(outpoint.vout as usize).cloned(),
            None => reader.coin(outpoint).unwrap().map(|coin| coin.output),
        };
        let verifier = PoolVerifier::new(&self.caches);
        for tx in block.txs().iter().skip(1) {
            let inputs = tx.tx().input.iter();
            let prevouts: Option<Vec<TxOut>> = inputs.map(|input| prevout(&input.previous_output)).collect();
            let Some(prevouts) = prevouts else { continue };
            let spend = Spend { tx: tx.tx(), raw: tx.raw(), wtxid: tx.wtxid(), prevouts: &prevouts };
            for flags in [ScriptFlags::STANDARD, ScriptFlags::CONSENSUS] {
                // What the verdict is shows when the block comes.
                let _ = verifier.verify_tx(&spend, flags);
            }
        }
    }

    fn accept(&mut self, block: ParsedBlock) -> Result<(Said, Vec<BlockHash>), Apart> {
        let (hash, mut joined, mut fallen) = (block.hash(), Vec::new(), BTreeMap::new());
        let outcome = match self.ours.accept_block(Arc::new(block), now()) {
            Ok(accepted) => {
                joined.extend(accepted.connected.iter().map(|block| block.hash()));
                if accepted.duplicate { Outcome::Known } else { Outcome::New }
            }
            Err(error) => match refusal(&error)? {
                (block, refusal) if block.is_none_or(|block| block == hash) => Outcome::Refused(refusal),
                (block, refusal) => {
                    fallen.extend(block.map(|block| (block, refusal)));
                    Outcome::New
                }
            },
        };
        while let Some(step) = self.ours.advance().map_err(|fault| fault_of(&fault.into()))? {
            joined.extend(step.connected.iter().map(|block| block.hash()));
        }
        Ok((self.said(outcome, fallen), joined))
    }

    /// What each block that has joined the chain spent.
    fn compare_spent(&mut self, joined: &[BlockHash]) -> Result<(), Apart> {
        if joined.is_empty() {
            return Ok(());
        }
        let mut message = vec![3];
        joined.iter().for_each(|hash| message.extend(hash.as_byte_array()));
        let answer = self.theirs.ask(&message)?;
        let mut rest = Bytes(&answer);
        for hash in joined {
            let theirs = rest.spent();
            let ours = self.ours.reader().spent_by(hash).map_err(|fault| fault_of(&fault.into()))?;
            if ours != theirs {
                let (ours, theirs) = (format!("{hash}: {ours:?}"), format!("{theirs:?}"));
                return Err(Apart { what: "what a block spent", ours, theirs });
            }
        }
        Ok(())
    }
}

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixMillis::from_seconds(since.as_secs())
}

/// Seconds since 1970.
pub(crate) fn now_s() -> u32 {
    u32::try_from(now().to_seconds_floor()).unwrap()
}

fn fault_of(error: &SubmitError) -> Apart {
    Apart { what: "a fault of ours", ours: error.to_string(), theirs: String::new() }
}

/// The refused block, where ours names it, and why.
fn refusal(error: &SubmitError) -> Result<(Option<BlockHash>, Refusal), Apart> {
    let (hash, reason) = match error {
        SubmitError::Invalid { hash, reject, .. } => (Some(*hash), reject.clone()),
        SubmitError::Orphan { .. } => (None, error.to_string()),
        SubmitError::Fault(_) => return Err(fault_of(error)),
    };
    Ok((hash, Refusal { class: Class::of_reject(&reason), reason }))
}

fn compare(ours: &Said, theirs: &Said, scripts: usize) -> Result<(), Apart> {
    let apart = |what| Err(Apart { what, ours: format!("{ours:?}"), theirs: format!("{theirs:?}") });
    let same = match (&ours.outcome, &theirs.outcome) {
        (Outcome::Refused(ours), Outcome::Refused(theirs)) => agree(ours, theirs, scripts),
        (ours, theirs) => ours == theirs,
    };
    if !same {
        return apart("the verdict");
    }
    // We name the block that took the message's own with it, and no other.
    let named = |(hash, refusal)| theirs.fallen.get(hash).is_some_and(|theirs| agree(refusal, theirs, 2));
    if !ours.fallen.iter().all(named) {
        return apart("a block that fell on the way");
    }
    if ours.tip != theirs.tip {
        return apart("the tip");
    }
    if ours.best_header != theirs.best_header {
        return apart("the best header");
    }
    Ok(())
}

fn read_report(answer: &[u8], own: BlockHash) -> Result<Said, Apart> {
    let strange = |theirs: String| Apart { what: "a strange answer", ours: own.to_string(), theirs };
    let mut rest = Bytes(answer);
    let outcome = rest.byte();
    let (tip, best_header) = ((rest.hash(), rest.number()), rest.number());
    let mut fallen = BTreeMap::new();
    for _ in 0..rest.number() {
        let (hash, class) = (rest.hash(), rest.byte());
        let reason = String::from_utf8(rest.sized().to_vec()).unwrap();
        if class != 0 {
            let class = Class::of_byte(class).ok_or_else(|| strange(format!("{hash}: {class}, {reason}")))?;
            let reason = if reason.is_empty() { class.only_reason().to_owned() } else { reason };
            if reason.is_empty() {
                return Err(strange(format!("{hash}: no reason for {class:?}")));
            }
            fallen.insert(hash, Refusal { class, reason });
        }
    }
    let refused = fallen.remove(&own);
    let outcome = match (refused, outcome) {
        (Some(refusal), _) => Outcome::Refused(refusal),
        (None, 0) => Outcome::New,
        (None, 1) => Outcome::Known,
        (None, 3) => Outcome::NoBlock,
        (None, other) => return Err(strange(format!("outcome {other} without a verdict"))),
    };
    Ok(Said { outcome, tip, best_header, fallen })
}

/// What of an answer has not been read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn number(&mut self) -> u32 {
        u32::from_le_bytes(self.take(4).try_into().unwrap())
    }

    fn hash(&mut self) -> BlockHash {
        BlockHash::from_byte_array(self.take(32).try_into().unwrap())
    }

    fn sized(&mut self) -> &'a [u8] {
        let len = self.number();
        self.take(len as usize)
    }

    fn spent(&mut self) -> Option<BlockUndo> {
        if self.byte() == 0 {
            return None;
        }
        let mut undo = BlockUndo::default();
        for _ in 0..self.number() {
            let coins = self.number();
            undo.spent.push((0..coins).map(|_| self.coin()).collect());
        }
        Some(undo)
    }

    fn coin(&mut self) -> Coin {
        let value = Amount::from_sat(u64::from_le_bytes(self.take(8).try_into().unwrap()));
        let (height, is_coinbase) = (Height::new(self.number()), self.byte() == 1);
        let script_pubkey = ScriptBuf::from_bytes(self.sized().to_vec());
        Coin { output: TxOut { value, script_pubkey }, height, is_coinbase }
    }
}
