use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use adit_chainstate::IndexConfig;
use adit_domain::consensus::Params;
use adit_domain::peer::{HostNetwork, Whitelist};
use adit_domain::units::Difficulty;
use adit_store::Layout;
use bitcoin::ScriptBuf;

use crate::supervision::Intensity;

/// Changes what is logged; the text says why a filter is not one.
pub type SetLogLevel = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// Everything that a node must be told; the command line makes it of flags, environment and files.
#[derive(Clone)]
pub struct NodeConfig {
    /// The network: its rules are a value.
    pub params: Arc<Params>,
    /// The folder that holds everything durable; networks but mainnet have their own in it. Laid out as Core's it is the
    /// network's own.
    pub datadir: PathBuf,
    /// How the files lie in it.
    pub layout: Layout,
    /// The chain and its coins.
    pub chain: ChainSettings,
    /// Which indexes are kept.
    pub index: IndexConfig,
    /// Transactions that wait.
    pub mempool: MempoolSettings,
    /// Other nodes.
    pub peer: PeerSettings,
    /// The pool; none: this node has no miners.
    pub pool: Option<PoolSettings>,
    /// The control interface.
    pub rpc: RpcSettings,
    /// How many restarts are borne.
    pub intensity: Intensity,
    /// Whether panics may be injected.
    pub chaos: bool,
    /// What `SetLogLevel` does.
    pub set_log_level: SetLogLevel,
}

impl fmt::Debug for NodeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NodeConfig {
            params,
            datadir,
            layout,
            chain,
            index,
            mempool,
            peer,
            pool,
            rpc,
            intensity,
            chaos,
            ..
        } = self;
        f.debug_struct("NodeConfig")
            .field("network", &params.folder())
            .field("datadir", datadir)
            .field("layout", layout)
            .field("chain", chain)
            .field("index", index)
            .field("mempool", mempool)
            .field("peer", peer)
            .field("pool", pool)
            .field("rpc", rpc)
            .field("intensity", intensity)
            .field("chaos", chaos)
            .finish_non_exhaustive()
    }
}

/// The chain and its coins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainSettings {
    /// Coins kept in memory, in MiB.
    pub cache_mib: u64,
    /// What the mempool has verified, kept in memory, in MiB.
    pub script_cache_mib: usize,
    /// Threads that check scripts; 0: as many as the machine has cores.
    pub script_threads: usize,
    /// MiB that block files may take; 0: all are kept, 1: they go by hand only.
    pub prune_mib: u64,
    /// Whether block files are small, for tests.
    pub small_files: bool,
}

/// Transactions that wait for a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MempoolSettings {
    /// How much memory they may take, and what is asked of them.
    pub pool: adit_domain::mempool::MempoolConfig,
    /// Whether they are kept over a restart.
    pub is_kept: bool,
    /// Whether the bytes of their file are as they are, and not XORed with a key.
    pub is_plain: bool,
    /// Whether what is remembered of fees is read however old it is, for tests.
    pub takes_old_fees: bool,
}

/// Other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSettings {
    /// Where others may connect; none: nowhere. Port 0: any free one.
    pub listen: Option<SocketAddr>,
    /// Where else they may.
    pub listen_more: Vec<SocketAddr>,
    /// Where they may as well, where that can be had.
    pub listen_maybe: Vec<SocketAddr>,
    /// Nodes to stay connected to, `HOST:PORT`.
    pub connect: Vec<String>,
    /// Inbound connections at most.
    pub inbound_max: usize,
    /// What the node calls itself; none: Adit and its version.
    pub user_agent: Option<String>,
    /// Who may do what others may not.
    pub whitelist: Whitelist,
    /// How long a handshake may take, and how long nothing else is missed; seconds.
    pub timeout_s: u64,
    /// Whether transactions are taken from nobody but those with permission.
    pub blocks_only: bool,
    /// Whether the filters of blocks are served.
    pub serves_filters: bool,
    /// Whether connections are encrypted where the other end can do that.
    pub encrypts: bool,
    /// The networks that this node reaches.
    pub reachable: Vec<HostNetwork>,
    /// Whether nodes' addresses have the same places in every process: for Core's own tests.
    pub fixed_places: bool,
    /// Whether there are connections at all at the start.
    pub is_active: bool,
}

/// The pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Where miners connect. Port 0: any free one.
    pub listen: SocketAddr,
    /// Where the coinbase pays to.
    pub payout_script: ScriptBuf,
    /// The pool's part of a reward, in hundredths of a percent.
    pub fee_basis_points: u16,
    /// How old the tip may be for the first work, in hours; 0: there is work whatever the chain's state.
    pub tip_age_h_max: u64,
    /// The PPLNS window, as a multiple of the network's difficulty.
    pub window_factor: u32,
    /// What a session begins with.
    pub difficulty_start: Difficulty,
    /// The lowest that a session comes to.
    pub difficulty_min: Difficulty,
    /// The highest that a session comes to.
    pub difficulty_max: Difficulty,
    /// The rate of shares that a session's difficulty aims at.
    pub shares_per_minute: u32,
    /// Miners' connections at most.
    pub connections_max: usize,
    /// Miners' connections from one address at most.
    pub connections_per_ip_max: usize,
}

/// The control interface.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RpcSettings {
    /// The unix socket; none: `adit.sock` in the network's folder of the datadir.
    pub socket: Option<PathBuf>,
    /// TCP beside it; none: no TCP.
    pub tcp: Option<RpcTcp>,
}

/// The control interface over TCP. There is no variant without a proof of who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcTcp {
    /// Where to listen. Port 0: any free one.
    pub listen: SocketAddr,
    /// How a caller proves itself.
    pub auth: RpcAuth,
}

/// How a caller over TCP proves itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RpcAuth {
    /// `authorization: Bearer ...` with what stands in this file; it is made, mode 0600, where there is none. In clear text:
    /// for loopback, or behind a tunnel.
    Token {
        /// The file.
        file: PathBuf,
    },
    /// TLS on both sides; PEM files.
    MutualTls {
        /// The server's certificate chain.
        cert: PathBuf,
        /// Its key.
        key: PathBuf,
        /// The authority that signs the clients' certificates.
        client_ca: PathBuf,
    },
}
