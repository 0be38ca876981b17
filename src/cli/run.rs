use std::path::PathBuf;
use std::sync::Arc;

use adit_actors::clock::SystemEntropy;
use adit_actors::net::MachineNet;
use adit_actors::root::Addresses;
use adit_compat::{Config, Server, Zmq};
use clap::Args;

use super::exit::Exit;
use super::host::{self, Host, HostError};
use super::logging;
use super::settings::{Given, Settings, SettingsError};

/// Arguments of `adit run`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Inject panics where an operator asks for it (`adit ctl actor panic NAME`).
    #[arg(long)]
    chaos: bool,
    /// Connect to this node; may be given more than once.
    #[arg(long, value_name = "HOST:PORT")]
    connect: Vec<String>,
    /// Only read the configuration and print what it comes to.
    #[arg(long)]
    check: bool,
}

const EXAMPLES: &str = "\
Examples:
  adit run                                       mainnet, everything in ~/.adit
  adit run --config adit.toml --check            is this file sound?
  adit run --network regtest --datadir /tmp/a --connect 127.0.0.1:18444
  adit run --set pool.address=bc1q... --set stratum.listen=0.0.0.0:3333
  ADIT_LOG_LEVEL=debug adit run                  every key is a variable too

Ctrl-C and SIGTERM end it in order; a second one at once.";

/// The flags that every command has that reads a configuration.
#[derive(Debug, Default, Args)]
pub(crate) struct SettingsArgs {
    /// A TOML file with keys as in config/default.toml.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// mainnet, testnet3, testnet4, signet or regtest.
    #[arg(long, value_name = "NAME")]
    pub(crate) network: Option<String>,
    /// Where the node keeps everything.
    #[arg(long, value_name = "DIR")]
    pub(crate) datadir: Option<PathBuf>,
    /// Set a key of the configuration; may be given more than once.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

impl SettingsArgs {
    /// Reads every layer; `more` are flags of the command's own: flag, key, value.
    pub(crate) fn given(&self, more: Vec<(String, String, String)>) -> Result<Given, SettingsError> {
        let mut flags = Vec::new();
        for set in &self.set {
            let (key, value) = set.split_once('=').ok_or_else(|| SettingsError::NoEquals(set.clone()))?;
            flags.push(("--set".to_owned(), key.trim().to_owned(), value.to_owned()));
        }
        let datadir = self.datadir.as_ref().map(|d| d.display().to_string());
        for (name, value) in [("network", self.network.clone()), ("datadir", datadir)] {
            flags.extend(value.map(|v| (format!("--{name}"), name.to_owned(), v)));
        }
        flags.extend(more);
        Given::collect(self.config.as_deref(), flags)
    }
}

impl RunArgs {
    fn flags(&self) -> Vec<(String, String, String)> {
        let flag = |name: &str, key: &str, value: String| (name.to_owned(), key.to_owned(), value);
        let mut flags = Vec::new();
        if self.chaos {
            flags.push(flag("--chaos", "chaos", "true".to_owned()));
        }
        if !self.connect.is_empty() {
            flags.push(flag("--connect", "p2p.connect", self.connect.join(",")));
        }
        flags
    }
}

/// Runs the node until it is told to stop.
pub(crate) fn run(args: &RunArgs) -> Exit {
    let given = match args.settings.given(args.flags()) {
        Ok(given) => given,
        Err(error) => return Exit::Config.because(error),
    };
    let shown = Settings::read(&given).and_then(|settings| Ok((settings, Settings::explain(&given)?)));
    match shown {
        Err(error) => Exit::Config.because(error),
        Ok((_, lines)) if args.check => {
            lines.iter().for_each(|line| println!("{line}"));
            Exit::Done
        }
        Ok((settings, _)) => node(settings).unwrap_or_else(|error| error.exit().because(&error)),
    }
}

fn node(settings: Settings) -> Result<Exit, HostError> {
    let network = settings.network;
    let set_level = logging::start(&settings.log_level, logging::To::Stderr).map_err(HostError::Logging)?;
    let jsonrpc = settings.jsonrpc.clone();
    let zmq = Zmq::start(settings.zmq.clone())?;
    let published = zmq.as_ref().map(|zmq| zmq.publishers().to_vec()).unwrap_or_default();
    let host = Host::start(settings, set_level, Arc::new(MachineNet))?;
    zmq.iter().for_each(|zmq| zmq.ready(host.links()));
    let connections_max = host::rpc_connections_max();
    let jsonrpc = jsonrpc.map(|config| Config { zmq: published, connections_max, ..config });
    let server = jsonrpc.map(|config| Server::start(config, &SystemEntropy)).transpose();
    let server = server.inspect_err(|_| host.ask_to_stop())?;
    if let Some(server) = &server {
        server.ready(host.links());
    }
    for line in listening(host.addresses()) {
        println!("{line}");
    }
    for address in server.iter().flat_map(Server::addresses) {
        println!("JSON-RPC at {address}");
    }
    println!("ready on {network}; Ctrl-C ends it");
    let exit = host.wait();
    server.into_iter().for_each(Server::stop);
    zmq.into_iter().for_each(Zmq::stop);
    Ok(exit)
}

/// A line for each address.
fn listening(addresses: &Addresses) -> Vec<String> {
    let at = |whom: &str, address: Option<std::net::SocketAddr>| match address {
        Some(address) => format!("listening for {whom} at {address}"),
        None => format!("not listening for {whom}"),
    };
    let mut lines = vec![
        format!("everything is kept in {}", addresses.folder.display()),
        format!("control socket {}", addresses.socket.display()),
        at("nodes", addresses.p2p),
        at("miners", addresses.stratum),
    ];
    lines.extend(addresses.rpc.map(|rpc| format!("control over TCP at {rpc}")));
    lines
}
