use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use adit_chainstate::{ChainFault, DumpError, Mark, MarkError, PruneError, PruneUpTo, SubmitError};
use adit_domain::chain::Tip;
use adit_domain::consensus::{DeploymentReport, Tally, VoteReport};
use adit_domain::mempool::{MempoolEntry, TxRejected};
use adit_domain::peer::PeerInfo;
use adit_domain::units::Height;
use adit_domain::wire::{ParsedBlock, ParsedTx};
use adit_proto::v1;
use adit_proto::v1::node_service_server::NodeService;
use bitcoin::BlockHash;
use tonic::{Request, Response, Status};

use super::api::Api;
use super::ask::{ask, within};
use crate::messages::chain::{MarkBlock, PruneBlocks, SubmitBlock};
use crate::messages::mempool::{GetMempool, SubmitTransaction};
use crate::messages::peer::GetPeers;
use crate::messages::utxo::{DumpUtxoSet, GetUtxoStats};

/// Bytes that a submitted transaction may have: what a standard one weighs at most (400,000), all of it witness.
const TRANSACTION_BYTES_MAX: usize = 400_000;
/// How long a transaction or a block may take: a block that reorganises, or that waits behind a flush.
const SUBMIT_WITHIN: Duration = Duration::from_secs(120);
/// How long a mark may take: a year of blocks that leave, 50,000 at 30 a second.
const MARK_WITHIN: Duration = Duration::from_secs(1800);
/// How long pruning may take: a flush, and 8,000 files to unlink.
const PRUNE_WITHIN: Duration = Duration::from_secs(600);
/// How long the walk over all coins may take: 170 million coins at 0.2 million a second, and as much again.
const UTXO_WITHIN: Duration = Duration::from_secs(1800);

#[tonic::async_trait]
impl NodeService for Api {
    async fn get_chain_info(
        &self,
        _request: Request<v1::GetChainInfoRequest>,
    ) -> Result<Response<v1::GetChainInfoResponse>, Status> {
        let chain = &self.links.chain;
        let (tip, (best_header, header_height)) = (chain.tip(), chain.best_header());
        Ok(Response::new(v1::GetChainInfoResponse {
            network: self.facts.network.to_owned(),
            height: tip.height.to_u32(),
            tip: tip.hash.to_string(),
            header_height: header_height.to_u32(),
            best_header: best_header.to_string(),
            time: tip.header.time,
            median_time_past: tip.median_time_past,
            next_bits: chain.next_block(self.clock.now()).bits.to_consensus(),
            chain_work: hex(&tip.chain_work.to_be_bytes()),
        }))
    }

    async fn get_deployments(
        &self,
        request: Request<v1::GetDeploymentsRequest>,
    ) -> Result<Response<v1::GetDeploymentsResponse>, Status> {
        let typed = request.into_inner().block;
        let block = if typed.is_empty() { None } else { Some(block_hash(&typed)?) };
        let report = self.links.chain.deployments(block.as_ref());
        let report = report.ok_or_else(|| Status::not_found("Block not found"))?;
        let report = report.map_err(|fault| Status::internal(fault.to_string()))?;
        Ok(Response::new(deployments(&report)))
    }

    async fn list_peers(
        &self,
        _request: Request<v1::ListPeersRequest>,
    ) -> Result<Response<v1::ListPeersResponse>, Status> {
        let peers = ask(self.peers()?, GetPeers).await?.into_iter().map(peer).collect();
        Ok(Response::new(v1::ListPeersResponse { peers }))
    }

    async fn get_mempool(
        &self,
        _request: Request<v1::GetMempoolRequest>,
    ) -> Result<Response<v1::GetMempoolResponse>, Status> {
        let summary = ask(&self.mempool()?.get, GetMempool).await?;
        Ok(Response::new(v1::GetMempoolResponse {
            transactions: summary.transactions,
            weight: summary.weight,
            fees_sat: summary.fees.to_sat(),
            rows: summary.rows.iter().map(waiting).collect(),
        }))
    }

    async fn submit_transaction(
        &self,
        request: Request<v1::SubmitTransactionRequest>,
    ) -> Result<Response<v1::SubmitTransactionResponse>, Status> {
        let raw = request.into_inner().transaction;
        if raw.len() > TRANSACTION_BYTES_MAX {
            return Err(Status::invalid_argument("tx-size"));
        }
        let tx =
            ParsedTx::decode(&raw).map_err(|e| Status::invalid_argument(format!("TX decode failed: {e}")))?;
        let command = SubmitTransaction { tx: Arc::new(tx), from: None };
        let txid = within(SUBMIT_WITHIN, &self.mempool()?.submit, command).await?.map_err(tx_rejected)?;
        Ok(Response::new(v1::SubmitTransactionResponse { txid: txid.to_string() }))
    }

