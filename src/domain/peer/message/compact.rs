//! Compact blocks in messages. BIP-0152

use bitcoin::consensus::encode::{self, VarInt};

use super::{Bytes, MessageError, put, put_count};
use crate::peer::compact::{BlockTxs, BlockTxsRequest, CompactBlock};
use crate::peer::limits::COMPACT_TXS_MAX;
use crate::wire::ParsedTx;

impl Bytes<'_> {
    /// Header 80, nonce 8, how many short ids (compact), each 6; how many whole transactions (compact), of each the places since the one before
    /// (compact) and itself (BIP144).
    pub(super) fn compact_block(&mut self) -> Result<CompactBlock, MessageError> {
        let (header, nonce) = (self.take()?, self.take()?);
        let short_ids =
            (0..self.count(COMPACT_TXS_MAX)?).map(|_| self.short_id()).collect::<Result<_, _>>()?;
        let whole = self.count(COMPACT_TXS_MAX)?;
        let prefilled = (0..whole).map(|_| {
            let VarInt(gap) = self.take()?;
            Ok::<_, MessageError>((gap, self.tx()?))
        });
        Ok(CompactBlock { header, nonce, short_ids, prefilled: prefilled.collect::<Result<_, _>>()? })
    }

    fn short_id(&mut self) -> Result<u64, MessageError> {
        let [a, b, c, d, e, f]: [u8; 6] = self.take()?;
        Ok(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]))
    }

    fn tx(&mut self) -> Result<ParsedTx, MessageError> {
        let (tx, length) = ParsedTx::decode_first(self.rest)?;
        self.rest = self.rest.get(length..).unwrap_or_default();
        Ok(tx)
    }

    /// The block's hash 32, how many places (compact), of each how many lie between it and the one before (compact).
    pub(super) fn block_txs_request(&mut self) -> Result<BlockTxsRequest, MessageError> {
        let hash = self.take()?;
        let count = self.count(COMPACT_TXS_MAX)?;
        let mut places = Vec::new();
        let mut next = 0_usize;
        for _ in 0..count {
            let VarInt(gap) = self.take()?;
            let at = usize::try_from(gap).ok().and_then(|gap| next.checked_add(gap));
            let at = at.filter(|at| *at <= COMPACT_TXS_MAX).ok_or_else(|| self.overflow())?;
            places.push(at);
            next = at.saturating_add(1);
        }
        Ok(BlockTxsRequest { hash, places })
    }

    fn overflow(&self) -> MessageError {
        let source = encode::Error::ParseFailed("a transaction's place beyond any block");
        MessageError::Malformed { command: self.command, source }
    }

    /// The block's hash 32, how many transactions (compact), they (BIP144).
    pub(super) fn block_txs(&mut self) -> Result<BlockTxs, MessageError> {
        let hash = self.take()?;
        let count = self.count(COMPACT_TXS_MAX)?;
        Ok(BlockTxs { hash, txs: (0..count).map(|_| self.tx()).collect::<Result<_, _>>()? })
    }
}

pub(super) fn put_compact_block(out: &mut Vec<u8>, compact: &CompactBlock) {
    put(out, &compact.header);
    put(out, &compact.nonce);
    put_count(out, compact.short_ids.len());
    for id in &compact.short_ids {
        let [a, b, c, d, e, f, ..] = id.to_le_bytes();
        out.extend([a, b, c, d, e, f]);
    }
    put_count(out, compact.prefilled.len());
    for (gap, tx) in &compact.prefilled {
        put(out, &VarInt(*gap));
        out.extend_from_slice(tx.raw());
    }
}

pub(super) fn put_block_txs_request(out: &mut Vec<u8>, request: &BlockTxsRequest) {
    put(out, &request.hash);
    put_count(out, request.places.len());
    let mut next = 0_usize;
    for at in &request.places {
        put_count(out, at.saturating_sub(next));
        next = at.saturating_add(1);
    }
}

pub(super) fn put_block_txs(out: &mut Vec<u8>, answer: &BlockTxs) {
    put(out, &answer.hash);
    put_count(out, answer.txs.len());
    answer.txs.iter().for_each(|tx| out.extend_from_slice(tx.raw()));
}
