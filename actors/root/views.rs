//! What each role reads of the chain, answered by the chain's own reader.

use std::sync::Arc;

use adit_chainstate::{
    ChainFault, ChainReader, ChainstateInfo, CoinStats, FilterFound, IndexError, IndexStatus, Indexes,
    Pruning, TxFound,
};
use adit_domain::chain::{NextBlock, Tip};
use adit_domain::consensus::{DeploymentReport, ViewFault};
use adit_domain::script::ScriptFlags;
use adit_domain::units::{Height, UnixMillis};
use adit_domain::wire::ParsedBlock;
use bitcoin::{BlockHash, Txid};

use crate::mempool::MempoolChain;
use crate::rpc::{ChainSight, IndexSight};

impl ChainSight for ChainReader {
    fn tip(&self) -> Arc<Tip> {
        ChainReader::tip(self)
    }

    fn best_header(&self) -> (BlockHash, Height) {
        ChainReader::best_header(self)
    }

    fn next_block(&self, now: UnixMillis) -> NextBlock {
        ChainReader::next_block(self, now)
    }

    fn deployments(&self, block: Option<&BlockHash>) -> Option<Result<DeploymentReport, ViewFault>> {
        ChainReader::deployments(self, block)
    }

    fn height_in_best_chain(&self, hash: &BlockHash) -> Option<Height> {
        ChainReader::height_in_best_chain(self, hash)
    }

    fn pruning(&self) -> Pruning {
        ChainReader::pruning(self)
    }

    fn path_from(&self, tip: &BlockHash) -> Option<(Vec<BlockHash>, Vec<BlockHash>)> {
        ChainReader::path_from(self, tip)
    }

    fn chainstates(&self) -> Vec<ChainstateInfo> {
        ChainReader::chainstates(self)
    }
}

impl IndexSight for Indexes {
    fn status(&self) -> Vec<IndexStatus> {
        Indexes::status(self)
    }

    fn transaction(&self, txid: &Txid) -> Result<TxFound, IndexError> {
        Indexes::transaction(self, txid)
    }

    fn filter(&self, block: &BlockHash) -> Result<FilterFound, IndexError> {
        Indexes::filter(self, block)
    }

    fn coin_stats(&self, height: Height) -> Result<CoinStats, IndexError> {
        Indexes::coin_stats(self, height)
    }
}

impl MempoolChain for ChainReader {
    fn next_block(&self, now: UnixMillis) -> NextBlock {
        ChainReader::next_block(self, now)
    }

    fn best_header_height(&self) -> Height {
        ChainReader::best_header(self).1
    }

    fn height_of(&self, hash: &BlockHash) -> Option<Height> {
        ChainReader::height_in_best_chain(self, hash)
    }

    fn is_settled(&self) -> bool {
        ChainReader::is_settled(self)
    }

    fn script_flags(&self, height: Height) -> ScriptFlags {
        ChainReader::script_flags(self, height)
    }

    fn path_from(&self, tip: &BlockHash) -> Option<(Vec<BlockHash>, Vec<BlockHash>)> {
        ChainReader::path_from(self, tip)
    }

    fn block(&self, hash: &BlockHash) -> Result<Option<Arc<ParsedBlock>>, ChainFault> {
        ChainReader::block(self, hash)
    }
}