    async fn get_utxo_stats(
        &self,
        _request: Request<v1::GetUtxoStatsRequest>,
    ) -> Result<Response<v1::GetUtxoStatsResponse>, Status> {
        let stats = within(UTXO_WITHIN, &self.links.utxo_stats, GetUtxoStats).await?.map_err(fault)?;
        Ok(Response::new(v1::GetUtxoStatsResponse {
            tip: stats.tip.to_string(),
            height: stats.height.to_u32(),
            coins: stats.coins,
            amount_sat: stats.amount_sat,
            muhash: stats.muhash,
            transactions: stats.transactions,
            bogo_size: stats.bogo_size,
            hash_serialized: stats.hash_serialized,
        }))
    }

    async fn dump_utxo_set(
        &self,
        request: Request<v1::DumpUtxoSetRequest>,
    ) -> Result<Response<v1::DumpUtxoSetResponse>, Status> {
        let path = PathBuf::from(request.into_inner().path);
        if !path.is_absolute() {
            return Err(Status::invalid_argument("the path is not absolute"));
        }
        let dumped = within(UTXO_WITHIN, &self.links.dump_utxo, DumpUtxoSet { path, at: None }).await?;
        let dumped = dumped.map_err(not_dumped)?;
        Ok(Response::new(v1::DumpUtxoSetResponse {
            base: dumped.base.to_string(),
            height: dumped.height.to_u32(),
            coins: dumped.coins,
            hash_serialized: dumped.hash_serialized,
        }))
    }

    async fn submit_block(
        &self,
        request: Request<v1::SubmitBlockRequest>,
    ) -> Result<Response<v1::SubmitBlockResponse>, Status> {
        let raw = request.into_inner().block;
        let block = ParsedBlock::decode(&raw)
            .map_err(|e| Status::invalid_argument(format!("Block decode failed: {e}")))?;
        let hash = block.hash();
        let command = SubmitBlock { block: Arc::new(block) };
        let accepted =
            within(SUBMIT_WITHIN, &self.links.submit_block, command).await?.map_err(block_rejected)?;
        Ok(Response::new(v1::SubmitBlockResponse {
            hash: hash.to_string(),
            duplicate: accepted.duplicate,
            connected: self.links.chain.height_in_best_chain(&hash).is_some(),
            height: accepted.tip.height.to_u32(),
        }))
    }

    async fn invalidate_block(
        &self,
        request: Request<v1::InvalidateBlockRequest>,
    ) -> Result<Response<v1::InvalidateBlockResponse>, Status> {
        let tip = self.mark(&request.into_inner().block, Mark::Invalid).await?;
        Ok(Response::new(v1::InvalidateBlockResponse {
            tip: tip.hash.to_string(),
            height: tip.height.to_u32(),
        }))
    }

    async fn reconsider_block(
        &self,
        request: Request<v1::ReconsiderBlockRequest>,
    ) -> Result<Response<v1::ReconsiderBlockResponse>, Status> {
        let tip = self.mark(&request.into_inner().block, Mark::Reconsider).await?;
        Ok(Response::new(v1::ReconsiderBlockResponse {
            tip: tip.hash.to_string(),
            height: tip.height.to_u32(),
        }))
    }

    async fn precious_block(
        &self,
        request: Request<v1::PreciousBlockRequest>,
    ) -> Result<Response<v1::PreciousBlockResponse>, Status> {
        let tip = self.mark(&request.into_inner().block, Mark::Precious).await?;
        Ok(Response::new(v1::PreciousBlockResponse {
            tip: tip.hash.to_string(),
            height: tip.height.to_u32(),
        }))
    }

    async fn prune_blocks(
        &self,
        request: Request<v1::PruneBlocksRequest>,
    ) -> Result<Response<v1::PruneBlocksResponse>, Status> {
        let command = PruneBlocks { up_to: PruneUpTo::from_number(request.into_inner().up_to) };
        let pruned = within(PRUNE_WITHIN, &self.links.prune_blocks, command).await?.map_err(not_pruned)?;
        Ok(Response::new(v1::PruneBlocksResponse {
            last_pruned: pruned.last().map(Height::to_u32),
            files: pruned.files,
            bytes: pruned.bytes,
        }))
    }
}

impl Api {
    async fn mark(&self, block: &str, mark: Mark) -> Result<Arc<Tip>, Status> {
        let command = MarkBlock { hash: block_hash(block)?, mark };
        within(MARK_WITHIN, &self.links.mark_block, command).await?.map_err(not_marked)
    }
}

