use std::sync::Arc;

use adit_chainstate::{ChainReader, FilterFound, IndexError, Indexes};
use adit_domain::peer::{FilterAsk, FilterRange, FilterRow, Message};
use adit_domain::units::Height;
use bitcoin::BlockHash;
use bitcoin::p2p::Magic;
use tokio::task::spawn_blocking;

use super::Links;
use super::link::Link;

/// Blocks that have left the best chain and whose filters are made anew at most: those that leave it are few.
const STALE_BLOCKS_MAX: usize = 100;
/// Blocks from one checkpoint of filters' headers to the next. BIP-0157
const CHECKPOINT_BLOCKS: usize = 1_000;

/// Where the filters of blocks come from. All of it reads the disk.
pub trait PeerFilters: Send + Sync {
    /// The block at `height` of the chain that ends in `stop`.
    fn block_at(&self, stop: &BlockHash, height: Height) -> Option<BlockHash>;
    /// A block's filter.
    fn filter(&self, block: &BlockHash) -> Result<FilterFound, IndexError>;
}

/// The index of filters, and the chain that it follows.
pub struct IndexedFilters {
    /// The chain.
    pub chain: ChainReader,
    /// The indexes.
    pub indexes: Indexes,
}

impl PeerFilters for IndexedFilters {
    fn block_at(&self, stop: &BlockHash, height: Height) -> Option<BlockHash> {
        self.chain.ancestor_hash(stop, height)
    }

    fn filter(&self, block: &BlockHash) -> Result<FilterFound, IndexError> {
        self.indexes.filter_of_any(block, STALE_BLOCKS_MAX)
    }
}

/// Sends what was asked for, never more than the link has room for. Where the index has not come so far, nothing.
pub(super) async fn serve(links: &Links, link: &Link, range: FilterRange) {
    let Some(filters) = links.deps.filters.clone() else { return };
    let magic = Magic::from_bytes(links.config.magic);
    match range.ask {
        FilterAsk::Filters => {
            for height in range.start.to_u32()..=range.stop_height.to_u32() {
                link.room().await;
                let source = Arc::clone(&filters);
                let made = spawn_blocking(move || row(&*source, &range.stop, Height::new(height))).await;
                let Ok(Some((row, filter))) = made else { return };
                push(link, magic, &Message::Filter { block: row.block, filter });
            }
        }
        FilterAsk::Headers | FilterAsk::Checkpoints => {
            link.room().await;
            let made = spawn_blocking(move || answer(&*filters, &range)).await;
            if let Ok(Some(message)) = made {
                push(link, magic, &message);
            }
        }
    }
}

fn row(filters: &dyn PeerFilters, stop: &BlockHash, height: Height) -> Option<(FilterRow, Vec<u8>)> {
    let block = filters.block_at(stop, height)?;
    match filters.filter(&block) {
        Ok(found) => {
            let row = FilterRow { block, hash: found.record.hash, header: found.record.header };
            Some((row, found.filter))
        }
        Err(error) => {
            tracing::debug!(%block, %error, "a filter cannot be served");
            None
        }
    }
}

fn answer(filters: &dyn PeerFilters, range: &FilterRange) -> Option<Message> {
    let row = |height: u32| row(filters, &range.stop, Height::new(height)).map(|(row, _)| row);
    let (start, stop) = (range.start.to_u32(), range.stop_height.to_u32());
    if range.ask == FilterAsk::Checkpoints {
        let first = u32::try_from(CHECKPOINT_BLOCKS).unwrap_or(u32::MAX);
        let headers = (first..=stop).step_by(CHECKPOINT_BLOCKS).map(|height| Some(row(height)?.header));
        return Some(Message::FilterCheckpoints {
            stop: range.stop,
            headers: headers.collect::<Option<_>>()?,
        });
    }
    let previous = match start.checked_sub(1) {
        Some(below) => row(below)?.header,
        None => [0; 32],
    };
    let hashes = (start..=stop).map(|height| Some(row(height)?.hash)).collect::<Option<_>>()?;
    Some(Message::FilterHeaders { stop: range.stop, previous, hashes })
}

fn push(link: &Link, magic: Magic, message: &Message) {
    if let Some(frame) = message.encode(magic) {
        link.push(frame);
    }
}
