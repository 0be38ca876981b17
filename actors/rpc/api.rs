use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use actix::Recipient;
use adit_chainstate::{ChainstateInfo, CoinStats, FilterFound, IndexError, IndexStatus, Pruning, TxFound};
use adit_domain::chain::{NextBlock, Tip};
use adit_domain::consensus::{DeploymentReport, ViewFault};
use adit_domain::units::{Clock, Height, UnixMillis};
use bitcoin::{BlockHash, Txid};
use tokio::sync::watch;
use tonic::Status;

use crate::events::EventBus;
use crate::messages::chain::{MarkBlock, PruneBlocks, SubmitBlock};
use crate::messages::mempool::{GetMempool, SubmitTransaction};
use crate::messages::payout::{GetBalances, GetPoolBlocks, GetWorkers};
use crate::messages::peer::GetPeers;
use crate::messages::stratum::GetSessions;
use crate::messages::template::{GetMiningWait, GetTemplate};
use crate::messages::utxo::{DumpUtxoSet, GetUtxoStats, LoadUtxoSet};
use crate::root::SetLogLevel;
use crate::supervision::Supervisor;

/// What the interface reads of the chain, without asking an actor.
pub trait ChainSight: Send + Sync {
    /// The last block of the best chain.
    fn tip(&self) -> Arc<Tip>;
    /// The best header.
    fn best_header(&self) -> (BlockHash, Height);
    /// What the next block must be.
    fn next_block(&self, now: UnixMillis) -> NextBlock;
    /// The soft forks at a block, or at the tip; none where the block is not known.
    fn deployments(&self, block: Option<&BlockHash>) -> Option<Result<DeploymentReport, ViewFault>>;
    /// The height of a block of the best chain.
    fn height_in_best_chain(&self, hash: &BlockHash) -> Option<Height>;
    /// What of its blocks is kept.
    fn pruning(&self) -> Pruning;
    /// The way from an old tip to the present one: what leaves, and what joins.
    fn path_from(&self, tip: &BlockHash) -> Option<(Vec<BlockHash>, Vec<BlockHash>)>;
    /// The chainstates, the tip's last.
    fn chainstates(&self) -> Vec<ChainstateInfo>;
}

/// What the interface asks of the indexes; an answer may take the disk's time.
pub trait IndexSight: Send + Sync {
    /// Where each stands.
    fn status(&self) -> Vec<IndexStatus>;
    /// A transaction of the best chain.
    fn transaction(&self, txid: &Txid) -> Result<TxFound, IndexError>;
    /// The filter of a block of the best chain.
    fn filter(&self, block: &BlockHash) -> Result<FilterFound, IndexError>;
    /// The coins' figures at a height of the best chain.
    fn coin_stats(&self, height: Height) -> Result<CoinStats, IndexError>;
}

/// Whom the interface asks. A role that this node does not play is none, and its methods say so.
#[derive(Clone)]
pub struct RpcLinks {
    /// The chain, to read.
    pub chain: Arc<dyn ChainSight>,
    /// The chain, for blocks.
    pub submit_block: Recipient<SubmitBlock>,
    /// The chain, for an operator's word on a block.
    pub mark_block: Recipient<MarkBlock>,
    /// The chain, for block files that are to go.
    pub prune_blocks: Recipient<PruneBlocks>,
    /// The coins.
    pub utxo_stats: Recipient<GetUtxoStats>,
    /// The coins, to a file.
    pub dump_utxo: Recipient<DumpUtxoSet>,
    /// The coins, from a file.
    pub load_utxo: Recipient<LoadUtxoSet>,
    /// The indexes.
    pub indexes: Arc<dyn IndexSight>,
    /// The mempool.
    pub mempool: Option<MempoolLinks>,
    /// The peers.
    pub peers: Option<Recipient<GetPeers>>,
    /// The pool.
    pub pool: Option<PoolLinks>,
}

/// The mempool's questions.
#[derive(Clone)]
pub struct MempoolLinks {
    /// What it holds.
    pub get: Recipient<GetMempool>,
    /// One more.
    pub submit: Recipient<SubmitTransaction>,
}

/// The pool's questions.
#[derive(Clone)]
pub struct PoolLinks {
    /// What each worker has done.
    pub workers: Recipient<GetWorkers>,
    /// The blocks found.
    pub blocks: Recipient<GetPoolBlocks>,
    /// The balances.
    pub balances: Recipient<GetBalances>,
    /// The miners.
    pub sessions: Recipient<GetSessions>,
    /// What is mined.
    pub template: Recipient<GetTemplate>,
    /// Why nothing is.
    pub mining_wait: Recipient<GetMiningWait>,
}

/// What the node says of itself.
#[derive(Clone)]
pub struct RpcFacts {
    /// The network's name.
    pub network: &'static str,
    /// When the process began.
    pub started_at: UnixMillis,
    /// Whether panics may be injected.
    pub chaos: bool,
    /// Where other nodes connect to.
    pub p2p_listen: Option<SocketAddr>,
    /// Where miners connect to.
    pub stratum_listen: Option<SocketAddr>,
    /// What `SetLogLevel` does.
    pub set_log_level: SetLogLevel,
}

impl fmt::Debug for RpcFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RpcFacts").field("network", &self.network).finish_non_exhaustive()
    }
}

/// Everything that a method may use; the services share it.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) links: RpcLinks,
    pub(super) facts: RpcFacts,
    pub(super) supervisor: Supervisor,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) events: EventBus,
    /// Gone when the server is to end: what streams ends with it.
    pub(super) ending: watch::Receiver<()>,
}

impl Api {
    pub(super) fn mempool(&self) -> Result<&MempoolLinks, Status> {
        self.links.mempool.as_ref().ok_or_else(|| Status::unavailable("this node has no mempool"))
    }

    pub(super) fn peers(&self) -> Result<&Recipient<GetPeers>, Status> {
        self.links.peers.as_ref().ok_or_else(|| Status::unavailable("this node has no peers"))
    }

    pub(super) fn pool(&self) -> Result<&PoolLinks, Status> {
        self.links.pool.as_ref().ok_or_else(|| Status::unavailable("this node has no pool: set pool.address"))
    }
}
