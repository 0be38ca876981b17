use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use actix::{Addr, Arbiter};
use adit_chainstate::{
    BlockVerifier, ChainConfig, ChainFault, IndexOpenError, Indexes, PoolVerifier, ScriptCaches,
};
use adit_domain::consensus::{FUTURE_TIME_S_MAX, Params};
use adit_domain::payout::PplnsWindow;
use adit_domain::peer::SessionRules;
use adit_domain::script::ScriptVerifier;
use adit_domain::stratum::{MemorySessionStore, SessionConfig, VERSION_MASK, VardiffConfig};
use adit_domain::units::UnixMillis;
use adit_store::{DataDir, FileLease, FoundBlocks, MachineDisk, Store, StoreFault};
use thiserror::Error;

use super::config::{NodeConfig, PoolSettings};
use super::links::NodeLinks;
use super::node::Addresses;
use crate::chain::{self, Chain, ChainDeps, ChainSetup};
use crate::events::EventBus;
use crate::house::Shared;
use crate::index;
use crate::mempool::{self, FeeConfig, Mempool, MempoolConfig, MempoolDeps};
use crate::payout::{self, OpenBooks, PayoutConfig, PayoutDeps};
use crate::peer::{self, IndexedFilters, PeerConfig, PeerDeps, PeerFilters, Peers};
use crate::rpc::{self, Drained, MempoolLinks, PoolLinks, RpcFacts, RpcLinks, RpcSockets, RpcStartError};
use crate::store::{self, OpenError, OpenStore, StoreConfig};
use crate::stratum::{self, ConnectionLimits, NodeSink, StratumConfig, StratumDeps};
use crate::supervision::{Fault, Role};
use crate::template::{self, TemplateConfig, TemplateDeps};
use crate::utxo::{self, FLUSH_EVERY_DEFAULT, UtxoActor, UtxoConfig};

/// The number of this server among those that share a ledger: so far there is one.
const SERVER: u8 = 0;

