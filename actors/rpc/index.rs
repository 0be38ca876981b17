use std::sync::Arc;

use adit_chainstate::{CoinStats, FilterFound, IndexError, IndexStatus, TxFound};
use adit_domain::chain::Flows;
use adit_domain::units::Height;
use adit_proto::v1;
use adit_proto::v1::index_service_server::IndexService;
use bitcoin::hashes::{Hash, sha256d};
use bitcoin::{BlockHash, Txid};
use tokio::task::spawn_blocking;
use tonic::{Request, Response, Status};

use super::api::{Api, IndexSight};

impl Api {
    /// Asks the indexes on a thread that may wait for the disk.
    async fn ask_indexes<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn IndexSight) -> Result<T, IndexError> + Send + 'static,
    ) -> Result<T, Status> {
        let indexes = Arc::clone(&self.links.indexes);
        let answer = spawn_blocking(move || question(indexes.as_ref())).await;
        answer.map_err(|_| Status::internal("the question panicked"))?.map_err(refused)
    }

    fn block_or_tip(&self, typed: &str) -> Result<BlockHash, Status> {
        if typed.is_empty() {
            return Ok(self.links.chain.tip().hash);
        }
        typed.parse().map_err(|_| Status::invalid_argument("not a block's hash"))
    }

    fn height_of(&self, typed: &str) -> Result<Height, Status> {
        if let Ok(height) = typed.parse::<u32>() {
            return Ok(Height::new(height));
        }
        let hash = self.block_or_tip(typed)?;
        self.links.chain.height_in_best_chain(&hash).ok_or_else(|| refused(IndexError::NoSuchBlock))
    }
}

#[tonic::async_trait]
impl IndexService for Api {
    async fn list_indexes(
        &self,
        _request: Request<v1::ListIndexesRequest>,
    ) -> Result<Response<v1::ListIndexesResponse>, Status> {
        let indexes = self.links.indexes.status().into_iter().map(index).collect();
        Ok(Response::new(v1::ListIndexesResponse { indexes }))
    }

    async fn get_transaction(
        &self,
        request: Request<v1::GetTransactionRequest>,
    ) -> Result<Response<v1::GetTransactionResponse>, Status> {
        let txid = request.into_inner().txid.parse::<Txid>();
        let txid = txid.map_err(|_| Status::invalid_argument("not a transaction's id"))?;
        let TxFound { block, height, offset, tx } =
            self.ask_indexes(move |indexes| indexes.transaction(&txid)).await?;
        Ok(Response::new(v1::GetTransactionResponse {
            transaction: tx.raw().to_vec(),
            block: block.to_string(),
            height: height.to_u32(),
            offset,
        }))
    }

    async fn get_block_filter(
        &self,
        request: Request<v1::GetBlockFilterRequest>,
    ) -> Result<Response<v1::GetBlockFilterResponse>, Status> {
        let hash = self.block_or_tip(&request.into_inner().block)?;
        let FilterFound { block, height, filter, record } =
            self.ask_indexes(move |indexes| indexes.filter(&hash)).await?;
        let reversed = |bytes| sha256d::Hash::from_byte_array(bytes).to_string();
        Ok(Response::new(v1::GetBlockFilterResponse {
            block: block.to_string(),
            height: height.to_u32(),
            filter,
            hash: reversed(record.hash),
            header: reversed(record.header),
        }))
    }

    async fn get_coin_stats(
        &self,
        request: Request<v1::GetCoinStatsRequest>,
    ) -> Result<Response<v1::GetCoinStatsResponse>, Status> {
        let height = self.height_of(&request.into_inner().block)?;
        let found = self.ask_indexes(move |indexes| indexes.coin_stats(height)).await?;
        Ok(Response::new(coin_stats(&found)))
    }
}

fn refused(error: IndexError) -> Status {
    let text = error.to_string();
    match error {
        IndexError::Off(_) | IndexError::Pruned { .. } => Status::failed_precondition(text),
        IndexError::NotYet { .. } => Status::unavailable(text),
        IndexError::NoSuchBlock | IndexError::NoSuchTx => Status::not_found(text),
        IndexError::Fault(_) => Status::internal(text),
    }
}

fn index(status: IndexStatus) -> v1::Index {
    let (height, block) = status.best.unzip();
    v1::Index {
        name: status.kind.as_str().to_owned(),
        height: height.map(Height::to_u32),
        block: block.map(|hash| hash.to_string()).unwrap_or_default(),
        synced: status.synced,
        missing: status.missing.map(Height::to_u32),
    }
}

/// All of a block's flows, and all that cannot be spent, are below the money that there is; what the chain has moved in all is not.
fn sat(sum: u128) -> u64 {
    u64::try_from(sum).unwrap_or(u64::MAX)
}

fn coin_stats(found: &CoinStats) -> v1::GetCoinStatsResponse {
    let sums = &found.sums;
    v1::GetCoinStatsResponse {
        block: found.block.to_string(),
        height: found.height.to_u32(),
        coins: sums.coins,
        amount_sat: sums.amount_sat,
        bogo_size: sums.bogo_size,
        muhash: sums.muhash.digest().to_string(),
        unspendable_sat: sat(sums.flows.unspendable_sat()),
        moved: Some(moved(&found.moved)),
    }
}

fn moved(flows: &Flows) -> v1::BlockFlows {
    v1::BlockFlows {
        prevout_spent_sat: sat(flows.prevout_spent_sat),
        coinbase_sat: sat(flows.coinbase_sat),
        new_outputs_ex_coinbase_sat: sat(flows.new_outputs_sat),
        unspendable_sat: sat(flows.unspendable_sat()),
        genesis_block_sat: sat(flows.genesis_sat),
        bip30_sat: sat(flows.bip30_sat),
        scripts_sat: sat(flows.scripts_sat),
        unclaimed_rewards_sat: sat(flows.unclaimed_sat),
    }
}
