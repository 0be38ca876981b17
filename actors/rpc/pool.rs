use adit_domain::payout::{Balance, PoolBlock, PoolBlockState, WorkerTotals};
use adit_domain::stratum::SessionInfo;
use adit_domain::template::BlockTemplate;
use adit_domain::units::UnixMillis;
use adit_proto::v1;
use adit_proto::v1::pool_service_server::PoolService;
use tonic::{Request, Response, Status};

use super::api::Api;
use super::ask::ask;
use super::page::{cut, wanted};
use crate::messages::payout::{GetBalances, GetPoolBlocks, GetWorkers};
use crate::messages::stratum::GetSessions;
use crate::messages::template::{GetMiningWait, GetTemplate};

#[tonic::async_trait]
impl PoolService for Api {
    async fn list_workers(
        &self,
        request: Request<v1::ListWorkersRequest>,
    ) -> Result<Response<v1::ListWorkersResponse>, Status> {
        let v1::ListWorkersRequest { after, rows_max } = request.into_inner();
        let question = GetWorkers { after: named(&after).cloned(), rows_max: wanted(rows_max) };
        let rows = ask(&self.pool()?.workers, question).await?;
        let (rows, next) = cut(rows, |row| row.name.clone(), rows_max);
        let workers = rows.into_iter().map(worker).collect();
        Ok(Response::new(v1::ListWorkersResponse { workers, next: next.unwrap_or_default() }))
    }

    async fn list_blocks(
        &self,
        _request: Request<v1::ListBlocksRequest>,
    ) -> Result<Response<v1::ListBlocksResponse>, Status> {
        let found = ask(&self.pool()?.blocks, GetPoolBlocks).await?;
        let blocks = found.newest.into_iter().map(block).collect();
        Ok(Response::new(v1::ListBlocksResponse { blocks, total: found.total }))
    }

    async fn list_balances(
        &self,
        request: Request<v1::ListBalancesRequest>,
    ) -> Result<Response<v1::ListBalancesResponse>, Status> {
        let v1::ListBalancesRequest { after, rows_max } = request.into_inner();
        let question = GetBalances { after: named(&after).cloned(), rows_max: wanted(rows_max) };
        let rows = ask(&self.pool()?.balances, question).await?;
        let (rows, next) = cut(rows, |row| row.account.clone(), rows_max);
        let balances = rows.into_iter().map(balance).collect();
        Ok(Response::new(v1::ListBalancesResponse { balances, next: next.unwrap_or_default() }))
    }

    async fn list_sessions(
        &self,
        request: Request<v1::ListSessionsRequest>,
    ) -> Result<Response<v1::ListSessionsResponse>, Status> {
        let v1::ListSessionsRequest { after, rows_max } = request.into_inner();
        let question = GetSessions { after, rows_max: wanted(rows_max) };
        let rows = ask(&self.pool()?.sessions, question).await?;
        let (rows, next) = cut(rows, |row| row.id, rows_max);
        let sessions = rows.into_iter().map(session).collect();
        Ok(Response::new(v1::ListSessionsResponse { sessions, next }))
    }

    async fn get_template(
        &self,
        _request: Request<v1::GetTemplateRequest>,
    ) -> Result<Response<v1::GetTemplateResponse>, Status> {
        let newest = ask(&self.pool()?.template, GetTemplate).await?;
        let Some(newest) = newest else {
            let waits = ask(&self.pool()?.mining_wait, GetMiningWait).await?;
            let why = waits.map(|w| format!(": {w}")).unwrap_or_default();
            return Err(Status::unavailable(format!("there is no template yet{why}")));
        };
        Ok(Response::new(template(&newest)))
    }
}

/// No row has an empty name: it is the beginning.
fn named(after: &String) -> Option<&String> {
    Some(after).filter(|after| !after.is_empty())
}

fn worker(totals: WorkerTotals) -> v1::Worker {
    v1::Worker {
        name: totals.name,
        shares_accepted: totals.shares_accepted,
        shares_rejected: totals.shares_rejected,
        hashrate: totals.hashrate,
        work: totals.work_raw.to_string(),
        last_share_ms: totals.last_share.map(UnixMillis::to_ms),
    }
}

fn block(block: PoolBlock) -> v1::PoolBlock {
    let state = match block.state {
        PoolBlockState::Immature => v1::pool_block::State::Immature,
        PoolBlockState::Mature => v1::pool_block::State::Mature,
        PoolBlockState::Orphaned => v1::pool_block::State::Orphaned,
    };
    v1::PoolBlock {
        hash: block.hash.to_string(),
        height: block.height.to_u32(),
        finder: block.finder,
        reward_sat: block.reward.to_sat(),
        state: state.into(),
    }
}

fn balance(balance: Balance) -> v1::Balance {
    v1::Balance {
        account: balance.account,
        immature_sat: balance.immature_sat,
        mature_sat: balance.mature_sat,
    }
}

fn session(info: SessionInfo) -> v1::Session {
    v1::Session {
        id: info.id,
        remote: info.remote,
        user_agent: info.user_agent,
        workers: info.workers,
        difficulty_raw: info.difficulty.to_raw(),
        connected_at_ms: info.connected_at.to_ms(),
        shares_accepted: info.shares_accepted,
        shares_rejected: info.shares_rejected,
    }
}

fn template(template: &BlockTemplate) -> v1::GetTemplateResponse {
    v1::GetTemplateResponse {
        id: template.id,
        prev: template.prev.to_string(),
        height: template.height.to_u32(),
        version: u32::from_le_bytes(template.version.to_consensus().to_le_bytes()),
        bits: template.bits.to_consensus(),
        time: template.time,
        time_min: template.time_min,
        coinbase_value_sat: template.coinbase_value.to_sat(),
        txids: template.txs.iter().map(|tx| tx.txid().to_string()).collect(),
    }
}
