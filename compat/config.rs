use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::auth::Subnet;

/// The version of Core that clients are told: they choose by it what they ask for.
pub const VERSION: i64 = 310_000;

/// How old a tip may be that is taken for the chain's newest, as Core's `-maxtipage` where nothing is said: a day.
const TIP_AGE_S_MAX: u64 = 24 * 60 * 60;

/// The most that a block weighs, and what Core leaves of it to the miner where nothing is said.
const BLOCK_WEIGHT_MAX: u64 = 4_000_000;
const BLOCK_WEIGHT_RESERVED: u64 = 8_000;

/// Connections at a time where the system has files for them: with 16 KiB of buffers each 64 MB.
pub const CONNECTIONS_MAX: usize = 4_000;

/// How JSON-RPC is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where to listen; at least one of them must be had. Port 0: any free one.
    pub bind: Vec<SocketAddr>,
    /// From where may be called, beside this machine.
    pub allow: Vec<Subnet>,
    /// `-rpcuser`; only with a password.
    pub user: String,
    /// `-rpcpassword`; empty: a cookie is written.
    pub password: String,
    /// `-rpcauth`, each `USER:SALT$HMAC`.
    pub auth: Vec<String>,
    /// `-rpcwhitelist`, each `USER:METHOD,METHOD`.
    pub whitelist: Vec<String>,
    /// `-rpcwhitelistdefault`; none: as Core, true where there is a whitelist.
    pub whitelist_default: Option<bool>,
    /// The cookie's file; none: no cookie.
    pub cookie: Option<PathBuf>,
    /// The cookie's mode.
    pub cookie_mode: u32,
    /// Calls that are carried out at a time.
    pub threads: usize,
    /// Calls that wait beside them; more are refused.
    pub work_queue: usize,
    /// Connections at a time; beyond it strangers make room for whoever comes.
    pub connections_max: usize,
    /// Whether REST is served beside it, to whom no password is asked of.
    pub rest: bool,
    /// What is published over ZeroMQ, for who asks: those that [`crate::Zmq`] has bound.
    pub zmq: Vec<crate::Publisher>,
    /// How long a client may say nothing, or not take what it asked for.
    pub timeout: Duration,
    /// What `getnetworkinfo` says of the program, `/Satoshi:31.0.0/Adit:0.1.0/`; peers read the same.
    pub subversion: String,
    /// The oldest tip with which the chain counts as fetched, in seconds.
    pub tip_age_s_max: u64,
    /// The proxy of connections out; none: they are made directly.
    pub proxy: Option<SocketAddr>,
    /// The proxy of those to hidden services; none: they are not reached.
    pub onion: Option<SocketAddr>,
    /// Whether each connection through a proxy has a name and a password of its own.
    pub proxy_isolates: bool,
    /// The log's file as `getrpcinfo` names it.
    pub debug_log: PathBuf,
    /// Categories of the log that `logging` says are on.
    pub log_categories: Vec<String>,
    /// Seconds that a ban lasts where nothing else is said, as `-bantime`.
    pub ban_s: u64,
    /// The version of blocks that are made on regtest, as `-blockversion`; none: that which the rules ask for.
    pub block_version: Option<i32>,
    /// The most that a block for a miner weighs, as `-blockmaxweight`.
    pub block_weight_max: u64,
    /// What of it is left for the header and the miner's coinbase, as `-blockreservedweight`.
    pub block_weight_reserved: u64,
    /// The program that speaks with a signing device, and its arguments, as `-signer`; empty: none.
    pub signer: String,
    /// What Core is about to stop telling and is asked to tell all the same, as `-deprecatedrpc`.
    pub deprecated: Vec<String>,
}

impl Config {
    /// What holds where nothing else is asked for.
    pub fn new(bind: Vec<SocketAddr>, cookie: Option<PathBuf>) -> Config {
        Config {
            bind,
            allow: Vec::new(),
            user: String::new(),
            password: String::new(),
            auth: Vec::new(),
            whitelist: Vec::new(),
            whitelist_default: None,
            cookie,
            cookie_mode: 0o600,
            threads: 16,
            work_queue: 64,
            connections_max: CONNECTIONS_MAX,
            rest: false,
            zmq: Vec::new(),
            timeout: Duration::from_secs(30),
            subversion: Config::subversion(&[]),
            tip_age_s_max: TIP_AGE_S_MAX,
            proxy: None,
            onion: None,
            proxy_isolates: true,
            debug_log: PathBuf::new(),
            log_categories: Vec::new(),
            ban_s: 24 * 60 * 60,
            block_version: None,
            block_weight_max: BLOCK_WEIGHT_MAX,
            block_weight_reserved: BLOCK_WEIGHT_RESERVED,
            signer: String::new(),
            deprecated: Vec::new(),
        }
    }

    /// Whether that is asked for.
    pub(crate) fn tells(&self, deprecated: &str) -> bool {
        self.deprecated.iter().any(|name| name == deprecated)
    }

    /// The program's name as wallets and explorers look for it (Core's first), with `-uacomment`'s words.
    pub fn subversion(comments: &[String]) -> String {
        let words = if comments.is_empty() { String::new() } else { format!("({})", comments.join("; ")) };
        format!("/Satoshi:31.0.0/Adit:{}{words}/", env!("CARGO_PKG_VERSION"))
    }
}