fn block_hash(typed: &str) -> Result<BlockHash, Status> {
    typed.parse().map_err(|_| Status::invalid_argument("not a block's hash"))
}

fn not_dumped(error: DumpError) -> Status {
    let text = error.to_string();
    match error {
        DumpError::Exists { .. } => Status::already_exists(text),
        DumpError::Write { .. } | DumpError::NotBelow { .. } | DumpError::Gone { .. } => {
            Status::failed_precondition(text)
        }
        DumpError::Fault(met) => fault(met),
    }
}

fn deployments(report: &DeploymentReport) -> v1::GetDeploymentsResponse {
    let buried = report.buried.iter().map(|buried| v1::Deployment {
        name: buried.fork.name().to_owned(),
        height: Some(buried.height.to_u32()),
        active: buried.active,
        vote: None,
    });
    let votes = report.votes.iter().map(|vote| v1::Deployment {
        name: vote.deployment.name.to_owned(),
        height: vote.active_since.map(Height::to_u32),
        active: vote.is_active(report.height),
        vote: Some(ballot(vote)),
    });
    v1::GetDeploymentsResponse {
        hash: report.hash.to_string(),
        height: report.height.to_u32(),
        script_flags: report.script_flag_names().map(str::to_owned).collect(),
        deployments: buried.chain(votes).collect(),
    }
}

fn ballot(vote: &VoteReport) -> v1::Vote {
    let deployment = &vote.deployment;
    v1::Vote {
        bit: u32::from(deployment.bit),
        start_time_s: deployment.start.to_seconds(),
        timeout_s: deployment.timeout_s,
        min_activation_height: deployment.min_activation_height.to_u32(),
        status: vote.state.as_str().to_owned(),
        since: vote.since.to_u32(),
        status_next: vote.next.as_str().to_owned(),
        statistics: vote.tally.as_ref().map(statistics),
    }
}

fn statistics(tally: &Tally) -> v1::VoteStatistics {
    v1::VoteStatistics {
        period: tally.period,
        elapsed: tally.elapsed,
        count: tally.count,
        threshold: tally.goal.map(|goal| goal.threshold),
        possible: tally.goal.map(|goal| goal.possible),
        signalling: tally.votes.iter().map(|voted| if *voted { '#' } else { '-' }).collect(),
    }
}

fn peer(info: PeerInfo) -> v1::Peer {
    v1::Peer {
        id: info.id,
        remote: info.remote,
        inbound: info.inbound,
        user_agent: info.user_agent,
        height: info.height.to_u32(),
        connected_at_ms: info.connected_at.to_ms(),
        bytes_received: info.bytes_received,
        bytes_sent: info.bytes_sent,
    }
}

fn waiting(entry: &MempoolEntry) -> v1::MempoolTransaction {
    v1::MempoolTransaction {
        txid: entry.tx.txid().to_string(),
        wtxid: entry.tx.wtxid().to_string(),
        weight: entry.tx.weight().to_wu(),
        fee_sat: entry.fee.to_sat(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn tx_rejected(rejected: TxRejected) -> Status {
    let words = rejected.to_string();
    match rejected {
        TxRejected::AlreadyHeld | TxRejected::AlreadyKnown | TxRejected::SameNonWitnessData => {
            Status::already_exists(words)
        }
        TxRejected::Full | TxRejected::MempoolFee { .. } => Status::resource_exhausted(words),
        TxRejected::TipChanged => Status::aborted(words),
        TxRejected::Fault(_) => Status::internal(words),
        _ => Status::invalid_argument(words),
    }
}

pub(super) fn block_rejected(error: SubmitError) -> Status {
    match &error {
        SubmitError::Invalid { .. } => Status::invalid_argument(error.to_string()),
        SubmitError::Orphan { .. } => Status::failed_precondition(error.to_string()),
        SubmitError::Fault(_) => Status::internal(error.to_string()),
    }
}

pub(super) fn not_marked(error: MarkError) -> Status {
    let words = error.to_string();
    match error {
        MarkError::Unknown => Status::not_found(words),
        MarkError::FirstBlock => Status::invalid_argument(words),
        MarkError::Pruned { .. } => Status::failed_precondition(words),
        MarkError::Fault(_) => Status::internal(words),
    }
}

pub(super) fn not_pruned(error: PruneError) -> Status {
    let words = error.to_string();
    match error {
        PruneError::Off => Status::failed_precondition(words),
        PruneError::TooHigh { .. } | PruneError::NoneSince { .. } => Status::invalid_argument(words),
        PruneError::Fault(_) => Status::internal(words),
    }
}

pub(super) fn fault(fault: ChainFault) -> Status {
    Status::internal(fault.to_string())
}
