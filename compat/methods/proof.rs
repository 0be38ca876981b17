//! Proofs that transactions are in blocks.

use std::collections::BTreeSet;

use adit_chainstate::IndexKind;
use adit_domain::units::Height;
use bitcoin::consensus::encode::{deserialize, serialize};
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, MerkleBlock, OutPoint, Txid};

use super::chain::{entry, missing};
use super::coinstats::followed;
use crate::ctx::{Ctx, off_thread};
use crate::error::RpcError;
use crate::json::Json;
use crate::params::{self, Params};
use crate::table::Category::Blockchain;
use crate::table::{Kind, Method, method, opt, req};

pub(super) const METHODS: &[Method] = &[
    method(
        "gettxoutproof",
        Blockchain,
        &[req("txids", Kind::List).shown("[\"txid\",...]"), opt("blockhash", Kind::Str)],
        "A proof that transactions are in a block: the one that is named, one of theirs that has a coin left, or the one that the index knows.",
        |c, p| Box::pin(get_tx_out_proof(c, p)),
    ),
    method(
        "verifytxoutproof",
        Blockchain,
        &[req("proof", Kind::Str)],
        "The transactions that a proof is about, if its block is in the best chain.",
        |c, p| Box::pin(verify_tx_out_proof(c, p)),
    ),
];

/// Outputs of a transaction that are looked for among the coins.
const OUTPUTS_MAX: u32 = 1_000;

async fn get_tx_out_proof(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let typed = params::list(params.get(0))?;
    if typed.is_empty() {
        return Err(RpcError::invalid_parameter("Parameter 'txids' cannot be empty"));
    }
    let mut txids = BTreeSet::new();
    for typed in typed {
        let txid = Txid::from_byte_array(params::hash(typed, "txid")?);
        if !txids.insert(txid) {
            let text = format!("Invalid parameter, duplicated txid: {}", params::text(typed)?);
            return Err(RpcError::invalid_parameter(text));
        }
    }
    let node = ctx.node()?;
    let named = params.given(1).map(|_| params.block_hash(1, "blockhash")).transpose()?;
    if let Some(hash) = &named {
        entry(&node.chain, hash)?;
    }
    if named.is_none() {
        followed(&node, IndexKind::Transactions).await;
    }
    off_thread(move || {
        let block = named.map_or_else(|| block_of(&node, &txids), Ok)?;
        let block = node.chain.block(&block)?.ok_or_else(|| missing(&node.chain, &block))?;
        let found = block.txs().iter().filter(|tx| txids.contains(&tx.txid())).count();
        if found != txids.len() {
            let text = "Not all transactions found in specified or retrieved block";
            return Err(RpcError::invalid_address_or_key(text));
        }
        let ids: Vec<Txid> = block.txs().iter().map(|tx| tx.txid()).collect();
        let proof =
            MerkleBlock::from_header_txids_with_predicate(block.header(), &ids, |id| txids.contains(id));
        Ok(Json::hex(&serialize(&proof)))
    })
    .await
}

/// The block of any of them.
fn block_of(node: &adit_actors::root::NodeLinks, txids: &BTreeSet<Txid>) -> Result<BlockHash, RpcError> {
    for txid in txids {
        let outputs: Vec<OutPoint> = (0..OUTPUTS_MAX).map(|vout| OutPoint { txid: *txid, vout }).collect();
        let (_, coins) = node.chain.coins(&outputs)?;
        let height: Option<Height> = coins.into_iter().flatten().next().map(|coin| coin.height);
        if let Some(hash) = height.and_then(|height| node.chain.hash_at(height)) {
            return Ok(hash);
        }
    }
    let indexed = txids.first().and_then(|txid| node.indexes.transaction(txid).ok());
    let text = "Transaction not yet in block";
    indexed.map(|found| found.block).ok_or_else(|| RpcError::invalid_address_or_key(text))
}

async fn verify_tx_out_proof(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let raw = params::bytes(params.get(0), "proof")?;
    let chain = ctx.node()?.chain.clone();
    off_thread(move || {
        let proof: MerkleBlock =
            deserialize(&raw).map_err(|error| RpcError::deserialization(error.to_string()))?;
        let (mut ids, mut places) = (Vec::new(), Vec::new());
        if proof.extract_matches(&mut ids, &mut places).is_err() {
            return Ok(Json::List(Vec::new()));
        }
        let hash = proof.header.block_hash();
        let known = chain.entry(&hash).filter(|entry| entry.is_active);
        let block = known.map(|_| chain.block(&hash)).transpose()?.flatten();
        let text = "Block not found in chain";
        let block = block.ok_or_else(|| RpcError::invalid_address_or_key(text))?;
        // A proof over another number of leaves could show a node of the tree as a transaction.
        let is_whole = usize::try_from(proof.txn.num_transactions()).ok() == Some(block.txs().len());
        let ids = ids.into_iter().filter(|_| is_whole).map(Json::text);
        Ok(Json::List(ids.collect()))
    })
    .await
}
