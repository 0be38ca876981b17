use std::fmt;

use super::SettingsError;
use super::layers::Entry;

/// The networks, by the names that Bitcoin Core gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Mainnet,
    Testnet3,
    Testnet4,
    Signet,
    Regtest,
}

impl Network {
    /// All of them, with their names.
    const NAMES: [(&'static str, Network); 5] = [
        ("mainnet", Network::Mainnet),
        ("testnet3", Network::Testnet3),
        ("testnet4", Network::Testnet4),
        ("signet", Network::Signet),
        ("regtest", Network::Regtest),
    ];

    /// By its name.
    pub(crate) fn parse(name: &str) -> Option<Network> {
        Self::NAMES.iter().find(|(n, _)| *n == name).map(|(_, network)| *network)
    }

    /// Its name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Network::Mainnet => "mainnet",
            Network::Testnet3 => "testnet3",
            Network::Testnet4 => "testnet4",
            Network::Signet => "signet",
            Network::Regtest => "regtest",
        }
    }

    /// What addresses are written for.
    pub(crate) const fn to_bitcoin(self) -> bitcoin::Network {
        match self {
            Network::Mainnet => bitcoin::Network::Bitcoin,
            Network::Testnet3 => bitcoin::Network::Testnet,
            Network::Testnet4 => bitcoin::Network::Testnet4,
            Network::Signet => bitcoin::Network::Signet,
            Network::Regtest => bitcoin::Network::Regtest,
        }
    }

    /// The defaults that are its own.
    pub(super) const fn defaults_toml(self) -> &'static str {
        match self {
            Network::Mainnet => include_str!("../../../config/mainnet.toml"),
            Network::Testnet3 => include_str!("../../../config/testnet3.toml"),
            Network::Testnet4 => include_str!("../../../config/testnet4.toml"),
            Network::Signet => include_str!("../../../config/signet.toml"),
            Network::Regtest => include_str!("../../../config/regtest.toml"),
        }
    }

    pub(super) fn from_entry(entry: &Entry) -> Result<Network, SettingsError> {
        let text = entry.raw.to_string();
        let names = Self::NAMES.map(|(name, _)| name);
        let expected = format!("one of {}", names.join(", "));
        Network::parse(&text)
            .ok_or_else(|| SettingsError::bad("network", &text, &entry.place, &expected).near(&names))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
