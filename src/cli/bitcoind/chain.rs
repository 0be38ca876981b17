//! The network that settings choose.

use super::error::InitError;
use super::layers::{Layers, MAIN};
use crate::cli::settings::Network;

/// A network, by Core's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    Main,
    Test,
    Testnet4,
    Signet,
    Regtest,
}

impl Chain {
    const ALL: [Chain; 5] = [Chain::Main, Chain::Test, Chain::Testnet4, Chain::Signet, Chain::Regtest];

    /// The name of its section.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Chain::Main => MAIN,
            Chain::Test => "test",
            Chain::Testnet4 => "testnet4",
            Chain::Signet => "signet",
            Chain::Regtest => "regtest",
        }
    }

    /// Whether there is a section of this name.
    pub(super) fn is_section(name: &str) -> bool {
        Chain::ALL.iter().any(|chain| chain.name() == name)
    }

    /// Its folder in the datadir.
    pub(super) const fn folder(self) -> &'static str {
        match self {
            Chain::Main => "",
            Chain::Test => "testnet3",
            Chain::Testnet4 => "testnet4",
            Chain::Signet => "signet",
            Chain::Regtest => "regtest",
        }
    }

    /// Where other nodes connect.
    pub(super) const fn port(self) -> u16 {
        match self {
            Chain::Main => 8333,
            Chain::Test => 18333,
            Chain::Testnet4 => 48333,
            Chain::Signet => 38333,
            Chain::Regtest => 18444,
        }
    }

    /// Where clients of JSON-RPC connect.
    pub(super) const fn rpc_port(self) -> u16 {
        match self {
            Chain::Main => 8332,
            Chain::Test => 18332,
            Chain::Testnet4 => 48332,
            Chain::Signet => 38332,
            Chain::Regtest => 18443,
        }
    }

    /// As the rest of the program names it.
    pub(super) const fn network(self) -> Network {
        match self {
            Chain::Main => Network::Mainnet,
            Chain::Test => Network::Testnet3,
            Chain::Testnet4 => Network::Testnet4,
            Chain::Signet => Network::Signet,
            Chain::Regtest => Network::Regtest,
        }
    }

    /// The one that settings choose.
    pub(super) fn of(layers: &Layers) -> Result<Chain, InitError> {
        let name = Chain::name_of(layers)?;
        let known = Chain::ALL.into_iter().find(|chain| chain.name() == name);
        known.ok_or_else(|| InitError::Chain(format!("Unknown chain {name}.")))
    }

    /// The name that settings choose, whether there is one or not.
    pub(super) fn name_of(layers: &Layers) -> Result<String, InitError> {
        let named = layers.text("chain");
        let by_flag = [
            ("regtest", Chain::Regtest),
            ("signet", Chain::Signet),
            ("testnet", Chain::Test),
            ("testnet4", Chain::Testnet4),
        ];
        let mut chosen = by_flag.into_iter().filter(|(flag, _)| layers.chooses(flag)).map(|(_, chain)| chain);
        let first = chosen.next();
        if chosen.next().is_some() || first.is_some() && named.is_some() {
            return Err(InitError::Chain(
                "Invalid combination of -regtest, -signet, -testnet, -testnet4 and -chain. Can use at most one.".to_owned(),
            ));
        }
        Ok(named.unwrap_or_else(|| first.unwrap_or(Chain::Main).name().to_owned()))
    }
}
