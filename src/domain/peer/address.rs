//! Addresses of nodes, on every network where one can be reached. BIP-0155

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use data_encoding::BASE32_NOPAD;
use sha3::{Digest, Sha3_256};
use thiserror::Error;

/// Where a node can be reached at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// IPv4.
    V4(Ipv4Addr),
    /// IPv6; never one that stands for an IPv4 address.
    V6(Ipv6Addr),
    /// A hidden service of Tor's, by its public key.
    Onion([u8; 32]),
    /// A destination of I2P's, by its hash.
    I2p([u8; 32]),
    /// An address of cjdns'.
    Cjdns(Ipv6Addr),
}

/// A network that addresses belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostNetwork {
    /// IPv4, and what leads to it.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// Tor.
    Onion,
    /// I2P.
    I2p,
    /// cjdns.
    Cjdns,
}

impl HostNetwork {
    /// All of them, in Core's order.
    pub const ALL: [HostNetwork; 5] =
        [HostNetwork::Ipv4, HostNetwork::Ipv6, HostNetwork::Onion, HostNetwork::I2p, HostNetwork::Cjdns];

    /// Its name, as Core has it.
    pub fn name(self) -> &'static str {
        match self {
            HostNetwork::Ipv4 => "ipv4",
            HostNetwork::Ipv6 => "ipv6",
            HostNetwork::Onion => "onion",
            HostNetwork::I2p => "i2p",
            HostNetwork::Cjdns => "cjdns",
        }
    }

    /// The network of that name.
    pub fn named(name: &str) -> Option<HostNetwork> {
        Self::ALL.into_iter().find(|network| network.name() == name)
    }

    /// The number that stands for it where addresses are grouped: Core's, 0 being what nobody can be reached at.
    const fn number(self) -> u8 {
        match self {
            HostNetwork::Ipv4 => 1,
            HostNetwork::Ipv6 => 2,
            HostNetwork::Onion => 3,
            HostNetwork::I2p => 4,
            HostNetwork::Cjdns => 5,
        }
    }
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HostError {
    /// It is none of any network.
    #[error("not an address")]
    NotAnAddress,
}

/// What addresses of Tor's second version began with in 16 bytes: nobody is there any more.
const ONION_V2_IN_V6: [u8; 6] = [0xfd, 0x87, 0xd8, 0x7e, 0xeb, 0x43];
/// What names stood behind in 16 bytes, which nobody should send.
const NAME_IN_V6: [u8; 6] = [0xfd, 0x6b, 0x88, 0xc0, 0x87, 0x24];
/// What all addresses of cjdns' begin with.
const CJDNS: u8 = 0xfc;
/// The version of a hidden service's address.
const ONION_VERSION: u8 = 3;

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Host {
        match ip.to_canonical() {
            IpAddr::V4(v4) => Host::V4(v4),
            IpAddr::V6(v6) => Host::V6(v6),
        }
    }
}

impl Host {
    /// The number of its network, and its bytes. BIP-0155
    pub fn numbered(&self) -> (u8, Vec<u8>) {
        match self {
            Host::V4(v4) => (1, v4.octets().to_vec()),
            Host::V6(v6) => (2, v6.octets().to_vec()),
            Host::Onion(key) => (4, key.to_vec()),
            Host::I2p(hash) => (5, hash.to_vec()),
            Host::Cjdns(v6) => (6, v6.octets().to_vec()),
        }
    }

    /// Reads the 16 bytes of the first form of addresses; none where nobody can be there.
    pub fn from_v6_bytes(bytes: [u8; 16]) -> Option<Host> {
        let gone = bytes.starts_with(&ONION_V2_IN_V6) || bytes.starts_with(&NAME_IN_V6);
        (!gone).then(|| Host::from(IpAddr::from(bytes)))
    }

    /// As this node reaches it: where cjdns runs, what begins as its addresses do is one.
    #[must_use]
    pub fn in_cjdns(self) -> Host {
        match self {
            Host::V6(v6) if v6.octets().starts_with(&[CJDNS]) => Host::Cjdns(v6),
            other => other,
        }
    }

