use std::sync::Arc;

use adit_domain::peer::{Command, Message, TxRef, encode_frame};
use adit_domain::wire::{ParsedBlock, ParsedTx};
use bitcoin::BlockHash;
use bitcoin::consensus::encode;
use bitcoin::p2p::Magic;
use bitcoin::p2p::message_blockdata::Inventory;

use super::Links;
use super::link::Link;

/// Sends what was asked for, one after the other, never more than the link has room for; of the mempool what was there before its
/// change of number `before`.
pub(super) async fn serve(links: Links, link: Link, (items, before): (Vec<Inventory>, u64)) {
    let magic = Magic::from_bytes(links.config.magic);
    let mut missing = Vec::new();
    for item in items {
        link.room().await;
        match item {
            Inventory::WitnessBlock(hash) | Inventory::CompactBlock(hash) => {
                send_block(&links, &link, hash, true).await;
            }
            Inventory::Block(hash) => send_block(&links, &link, hash, false).await,
            other => match TxRef::of(&other).and_then(|tx| held(&links, &tx, before)) {
                Some(tx) => {
                    links.deps.mempool.was_broadcast(&tx.txid());
                    push(&link, magic, &Message::Tx(tx));
                }
                None if TxRef::of(&other).is_some() => missing.push(other),
                None => {}
            },
        }
    }
    if !missing.is_empty() {
        push(&link, magic, &Message::NotFound(missing));
    }
}

fn held(links: &Links, tx: &TxRef, before: u64) -> Option<Arc<ParsedTx>> {
    links.deps.mempool.get_before(tx, before).or_else(|| links.board.latest_tx(tx))
}

fn push(link: &Link, magic: Magic, message: &Message) {
    if let Some(frame) = message.encode(magic) {
        link.push(frame);
    }
}

/// Reads, strips and hashes beside the actors: a block takes milliseconds.
async fn send_block(links: &Links, link: &Link, hash: BlockHash, witness: bool) {
    let links = links.clone();
    let made = tokio::task::spawn_blocking(move || block_frame(&links, &hash, witness)).await;
    if let Ok(Some(frame)) = made {
        link.push(frame);
    }
}

fn block_frame(links: &Links, hash: &BlockHash, witness: bool) -> Option<Vec<u8>> {
    let raw = match links.board.found(hash) {
        Some(block) => block.raw().to_vec(),
        None => stored(links, hash)?,
    };
    let raw = if witness { raw } else { without_witnesses(&raw)? };
    Some(encode_frame(Magic::from_bytes(links.config.magic), Command::new("block"), &raw))
}

fn stored(links: &Links, hash: &BlockHash) -> Option<Vec<u8>> {
    links.deps.chain.raw_block(hash).unwrap_or_else(|fault| {
        tracing::error!(%hash, %fault, "a stored block cannot be read to be served");
        None
    })
}

fn without_witnesses(raw: &[u8]) -> Option<Vec<u8>> {
    let mut block = ParsedBlock::decode(raw).ok()?.to_block();
    block.txdata.iter_mut().flat_map(|tx| &mut tx.input).for_each(|input| input.witness.clear());
    Some(encode::serialize(&block))
}
