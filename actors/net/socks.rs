//! Connections that go out through a proxy, which looks names up as well (SOCKS5, RFC 1928 and 1929).
//!
//! Owns: which target goes through which proxy. Must not know: who is connected to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use adit_domain::peer::Host;
use adit_domain::units::Entropy;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_socks::tcp::Socks5Stream;

use super::{Bound, MachineNet, Net, Stream};

/// What a hidden service's name ends with.
const ONION: &str = ".onion";

/// The machine's TCP, connections out through proxies.
pub struct Proxied {
    /// For everything but hidden services; none: directly.
    pub proxy: Option<SocketAddr>,
    /// For hidden services; none: they are not reached.
    pub onion: Option<SocketAddr>,
    /// Where a name and a password of its own is drawn for each connection, so that a Tor behind the proxy takes another way for each.
    pub isolates: Option<Arc<dyn Entropy>>,
}

impl Proxied {
    /// The proxy of `HOST:PORT`; none: directly, as to all that is not reached from elsewhere, for which no proxy is asked in Core either.
    fn of(&self, target: &str) -> io::Result<Option<SocketAddr>> {
        if target.parse::<SocketAddr>().is_ok_and(|at| !Host::from(at.ip()).is_routable()) {
            return Ok(None);
        }
        let host = target.rsplit_once(':').map_or(target, |(host, _)| host);
        if !host.ends_with(ONION) {
            return Ok(self.proxy);
        }
        let unreached = || io::Error::new(io::ErrorKind::Unsupported, "no proxy reaches hidden services");
        self.onion.map(Some).ok_or_else(unreached)
    }

    async fn through(&self, proxy: SocketAddr, target: &str) -> io::Result<Stream> {
        let connected = match &self.isolates {
            None => Socks5Stream::connect(proxy, target).await,
            Some(entropy) => {
                let (name, word) = (entropy.next_u64().to_string(), entropy.next_u64().to_string());
                Socks5Stream::connect_with_password(proxy, target, &name, &word).await
            }
        };
        Ok(Stream::from(connected.map_err(io::Error::other)?.into_inner()))
    }
}

impl Net for Proxied {
    fn listen(&self, at: SocketAddr) -> io::Result<Bound> {
        MachineNet.listen(at)
    }

    fn connect<'a>(&'a self, target: &'a str) -> BoxFuture<'a, io::Result<Stream>> {
        async move {
            match self.of(target)? {
                None => MachineNet.connect(target).await,
                Some(proxy) => self.through(proxy, target).await,
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests;
