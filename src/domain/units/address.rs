//! Addresses and private keys as people write them.

use bitcoin::address::NetworkUnchecked;
use bitcoin::{Address, Network, NetworkKind, PrivateKey, Script};
use thiserror::Error;

/// Why a text is not an address of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// It is no address at all: other characters, a checksum that is wrong, a program that no version has.
    #[error("not an address")]
    NotAnAddress,
    /// It is one of another network: what is paid there is lost.
    #[error("an address of another network")]
    OtherNetwork,
}

/// Why a text is not a private key of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WifError {
    /// It is no private key at all.
    #[error("not a private key")]
    NotAKey,
    /// It is one of another network.
    #[error("a private key of another network")]
    OtherNetwork,
}

/// Reads an address of `network`: Base58Check, or Bech32 and Bech32m (BIP-0173, BIP-0350) in one case. What comes of it
/// writes itself in the one canonical way.
///
/// Test networks share their prefixes as in Core: an address of testnet3 is one of testnet4 and of signet. Stricter than Core in
/// that no blank may stand around it.
pub fn parse_address(text: &str, network: Network) -> Result<Address, AddressError> {
    let address: Address<NetworkUnchecked> = text.parse().map_err(|_| AddressError::NotAnAddress)?;
    address.require_network(network).map_err(|_| AddressError::OtherNetwork)
}

/// The address that pays to `script`; none where no address does (a bare key, bare multisig, data, an odd script).
pub fn address_of_script(script: &Script, network: Network) -> Option<Address> {
    Address::from_script(script, network).ok()
}

/// Reads a private key in the wallet import format: Base58Check of a prefix, 32 bytes, and a 1 where its public key is to be
/// compressed.
pub fn parse_wif(text: &str, network: Network) -> Result<PrivateKey, WifError> {
    let key = PrivateKey::from_wif(text).map_err(|_| WifError::NotAKey)?;
    // The library takes any byte for the mark of compression. Written again, it is 1.
    if key.to_wif() != text {
        return Err(WifError::NotAKey);
    }
    if key.network != NetworkKind::from(network) {
        return Err(WifError::OtherNetwork);
    }
    Ok(key)
}

#[cfg(test)]
mod tests;
