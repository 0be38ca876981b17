//! Addresses of nodes in messages, in both forms.

use bitcoin::consensus::encode::{self, VarInt};

use super::{Bytes, MessageError, put, put_count};
use crate::peer::address::{Host, KnownNode, NodeAddress};
use crate::peer::limits::{ADDRESS_BYTES_MAX, ADDRESSES_MAX};

/// Addresses of nodes that somebody tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressList {
    /// Whether they may be of any network (BIP155), or IP alone.
    pub all_kinds: bool,
    /// How many were told of: some may be none that anybody understands.
    pub count: usize,
    /// Those that are understood.
    pub nodes: Vec<KnownNode>,
}

impl AddressList {
    /// The command under which it goes.
    pub fn name(&self) -> &'static str {
        if self.all_kinds { "addrv2" } else { "addr" }
    }
}

impl Bytes<'_> {
    pub(super) fn addresses(&mut self, all_kinds: bool) -> Result<AddressList, MessageError> {
        let count = self.count(ADDRESSES_MAX)?;
        let mut nodes = Vec::new();
        for _ in 0..count {
            nodes.extend(if all_kinds { self.node_of_any_kind()? } else { self.node()? });
        }
        Ok(AddressList { all_kinds, count, nodes })
    }

    /// Time 4, services 8, IP 16, port 2 (big-endian).
    fn node(&mut self) -> Result<Option<KnownNode>, MessageError> {
        let (time_s, services) = (self.take()?, self.take()?);
        let (ip, port): ([u8; 16], [u8; 2]) = (self.take()?, self.take()?);
        let port = u16::from_be_bytes(port);
        let host = Host::from_v6_bytes(ip);
        Ok(host.map(|host| KnownNode { time_s, services, address: NodeAddress { host, port } }))
    }

    /// Time 4, services (compact), network 1, how many bytes (compact), they, port 2 (big-endian). Of networks that nobody knows yet it is
    /// passed over. BIP-0155
    fn node_of_any_kind(&mut self) -> Result<Option<KnownNode>, MessageError> {
        let time_s = self.take()?;
        let VarInt(services) = self.take()?;
        let network: u8 = self.take()?;
        let VarInt(length) = self.take()?;
        let known = usize::try_from(length).ok().filter(|length| *length <= ADDRESS_BYTES_MAX);
        let length = known.ok_or(MessageError::LongAddress(length))?;
        let bytes: Vec<u8> = (0..length).map(|_| self.take()).collect::<Result<_, _>>()?;
        let port = u16::from_be_bytes(self.take()?);
        let of_length = |known: usize| if length == known { Ok(()) } else { Err(self.malformed()) };
        let host = match network {
            1 => of_length(4).map(|()| <[u8; 4]>::try_from(bytes).ok().map(|v4| Host::V4(v4.into())))?,
            // What stands for an address of another network is none.
            2 => of_length(16).map(|()| {
                let host = <[u8; 16]>::try_from(bytes).ok().and_then(Host::from_v6_bytes);
                host.filter(|host| matches!(host, Host::V6(_)))
            })?,
            4 => of_length(32).map(|()| <[u8; 32]>::try_from(bytes).ok().map(Host::Onion))?,
            5 => of_length(32).map(|()| <[u8; 32]>::try_from(bytes).ok().map(Host::I2p))?,
            6 => of_length(16).map(|()| <[u8; 16]>::try_from(bytes).ok().map(|v6| Host::Cjdns(v6.into())))?,
            _ => None,
        };
        Ok(host.map(|host| KnownNode { time_s, services, address: NodeAddress { host, port } }))
    }

    fn malformed(&self) -> MessageError {
        let source = encode::Error::ParseFailed("an address of another length than its network has");
        MessageError::Malformed { command: self.command, source }
    }
}

pub(super) fn put_addresses(out: &mut Vec<u8>, list: &AddressList) {
    let fits = |node: &&KnownNode| list.all_kinds || node.address.host.to_v6_bytes().is_some();
    put_count(out, list.nodes.iter().filter(fits).count());
    for node in list.nodes.iter().filter(fits) {
        put(out, &node.time_s);
        if list.all_kinds {
            put(out, &VarInt(node.services));
            put_host(out, &node.address.host);
        } else {
            put(out, &node.services);
            out.extend(node.address.host.to_v6_bytes().unwrap_or_default());
        }
        out.extend(node.address.port.to_be_bytes());
    }
}

/// The network and the bytes. BIP-0155
fn put_host(out: &mut Vec<u8>, host: &Host) {
    let (network, bytes) = host.numbered();
    out.push(network);
    put_count(out, bytes.len());
    out.extend(bytes);
}
