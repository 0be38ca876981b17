//! Connecting a block: what it does to the coins, and every rule about that but the scripts.

use bitcoin::{Amount, BlockHash, OutPoint, Txid};

use super::block::{BlockContext, BlockError, Checked, require};
use super::rules::{self, AFTER_TRANSACTIONS_RULES, BEFORE_TRANSACTIONS_RULES};
use super::tx::{TxError, add_money, check_tx_inputs, output_value, sequence_locks_met, sigop_cost};
use super::{BLOCK_SIGOP_COST_MAX, BlockUndo, Coin, Params, Refused, UtxoView, ViewFault};
use crate::script::{ScriptFlags, is_unspendable};
use crate::units::Height;
use crate::wire::{IdMap, IdSet, ParsedBlock, ParsedTx};

/// Why a block does not connect.
pub type ConnectError = Refused<BlockError>;

/// What connecting a block came to. Its scripts are still to be verified, under `script_flags`, with the coins of `undo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// The coins that it spends: a row for each transaction but the coinbase, in the order of the inputs.
    pub undo: BlockUndo,
    /// Inputs less outputs of all transactions but the coinbase.
    pub fees: Amount,
    /// BIP141 signature operation cost of the whole block.
    pub sigop_cost: u64,
    /// What its scripts are verified under.
    pub script_flags: ScriptFlags,
}

/// From this height on BIP34 no longer proves that no transaction is repeated: coinbases from before it name that height.
const BIP34_IMPLIES_BIP30_END: u32 = 1_983_702;

/// The two blocks whose coinbases were made a second time while the first was unspent; the first is lost.
const REPEATED_COINBASES: [(u32, &str); 2] = [
    (91_842, "00000000000a4d0a398161ffc163c503763b1f4360639393e0e4c8e300e0caec"),
    (91_880, "00000000000743f190a18c5577a3c2d2a1f610ae9601ac046a38084ccb7cd721"),
];

/// A block that is about to connect.
pub struct Connecting<'a> {
    block: &'a ParsedBlock,
    context: &'a BlockContext<'a>,
    coins: &'a dyn UtxoView,
}

/// A block whose transactions have all been taken.
pub struct AfterTxs<'a> {
    block: &'a ParsedBlock,
    context: &'a BlockContext<'a>,
    fees: Amount,
}

/// Checks what a block does to the coins, and says what it spends; changes nothing.
///
/// `coins` is the set at the parent. The block has passed [`super::check_block`] and [`super::contextual_check_block`], and
/// is not the first of the network. Order as in Core: BIP30, then each transaction, then the coinbase's amount; scripts after
/// that.
pub fn connect_block(
    block: &ParsedBlock,
    context: &BlockContext<'_>,
    coins: &dyn UtxoView,
) -> Result<Connected, ConnectError> {
    let (params, height) = (context.params, context.height());
    let connecting = Connecting { block, context, coins };
    rules::in_force(BEFORE_TRANSACTIONS_RULES, params, height).try_for_each(|rule| rule(&connecting))?;

    let mut tally = Tally::new(context, coins, script_flags_for(params, block.hash(), height));
    block.txs().iter().try_for_each(|tx| tally.take(tx))?;

    let after = AfterTxs { block, context, fees: tally.result.fees };
    rules::in_force(AFTER_TRANSACTIONS_RULES, params, height).try_for_each(|rule| rule(&after))?;
    Ok(tally.result)
}