    /// The IP address, where it is one.
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            Host::V4(v4) => Some(IpAddr::V4(v4)),
            Host::V6(v6) => Some(IpAddr::V6(v6)),
            Host::Onion(_) | Host::I2p(_) | Host::Cjdns(_) => None,
        }
    }

    /// Its 16 bytes in the first form of addresses, IPv4 behind a prefix; or what else it is made of.
    fn bytes(&self) -> Vec<u8> {
        match self {
            Host::V4(v4) => v4.to_ipv6_mapped().octets().to_vec(),
            Host::V6(v6) | Host::Cjdns(v6) => v6.octets().to_vec(),
            Host::Onion(key) | Host::I2p(key) => key.to_vec(),
        }
    }

    /// Its 16 bytes in the first form of addresses; none where that has no room for it.
    pub fn to_v6_bytes(self) -> Option<[u8; 16]> {
        match self {
            Host::V4(v4) => Some(v4.to_ipv6_mapped().octets()),
            Host::V6(v6) => Some(v6.octets()),
            Host::Onion(_) | Host::I2p(_) | Host::Cjdns(_) => None,
        }
    }

    /// Whether it is this machine, whatever that is.
    fn is_local(&self) -> bool {
        match self {
            Host::V4(v4) => matches!(v4.octets(), [0 | 127, ..]),
            Host::V6(v6) => v6.is_loopback(),
            Host::Onion(_) | Host::I2p(_) | Host::Cjdns(_) => false,
        }
    }

    /// Whether it can be reached from elsewhere.
    pub fn is_routable(&self) -> bool {
        match self {
            Host::V4(v4) => is_routable_v4(*v4),
            Host::V6(v6) => is_routable_v6(*v6),
            Host::Cjdns(v6) => v6.octets().starts_with(&[CJDNS]),
            Host::Onion(_) | Host::I2p(_) => true,
        }
    }

    /// The IPv4 address that it is, or leads to.
    fn linked_v4(&self) -> Option<[u8; 4]> {
        let v6 = match self {
            Host::V4(v4) => return Some(v4.octets()),
            Host::V6(v6) => v6.octets(),
            Host::Onion(_) | Host::I2p(_) | Host::Cjdns(_) => return None,
        };
        let [.., a, b, c, d] = v6;
        match v6 {
            // Translated. RFC 6145, RFC 6052
            [0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, ..]
            | [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, ..] => Some([a, b, c, d]),
            // 6to4. RFC 3964
            [0x20, 0x02, a, b, c, d, ..] => Some([a, b, c, d]),
            // Teredo. RFC 4380
            [0x20, 0x01, 0, 0, ..] => Some([!a, !b, !c, !d]),
            _ => None,
        }
    }

    /// The network; none where nobody can be reached at it.
    pub fn network(&self) -> Option<HostNetwork> {
        if !self.is_routable() {
            return None;
        }
        Some(match self {
            _ if self.linked_v4().is_some() => HostNetwork::Ipv4,
            Host::V4(_) => HostNetwork::Ipv4,
            Host::V6(_) => HostNetwork::Ipv6,
            Host::Onion(_) => HostNetwork::Onion,
            Host::I2p(_) => HostNetwork::I2p,
            Host::Cjdns(_) => HostNetwork::Cjdns,
        })
    }

    /// What it shares with others that one party is likely to have as well: the network, and the first bits of the address.
    pub fn group(&self) -> Vec<u8> {
        let network = self.network();
        let mut group = vec![network.map_or(0, HostNetwork::number)];
        if network.is_none() || self.is_local() {
            return group;
        }
        if let Some([a, b, ..]) = self.linked_v4() {
            group.extend([a, b]);
            return group;
        }
        let he_net = matches!(self, Host::V6(v6) if v6.octets().starts_with(&[0x20, 0x01, 0x04, 0x70]));
        let bits: usize = match self {
            Host::Onion(_) | Host::I2p(_) => 4,
            // The first byte is the same for all.
            Host::Cjdns(_) => 12,
            _ if he_net => 36,
            _ => 32,
        };
        let bytes = self.bytes();
        let (whole, rest) = (bits / 8, bits % 8);
        group.extend(bytes.iter().take(whole));
        if rest > 0 {
            group.extend(bytes.get(whole).map(|last| last | (0xff >> rest)));
        }
        group
    }
}

