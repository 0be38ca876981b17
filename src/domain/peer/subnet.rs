//! Addresses and ranges of them, as an operator names them.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Characters of a Tor v3 name before its ending.
const ONION_CHARS: usize = 56;
const ONION_ENDING: &str = ".onion";

/// A range of addresses. Ordered as Core lists them: by kind, address, length.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subnet {
    /// Addresses that begin alike.
    Ip {
        /// The first of them.
        first: IpAddr,
        /// How many of its bits they share.
        bits: u8,
    },
    /// One Tor v3 name. Nobody connects from one; it may be listed.
    Onion(Box<str>),
}

/// It names no address, or no range of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("neither an address nor a range of them")]
pub struct SubnetError;

impl Subnet {
    /// One address alone.
    pub fn host(address: IpAddr) -> Subnet {
        let first = address.to_canonical();
        Subnet::Ip { first, bits: width(first) }
    }

    /// The addresses that share `bits` bits with one; none where it has fewer.
    pub fn new(address: IpAddr, bits: u8) -> Option<Subnet> {
        (bits <= width(address)).then(|| Subnet::Ip { first: masked(address, bits), bits })
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self {
            Subnet::Ip { first, bits } => {
                first.is_ipv4() == address.is_ipv4() && masked(address, *bits) == *first
            }
            Subnet::Onion(_) => false,
        }
    }

    /// The address, where it is one address alone.
    pub fn as_host(&self) -> Option<IpAddr> {
        match self {
            Subnet::Ip { first, bits } if *bits == width(*first) => Some(*first),
            _ => None,
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(a) => {
            let mask = u32::MAX.checked_shl(32u32.saturating_sub(u32::from(bits))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(a) & mask))
        }
        IpAddr::V6(a) => {
            let mask = u128::MAX.checked_shl(128u32.saturating_sub(u32::from(bits))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(a) & mask))
        }
    }
}

/// The length of a mask such as `255.255.0.0`; none where ones follow zeros.
fn mask_bits(mask: IpAddr) -> Option<u8> {
    let (bits, zeros) = match mask {
        IpAddr::V4(a) => (u32::from(a).leading_ones(), u32::from(a).trailing_zeros().min(32)),
        IpAddr::V6(a) => (u128::from(a).leading_ones(), u128::from(a).trailing_zeros().min(128)),
    };
    let whole = bits.checked_add(zeros)? == u32::from(width(mask));
    u8::try_from(bits).ok().filter(|_| whole)
}

impl FromStr for Subnet {
    type Err = SubnetError;

    /// An address, `ADDRESS/LENGTH`, `ADDRESS/MASK`, or a Tor v3 name.
    fn from_str(text: &str) -> Result<Subnet, SubnetError> {
        if let Some(name) = text.strip_suffix(ONION_ENDING) {
            let is_name = name.len() == ONION_CHARS
                && name.bytes().all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b));
            return is_name.then(|| Subnet::Onion(text.into())).ok_or(SubnetError);
        }
        let Some((address, range)) = text.split_once('/') else {
            return text.parse().map(Subnet::host).map_err(|_| SubnetError);
        };
        let address: IpAddr = address.parse().map_err(|_| SubnetError)?;
        let bits = match range.parse::<u8>() {
            Ok(bits) => Some(bits),
            Err(_) => {
                range.parse().ok().filter(|m: &IpAddr| m.is_ipv4() == address.is_ipv4()).and_then(mask_bits)
            }
        };
        bits.and_then(|bits| Subnet::new(address, bits)).ok_or(SubnetError)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subnet::Ip { first, bits } => write!(f, "{first}/{bits}"),
            Subnet::Onion(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
#[path = "subnet/tests.rs"]
mod tests;
