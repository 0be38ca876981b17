//! Figures of blocks.

use adit_chainstate::{ChainReader, HeaderEntry};
use adit_domain::consensus::{BlockUndo, is_intact};
use adit_domain::script::is_unspendable;
use adit_domain::units::Height;
use adit_domain::wire::{ParsedBlock, ParsedTx};
use bitcoin::TxOut;
use bitcoin::hashes::Hash;

use super::chain::{entry, lies_there, missing, undo_of};
use super::progress;
use crate::ctx::{Ctx, off_thread};
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::{self, Params};
use crate::table::Category::Blockchain;
use crate::table::{Kind, Method, method, opt, req};

pub(super) const METHODS: &[Method] = &[
    method(
        "getblockstats",
        Blockchain,
        &[req("hash_or_height", Kind::Any), opt("stats", Kind::List)],
        "Figures of a block: sizes, fees and feerates (satoshis), coins.",
        |c, p| Box::pin(get_block_stats(c, p)),
    ),
    method(
        "getchaintxstats",
        Blockchain,
        &[opt("nblocks", Kind::Num), opt("blockhash", Kind::Str)],
        "The transactions of the chain, and of a window of its blocks.",
        |c, p| Box::pin(get_chain_tx_stats(c, p)),
    ),
    method(
        "verifychain",
        Blockchain,
        &[opt("checklevel", Kind::Num), opt("nblocks", Kind::Num)],
        "Reads the last blocks again, and from level 2 on what they spent.",
        |c, p| Box::pin(verify_chain(c, p)),
    ),
];

/// What a coin takes beside its output: outpoint, height and whether a coinbase made it.
const COIN_OVERHEAD_BYTES: i64 = 40;

/// The sums over a block's transactions, the coinbase left out but for outputs.
#[derive(Default)]
struct Sums {
    ins: i64,
    outs: i64,
    coins: i64,
    coin_bytes: i64,
    coin_bytes_all: i64,
    total_out: i64,
    total_size: i64,
    total_weight: i64,
    sw_txs: i64,
    sw_size: i64,
    sw_weight: i64,
    sizes: Vec<i64>,
    fees: Vec<i64>,
    /// Satoshis for a virtual byte, and the weight that pays them.
    rates: Vec<(i64, i64)>,
}