/// Why a node does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Its folder or its database can't be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// Its control interface can't listen, or has no secret.
    #[error(transparent)]
    Rpc(#[from] RpcStartError),
    /// The chain on disk can't be continued.
    #[error(transparent)]
    Chain(#[from] ChainFault),
    /// An index that is wanted can't be kept.
    #[error(transparent)]
    Index(#[from] IndexOpenError),
    /// The books on disk can't be continued.
    #[error("the books: {0}")]
    Books(Fault),
    /// Extranonces can't be leased.
    #[error("extranonces: {0}")]
    Lease(StoreFault),
    /// Found blocks can't be kept.
    #[error("found blocks: {0}")]
    Found(StoreFault),
    /// It can't listen for other nodes.
    #[error("p2p.listen: {0}")]
    Peers(io::Error),
    /// It can't listen for miners.
    #[error("stratum.listen: {0}")]
    Stratum(io::Error),
}

/// What runs.
pub(super) struct Started {
    pub(super) addresses: Addresses,
    pub(super) links: NodeLinks,
    pub(super) drained: Drained,
    pub(super) arbiters: Vec<Arbiter>,
    pub(super) durable: Durable,
}

/// What is durable, held to the end, so that it is closed before the process says that it has ended.
pub(super) struct Durable {
    store: Arc<Store>,
    books: Option<OpenBooks>,
}

impl Durable {
    /// Whether nobody else holds any of it any more.
    pub(super) fn is_let_go(&self) -> bool {
        let books = self.books.as_ref();
        Arc::strong_count(&self.store) == 1
            && books.is_none_or(|b| Arc::strong_count(&b.log) == 1 && Arc::strong_count(&b.ledger) == 1)
    }
}

/// The pool's part of a node.
struct Pool {
    links: PoolLinks,
    listen: SocketAddr,
    books: OpenBooks,
}

/// Starts the roles one after the other; each is given those that it stands on.
pub(super) fn start(shared: &Shared, events: &EventBus, config: NodeConfig) -> Result<Started, StartError> {
    let params = Arc::clone(&config.params);
    let starting = Starting { shared, events, config: &config, params: &params };
    let mut arbiters = Vec::new();
    let store = starting.store()?;
    let folder = store.store.dir().path().to_owned();
    // Before anything takes long: what is wrong with a socket is said at once.
    let sockets = RpcSockets::open(shared, &config.rpc, store.store.dir().socket())?;
    let (socket, rpc) = (sockets.socket.clone(), sockets.tcp);
    let caches = starting.script_caches();
    let chain = starting.chain(&store, Arc::new(BlockVerifier::new(&caches)))?;
    let utxo = UtxoConfig { flush_every: FLUSH_EVERY_DEFAULT, intensity: config.intensity };
    let (utxo, utxo_arbiter) = utxo::start(shared, chain.link.clone(), chain.reader.clone(), utxo);
    let indexes = Indexes::open(&chain.reader, &store.store, config.index)?;
    let (index, index_arbiter) = index::start(shared, &indexes, config.intensity)?;
    let mempool = starting.mempool(&store, &chain, Arc::new(PoolVerifier::new(&caches)));
    let peers = starting.peers(&folder, (&chain, &indexes), &mempool)?;
    let pool = match &config.pool {
        Some(pool) => {
            Some(starting.pool(pool, store.store.dir(), (&chain, &mempool, &peers), &mut arbiters)?)
        }
        None => None,
    };
    chain.listeners.add("peer", peers.addr.clone().recipient());
    chain.listeners.add("mempool", mempool.addr.clone().recipient());
    chain.listeners.add("utxo", utxo.clone().recipient());
    chain.listeners.add("index", index.recipient());
    mempool.listeners.add(peers.addr.clone().recipient());
    let (stratum, links) = pool.as_ref().map(|pool| (pool.listen, pool.links.clone())).unzip();
    let durable = Durable { store: Arc::clone(&store.store), books: pool.map(|pool| pool.books) };
    let addresses = Addresses { folder, socket, rpc, p2p: peers.local, stratum };
    let others = starting.links(&addresses, (&chain, &indexes), &mempool, &peers, &utxo);
    let links = RpcLinks {
        chain: Arc::new(chain.reader.clone()),
        submit_block: chain.addr.clone().recipient(),
        utxo_stats: utxo.clone().recipient(),
        dump_utxo: utxo.clone().recipient(),
        load_utxo: utxo.recipient(),
        indexes: Arc::new(indexes),
        mark_block: chain.addr.clone().recipient(),
        prune_blocks: chain.addr.clone().recipient(),
        mempool: Some(MempoolLinks {
            get: mempool.addr.clone().recipient(),
            submit: mempool.addr.clone().recipient(),
        }),
        peers: Some(peers.addr.clone().recipient()),
        pool: links,
    };
    let rpc_arbiter = Arbiter::new();
    let drained = starting.rpc(&rpc_arbiter, sockets, links, &addresses, &chain);
    arbiters.extend([
        store.arbiter,
        chain.arbiter,
        utxo_arbiter,
        index_arbiter,
        mempool.arbiter,
        rpc_arbiter,
    ]);
    arbiters.extend(peers.arbiters);
    Ok(Started { addresses, links: others, drained, arbiters, durable })
}

/// What every role is started with.
struct Starting<'a> {
    shared: &'a Shared,
    events: &'a EventBus,
    config: &'a NodeConfig,
    params: &'a Arc<Params>,
}

impl Starting<'_> {
    fn store(&self) -> Result<OpenStore, StartError> {
        let config = StoreConfig {
            base: self.config.datadir.clone(),
            network: self.params.folder(),
            page_bytes: ChainConfig::page_bytes(self.cache_mib()),
            layout: self.config.layout.clone(),
            intensity: self.config.intensity,
        };
        Ok(store::start(self.shared, config)?)
    }

    /// What other faces than the control interface are given.
    fn links(
        &self,
        addresses: &Addresses,
        (chain, indexes): (&Chain, &Indexes),
        mempool: &Mempool,
        peers: &Peers,
        utxo: &Addr<UtxoActor>,
    ) -> NodeLinks {
        NodeLinks {
            params: Arc::clone(self.params),
            folder: addresses.folder.clone(),
            addresses: addresses.clone(),
            started_at: self.shared.clock.now(),
            clock: Arc::clone(&self.shared.clock),
            settable_clock: None,
            entropy: Arc::clone(&self.shared.entropy),
            supervisor: self.shared.supervisor.clone(),
            events: self.events.clone(),
            chain: chain.reader.clone(),
            indexes: indexes.clone(),
            mempool: mempool.reader.clone(),
            submit_headers: chain.addr.clone().recipient(),
            submit_block: chain.addr.clone().recipient(),
            mark_block: chain.addr.clone().recipient(),
            prune_blocks: chain.addr.clone().recipient(),
            submit_tx: mempool.addr.clone().recipient(),
            test_tx: mempool.addr.clone().recipient(),
            submit_package: mempool.addr.clone().recipient(),
            test_package: mempool.addr.clone().recipient(),
            prioritise: mempool.addr.clone().recipient(),
            prioritised: mempool.addr.clone().recipient(),
            mempool_chunks: mempool.addr.clone().recipient(),
            announce_txs: mempool.addr.clone().recipient(),
            hurry_mempool: mempool.addr.clone().recipient(),
            estimate_fee: mempool.addr.clone().recipient(),
            estimate_raw_fee: mempool.addr.clone().recipient(),
            save_mempool: mempool.addr.clone().recipient(),
            import_mempool: mempool.addr.clone().recipient(),
            publish_mempool: mempool.addr.clone().recipient(),
            look_into_mempool: mempool.addr.clone().recipient(),
            mempool_config: self.config.mempool.pool,
            peers: peers.addr.clone().recipient(),
            connect_peer: peers.addr.clone().recipient(),
            disconnect_peer: peers.addr.clone().recipient(),
            ban_peers: peers.addr.clone().recipient(),
            unban_peers: peers.addr.clone().recipient(),
            bans: peers.addr.clone().recipient(),
            network_active: peers.addr.clone().recipient(),
            ping_peers: peers.addr.clone().recipient(),
            added_nodes: peers.addr.clone().recipient(),
            send_to_peer: peers.addr.clone().recipient(),
            fetch_block: peers.addr.clone().recipient(),
            node_addresses: peers.addresses.clone(),
            serves_filters: self.config.peer.serves_filters,
            blocks_only: self.config.peer.blocks_only,
            encrypts: self.config.peer.encrypts,
            utxo_stats: utxo.clone().recipient(),
            dump_utxo: utxo.clone().recipient(),
            load_utxo: utxo.clone().recipient(),
            engine: chain.link.clone(),
            flush: utxo.clone().recipient(),
        }
    }

    fn cache_mib(&self) -> usize {
        usize::try_from(self.config.chain.cache_mib).unwrap_or(usize::MAX)
    }

    /// For the mempool, which fills them, and the chain; the secret lives as long as the process.
    fn script_caches(&self) -> Arc<ScriptCaches> {
        let mut secret = [0; 32];
        for word in secret.as_chunks_mut::<8>().0 {
            *word = self.shared.entropy.next_u64().to_le_bytes();
        }
        ScriptCaches::new(secret, self.config.chain.script_cache_mib)
    }

    fn chain(&self, store: &OpenStore, verifier: Arc<dyn ScriptVerifier>) -> Result<Chain, StartError> {
        let settings = &self.config.chain;
        let chain = ChainConfig {
            params: Arc::clone(self.params),
            cache_mib: self.cache_mib(),
            script_threads: settings.script_threads,
            prune_mib: settings.prune_mib,
            indexes: self.config.index,
            small_files: settings.small_files,
        };
        let deps = ChainDeps { store: Arc::clone(&store.store), verifier };
        let setup = ChainSetup { chain, intensity: self.config.intensity };
        let chain = chain::start(self.shared, deps, setup)?;
        let tip = chain.reader.tip();
        tracing::info!(network = self.params.name(), height = %tip.height, tip = %tip.hash, "the chain is open");
        if let Some(ahead_s) = ahead_s(tip.header.time, self.shared.clock.now()) {
            tracing::warn!(
                ahead_s,
                "the last block is later than this machine's clock: set the clock; until it is right, new blocks are refused as time-too-new"
            );
        }
        Ok(chain)
    }

    fn mempool(&self, store: &OpenStore, chain: &Chain, verifier: Arc<dyn ScriptVerifier>) -> Mempool {
        let settings = &self.config.mempool;
        let config = MempoolConfig {
            pool: settings.pool,
            file: Some(store.store.dir().path().join("mempool.dat")),
            is_kept: settings.is_kept,
            is_plain: settings.is_plain,
            // Who is sent no transactions sees none wait.
            fees: (!self.config.peer.blocks_only).then(|| FeeConfig {
                file: Some(store.store.dir().path().join("fee_estimates.dat")),
                takes_old: settings.takes_old_fees,
            }),
            intensity: self.config.intensity,
        };
        let deps = MempoolDeps { chain: Arc::new(chain.reader.clone()), verifier };
        mempool::start(self.shared, deps, config)
    }

    fn peers(
        &self,
        folder: &Path,
        (chain, indexes): (&Chain, &Indexes),
        mempool: &Mempool,
    ) -> Result<Peers, StartError> {
        let settings = &self.config.peer;
        let config = PeerConfig {
            magic: self.params.magic,
            listen: settings.listen,
            listen_more: settings.listen_more.clone(),
            listen_maybe: settings.listen_maybe.clone(),
            connect: settings.connect.clone(),
            inbound_max: settings.inbound_max,
            block_bytes_max: ChainConfig::incoming_bytes(self.cache_mib()),
            user_agent: settings
                .user_agent
                .clone()
                .unwrap_or_else(|| format!("/Adit:{}/", env!("CARGO_PKG_VERSION"))),
            whitelist: settings.whitelist.clone(),
            rules: SessionRules {
                timeout_ms: settings.timeout_s.saturating_mul(1_000),
                blocks_only: settings.blocks_only,
                serves_filters: settings.serves_filters,
                encrypts: settings.encrypts,
            },
            bans_file: Some(folder.join("banlist.json")),
            peers_file: Some(folder.join("peers.dat")),
            reachable: settings.reachable.clone(),
            fixed_places: settings.fixed_places,
            is_active: settings.is_active,
            intensity: self.config.intensity,
        };
        let deps = PeerDeps {
            chain: Arc::new(chain.reader.clone()),
            headers: chain.addr.clone().recipient(),
            blocks: chain.addr.clone().recipient(),
            txs: mempool.addr.clone().recipient(),
            mempool: mempool.reader.clone(),
            filters: settings.serves_filters.then(|| -> Arc<dyn PeerFilters> {
                Arc::new(IndexedFilters { chain: chain.reader.clone(), indexes: indexes.clone() })
            }),
        };
        peer::start(self.shared, deps, config).map_err(StartError::Peers)
    }

    /// The template builder, the books and the miners' side; the builder hears of a tip before everybody else.
    fn pool(
        &self,
        settings: &PoolSettings,
        dir: &DataDir,
        (chain, mempool, peers): (&Chain, &Mempool, &Peers),
        arbiters: &mut Vec<Arbiter>,
    ) -> Result<Pool, StartError> {
        let intensity = self.config.intensity;
        let deps =
            TemplateDeps { chain: Arc::new(chain.reader.clone()), mempool: Arc::new(mempool.reader.clone()) };
        let config = TemplateConfig {
            payout_script: settings.payout_script.clone(),
            tip_age_h_max: settings.tip_age_h_max,
            intensity,
        };
        let template = template::start(self.shared, deps, config);
        chain.listeners.add("template", template.addr.clone().recipient());
        mempool.listeners.add(template.addr.clone().recipient());
        let books = payout::open(dir).map_err(StartError::Books)?;
        let payout = self.payout(settings, chain, books.clone())?;
        chain.listeners.add("payout", payout.addr.clone().recipient());
        let sink = NodeSink::new(
            chain.addr.clone().recipient(),
            Some(peers.addr.clone().recipient()),
            FoundBlocks::open(&dir.found()).map_err(StartError::Found)?,
            self.events.clone(),
            Arc::clone(&self.shared.clock),
        );
        sink.submit_kept().map_err(StartError::Found)?;
        let lease =
            FileLease::open(&MachineDisk, &dir.path().join("extranonce")).map_err(StartError::Lease)?;
        let deps = StratumDeps {
            credit: payout.addr.clone().recipient(),
            rejected: payout.addr.clone().recipient(),
            template: template.addr.clone().recipient(),
            sink: Arc::new(sink),
            lease: Arc::new(lease),
            store: Arc::new(MemorySessionStore::default()),
        };
        let stratum =
            stratum::start(self.shared, deps, self.stratum(settings)).map_err(StartError::Stratum)?;
        template.announce_to(stratum.addr.clone().recipient());
        let links = PoolLinks {
            workers: payout.addr.clone().recipient(),
            blocks: payout.addr.clone().recipient(),
            balances: payout.addr.clone().recipient(),
            sessions: stratum.addr.clone().recipient(),
            template: template.addr.clone().recipient(),
            mining_wait: template.addr.clone().recipient(),
        };
        arbiters.extend([template.arbiter, payout.arbiter]);
        arbiters.extend(stratum.arbiters);
        Ok(Pool { links, listen: stratum.local, books })
    }

    fn payout(
        &self,
        settings: &PoolSettings,
        chain: &Chain,
        books: OpenBooks,
    ) -> Result<payout::Payout, StartError> {
        let config = PayoutConfig {
            payout_script: settings.payout_script.clone(),
            fee_basis_points: u32::from(settings.fee_basis_points),
            window: PplnsWindow { factor: settings.window_factor, ..PplnsWindow::default() },
            intensity: self.config.intensity,
        };
        let deps = PayoutDeps { chain: Arc::new(chain.reader.clone()), books };
        payout::start(self.shared, deps, config).map_err(StartError::Books)
    }

    fn stratum(&self, settings: &PoolSettings) -> StratumConfig {
        let vardiff = VardiffConfig {
            start: settings.difficulty_start,
            min: settings.difficulty_min,
            max: settings.difficulty_max,
            shares_per_minute: settings.shares_per_minute,
        };
        StratumConfig {
            listen: settings.listen,
            connections_max: settings.connections_max,
            connections_per_ip_max: settings.connections_per_ip_max,
            server: SERVER,
            session: SessionConfig {
                network: self.params.network,
                version_mask: VERSION_MASK,
                vardiff,
                server: format!("Adit/{}", env!("CARGO_PKG_VERSION")),
            },
            limits: ConnectionLimits::default(),
            intensity: self.config.intensity,
        }
    }

    fn rpc(
        &self,
        arbiter: &Arbiter,
        sockets: RpcSockets,
        links: RpcLinks,
        addresses: &Addresses,
        chain: &Chain,
    ) -> Drained {
        let facts = RpcFacts {
            network: self.params.name(),
            started_at: self.shared.clock.now(),
            chaos: self.config.chaos,
            p2p_listen: addresses.p2p,
            stratum_listen: addresses.stratum,
            set_log_level: Arc::clone(&self.config.set_log_level),
        };
        let events = self.events.clone();
        let (addr, drained) =
            rpc::start(self.shared, &arbiter.handle(), self.config.intensity, sockets, links, facts, events);
        chain.listeners.add(Role::Rpc.as_str(), addr.recipient());
        drained
    }
}

/// Seconds that a block's time is ahead of our clock, where they are more than a block may be when it comes.
pub(super) fn ahead_s(time_s: u32, now: UnixMillis) -> Option<u64> {
    let ahead_s = u64::from(time_s).saturating_sub(now.to_seconds_floor());
    (ahead_s > FUTURE_TIME_S_MAX).then_some(ahead_s)
}
