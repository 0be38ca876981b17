//! The coins as they were at a block below: those of today, with the blocks above it undone.
//!
//! Owns: which coins those blocks moved. Must not know: a file, or what becomes of the coins.
//!
//! Nothing is undone in the chain itself, which goes on meanwhile: what differs is held in memory, and laid over the coins while they are
//! walked. Where it would be too much at once, the keys are taken in ranges, and the blocks are read again for each.

use std::collections::BTreeMap;
use std::sync::Arc;

use adit_domain::chain::Tip;
use adit_domain::consensus::{BlockUndo, Coin};
use adit_domain::units::Height;
use adit_domain::wire::ParsedBlock;
use adit_store::{CoinSnapshot, OUTPOINT_BYTES, outpoint_key, outpoint_of};
use bitcoin::{BlockHash, Network, OutPoint};

use super::DumpError;
use crate::reader::ChainReader;
use crate::types::ChainFault;

/// Coins that differ and are held at once: some 150 bytes each, 300 MB.
const CHANGES_MAX: u64 = 2_000_000;
/// The two blocks of mainnet whose coins took the place of unspent ones, which are not in their undo data.
const HIDING: [Height; 2] = [Height::new(91_842), Height::new(91_880)];

/// By key: the coin that was there, or none.
type Changes = BTreeMap<[u8; OUTPOINT_BYTES], Option<Coin>>;

/// The way down from a tip.
pub(super) struct Back<'a> {
    reader: &'a ChainReader,
    /// To be undone, the highest first.
    blocks: Vec<(BlockHash, Height)>,
    /// Ranges that the keys are taken in, by their first byte: 1 to 256.
    ranges: u16,
}

impl<'a> Back<'a> {
    /// The way from `tip` down to a block of its chain.
    pub(super) fn new(reader: &'a ChainReader, tip: &Tip, to: BlockHash) -> Result<Back<'a>, DumpError> {
        let blocks = way(reader, tip.hash, to)?;
        let mut back = Back { reader, blocks, ranges: 1 };
        let mut moved = 0u64;
        for at in &back.blocks {
            let (block, undo) = back.read(*at)?;
            let made = block.txs().iter().map(|tx| tx.tx().output.len());
            let count: usize = made.chain(undo.spent.iter().map(Vec::len)).fold(0, usize::saturating_add);
            moved = moved.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        // Ids are as good as chance: each range has its share.
        back.ranges = u16::try_from(moved.div_ceil(CHANGES_MAX).clamp(1, 256)).unwrap_or(256);
        Ok(back)
    }

    fn read(&self, (hash, height): (BlockHash, Height)) -> Result<(Arc<ParsedBlock>, BlockUndo), DumpError> {
        let both = self.reader.block(&hash)?.zip(self.reader.spent_by(&hash)?);
        both.ok_or(DumpError::Gone { height })
    }

    /// Shows every coin of the block below, in the order of their keys; `coins` are those of the tip.
    pub(super) fn visit(
        &self,
        coins: &CoinSnapshot,
        each: &mut dyn FnMut(OutPoint, Coin) -> Result<(), DumpError>,
    ) -> Result<(), DumpError> {
        let step = 256u16.div_ceil(self.ranges);
        for first in (0..256u16).step_by(usize::from(step)) {
            let last = first.saturating_add(step).min(256).saturating_sub(1);
            // Both are bytes: the ranges end at 255.
            let byte = |n: u16| u8::try_from(n).unwrap_or(u8::MAX);
            self.visit_range(coins, (byte(first), byte(last)), each)?;
        }
        Ok(())
    }

    fn visit_range(
        &self,
        coins: &CoinSnapshot,
        (first, last): (u8, u8),
        each: &mut dyn FnMut(OutPoint, Coin) -> Result<(), DumpError>,
    ) -> Result<(), DumpError> {
        let mut changes = self.changes(first, last)?.into_iter().peekable();
        for row in coins.scan(first, last).map_err(ChainFault::from)? {
            let (outpoint, coin) = row.map_err(ChainFault::from)?;
            let key = outpoint_key(&outpoint);
            while let Some((gone, was)) = changes.next_if(|(other, _)| *other < key) {
                was.map_or(Ok(()), |coin| each(outpoint_of(&gone), coin))?;
            }
            match changes.next_if(|(other, _)| *other == key) {
                Some((_, was)) => was.map_or(Ok(()), |coin| each(outpoint, coin))?,
                None => each(outpoint, coin.to_coin())?,
            }
        }
        changes.try_for_each(|(key, was)| was.map_or(Ok(()), |coin| each(outpoint_of(&key), coin)))
    }

    /// What was otherwise, of the keys that begin with these bytes.
    fn changes(&self, first: u8, last: u8) -> Result<Changes, DumpError> {
        let mut changes = Changes::new();
        let mut note = |outpoint: OutPoint, was: Option<Coin>| {
            let key = outpoint_key(&outpoint);
            if key.first().is_some_and(|byte| (first..=last).contains(byte)) {
                changes.insert(key, was);
            }
        };
        for at in &self.blocks {
            let (block, undo) = self.read(*at)?;
            // The last transaction first: what one of the same block made and spent was never there.
            let spent = std::iter::once([].as_slice()).chain(undo.spent.iter().map(Vec::as_slice));
            let txs: Vec<_> = block.txs().iter().zip(spent).collect();
            for (tx, spent) in txs.into_iter().rev() {
                let txid = tx.txid();
                for (vout, _) in (0u32..).zip(&tx.tx().output) {
                    note(OutPoint { txid, vout }, None);
                }
                for (input, coin) in tx.tx().input.iter().zip(spent) {
                    note(input.previous_output, Some(coin.clone()));
                }
            }
        }
        Ok(changes)
    }
}

/// The blocks above `to`, the highest first.
fn way(reader: &ChainReader, tip: BlockHash, to: BlockHash) -> Result<Vec<(BlockHash, Height)>, DumpError> {
    let is_mainnet = reader.params().network == Network::Bitcoin;
    let (mut at, mut blocks) = (tip, Vec::new());
    while at != to {
        let header = reader.header(&at).filter(|(_, height)| *height > Height::GENESIS);
        let (header, height) = header.ok_or(DumpError::NotBelow { block: to })?;
        if is_mainnet && HIDING.contains(&height) {
            return Err(DumpError::Gone { height });
        }
        blocks.push((at, height));
        at = header.prev_blockhash;
    }
    Ok(blocks)
}
