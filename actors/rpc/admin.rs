use std::time::Duration;

use adit_proto::v1;
use adit_proto::v1::admin_service_server::AdminService;
use tonic::{Request, Response, Status};

use super::api::Api;
use super::ask::within;
use crate::messages::mempool::GetMempool;
use crate::messages::peer::GetPeers;
use crate::messages::stratum::GetSessions;
use crate::messages::template::GetMiningWait;
use crate::supervision::{ActorStatus, ExitReason, NoSuchActor};

/// How long `GetInfo` waits for a count: the rest of it needs nobody.
const COUNT_WITHIN: Duration = Duration::from_secs(2);
/// Bytes that a log filter may have: a word for each of forty modules.
const FILTER_BYTES_MAX: usize = 2048;

#[tonic::async_trait]
impl AdminService for Api {
    async fn get_info(
        &self,
        _request: Request<v1::GetInfoRequest>,
    ) -> Result<Response<v1::GetInfoResponse>, Status> {
        let (peers, sessions, mempool, mining_waits_for) =
            tokio::join!(self.peer_count(), self.session_count(), self.waiting(), self.mining_wait());
        let tip = self.links.chain.tip();
        let pruning = self.links.chain.pruning();
        let listen = |at: Option<std::net::SocketAddr>| at.map(|at| at.to_string()).unwrap_or_default();
        Ok(Response::new(v1::GetInfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            network: self.facts.network.to_owned(),
            height: tip.height.to_u32(),
            tip: tip.hash.to_string(),
            header_height: self.links.chain.best_header().1.to_u32(),
            started_at_ms: self.facts.started_at.to_ms(),
            now_ms: self.clock.now().to_ms(),
            chaos: self.facts.chaos,
            p2p_listen: listen(self.facts.p2p_listen),
            stratum_listen: listen(self.facts.stratum_listen),
            peers,
            sessions,
            mempool_transactions: mempool,
            median_time_past: tip.median_time_past,
            mining_waits_for,
            pruned: pruning.is_pruned,
            kept_from: pruning.kept_from.to_u32(),
            prune_target_mib: pruning.target_mib,
        }))
    }

    async fn list_actors(
        &self,
        _request: Request<v1::ListActorsRequest>,
    ) -> Result<Response<v1::ListActorsResponse>, Status> {
        let actors = self.supervisor.actors().into_iter().map(actor).collect();
        Ok(Response::new(v1::ListActorsResponse { actors }))
    }

    async fn restart_actor(
        &self,
        request: Request<v1::RestartActorRequest>,
    ) -> Result<Response<v1::RestartActorResponse>, Status> {
        let names = self.supervisor.restart(&request.into_inner().name).map_err(no_such_actor)?;
        tracing::warn!(?names, "restarted by the operator");
        Ok(Response::new(v1::RestartActorResponse { names }))
    }

    async fn panic_actor(
        &self,
        request: Request<v1::PanicActorRequest>,
    ) -> Result<Response<v1::PanicActorResponse>, Status> {
        if !self.facts.chaos {
            return Err(Status::failed_precondition(
                "panics may be injected only where the node runs with --chaos",
            ));
        }
        let names = self.supervisor.crash(&request.into_inner().name).map_err(no_such_actor)?;
        Ok(Response::new(v1::PanicActorResponse { names }))
    }

    async fn set_log_level(
        &self,
        request: Request<v1::SetLogLevelRequest>,
    ) -> Result<Response<v1::SetLogLevelResponse>, Status> {
        let filter = request.into_inner().filter;
        if filter.len() > FILTER_BYTES_MAX {
            return Err(Status::invalid_argument("the filter is too long"));
        }
        (self.facts.set_log_level)(&filter).map_err(Status::invalid_argument)?;
        tracing::info!(filter, "log level changed by the operator");
        Ok(Response::new(v1::SetLogLevelResponse {}))
    }

    async fn stop(&self, _request: Request<v1::StopRequest>) -> Result<Response<v1::StopResponse>, Status> {
        tracing::info!("stopped by the operator");
        self.supervisor.end(ExitReason::Requested);
        Ok(Response::new(v1::StopResponse {}))
    }
}

impl Api {
    async fn peer_count(&self) -> u32 {
        let Ok(peers) = self.peers() else { return 0 };
        within(COUNT_WITHIN, peers, GetPeers).await.map_or(0, |list| count(list.len()))
    }

    async fn session_count(&self) -> u32 {
        let Ok(pool) = self.pool() else { return 0 };
        within(COUNT_WITHIN, &pool.sessions, GetSessions::ALL).await.map_or(0, |list| count(list.len()))
    }

    async fn mining_wait(&self) -> String {
        let Ok(pool) = self.pool() else { return String::new() };
        let waits = within(COUNT_WITHIN, &pool.mining_wait, GetMiningWait).await.ok().flatten();
        waits.map(|w| w.to_string()).unwrap_or_default()
    }

    async fn waiting(&self) -> u64 {
        let Ok(mempool) = self.mempool() else { return 0 };
        within(COUNT_WITHIN, &mempool.get, GetMempool).await.map_or(0, |summary| summary.transactions)
    }
}

fn count(rows: usize) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}

fn actor(status: ActorStatus) -> v1::Actor {
    v1::Actor {
        name: status.name,
        role: status.role.to_string(),
        restarts: status.restarts,
        since_ms: status.since.to_ms(),
        heard_ms: status.heard.to_ms(),
        last_panic: status.last_panic,
    }
}

fn no_such_actor(error: NoSuchActor) -> Status {
    match error {
        NoSuchActor::Unknown(_) => Status::not_found(error.to_string()),
        NoSuchActor::Busy(_) => Status::unavailable(error.to_string()),
    }
}