/// The flags that the scripts of the block at `height` are verified under.
///
/// P2SH, witness and taproot hold for every block but those few that broke them before they were rules (BIP-0016, BIP-0141,
/// BIP-0341); the others begin at their heights (BIP-0066, BIP-0065, BIP-0112, BIP-0147).
pub fn script_flags_for(params: &Params, hash: BlockHash, height: Height) -> ScriptFlags {
    let usual = ScriptFlags::P2SH | ScriptFlags::WITNESS | ScriptFlags::TAPROOT;
    let exception = params.script_flag_exceptions.iter().find(|(block, _)| *block == hash);
    let mut flags = exception.map_or(usual, |(_, flags)| *flags);
    let forks = &params.forks;
    for (start, flag) in [
        (forks.bip66, ScriptFlags::DERSIG),
        (forks.bip65, ScriptFlags::CHECKLOCKTIMEVERIFY),
        (forks.csv, ScriptFlags::CHECKSEQUENCEVERIFY),
        (forks.segwit, ScriptFlags::NULLDUMMY),
    ] {
        if start <= height {
            flags |= flag;
        }
    }
    flags
}

/// No output that is unspent MUST be made again. BIP-0030, `bad-txns-BIP30`
///
/// Two blocks are excepted. Where BIP34 proves that it cannot happen, nothing is looked up.
pub(super) fn no_coin_is_overwritten(connecting: &Connecting<'_>) -> Checked {
    let Connecting { block, context, coins } = connecting;
    if may_overwrite(block.hash(), context) {
        return Ok(());
    }
    for tx in block.txs() {
        for vout in 0..u32::try_from(tx.tx().output.len()).unwrap_or(u32::MAX) {
            let exists = coins.has_coin(&OutPoint { txid: tx.txid(), vout })?;
            require(!exists, BlockError::Overwrite)?;
        }
    }
    Ok(())
}

/// Whether [`connect_block`] asks of each output of a block whether it exists already (BIP-0030), beside the coins that are spent.
pub fn looks_for_overwritten_coins(hash: BlockHash, context: &BlockContext<'_>) -> bool {
    !may_overwrite(hash, context)
}

/// Whether a block is one of the two that are excepted, or one of which BIP34 proves that it overwrites nothing.
fn may_overwrite(hash: BlockHash, context: &BlockContext<'_>) -> bool {
    is_repeated_coinbase(context.height(), hash) || bip34_rules_out_repeats(context)
}

fn is_repeated_coinbase(height: Height, hash: BlockHash) -> bool {
    let known = |(at, name): &(u32, &str)| *at == height.to_u32() && *name == hash.to_string();
    REPEATED_COINBASES.iter().any(known)
}

/// Whether no transaction of this block can be one that there already was.
///
/// Where BIP34 holds from block 1, each coinbase names its own height and so differs from all others (that of the first block
/// makes no coin), and every other transaction spends, in the end, a coinbase that cannot come again. Elsewhere this is known of
/// one chain only, up to a height.
fn bip34_rules_out_repeats(context: &BlockContext<'_>) -> bool {
    let forks = &context.params.forks;
    if forks.bip34 <= Height::GENESIS.next() {
        return true;
    }
    let on_known_chain =
        forks.bip34_hash.is_some() && context.parent.hash_at(forks.bip34) == forks.bip34_hash;
    on_known_chain && !resumes_bip30(context)
}

fn resumes_bip30(context: &BlockContext<'_>) -> bool {
    context.height().to_u32() >= BIP34_IMPLIES_BIP30_END
}

/// The coinbase MUST NOT pay more than the subsidy and the fees. `bad-cb-amount`
pub(super) fn coinbase_pays_no_more_than_it_may(after: &AfterTxs<'_>) -> Checked {
    let paid = after.block.txs().first().map_or(Some(Amount::ZERO), |tx| output_value(tx.tx()));
    let subsidy = after.context.params.subsidy(after.context.height());
    let allowed = subsidy.checked_add(after.fees).unwrap_or(Amount::MAX);
    require(paid.is_some_and(|paid| paid <= allowed), BlockError::CoinbaseAmount)
}

/// The coins as they are after the block's transactions so far, without a change to those below.
struct Overlay<'a> {
    coins: &'a dyn UtxoView,
    created: IdMap<Txid, &'a ParsedTx>,
    spent: IdSet<OutPoint>,
    height: Height,
}

