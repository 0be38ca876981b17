use std::path::PathBuf;
use std::sync::Arc;

use actix::Recipient;
use adit_chainstate::{ChainReader, Indexes};
use adit_domain::consensus::Params;
use adit_domain::units::{Clock, Entropy, UnixMillis};

use super::node::Addresses;
use crate::chain::ChainLink;
use crate::clock::NodeClock;
use crate::events::EventBus;
use crate::mempool::MempoolReader;
use crate::messages::chain::{MarkBlock, PruneBlocks, SubmitBlock, SubmitHeaders};
use crate::messages::mempool::{
    AnnounceTransactions, EstimateFee, EstimateRawFee, GetChunks, GetPrioritised, HurryMempool,
    ImportMempool, LookIntoMempool, Prioritise, PublishSnapshot, SaveMempool, SubmitPackage,
    SubmitTransaction, TestPackage, TestTransaction,
};
use crate::messages::peer::{
    BanPeers, ConnectPeer, DisconnectPeer, FetchBlockFrom, GetAddedNodes, GetBans, GetPeers, PingPeers,
    SendToPeer, SetNetworkActive, UnbanPeers,
};
use crate::messages::utxo::{DumpUtxoSet, FlushCoins, GetUtxoStats, LoadUtxoSet};
use crate::peer::AddressDesk;
use crate::supervision::Supervisor;

/// What another face of the node than the control interface reads and asks. Whoever holds it lets go of it when the
/// supervisor has a reason to end: the databases are closed only then.
#[derive(Clone)]
pub struct NodeLinks {
    /// The network.
    pub params: Arc<Params>,
    /// The folder of its network.
    pub folder: PathBuf,
    /// Where it is reached.
    pub addresses: Addresses,
    /// When it began.
    pub started_at: UnixMillis,
    /// The one clock.
    pub clock: Arc<dyn Clock>,
    /// The same where it can be set; none where it is another's.
    pub settable_clock: Option<Arc<NodeClock>>,
    /// The one source of chance.
    pub entropy: Arc<dyn Entropy>,
    /// Who watches, and ends it.
    pub supervisor: Supervisor,
    /// What happens.
    pub events: EventBus,
    /// The chain, to read.
    pub chain: ChainReader,
    /// The indexes.
    pub indexes: Indexes,
    /// What the mempool holds, to read.
    pub mempool: MempoolReader,
    /// The chain, for headers.
    pub submit_headers: Recipient<SubmitHeaders>,
    /// The chain, for blocks.
    pub submit_block: Recipient<SubmitBlock>,
    /// The chain, for an operator's word on a block.
    pub mark_block: Recipient<MarkBlock>,
    /// The chain, for an operator who wants room.
    pub prune_blocks: Recipient<PruneBlocks>,
    /// The mempool, for one more transaction.
    pub submit_tx: Recipient<SubmitTransaction>,
    /// The mempool, for what would become of one.
    pub test_tx: Recipient<TestTransaction>,
    /// The mempool, for some that come together.
    pub submit_package: Recipient<SubmitPackage>,
    /// The mempool, for what would become of them.
    pub test_package: Recipient<TestPackage>,
    /// The mempool: what an operator adds to fees.
    pub prioritise: Recipient<Prioritise>,
    /// The mempool: what he has added.
    pub prioritised: Recipient<GetPrioritised>,
    /// The mempool: what is mined together.
    pub mempool_chunks: Recipient<GetChunks>,
    /// The mempool, for what peers are told of again.
    pub announce_txs: Recipient<AnnounceTransactions>,
    /// The mempool, for what it does now and then.
    pub hurry_mempool: Recipient<HurryMempool>,
    /// The mempool: what to pay.
    pub estimate_fee: Recipient<EstimateFee>,
    /// The mempool: what that rests on.
    pub estimate_raw_fee: Recipient<EstimateRawFee>,
    /// The mempool, to be kept.
    pub save_mempool: Recipient<SaveMempool>,
    /// The mempool, for what a file holds.
    pub import_mempool: Recipient<ImportMempool>,
    /// The mempool, for a block that is built now.
    pub publish_mempool: Recipient<PublishSnapshot>,
    /// The mempool's figures.
    pub look_into_mempool: Recipient<LookIntoMempool>,
    /// What the mempool was told to be.
    pub mempool_config: adit_domain::mempool::MempoolConfig,
    /// The peers.
    pub peers: Recipient<GetPeers>,
    /// The peers, for one more.
    pub connect_peer: Recipient<ConnectPeer>,
    /// The peers, for one less.
    pub disconnect_peer: Recipient<DisconnectPeer>,
    /// The peers: who may not connect.
    pub ban_peers: Recipient<BanPeers>,
    /// The peers: who may again.
    pub unban_peers: Recipient<UnbanPeers>,
    /// The peers: who may not.
    pub bans: Recipient<GetBans>,
    /// The peers: whether there are any.
    pub network_active: Recipient<SetNetworkActive>,
    /// The peers, for a sign of life.
    pub ping_peers: Recipient<PingPeers>,
    /// The peers: whom an operator has added.
    pub added_nodes: Recipient<GetAddedNodes>,
    /// The peers: bytes for one of them.
    pub send_to_peer: Recipient<SendToPeer>,
    /// The peers: a block of one of them.
    pub fetch_block: Recipient<FetchBlockFrom>,
    /// Whether the filters of blocks are served to peers.
    pub serves_filters: bool,
    /// Whether transactions are taken from nobody but those with permission.
    pub blocks_only: bool,
    /// Whether connections to peers are encrypted where these can do that.
    pub encrypts: bool,
    /// The addresses of other nodes.
    pub node_addresses: AddressDesk,
    /// The coins' figures.
    pub utxo_stats: Recipient<GetUtxoStats>,
    /// The coins, to a file.
    pub dump_utxo: Recipient<DumpUtxoSet>,
    /// The coins, from a file.
    pub load_utxo: Recipient<LoadUtxoSet>,
    /// The engine, for all coins at one tip.
    pub engine: ChainLink,
    /// The coins, to disk.
    pub flush: Recipient<FlushCoins>,
}
