use std::sync::Arc;

use bitcoin::{Amount, BlockHash, OutPoint, Txid, Wtxid};
use thiserror::Error;

use crate::consensus::{TxError, ViewFault};
use crate::script::ScriptError;
use crate::units::{Height, UnixMillis};
use crate::wire::ParsedTx;

/// A held transaction with what a block builder must know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MempoolEntry {
    /// The transaction.
    pub tx: Arc<ParsedTx>,
    /// Inputs less outputs.
    pub fee: Amount,
    /// BIP141 signature operation cost.
    pub sigop_cost: u32,
}

/// What a template is built from: valid on `tip`, every parent before its children, best package feerate first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MempoolSnapshot {
    /// The tip on which all of them are valid.
    pub tip: BlockHash,
    /// In the order in which a block should take them.
    pub entries: Vec<MempoolEntry>,
}

/// A sum over transactions: how many, their virtual bytes as policy counts them, their fees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Sum {
    /// How many.
    pub count: u64,
    /// Virtual bytes.
    pub vsize: u64,
    /// Satoshis, with what an operator adds to them.
    pub fee_sat: i64,
}

/// A held transaction with its relatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MempoolDetail {
    /// It.
    pub entry: MempoolEntry,
    /// When it came.
    pub added_at: UnixMillis,
    /// The tip's height when it came.
    pub height: Height,
    /// Its units of weight as policy counts them.
    pub weight: u64,
    /// What it pays, and what an operator adds to that.
    pub modified_fee_sat: i64,
    /// Those that it is mined together with.
    pub chunk: Chunk,
    /// It and all that it is built on.
    pub with_ancestors: Sum,
    /// It and all that is built on it.
    pub with_descendants: Sum,
    /// Held ones whose outputs it spends.
    pub parents: Vec<Txid>,
    /// Held ones that spend its outputs.
    pub children: Vec<Txid>,
}

impl MempoolDetail {
    /// Its virtual bytes as policy counts them.
    pub fn vsize(&self) -> u64 {
        self.weight.div_ceil(4)
    }
}

/// Transactions that are mined together, since they pay for each other.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Chunk {
    /// What they pay, and what an operator adds to that; satoshis.
    pub fee_sat: i64,
    /// Their units of weight as policy counts them.
    pub weight: u64,
    /// They, parents before children.
    pub txids: Vec<Txid>,
}

/// Which held transactions are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All, the best to mine first.
    All,
    /// One.
    One(Txid),
    /// Those that one is built on.
    AncestorsOf(Txid),
    /// Those that are built on one.
    DescendantsOf(Txid),
}

/// The figures that an operator is shown.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MempoolSummary {
    /// Transactions held.
    pub transactions: u64,
    /// Their weight in all.
    pub weight: u64,
    /// Their fees in all.
    pub fees: Amount,
    /// The transactions, best feerate first, as many as [`crate::mempool::MempoolSummary::ROWS_MAX`].
    pub rows: Vec<MempoolEntry>,
}

impl MempoolSummary {
    /// Rows that a summary lists at most: a page for a person, 100 kB on the wire.
    pub const ROWS_MAX: usize = 1000;
}

/// What an operator adds to a transaction's fee, in the eyes of whoever builds a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prioritised {
    /// Which.
    pub txid: Txid,
    /// How much; satoshis.
    pub delta_sat: i64,
    /// What it then is, where the transaction is held.
    pub modified_fee_sat: Option<i64>,
}

/// The other token for a child that a full parent would have to let go of another for.
const SIBLING: &str = " (including sibling eviction)";