impl Overlay<'_> {
    /// Takes a coin out: an output of an earlier transaction of this block, or one from below; none where it is spent
    /// already, comes later, or never was.
    fn take(&mut self, outpoint: &OutPoint) -> Result<Option<Coin>, ViewFault> {
        if !self.spent.insert(*outpoint) {
            return Ok(None);
        }
        match self.created.get(&outpoint.txid) {
            Some(tx) => Ok(created_coin(tx, outpoint.vout, self.height)),
            None => self.coins.coin(outpoint),
        }
    }
}

/// An output as a coin; none where it can never be spent, and so is never kept.
fn created_coin(tx: &ParsedTx, vout: u32, height: Height) -> Option<Coin> {
    let output = tx.tx().output.get(usize::try_from(vout).ok()?)?;
    let kept = !is_unspendable(&output.script_pubkey);
    kept.then(|| Coin { output: output.clone(), height, is_coinbase: tx.tx().is_coinbase() })
}

/// What a block's transactions have come to so far.
struct Tally<'a> {
    context: &'a BlockContext<'a>,
    overlay: Overlay<'a>,
    result: Connected,
}

impl<'a> Tally<'a> {
    fn new(context: &'a BlockContext<'a>, coins: &'a dyn UtxoView, script_flags: ScriptFlags) -> Tally<'a> {
        let height = context.height();
        let overlay = Overlay { coins, created: IdMap::default(), spent: IdSet::default(), height };
        let undo = BlockUndo::default();
        let result = Connected { undo, fees: Amount::ZERO, sigop_cost: 0, script_flags };
        Tally { context, overlay, result }
    }

    /// Takes the next transaction: inputs, fee, relative lock times, signature operations, in Core's order.
    fn take(&mut self, tx: &'a ParsedTx) -> Result<(), ConnectError> {
        let is_coinbase = tx.tx().is_coinbase();
        let spent = if is_coinbase { Vec::new() } else { self.spend(tx)? };
        self.count_sigops(tx, &spent)?;
        if !is_coinbase {
            self.result.undo.spent.push(spent);
        }
        self.overlay.created.insert(tx.txid(), tx);
        Ok(())
    }

    /// The inputs MUST exist, be worth the outputs, and be old enough. `bad-txns-inputs-missingorspent` and those of
    /// [`check_tx_inputs`], `bad-txns-accumulated-fee-outofrange`, BIP-0068 `bad-txns-nonfinal`
    fn spend(&mut self, tx: &ParsedTx) -> Result<Vec<Coin>, ConnectError> {
        let invalid = |error| Refused::Invalid(BlockError::Tx { txid: tx.txid(), error });
        let mut spent = Vec::with_capacity(tx.tx().input.len());
        for input in &tx.tx().input {
            let coin = self.overlay.take(&input.previous_output)?;
            spent.push(coin.ok_or_else(|| invalid(TxError::InputsMissingOrSpent))?);
        }
        let fee = check_tx_inputs(tx.tx(), &spent, self.context.height()).map_err(invalid)?;
        let fees = add_money(self.result.fees, fee);
        self.result.fees = fees.ok_or(Refused::Invalid(BlockError::FeesOutOfRange))?;
        let old_enough = !self.csv_applies() || sequence_locks_met(tx.tx(), &spent, self.context.parent)?;
        require(old_enough, BlockError::NonFinal)?;
        Ok(spent)
    }

    fn csv_applies(&self) -> bool {
        self.context.params.forks.csv <= self.context.height()
    }

    /// The block's signature operation cost MUST NOT be above 80,000. BIP-0141, `bad-blk-sigops`
    fn count_sigops(&mut self, tx: &ParsedTx, spent: &[Coin]) -> Result<(), ConnectError> {
        let cost = sigop_cost(tx.tx(), spent, self.result.script_flags);
        self.result.sigop_cost = self.result.sigop_cost.saturating_add(cost);
        require(self.result.sigop_cost <= BLOCK_SIGOP_COST_MAX, BlockError::Sigops)
    }
}

#[cfg(test)]
#[path = "connect/tests.rs"]
mod tests;