fn signed(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

fn coin_bytes(output: &TxOut) -> i64 {
    signed(output.size()).saturating_add(COIN_OVERHEAD_BYTES)
}

impl Sums {
    fn add_outputs(&mut self, tx: &ParsedTx, makes_coins: bool) -> i64 {
        let mut sum = 0i64;
        for output in &tx.tx().output {
            sum = sum.saturating_add(signed(output.value.to_sat()));
            self.outs = self.outs.saturating_add(1);
            self.coin_bytes_all = self.coin_bytes_all.saturating_add(coin_bytes(output));
            if makes_coins && !is_unspendable(&output.script_pubkey) {
                self.coins = self.coins.saturating_add(1);
                self.coin_bytes = self.coin_bytes.saturating_add(coin_bytes(output));
            }
        }
        sum
    }

    fn add(&mut self, tx: &ParsedTx, spent: &[adit_domain::consensus::Coin]) {
        let paid_out = self.add_outputs(tx, true);
        let (size, weight) = (signed(tx.total_size()), signed(tx.weight().to_wu()));
        self.ins = self.ins.saturating_add(signed(tx.tx().input.len()));
        self.total_out = self.total_out.saturating_add(paid_out);
        self.total_size = self.total_size.saturating_add(size);
        self.total_weight = self.total_weight.saturating_add(weight);
        self.sizes.push(size);
        if tx.has_witness() {
            self.sw_txs = self.sw_txs.saturating_add(1);
            self.sw_size = self.sw_size.saturating_add(size);
            self.sw_weight = self.sw_weight.saturating_add(weight);
        }
        let mut paid_in = 0i64;
        for coin in spent {
            paid_in = paid_in.saturating_add(signed(coin.output.value.to_sat()));
            self.coin_bytes = self.coin_bytes.saturating_sub(coin_bytes(&coin.output));
            self.coin_bytes_all = self.coin_bytes_all.saturating_sub(coin_bytes(&coin.output));
        }
        let fee = paid_in.saturating_sub(paid_out);
        self.fees.push(fee);
        self.rates.push((fee.saturating_mul(4).checked_div(weight).unwrap_or(0), weight));
    }

    /// The feerates below which a tenth, a quarter, the half, three quarters, and nine tenths of the weight lie.
    fn percentiles(&self) -> Vec<i64> {
        let mut rates = self.rates.clone();
        rates.sort_unstable();
        let last = rates.last().map_or(0, |(rate, _)| *rate);
        let below = |twentieths: i64| {
            let mut seen = 0i64;
            // In twentieths of the weight, so that nothing is rounded.
            let reached = |(_, weight): &&(i64, i64)| {
                seen = seen.saturating_add(*weight);
                seen.saturating_mul(20) >= self.total_weight.saturating_mul(twentieths)
            };
            rates.iter().find(reached).map_or(last, |(rate, _)| *rate)
        };
        [2, 5, 10, 15, 18].into_iter().map(below).collect()
    }
}

fn median(values: &[i64]) -> i64 {
    let mut values = values.to_vec();
    values.sort_unstable();
    let half = values.len() / 2;
    let at = |place: usize| values.get(place).copied().unwrap_or(0);
    if values.len() % 2 == 1 { at(half) } else { at(half).saturating_add(at(half.wrapping_sub(1))) / 2 }
}

async fn get_block_stats(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let node = ctx.node()?;
    let hash = match params.get(0) {
        number @ (Json::Int(_) | Json::Double(_)) => {
            let height = super::coinstats::height_of(&node, number)?;
            node.chain.hash_at(height).ok_or_else(|| RpcError::misc("Block not found"))?
        }
        typed => bitcoin::BlockHash::from_byte_array(params::hash(typed, "hash_or_height")?),
    };
    let entry = entry(&node.chain, &hash)?;
    let wanted = params.given(1).map(params::list).transpose()?.unwrap_or_default();
    let wanted =
        wanted.iter().map(|name| params::text(name).map(str::to_owned)).collect::<Result<Vec<_>, _>>()?;
    let (chain, params) = (node.chain.clone(), node.params.clone());
    drop(node);
    off_thread(move || {
        let block = chain.block(&hash)?.ok_or_else(|| missing(&chain, &hash))?;
        lies_there(&chain, &hash)?;
        let undo = match entry.height {
            Height::GENESIS => BlockUndo::default(),
            _ => undo_of(&chain, &hash)?.ok_or_else(|| RpcError::misc("Undo data not available"))?,
        };
        let subsidy = params.subsidy(entry.height).to_sat();
        let all = stats(&entry, &block, &undo, signed(subsidy));
        if wanted.is_empty() {
            return Ok(object(all));
        }
        let mut chosen = Vec::with_capacity(wanted.len());
        // In the order of the alphabet, each once, as Core's set of them.
        let wanted: std::collections::BTreeSet<String> = wanted.into_iter().collect();
        for name in wanted {
            let Some((name, value)) = all.iter().find(|(known, _)| *known == name) else {
                return Err(RpcError::invalid_parameter(format!("Invalid selected statistic '{name}'")));
            };
            chosen.push((*name, value.clone()));
        }
        Ok(object(chosen))
    })
    .await
}

fn stats(
    entry: &HeaderEntry,
    block: &ParsedBlock,
    undo: &BlockUndo,
    subsidy: i64,
) -> Vec<(&'static str, Json)> {
    let mut sums = Sums::default();
    let txs = block.txs();
    if let Some(coinbase) = txs.first() {
        sums.add_outputs(coinbase, entry.height > Height::GENESIS);
    }
    for (tx, spent) in txs.iter().skip(1).zip(&undo.spent) {
        sums.add(tx, spent);
    }
    let others = signed(txs.len()).saturating_sub(1);
    let total_fee = sums.fees.iter().fold(0i64, |sum, fee| sum.saturating_add(*fee));
    let most = |values: &[i64]| values.iter().copied().max().unwrap_or(0);
    let least = |values: &[i64]| values.iter().copied().min().unwrap_or(0);
    let rates: Vec<i64> = sums.rates.iter().map(|(rate, _)| *rate).collect();
    let mean = |sum: i64| sum.checked_div(others).unwrap_or(0);
    let rate = total_fee.saturating_mul(4).checked_div(sums.total_weight).unwrap_or(0);
    vec![
        ("avgfee", Json::Int(mean(total_fee))),
        ("avgfeerate", Json::Int(rate)),
        ("avgtxsize", Json::Int(mean(sums.total_size))),
        ("blockhash", Json::text(entry.hash)),
        ("feerate_percentiles", Json::from(sums.percentiles())),
        ("height", Json::from(entry.height.to_u32())),
        ("ins", Json::Int(sums.ins)),
        ("maxfee", Json::Int(most(&sums.fees))),
        ("maxfeerate", Json::Int(most(&rates))),
        ("maxtxsize", Json::Int(most(&sums.sizes))),
        ("medianfee", Json::Int(median(&sums.fees))),
        ("mediantime", Json::from(entry.median_time_past)),
        ("mediantxsize", Json::Int(median(&sums.sizes))),
        ("minfee", Json::Int(least(&sums.fees))),
        ("minfeerate", Json::Int(least(&rates))),
        ("mintxsize", Json::Int(least(&sums.sizes))),
        ("outs", Json::Int(sums.outs)),
        ("subsidy", Json::Int(subsidy)),
        ("swtotal_size", Json::Int(sums.sw_size)),
        ("swtotal_weight", Json::Int(sums.sw_weight)),
        ("swtxs", Json::Int(sums.sw_txs)),
        ("time", Json::from(entry.header.time)),
        ("total_out", Json::Int(sums.total_out)),
        ("total_size", Json::Int(sums.total_size)),
        ("total_weight", Json::Int(sums.total_weight)),
        ("totalfee", Json::Int(total_fee)),
        ("txs", Json::from(txs.len())),
        ("utxo_increase", Json::Int(sums.outs.saturating_sub(sums.ins))),
        ("utxo_size_inc", Json::Int(sums.coin_bytes_all)),
        ("utxo_increase_actual", Json::Int(sums.coins.saturating_sub(sums.ins))),
        ("utxo_size_inc_actual", Json::Int(sums.coin_bytes)),
    ]
}

/// A month.
const MONTH_S: u32 = 30 * 24 * 60 * 60;

async fn get_chain_tx_stats(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let node = ctx.node()?;
    let last = match params.given(1) {
        None => node.chain.tip().hash,
        Some(_) => params.block_hash(1, "blockhash")?,
    };
    let last = entry(&node.chain, &last)?;
    if !last.is_active {
        return Err(RpcError::invalid_parameter("Block is not in main chain"));
    }
    let height = last.height.to_u32();
    let month = MONTH_S.checked_div(node.params.pow.spacing_s).unwrap_or(0);
    let count = match params.opt_int::<i32>(0)? {
        None => month.min(height.saturating_sub(1)),
        Some(count) => u32::try_from(count).ok().filter(|n| *n == 0 || *n < height).ok_or_else(|| {
            let text = "Invalid block count: should be between 0 and the block's height - 1";
            RpcError::invalid_parameter(text)
        })?,
    };
    let (chain, counting) = (node.chain.clone(), ctx.counting());
    drop(node);
    off_thread(move || {
        let first = chain.entry_at(Height::new(height.saturating_sub(count)));
        let txs = |block: &HeaderEntry| progress::chain_txs(&chain, &block.hash, &counting);
        let all = txs(&last);
        let mut fields = vec![("time", Json::from(last.header.time))];
        fields.extend(all.map(|all| ("txcount", Json::from(all))));
        fields.extend([
            ("window_final_block_hash", Json::text(last.hash)),
            ("window_final_block_height", Json::from(height)),
            ("window_block_count", Json::from(count)),
        ]);
        let mut shown = object(fields);
        if let Some(first) = first.filter(|_| count > 0) {
            let seconds = i64::from(last.median_time_past) - i64::from(first.median_time_past);
            shown.push("window_interval", seconds);
            let came = all.zip(txs(&first)).map(|(all, before)| all.saturating_sub(before));
            if let Some(came) = came {
                shown.push("window_tx_count", came);
                let since = u32::try_from(seconds).ok().filter(|seconds| *seconds > 0);
                since.into_iter().for_each(|s| shown.push("txrate", progress::double(came) / f64::from(s)));
            }
        }
        Ok(shown)
    })
    .await
}

/// Blocks that are read where nothing else is asked for, as in Core.
const VERIFY_BLOCKS: u32 = 6;
/// The level, as in Core.
const VERIFY_LEVEL: i32 = 3;

async fn verify_chain(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let level = params.opt_int(0)?.unwrap_or(VERIFY_LEVEL);
    let count: i32 = params.opt_int(1)?.unwrap_or(0);
    let chain = ctx.node()?.chain.clone();
    off_thread(move || {
        let tip = chain.tip().height.to_u32();
        let count = match u32::try_from(count) {
            _ if params.given(1).is_none() => VERIFY_BLOCKS,
            Ok(0) | Err(_) => tip,
            Ok(count) => count,
        };
        for height in tip.saturating_sub(count.min(tip)).saturating_add(1)..=tip {
            if !is_sound(&chain, Height::new(height), level)? {
                return Ok(Json::from(false));
            }
        }
        Ok(Json::from(true))
    })
    .await
}

/// Whether a block reads and is whole, and what it spent fits it.
fn is_sound(chain: &ChainReader, height: Height, level: i32) -> Result<bool, RpcError> {
    let Some(hash) = chain.hash_at(height) else { return Ok(true) };
    let Some(block) = chain.block(&hash)? else { return Ok(chain.is_block_pruned(&hash)) };
    if block.hash() != hash || (level >= 1 && !is_intact(&block)) {
        return Ok(false);
    }
    if level < 2 {
        return Ok(true);
    }
    let undo = chain.spent_by(&hash)?;
    Ok(undo.is_some_and(|undo| undo.spent.len().saturating_add(1) == block.txs().len()))
}
