//! A node's figures at a glance, for a screen that shows them as they change.

use std::path::Path;

use adit_proto::v1;

use super::connect::Node;
use super::{CtlArgs, CtlCommand, CtlError, pages, timed};

/// What a screen shows of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Glance {
    /// The best chain's height.
    pub(crate) height: u32,
    /// Its tip.
    pub(crate) tip: String,
    /// Other nodes.
    pub(crate) peers: u32,
    /// Miners' connections.
    pub(crate) miners: u32,
    /// Transactions that wait.
    pub(crate) mempool: u64,
    /// Shares credited, of all workers.
    pub(crate) shares_accepted: u64,
    /// Shares refused, of all workers.
    pub(crate) shares_rejected: u64,
    /// Hashes a second, of all workers.
    pub(crate) hashrate: u64,
    /// Blocks that the pool has found, those that were orphaned among them.
    pub(crate) blocks_found: u64,
    /// What is owed and not yet mature, the pool's counter-accounts left out; satoshis.
    pub(crate) immature_sat: i64,
    /// What is owed and mature; satoshis.
    pub(crate) mature_sat: i64,
    /// Restarts of all actors.
    pub(crate) restarts: u64,
}

/// A connection that is asked again and again.
pub(crate) struct Watch {
    node: Node,
}

impl Watch {
    /// Connects to the node of a datadir.
    pub(crate) async fn connect(datadir: &Path, network: &str) -> Result<Watch, CtlError> {
        let args = CtlArgs {
            datadir: Some(datadir.to_owned()),
            network: Some(network.to_owned()),
            url: None,
            token_file: None,
            ca: None,
            cert: None,
            key: None,
            json: true,
            command: CtlCommand::Info,
        };
        Ok(Watch { node: Node::connect(&args).await? })
    }

    /// The figures now.
    pub(crate) async fn look(&self) -> Result<Glance, CtlError> {
        let info = self.node.admin().get_info(timed(v1::GetInfoRequest {})).await?.into_inner();
        let actors = self.node.admin().list_actors(timed(v1::ListActorsRequest {})).await?.into_inner();
        let workers = pages::workers(&self.node).await?;
        let blocks = self.node.pool().list_blocks(timed(v1::ListBlocksRequest {})).await?.into_inner();
        let balances = pages::balances(&self.node).await?;
        let owed = balances.balances.iter().filter(|b| !b.account.starts_with("chain:"));
        let (immature_sat, mature_sat) = owed.fold((0i64, 0i64), |(immature, mature), b| {
            (immature.saturating_add(b.immature_sat), mature.saturating_add(b.mature_sat))
        });
        Ok(Glance {
            height: info.height,
            tip: info.tip,
            peers: info.peers,
            miners: info.sessions,
            mempool: info.mempool_transactions,
            shares_accepted: workers.workers.iter().map(|w| w.shares_accepted).sum(),
            shares_rejected: workers.workers.iter().map(|w| w.shares_rejected).sum(),
            hashrate: workers.workers.iter().map(|w| w.hashrate).sum(),
            blocks_found: blocks.total,
            immature_sat,
            mature_sat,
            restarts: actors.actors.iter().map(|a| a.restarts).sum(),
        })
    }
}
