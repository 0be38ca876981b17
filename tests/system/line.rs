//! The control interface by one connection, for tests that ask thousands of times.

use std::path::Path;

use adit_proto::v1;
use adit_proto::v1::index_service_client::IndexServiceClient;
use adit_proto::v1::node_service_client::NodeServiceClient;
use adit_store::DataDir;
use bitcoin::Block;
use bitcoin::consensus::serialize;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::harness::Node;

pub struct Line {
    runtime: Runtime,
    node: NodeServiceClient<Channel>,
    index: IndexServiceClient<Channel>,
}

/// What is said of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Invalidate,
    Reconsider,
    Precious,
}

impl Line {
    /// A connection to a node on regtest.
    pub fn to(node: &Node) -> Line {
        Line::at(&node.datadir).unwrap()
    }

    /// A connection to the node in a datadir; none where there is none.
    pub fn at(datadir: &Path) -> Option<Line> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let socket = DataDir::socket_of(datadir, "regtest");
        let connector = tower::service_fn(move |_: Uri| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        });
        let endpoint = Endpoint::from_static("http://adit.sock");
        let channel = runtime.block_on(endpoint.connect_with_connector(connector)).ok()?;
        let (node, index) = (NodeServiceClient::new(channel.clone()), IndexServiceClient::new(channel));
        Some(Line { runtime, node, index })
    }

    /// Submits a block; why it was refused, where it was.
    pub fn submit(&mut self, block: &Block) -> Result<v1::SubmitBlockResponse, String> {
        let request = v1::SubmitBlockRequest { block: serialize(block) };
        let answer = self.runtime.block_on(self.node.submit_block(request));
        answer.map(tonic::Response::into_inner).map_err(|status| status.message().to_owned())
    }

    pub fn tip(&mut self) -> String {
        let answer = self.runtime.block_on(self.node.get_chain_info(v1::GetChainInfoRequest {}));
        answer.unwrap().into_inner().tip
    }

    /// Whether every index is at the tip; why there is no answer.
    pub fn indexes_synced(&mut self) -> Result<bool, String> {
        let answer = self.runtime.block_on(self.index.list_indexes(v1::ListIndexesRequest {}));
        let answer = answer.map_err(|status| status.message().to_owned())?.into_inner();
        Ok(answer.indexes.iter().all(|index| index.synced))
    }

    pub fn coins(&mut self) -> v1::GetUtxoStatsResponse {
        let answer = self.runtime.block_on(self.node.get_utxo_stats(v1::GetUtxoStatsRequest {}));
        answer.unwrap().into_inner()
    }

    /// Marks a block; the tip to which that led.
    pub fn mark(&mut self, mark: Mark, block: &str) -> Result<String, String> {
        let (node, block) = (&mut self.node, block.to_owned());
        let tip = self.runtime.block_on(async move {
            Ok(match mark {
                Mark::Invalidate => {
                    node.invalidate_block(v1::InvalidateBlockRequest { block }).await?.into_inner().tip
                }
                Mark::Reconsider => {
                    node.reconsider_block(v1::ReconsiderBlockRequest { block }).await?.into_inner().tip
                }
                Mark::Precious => {
                    node.precious_block(v1::PreciousBlockRequest { block }).await?.into_inner().tip
                }
            })
        });
        tip.map_err(|status: tonic::Status| status.message().to_owned())
    }
}
