use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use adit_chainstate::{Activated, ChainstateInfo, LoadError};
use adit_proto::v1;
use adit_proto::v1::snapshot_service_server::SnapshotService;
use futures::Stream;
use futures::stream::unfold;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::{Request, Response, Status};

use super::api::Api;
use super::ask::{ask, within};
use super::node::fault;
use crate::messages::mempool::GetMempool;
use crate::messages::utxo::{LoadProgress, LoadUtxoSet};

/// How long it may take: 170 million coins at 0.2 million a second, read and hashed, and twice that again.
const LOAD_WITHIN: Duration = Duration::from_secs(7200);
/// What was said and nobody has heard yet: the newest is dropped, and another follows.
const PROGRESS_MAX: usize = 4;

type Loading = Pin<Box<dyn Stream<Item = Result<v1::LoadUtxoSetResponse, Status>> + Send>>;
type Ended = JoinHandle<Result<Result<Activated, LoadError>, Status>>;

#[tonic::async_trait]
impl SnapshotService for Api {
    type LoadUtxoSetStream = Loading;

    async fn load_utxo_set(
        &self,
        request: Request<v1::LoadUtxoSetRequest>,
    ) -> Result<Response<Loading>, Status> {
        let path = PathBuf::from(request.into_inner().path);
        if !path.is_absolute() {
            return Err(Status::invalid_argument("the path is not absolute"));
        }
        if let Ok(mempool) = self.mempool()
            && ask(&mempool.get, GetMempool).await?.transactions > 0
        {
            return Err(not_loaded(LoadError::MempoolNotEmpty));
        }
        let (progress, heard) = mpsc::channel(PROGRESS_MAX);
        let utxo = self.links.load_utxo.clone();
        let load = async move { within(LOAD_WITHIN, &utxo, LoadUtxoSet { path, progress }).await };
        let loading = (heard, Some(tokio::spawn(load)), self.ending.clone());
        let said = unfold(loading, |(mut heard, mut load, mut ending)| async move {
            let said = tokio::select! {
                _ = ending.changed() => return None,
                said = next(&mut heard, &mut load) => said?,
            };
            Some((said, (heard, load, ending)))
        });
        Ok(Response::new(Box::pin(said)))
    }

    async fn list_chainstates(
        &self,
        _request: Request<v1::ListChainstatesRequest>,
    ) -> Result<Response<v1::ListChainstatesResponse>, Status> {
        Ok(Response::new(v1::ListChainstatesResponse {
            chainstates: self.links.chain.chainstates().iter().map(chainstate).collect(),
            headers: self.links.chain.best_header().1.to_u32(),
        }))
    }
}

/// How far it is; what it came to when nothing more is said of that; none behind it.
async fn next(
    heard: &mut mpsc::Receiver<LoadProgress>,
    load: &mut Option<Ended>,
) -> Option<Result<v1::LoadUtxoSetResponse, Status>> {
    if let Some(LoadProgress { coins, total }) = heard.recv().await {
        return Some(Ok(v1::LoadUtxoSetResponse { coins, coins_total: total, loaded: None }));
    }
    let ended = load.take()?.await.map_err(|_| Status::internal("loading panicked"));
    Some(ended.and_then(|ended| ended).and_then(|ended| ended.map_err(not_loaded)).map(loaded))
}

fn loaded(activated: Activated) -> v1::LoadUtxoSetResponse {
    let Activated { base, height, coins } = activated;
    let loaded = v1::LoadedUtxoSet { base: base.to_string(), height: height.to_u32(), coins };
    v1::LoadUtxoSetResponse { coins, coins_total: coins, loaded: Some(loaded) }
}

fn chainstate(info: &ChainstateInfo) -> v1::Chainstate {
    let (height, target) = (info.tip.height.to_u32(), info.target.to_u32());
    let progress = if height >= target { 1.0 } else { f64::from(height) / f64::from(target) };
    v1::Chainstate {
        height,
        tip: info.tip.hash.to_string(),
        bits: info.tip.header.bits.to_consensus(),
        target_height: target,
        verification_progress: progress,
        snapshot_base: info.snapshot_base.map(|(hash, _)| hash.to_string()),
        snapshot_height: info.snapshot_base.map(|(_, height)| height.to_u32()),
        validated: info.validated,
    }
}

pub(super) fn not_loaded(error: LoadError) -> Status {
    let words = error.to_string();
    match error {
        LoadError::NotASnapshot
        | LoadError::OtherVersion { .. }
        | LoadError::OtherNetwork { .. }
        | LoadError::NotListed { .. }
        | LoadError::CountMismatch { .. }
        | LoadError::Malformed { .. }
        | LoadError::AboveBase { .. }
        | LoadError::BadAmount { .. }
        | LoadError::LeftOver { .. }
        | LoadError::OtherCoins { .. }
        | LoadError::Repeated { .. } => Status::invalid_argument(words),
        LoadError::Unread { .. }
        | LoadError::NoHeader { .. }
        | LoadError::InvalidChain { .. }
        | LoadError::OtherChain { .. }
        | LoadError::Already
        | LoadError::MempoolNotEmpty
        | LoadError::NoMoreWork { .. } => Status::failed_precondition(words),
        LoadError::Stopped => Status::cancelled(words),
        LoadError::Fault(met) => fault(met),
    }
}
