//! The configuration: layers laid over each other, and the values that come of them.
//!
//! Owns: every key's kind and bounds, the precedence, and what a person reads when a key or value is wrong. Must not know:
//! what the values do. The keys, their units and their defaults stand in config/default.toml, which is part of the binary.

mod error;
mod layers;
mod network;
mod parts;
mod reader;
mod rules;

use std::path::PathBuf;
use std::sync::Arc;

use adit_actors::root::{
    ChainSettings, MempoolSettings, NodeConfig, PeerSettings, PoolSettings, RpcSettings, SetLogLevel,
};
use adit_actors::supervision::Intensity;
use adit_chainstate::IndexConfig;
use adit_domain::consensus::Params;
use adit_store::{DataDir, Layout};

pub(crate) use error::{Place, SettingsError};
pub(crate) use layers::Given;
pub(crate) use network::Network;
pub(crate) use parts::{DATA_BYTES_MAX, EXPIRY_H_MAX, FEE_SAT_MAX, WEIGHT_A_SIGOP_MAX};
use reader::Reader;

use super::logging;

/// All of the configuration, typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `network`.
    pub(crate) network: Network,
    /// The network's rules: those of its name, and what the keys of `chain.*` change in them.
    pub(crate) params: Params,
    /// `datadir`.
    pub(crate) datadir: PathBuf,
    /// How the files lie there: a matter of the command, not of a key.
    pub(crate) layout: Layout,
    /// `chaos`.
    pub(crate) chaos: bool,
    /// `log.level`.
    pub(crate) log_level: String,
    /// `chain.*`.
    pub(crate) chain: ChainSettings,
    /// `index.*`.
    pub(crate) index: IndexConfig,
    /// `p2p.*`.
    pub(crate) peer: PeerSettings,
    /// `mempool.*`.
    pub(crate) mempool: MempoolSettings,
    /// `pool.*` and `stratum.*`; none where there is no address to pay to or nowhere to listen.
    pub(crate) pool: Option<PoolSettings>,
    /// `rpc.*`.
    pub(crate) rpc: RpcSettings,
    /// `jsonrpc.*`; none: it is off.
    pub(crate) jsonrpc: Option<adit_compat::Config>,
    /// `zmq.*`.
    pub(crate) zmq: Vec<adit_compat::Publisher>,
    /// `supervision.*`.
    pub(crate) intensity: Intensity,
}

impl Settings {
    /// Lays the layers over each other and types what comes of it.
    pub(crate) fn read(given: &Given) -> Result<Settings, SettingsError> {
        let home = std::env::var_os("HOME").filter(|h| !h.is_empty()).map(PathBuf::from);
        let mut reader = Reader::new(layers::merge(given)?, home);
        let settings = Settings::take(&mut reader)?;
        let untaken = reader.rest().next().cloned();
        untaken.map_or(Ok(settings), |key| Err(SettingsError::unknown(&key, &Place::Default)))
    }

    fn take(r: &mut Reader) -> Result<Settings, SettingsError> {
        let network = Network::from_entry(&r.entry("network")?)?;
        let params = rules::params(r, network)?;
        let place = r.place("datadir");
        let datadir =
            r.path("datadir")?.ok_or_else(|| SettingsError::bad("datadir", "", &place, "a path"))?;
        let chain = parts::chain(r, network)?;
        let index = parts::index(r, chain.prune_mib != 0)?;
        Ok(Settings {
            network,
            chaos: r.flag("chaos")?,
            log_level: r
                .one("log.level", logging::DIRECTIVES, |t| logging::parse(t).ok().map(|_| t.to_owned()))?,
            chain,
            index,
            peer: parts::peer(r)?,
            mempool: parts::mempool(r, network)?,
            pool: parts::pool(r, network)?,
            rpc: parts::rpc(r, &DataDir::folder(&datadir, &params.folder()))?,
            jsonrpc: parts::jsonrpc(r, &DataDir::folder(&datadir, &params.folder()))?,
            zmq: parts::zmq(r)?,
            intensity: parts::intensity(r)?,
            params,
            datadir,
            layout: Layout::Own,
        })
    }

    /// Every key's value and where it stands, a line each.
    pub(crate) fn explain(given: &Given) -> Result<Vec<String>, SettingsError> {
        let line = |(key, entry): (String, layers::Entry)| {
            format!("{key} = {:?}  # {}", entry.raw.to_string(), entry.place)
        };
        Ok(layers::merge(given)?.into_iter().map(line).collect())
    }

    /// What the node is told.
    pub(crate) fn into_node(self, set_log_level: SetLogLevel) -> NodeConfig {
        NodeConfig {
            params: Arc::new(self.params),
            datadir: self.datadir,
            layout: self.layout,
            chain: self.chain,
            index: self.index,
            mempool: self.mempool,
            peer: self.peer,
            pool: self.pool,
            rpc: self.rpc,
            intensity: self.intensity,
            chaos: self.chaos,
            set_log_level,
        }
    }
}

#[cfg(test)]
mod tests;
