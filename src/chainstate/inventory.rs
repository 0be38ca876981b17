//! What a datadir holds, in numbers, for one that no node has open.

use std::sync::Arc;
use std::thread;

use adit_domain::consensus::{BLOCK_WEIGHT_MAX, Params};
use adit_domain::units::Height;
use adit_store::{CoinSnapshot, FileEnd, Store, TierInfo};
use bitcoin::BlockHash;

use crate::check::{Checked, Known, headers};
use crate::scan::{BlockFile, Skipped, Verdict, Wanted, scan_from};
use crate::types::ChainFault;

/// Files of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Files {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Coins, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CoinCount {
    /// How many.
    pub coins: u64,
    /// Their amounts in all, in satoshis.
    pub amount_sat: u64,
}

/// What a datadir holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// The tip that the coins belong to, as of the last flush.
    pub tip: BlockHash,
    /// Its height.
    pub height: Height,
    /// The height up to which all blocks were verified here: below a snapshot's less than the tip's.
    pub verified_height: Height,
    /// Flushes so far.
    pub flushes: u64,
    /// The header with the most work.
    pub best_header: BlockHash,
    /// Its height.
    pub best_height: Height,
    /// Headers.
    pub headers: u64,
    /// Blocks whose bodies are stored.
    pub blocks: u64,
    /// The lowest of the best chain whose body is stored: what lies below is pruned.
    pub lowest_block: Option<Height>,
    /// Tiers of coins, the newest first.
    pub tiers: Vec<TierInfo>,
    /// The coins, where they were counted.
    pub coins: Option<CoinCount>,
    /// `blk*.dat`.
    pub block_files: Files,
    /// `rev*.dat`.
    pub undo_files: Files,
    /// Bytes of `chainstate.redb`.
    pub chainstate_bytes: u64,
    /// Blocks behind the last flush: a node connects them when it starts.
    pub behind_blocks: u64,
    /// Bytes of block files behind the last flush.
    pub behind_bytes: u64,
    /// Bytes that the disk has left.
    pub free_bytes: u64,
}

/// Counts what is there; the coins as well where `count_coins` says so, which walks over all of them.
pub fn inventory(
    store: &Store,
    params: &Arc<Params>,
    threads: usize,
    count_coins: bool,
) -> Result<Inventory, ChainFault> {
    let state = store.db().state()?;
    let mut checked = Checked::default();
    let known = headers::read(&store.db(), params, &mut checked);
    let known = known.and_then(|known| headers::tip(known, state, &mut checked));
    let Some((known, tip)) = known else {
        let said = checked.problems.first().map(ToString::to_string);
        return Err(ChainFault::State(said.unwrap_or_default()));
    };
    let (tree, end) = (&known.tree, state.map(|s| s.blocks_end).unwrap_or_default());
    let coins = count_coins.then(|| count(&store.db().snapshot()?, threads)).transpose()?;
    let (behind_blocks, behind_bytes) = behind(store, params, end)?;
    let best = tree.best_header_id();
    let verified = match store.db_behind() {
        Some(db) => db.state()?.map_or(Height::GENESIS, |state| state.height),
        None => tree.node(tip).height(),
    };
    Ok(Inventory {
        verified_height: verified,
        tip: tree.node(tip).hash(),
        height: tree.node(tip).height(),
        flushes: state.map_or(0, |s| s.flushes),
        best_header: tree.node(best).hash(),
        best_height: tree.node(best).height(),
        headers: checked.headers,
        blocks: known.stored().map(|_| 1).sum(),
        lowest_block: lowest(&known),
        tiers: store.db().tier_infos(),
        coins,
        block_files: files(store, "blk")?,
        undo_files: files(store, "rev")?,
        chainstate_bytes: store.chainstate_bytes()?,
        behind_blocks,
        behind_bytes,
        free_bytes: store.free_bytes()?,
    })
}

fn lowest(known: &Known) -> Option<Height> {
    let heights =
        known.stored().filter(|id| known.tree.is_active(*id)).map(|id| known.tree.node(id).height());
    heights.min()
}

fn files(store: &Store, prefix: &str) -> Result<Files, ChainFault> {
    let found = store.flat_files(prefix)?;
    let bytes = found.values().fold(0u64, |sum, bytes| sum.saturating_add(*bytes));
    Ok(Files { count: u64::try_from(found.len()).unwrap_or(u64::MAX), bytes })
}

/// Blocks and bytes in the block files from `end` on.
fn behind(store: &Store, params: &Params, end: FileEnd) -> Result<(u64, u64), ChainFault> {
    let wanted = Wanted { magic: params.magic, foreign: &[], block_bytes_max: BLOCK_WEIGHT_MAX };
    let key = store.key();
    let (mut blocks, mut bytes) = (0u64, 0u64);
    for (number, len) in store.flat_files("blk")?.range(end.file..) {
        let from = if *number == end.file { u64::from(end.offset) } else { 0 };
        bytes = bytes.saturating_add(len.saturating_sub(from));
        let file = BlockFile { path: store.flat_path("blk", *number), key };
        let scanned = scan_from(&file, from, &wanted, &mut Skipped::default(), |_, _| {
            blocks = blocks.saturating_add(1);
            Verdict::Block
        });
        scanned.map_err(|e| ChainFault::Storage(format!("{}: {e}", file.path.display())))?;
    }
    Ok((blocks, bytes))
}

/// Walks over all coins: about a third of a microsecond each.
fn count(coins: &CoinSnapshot, threads: usize) -> Result<CoinCount, ChainFault> {
    let threads = threads.clamp(1, 256);
    let step = 256usize.div_ceil(threads);
    thread::scope(|scope| {
        let part = |first: usize| {
            let byte = |n: usize| u8::try_from(n).unwrap_or(u8::MAX);
            let last = first.saturating_add(step).saturating_sub(1);
            scope.spawn(move || count_part(coins, byte(first), byte(last)))
        };
        let running: Vec<_> = (0..256usize).step_by(step).map(part).collect();
        let mut sum = CoinCount::default();
        for thread in running {
            let panicked = |_| ChainFault::State("counting coins panicked".to_owned());
            let part = thread.join().map_err(panicked)??;
            sum.coins = sum.coins.saturating_add(part.coins);
            sum.amount_sat = sum.amount_sat.saturating_add(part.amount_sat);
        }
        Ok(sum)
    })
}

fn count_part(coins: &CoinSnapshot, first: u8, last: u8) -> Result<CoinCount, ChainFault> {
    let mut sum = CoinCount::default();
    for row in coins.scan(first, last)? {
        let (_, coin) = row?;
        sum.coins = sum.coins.saturating_add(1);
        sum.amount_sat = sum.amount_sat.saturating_add(coin.amount_sat());
    }
    Ok(sum)
}