/// Why a transaction is not held; the texts are Bitcoin Core's reject reasons, and behind a comma Core's details.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TxRejected {
    /// It is a block's reward.
    #[error("coinbase")]
    Coinbase,
    /// It breaks a rule of consensus.
    #[error(transparent)]
    Consensus(TxError),
    /// It pays out more than it spends.
    #[error("bad-txns-in-belowout, value in ({}) < value out ({})", money(*in_sat), money(*out_sat))]
    InBelowOut {
        /// What it spends.
        in_sat: i64,
        /// What it pays out.
        out_sat: i64,
    },
    /// It spends a block's reward that is younger than 100 blocks.
    #[error("bad-txns-premature-spend-of-coinbase, tried to spend coinbase at depth {0}")]
    Premature(u32),
    /// Its version has no meaning yet.
    #[error("version")]
    Version,
    /// It weighs too much.
    #[error("tx-size")]
    Size,
    /// It is too small.
    #[error("tx-size-small")]
    SizeSmall,
    /// An input's script is too long.
    #[error("scriptsig-size")]
    ScriptSigSize,
    /// An input's script does more than push.
    #[error("scriptsig-not-pushonly")]
    ScriptSigNotPushOnly,
    /// An output's script has no known shape.
    #[error("scriptpubkey")]
    ScriptPubKey,
    /// A multisig output that is not behind a hash.
    #[error("bare-multisig")]
    BareMultisig,
    /// Too much data.
    #[error("datacarrier")]
    DataCarrier,
    /// More than one output is worth less than it costs to spend.
    #[error("dust")]
    Dust,
    /// An output is worth less than it costs to spend, and somebody is paid to mine it.
    #[error("dust, tx with dust output must be 0-fee")]
    DustNotFree,
    /// It does not spend all such outputs of its parents.
    #[error("missing-ephemeral-spends, tx {txid} (wtxid={wtxid}) did not spend parent's ephemeral dust")]
    MissingEphemeralSpends {
        /// It.
        txid: Txid,
        /// It.
        wtxid: Wtxid,
    },
    /// Its lock time is ahead.
    #[error("non-final")]
    NonFinal,
    /// A relative lock time of it is ahead.
    #[error("non-BIP68-final")]
    NonBip68Final,
    /// It is held already.
    #[error("txn-already-in-mempool")]
    AlreadyHeld,
    /// One that differs in its witnesses alone is held.
    #[error("txn-same-nonwitness-data-in-mempool")]
    SameNonWitnessData,
    /// It spends what a held one spends, where none may be replaced.
    #[error("bip125-replacement-disallowed")]
    Conflict,
    /// It spends what too many clusters spend.
    #[error("too many potential replacements{}, rejecting replacement {txid}; too many conflicting clusters ({clusters} > {most})", if *sibling { SIBLING } else { "" })]
    TooManyReplacements {
        /// It.
        txid: Txid,
        /// How many.
        clusters: usize,
        /// How many there may be.
        most: usize,
        /// Whether a sibling is among them.
        sibling: bool,
    },
    /// It pays less than those that it would replace.
    #[error("insufficient fee{}, rejecting replacement {txid}, less fees than conflicting txs; {} < {}", if *sibling { SIBLING } else { "" }, money(*fee_sat), money(*replaced_sat))]
    LessThanReplaced {
        /// It.
        txid: Txid,
        /// What it pays.
        fee_sat: i64,
        /// What they pay.
        replaced_sat: i64,
        /// Whether a sibling is among them.
        sibling: bool,
    },
    /// It pays more than those that it would replace, but not for its own way.
    #[error("insufficient fee{}, rejecting replacement {txid}, not enough additional fees to relay; {} < {}", if *sibling { SIBLING } else { "" }, money(*more_sat), money(*needed_sat))]
    NotEnoughMore {
        /// It.
        txid: Txid,
        /// What it pays more.
        more_sat: i64,
        /// What it would have to.
        needed_sat: i64,
        /// Whether a sibling is among them.
        sibling: bool,
    },
    /// Whoever mines would be worse off.
    #[error("replacement-failed, insufficient feerate: does not improve feerate diagram")]
    NoImprovement,
    /// It spends what it would replace.
    #[error("bad-txns-spends-conflicting-tx, {txid} spends conflicting transaction {ancestor}")]
    SpendsConflicting {
        /// It.
        txid: Txid,
        /// What it spends.
        ancestor: Txid,
    },
    /// Too many would hang together, or too much.
    #[error("too-large-cluster")]
    ClusterTooLarge,
    /// It breaks a rule for transactions of version 3.
    #[error("TRUC-violation, {0}")]
    Truc(TrucViolation),
    /// It is in a block.
    #[error("txn-already-known")]
    AlreadyKnown,
    /// An output that it spends isn't there.
    #[error("bad-txns-inputs-missingorspent")]
    MissingInputs,
    /// A spent output's script has no known shape, or costs too much.
    #[error("bad-txns-nonstandard-inputs, {0}")]
    NonStandardInputs(InputFlaw),
    /// A witness where none belongs, or too large a one.
    #[error("bad-witness-nonstandard")]
    WitnessNonStandard,
    /// Too many signature operations.
    #[error("bad-txns-too-many-sigops, {0}")]
    TooManySigops(u32),
    /// It pays less than is relayed.
    #[error("min relay fee not met, {fee_sat} < {needed_sat}")]
    RelayFee {
        /// What it pays.
        fee_sat: i64,
        /// What it would have to pay.
        needed_sat: u64,
    },
    /// It pays less than the full mempool asks for now.
    #[error("mempool min fee not met, {fee_sat} < {needed_sat}")]
    MempoolFee {
        /// What it pays.
        fee_sat: i64,
        /// What it would have to pay.
        needed_sat: u64,
    },
    /// It pays more for its size than whoever offers it has allowed.
    #[error("max feerate exceeded")]
    MaxFeeRate,
    /// A script does not let it spend.
    #[error(
        "mempool-script-verify-flag-failed ({error}), input {input} of {txid} (wtxid {wtxid}), spending {prevout}"
    )]
    Script {
        /// Why.
        error: ScriptError,
        /// Which input.
        input: usize,
        /// The transaction.
        txid: Txid,
        /// The transaction.
        wtxid: Wtxid,
        /// What the input spends.
        prevout: OutPoint,
    },
    /// The others pay more.
    #[error("mempool full")]
    Full,
    /// The tip has moved since it was looked at: it may be offered again.
    #[error("tip-changed")]
    TipChanged,
    /// The coins could not be read: our fault.
    #[error(transparent)]
    Fault(#[from] ViewFault),
}

