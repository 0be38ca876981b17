use std::sync::Arc;

use adit_domain::peer::{BlockTxs, BlockTxsRequest, Command, CompactBlock, Message, TxRef, encode_frame};
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
            Inventory::WitnessBlock(hash) => send_block(&links, &link, hash, Form::Whole).await,
            Inventory::CompactBlock(hash) => send_block(&links, &link, hash, Form::Compact).await,
            Inventory::Block(hash) => send_block(&links, &link, hash, Form::Stripped).await,
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
async fn send_block(links: &Links, link: &Link, hash: BlockHash, form: Form) {
    let links = links.clone();
    let made = tokio::task::spawn_blocking(move || block_frame(&links, &hash, form)).await;
    if let Ok(Some(frame)) = made {
        link.push(frame);
    }
}

/// How a block is sent.
#[derive(Clone, Copy)]
enum Form {
    Whole,
    /// Without witnesses.
    Stripped,
    Compact,
}

fn block_frame(links: &Links, hash: &BlockHash, form: Form) -> Option<Vec<u8>> {
    let magic = Magic::from_bytes(links.config.magic);
    if let Form::Compact = form {
        let block = parsed(links, hash)?;
        let compact = CompactBlock::of(&block, links.shared.entropy.next_u64());
        return Message::CompactBlock(Arc::new(compact)).encode(magic);
    }
    let raw = match links.board.found(hash) {
        Some(block) => block.raw().to_vec(),
        None => stored(links, hash)?,
    };
    let raw = if let Form::Whole = form { raw } else { without_witnesses(&raw)? };
    Some(encode_frame(magic, Command::new("block"), &raw))
}

fn parsed(links: &Links, hash: &BlockHash) -> Option<Arc<ParsedBlock>> {
    let at_hand = links.board.at_hand(hash);
    at_hand.or_else(|| ParsedBlock::decode(&stored(links, hash)?).ok().map(Arc::new))
}

/// Sends transactions of a block; whether it has one at each of the places.
pub(super) async fn serve_block_txs(links: &Links, link: &Link, request: BlockTxsRequest) -> bool {
    link.room().await;
    let own = links.clone();
    let made = tokio::task::spawn_blocking(move || {
        let block = parsed(&own, &request.hash)?;
        let txs = request.places.iter().map(|at| block.txs().get(*at).cloned());
        Some(txs.collect::<Option<Vec<_>>>().map(|txs| BlockTxs { hash: request.hash, txs }))
    });
    match made.await {
        Ok(Some(Some(txs))) => push(link, Magic::from_bytes(links.config.magic), &Message::BlockTxs(txs)),
        Ok(Some(None)) => return false,
        // It is gone, or cannot be read.
        Ok(None) | Err(_) => {}
    }
    true
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
