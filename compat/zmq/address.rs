//! Where is published, and what.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// What is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// The hash of each new tip.
    HashBlock,
    /// The id of each transaction that joins the mempool, or joins or leaves the best chain.
    HashTx,
    /// Each new tip's block.
    RawBlock,
    /// Each of these transactions.
    RawTx,
    /// What happens to blocks and the mempool, in its order.
    Sequence,
}

impl Topic {
    /// All of them.
    pub const ALL: [Topic; 5] =
        [Topic::HashBlock, Topic::HashTx, Topic::RawBlock, Topic::RawTx, Topic::Sequence];

    /// As it stands before its messages.
    pub fn name(self) -> &'static str {
        match self {
            Topic::HashBlock => "hashblock",
            Topic::HashTx => "hashtx",
            Topic::RawBlock => "rawblock",
            Topic::RawTx => "rawtx",
            Topic::Sequence => "sequence",
        }
    }
}

/// One topic at one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publisher {
    /// What.
    pub topic: Topic,
    /// Where: `tcp://HOST:PORT`, `ipc://PATH`, or `unix:PATH`, which is the same.
    pub address: String,
    /// Messages that wait for a subscriber at most; 0: no such limit. What is published first at an address has its say.
    pub queue_max: usize,
}

impl Publisher {
    /// As it is told to clients, who know `ipc://` alone.
    pub fn new(topic: Topic, address: &str, queue_max: usize) -> Publisher {
        let address = match address.strip_prefix("unix:") {
            Some(path) => format!("ipc://{path}"),
            None => address.to_owned(),
        };
        Publisher { topic, address, queue_max }
    }

    /// As [`Publisher::new`]; none where the address is none.
    pub fn parse(topic: Topic, address: &str, queue_max: usize) -> Option<Publisher> {
        let publisher = Publisher::new(topic, address, queue_max);
        Place::parse(&publisher.address).is_some().then_some(publisher)
    }
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Place {
    /// Reads `tcp://HOST:PORT` (a number, `localhost`, or `*` for all of IPv4) or `ipc://PATH`.
    pub(super) fn parse(address: &str) -> Option<Place> {
        if let Some(path) = address.strip_prefix("ipc://") {
            return (!path.is_empty()).then(|| Place::Unix(path.into()));
        }
        let (host, port) = address.strip_prefix("tcp://")?.rsplit_once(':')?;
        let port = if port == "*" { 0 } else { port.parse().ok()? };
        let ip = match host {
            "*" => Ipv4Addr::UNSPECIFIED.into(),
            "localhost" => Ipv4Addr::LOCALHOST.into(),
            host => host.trim_start_matches('[').trim_end_matches(']').parse().ok()?,
        };
        Some(Place::Tcp(SocketAddr::new(ip, port)))
    }
}
