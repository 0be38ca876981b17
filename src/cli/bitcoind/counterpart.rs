//! What each setting of a bitcoin.conf is in adit.toml.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::chain::Chain;
use super::check;
use super::conf::{Files, Note};
use super::config::Config;
use super::deployments;
use super::error::InitError;
use super::flags::{self, Here};
use super::layers::Layers;
use super::translate;
use super::value::Value;

/// A setting, here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Counterpart {
    /// It is this key with this value.
    Key {
        /// The key, dotted.
        key: String,
        /// Its value as TOML.
        toml: String,
    },
    /// It is nothing.
    Nothing {
        /// The setting's name.
        name: String,
        /// Why, or what there is in its place.
        why: String,
    },
}

/// Flags that become keys. (`includeconf` has been followed.)
const WITH_KEY: [&str; 51] = [
    "chain",
    "regtest",
    "signet",
    "testnet",
    "testnet4",
    "includeconf",
    "dbcache",
    "par",
    "assumevalid",
    "minimumchainwork",
    "txindex",
    "coinstatsindex",
    "txospenderindex",
    "blockfilterindex",
    "prune",
    "fastprune",
    "testactivationheight",
    "vbparams",
    "signetchallenge",
    "bind",
    "port",
    "listen",
    "connect",
    "addnode",
    "networkactive",
    "maxconnections",
    "maxmempool",
    "minrelaytxfee",
    "incrementalrelayfee",
    "dustrelayfee",
    "blockmintxfee",
    "datacarrier",
    "datacarriersize",
    "permitbaremultisig",
    "bytespersigop",
    "limitclustercount",
    "limitclustersize",
    "mempoolexpiry",
    "persistmempool",
    "acceptnonstdtxn",
    "server",
    "rpcbind",
    "rpcport",
    "rpcauth",
    "rpcallowip",
    "rest",
    "zmqpubhashblock",
    "zmqpubhashtx",
    "zmqpubrawblock",
    "zmqpubrawtx",
    "zmqpubsequence",
];

/// What other flags begin with that `adit bitcoind` knows and `adit run` has no key for, and what there is in their place.
const ELSEWHERE: [(&str, &str); 17] = [
    (
        "rpcuser",
        "jsonrpc.auth takes users with hashes of their passwords, and the cookie serves this machine",
    ),
    (
        "rpcpassword",
        "jsonrpc.auth takes users with hashes of their passwords, and the cookie serves this machine",
    ),
    ("rpccookiefile", "jsonrpc.cookie_file names it"),
    ("daemon", "a service manager keeps the node in the background"),
    ("pid", "a service manager knows the process"),
    ("debug", "log.level chooses what is logged, and it goes to stderr"),
    ("log", "log.level chooses what is logged, and it goes to stderr"),
    ("printtoconsole", "log.level chooses what is logged, and it goes to stderr"),
    ("shrinkdebugfile", "log.level chooses what is logged, and it goes to stderr"),
    ("datadir", "a folder of Adit's own is begun, and `adit import` reads the blocks of this one"),
    ("blocksdir", "a folder of Adit's own is begun, and `adit import` reads the blocks of this one"),
    ("zmqpub", "zmq.queue_max holds for all of them"),
    ("proxy", "`adit run` connects directly: only `adit bitcoind` goes through a proxy"),
    ("onion", "`adit run` connects directly: only `adit bitcoind` goes through a proxy"),
    ("reindex", "`adit db reindex` builds everything again from the block files"),
    ("loadblock", "`adit import FILE` reads blocks from files"),
    ("", "only `adit bitcoind` has it"),
];

/// Keys with a list.
const LISTS: [&str; 10] = [
    "p2p.connect",
    "chain.test_activation_heights",
    "chain.version_bits",
    "jsonrpc.auth",
    "jsonrpc.allow",
    "zmq.hashblock",
    "zmq.hashtx",
    "zmq.rawblock",
    "zmq.rawtx",
    "zmq.sequence",
];

/// What a file comes to; `chain` chooses the network where the file does not.
pub(crate) fn counterparts(file: &Path, chain: Option<&str>) -> Result<Vec<Counterpart>, InitError> {
    of(&read(file, chain)?)
}

/// What settings come to.
pub(super) fn of(config: &Config) -> Result<Vec<Counterpart>, InitError> {
    check::check(config)?;
    let mut parts: Vec<Counterpart> = config.notes.iter().filter_map(unknown).collect();
    parts.extend(names(config).into_iter().filter_map(nothing));
    let all = translate::keys(config)?.into_iter().chain(translate::rpc_keys(config)?);
    let keys = all.filter(|(key, ..)| key != "datadir");
    parts.extend(keys.map(|(key, value, _)| Counterpart::Key { toml: toml(&key, &value), key }));
    Ok(parts)
}

/// The file and what it includes; nothing is made.
fn read(file: &Path, chain: Option<&str>) -> Result<Config, InitError> {
    let path = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut layers = Layers::default();
    let places = [("conf", path.as_path()), ("datadir", folder)];
    let places = places.map(|(name, path)| (name, path.display().to_string()));
    for (name, text) in places.into_iter().chain(chain.map(|chain| ("chain", chain.to_owned()))) {
        layers.line.insert(name.to_owned(), vec![Value::Text(text)]);
    }
    let mut files = Files::default();
    files.read(&mut layers, Chain::name_of)?;
    config(layers, files, Some(path))
}

/// What was read, with the network that it chooses.
pub(super) fn config(
    mut layers: Layers,
    Files { sections, notes, .. }: Files,
    conf: Option<PathBuf>,
) -> Result<Config, InitError> {
    let chain = Chain::of(&layers)?;
    layers.section = chain.name().to_owned();
    deployments::check(&layers)?;
    check::follow(&mut layers);
    Ok(Config { layers, chain, sections, notes, conf })
}

/// The settings that the file has for its network.
fn names(config: &Config) -> BTreeSet<&str> {
    let sections =
        ["", config.chain.name()].into_iter().filter_map(|section| config.layers.files.get(section));
    sections.flat_map(|settings| settings.keys().map(String::as_str)).collect()
}

fn unknown(note: &Note) -> Option<Counterpart> {
    match note {
        Note::Warning(line) => {
            let name = line.strip_prefix(super::conf::UNKNOWN)?.to_owned();
            Some(Counterpart::Nothing { name, why: "Bitcoin Core has no such setting".to_owned() })
        }
        Note::Info(_) => None,
    }
}

fn nothing(name: &str) -> Option<Counterpart> {
    let flag = flags::find(name).filter(|_| !WITH_KEY.contains(&name))?;
    let why = match flag.here {
        Here::Void | Here::Missing => flag.text,
        Here::Wired => ELSEWHERE.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, why)| *why)?,
    };
    Some(Counterpart::Nothing { name: name.to_owned(), why: why.to_owned() })
}

/// A value as its key has it: a list, a number or `true`, or a text.
fn toml(key: &str, value: &str) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let is_list = LISTS.contains(&key);
    if is_list {
        let items: Vec<String> = value.split(',').filter(|item| !item.is_empty()).map(quoted).collect();
        return format!("[{}]", items.join(", "));
    }
    let is_hex = ["chain.assume_valid", "chain.minimum_chain_work", "chain.signet_challenge"].contains(&key);
    let is_plain = value.parse::<u32>().is_ok() || value.parse::<bool>().is_ok();
    if is_plain && !is_hex { value.to_owned() } else { quoted(value) }
}