fn is_routable_v4(v4: Ipv4Addr) -> bool {
    let apart = v4.is_private()
        || v4.is_link_local()
        || v4.is_documentation()
        || v4.is_broadcast()
        // Benchmarks (RFC 2544), carriers' own (RFC 6598), this machine.
        || matches!(v4.octets(), [198, 18 | 19, ..] | [100, 64..=127, ..] | [0 | 127, ..]);
    !apart
}

fn is_routable_v6(v6: Ipv6Addr) -> bool {
    let apart = v6.is_unspecified()
        || v6.is_loopback()
        || matches!(
            v6.octets(),
            // Documentation, link-local, unique local, ORCHID and its second version.
            [0x20, 0x01, 0x0d, 0xb8, ..]
                | [0xfe, 0x80, 0, 0, 0, 0, 0, 0, ..]
                | [0xfc | 0xfd, ..]
                | [0x20, 0x01, 0, 0x10..=0x2f, ..]
        );
    !apart
}

/// The two bytes by which a hidden service's address is told from a mistyped one.
fn onion_checksum(key: &[u8; 32]) -> [u8; 2] {
    let mut hasher = Sha3_256::new();
    hasher.update(b".onion checksum");
    hasher.update(key);
    hasher.update([ONION_VERSION]);
    let digest: [u8; 32] = hasher.finalize().into();
    let [a, b, ..] = digest;
    [a, b]
}

fn read_onion(name: &str) -> Option<Host> {
    let bytes = BASE32_NOPAD.decode(name.to_ascii_uppercase().as_bytes()).ok()?;
    let bytes = <[u8; 35]>::try_from(bytes).ok()?;
    let (key, [a, b, version]) = bytes
        .split_first_chunk::<32>()
        .and_then(|(key, rest)| Some((*key, <[u8; 3]>::try_from(rest).ok()?)))?;
    (version == ONION_VERSION && onion_checksum(&key) == [a, b]).then_some(Host::Onion(key))
}

fn read_i2p(name: &str) -> Option<Host> {
    let bytes = BASE32_NOPAD.decode(name.to_ascii_uppercase().as_bytes()).ok()?;
    <[u8; 32]>::try_from(bytes).ok().map(Host::I2p)
}

impl FromStr for Host {
    type Err = HostError;

    /// An IP address, `....onion`, or `....b32.i2p`.
    fn from_str(text: &str) -> Result<Host, HostError> {
        let read = match text.rsplit_once('.') {
            Some((name, "onion")) => read_onion(name),
            Some((name, "i2p")) => name.strip_suffix(".b32").and_then(read_i2p),
            _ => text.parse::<IpAddr>().ok().map(Host::from),
        };
        read.ok_or(HostError::NotAnAddress)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::V4(v4) => v4.fmt(to),
            Host::V6(v6) | Host::Cjdns(v6) => v6.fmt(to),
            Host::Onion(key) => {
                let mut bytes = key.to_vec();
                bytes.extend(onion_checksum(key));
                bytes.push(ONION_VERSION);
                write!(to, "{}.onion", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
            }
            Host::I2p(hash) => write!(to, "{}.b32.i2p", BASE32_NOPAD.encode(hash).to_ascii_lowercase()),
        }
    }
}

/// A node's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeAddress {
    /// Where.
    pub host: Host,
    /// At which port.
    pub port: u16,
}

impl NodeAddress {
    /// What it is told from others by: the host's bytes and the port, big-endian.
    pub fn key(&self) -> Vec<u8> {
        let mut key = self.host.bytes();
        key.extend(self.port.to_be_bytes());
        key
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            Host::V6(_) | Host::Cjdns(_) => write!(to, "[{}]:{}", self.host, self.port),
            _ => write!(to, "{}:{}", self.host, self.port),
        }
    }
}

/// A node's address as it is told: who may be there, and since when that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KnownNode {
    /// When somebody last was there; seconds since 1970.
    pub time_s: u32,
    /// What is offered there: the bits of `ServiceFlags`.
    pub services: u64,
    /// Where.
    pub address: NodeAddress,
}

#[cfg(test)]
mod tests;