/// What is wrong with an input's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InputFlaw {
    /// All of them together have too many signature operations.
    #[error("non-witness sigops exceed bip54 limit")]
    Sigops,
    /// Its script has no known shape.
    #[error("input {0} script unknown")]
    Unknown(usize),
    /// It is a witness program that has no meaning yet.
    #[error("input {0} witness program is undefined")]
    Undefined(usize),
    /// What its hash stands for is missing.
    #[error("input {0} P2SH redeemscript missing")]
    NoRedeemScript(usize),
    /// What its hash stands for has too many signature operations.
    #[error(
        "p2sh redeemscript sigops exceed limit (input {input}: {sigops} > {})",
        super::limits::P2SH_SIGOPS_MAX
    )]
    RedeemScriptSigops {
        /// Which input.
        input: usize,
        /// How many.
        sigops: u32,
    },
}

/// What is wrong with a transaction of version 3 or with one that spends from one (BIP431).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TrucViolation {
    /// One of another version spends from one of version 3.
    #[error(
        "non-version=3 tx {0} (wtxid={1}) cannot spend from version=3 tx {parent} (wtxid={witness})",
        parent = .2.0,
        witness = .2.1
    )]
    Inherits(Txid, Wtxid, Box<(Txid, Wtxid)>),
    /// One of version 3 spends from one of another version, which is not in a block yet.
    #[error(
        "version=3 tx {0} (wtxid={1}) cannot spend from non-version=3 tx {parent} (wtxid={witness})",
        parent = .2.0,
        witness = .2.1
    )]
    Mixes(Txid, Wtxid, Box<(Txid, Wtxid)>),
    /// It is too large.
    #[error("version=3 tx {0} (wtxid={1}) is too big: {2} > {most} virtual bytes", most = super::limits::TRUC_VSIZE_MAX)]
    TooBig(Txid, Wtxid, u64),
    /// It is too large for a child.
    #[error(
        "version=3 child tx {0} (wtxid={1}) is too big: {2} > {most} virtual bytes",
        most = super::limits::TRUC_CHILD_VSIZE_MAX
    )]
    ChildTooBig(Txid, Wtxid, u64),
    /// It has more than one parent, or a parent that has one.
    #[error("tx {0} (wtxid={1}) would have too many ancestors")]
    Ancestors(Txid, Wtxid),
    /// Its parent has a child already.
    #[error("tx {0} (wtxid={1}) would exceed descendant count limit")]
    Descendants(Txid, Wtxid),
}

/// An amount as Core writes it: two decimals at least, and no zeros behind them.
fn money(sat: i64) -> String {
    let (sign, sat) = (if sat < 0 { "-" } else { "" }, sat.unsigned_abs());
    let text = format!("{sign}{}.{:08}", sat / 100_000_000, sat % 100_000_000);
    let kept = text.trim_end_matches('0').len();
    let least = text.len().saturating_sub(6);
    text.get(..kept.max(least)).unwrap_or(&text).to_owned()
}

/// A feerate in satoshis per 1,000 virtual bytes, as Core writes it.
pub fn feerate_text(sat_per_kvb: u64) -> String {
    format!("{}.{:08} BTC/kvB", sat_per_kvb / 100_000_000, sat_per_kvb % 100_000_000)
}

impl TxRejected {
    /// Core's token without its details.
    pub fn token(&self) -> String {
        let text = self.to_string();
        text.split(", ").next().unwrap_or_default().to_owned()
    }

    /// Whether the same bytes would be refused again on the same tip, so that nobody needs to be asked for them.
    pub fn is_lasting(&self) -> bool {
        !self.is_reconsidered()
            && !matches!(
                self,
                TxRejected::MissingInputs
                    | TxRejected::MaxFeeRate
                    // Its witnesses were taken off on the way: with them it has another wtxid, without them nobody asks for it.
                    | TxRejected::Script { error: ScriptError::WitnessProgramWitnessEmpty, .. }
                    | TxRejected::AlreadyHeld
                    | TxRejected::Full
                    | TxRejected::ClusterTooLarge
                    | TxRejected::TipChanged
                    | TxRejected::Fault(_)
            )
    }

    /// Whether a child that pays for it may change that.
    pub fn is_reconsidered(&self) -> bool {
        matches!(
            self,
            TxRejected::RelayFee { .. }
                | TxRejected::MempoolFee { .. }
                | TxRejected::LessThanReplaced { .. }
                | TxRejected::NotEnoughMore { .. }
                | TxRejected::NoImprovement
                | TxRejected::Full
        )
    }
}

#[cfg(test)]
#[path = "types/tests.rs"]
mod tests;
