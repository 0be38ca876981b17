//! Where other nodes connect, and through which proxies this one goes out.
//!
//! Owns: what -bind, -whitebind, -port, -proxy and -onion come to. Must not know: how a socket is opened.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use adit_actors::clock::SystemEntropy;
use adit_actors::net::{MachineNet, Net, Proxied};
use adit_domain::units::Entropy;

use super::check;
use super::config::Config;
use super::error::InitError;
use super::layers::Layers;

/// Where a Tor on this machine takes connections, which is what a proxy without a port is.
const PROXY_PORT: u16 = 9050;

/// Where other nodes may connect.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listens {
    /// No node without these.
    pub(super) must: Vec<SocketAddr>,
    /// These where they can be had: nobody asked for them.
    pub(super) maybe: Vec<SocketAddr>,
}

/// Where other nodes may connect; no address twice.
pub(super) fn listens(config: &Config) -> Result<Listens, InitError> {
    let layers = &config.layers;
    let own = config.chain.port();
    let port = u16::try_from(layers.number("port", i64::from(own))).unwrap_or(own);
    let binds = layers.texts("bind");
    let mut must = binds.iter().map(|text| bind(text, port)).collect::<Result<Vec<_>, _>>()?;
    let white = layers.texts("whitebind");
    must.extend(white.iter().map(|text| white_bind(text)).collect::<Result<Vec<_>, _>>()?);
    refuse_twice(&must)?;
    if !layers.switch("listen", true) || !layers.switch("networkactive", true) {
        return Ok(Listens::default());
    }
    if !binds.is_empty() {
        return Ok(Listens { must, maybe: Vec::new() });
    }
    must.insert(0, SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
    // As in Core, beside all of IPv6: a port for a Tor on this machine that passes connections on.
    let onion = port.checked_add(1).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let all_v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    Ok(Listens { must, maybe: onion.into_iter().chain([all_v6]).collect() })
}

fn refuse_twice(all: &[SocketAddr]) -> Result<(), InitError> {
    let mut seen = BTreeSet::new();
    match all.iter().find(|at| !seen.insert(**at)) {
        None => Ok(()),
        Some(at) => Err(InitError::said(format!(
            "Duplicate binding configuration for address {at}. Please check your -bind, -bind=...=onion and -whitebind settings."
        ))),
    }
}

/// `ADDRESS`, `ADDRESS:PORT`, either with `=onion`.
fn bind(text: &str, port: u16) -> Result<SocketAddr, InitError> {
    let unknown = || InitError::said(format!("Cannot resolve -bind address: '{text}'"));
    let (kept, default) = match text.rsplit_once('=') {
        None => (text, port),
        Some((kept, "onion")) => (kept, port.saturating_add(1)),
        Some(_) => return Err(unknown()),
    };
    let (host, port) = check::host_and_port(kept).ok_or_else(unknown)?;
    let ip = host.parse::<IpAddr>().map_err(|_| unknown())?;
    Ok(SocketAddr::new(ip, port.unwrap_or(default)))
}

/// `ADDRESS:PORT`, with permissions and `@` before it.
fn white_bind(text: &str) -> Result<SocketAddr, InitError> {
    let kept = text.rsplit_once('@').map_or(text, |(_, kept)| kept);
    let said = |what: &str| InitError::said(format!("{what}: '{kept}'"));
    let (host, port) =
        check::host_and_port(kept).ok_or_else(|| said("Invalid port specified in -whitebind"))?;
    let ip = host.parse::<IpAddr>().map_err(|_| said("Cannot resolve -whitebind address"))?;
    let port = port.ok_or_else(|| said("Need to specify a port with -whitebind"))?;
    Ok(SocketAddr::new(ip, port))
}

/// The proxies that connections out go through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Proxies {
    /// For all but hidden services.
    pub(super) proxy: Option<SocketAddr>,
    /// For hidden services.
    pub(super) onion: Option<SocketAddr>,
    /// Whether each connection has a name and a password of its own.
    pub(super) isolates: bool,
}

/// What -proxy and -onion say; a later one of the same network holds.
pub(super) fn proxies(layers: &Layers) -> Result<Proxies, InitError> {
    let mut found = Proxies { isolates: layers.switch("proxyrandomize", true), ..Proxies::default() };
    for text in layers.texts("proxy").iter().filter(|text| !text.is_empty()) {
        let (kept, network) = text.rsplit_once('=').map_or((text.as_str(), ""), |(kept, name)| (kept, name));
        let at = if kept == "0" { None } else { Some(proxy("proxy", kept)?) };
        match network {
            "" => (found.proxy, found.onion) = (at, at),
            "ipv4" | "ipv6" => found.proxy = at,
            "tor" | "onion" => found.onion = at,
            "cjdns" => {}
            other => {
                return Err(InitError::said(format!("Unrecognized network in -proxy='{text}': '{other}'")));
            }
        }
    }
    match layers.text("onion").as_deref() {
        None | Some("") => {}
        Some("0") => found.onion = None,
        Some(text) => found.onion = Some(proxy("onion", text)?),
    }
    Ok(found)
}

fn proxy(flag: &str, text: &str) -> Result<SocketAddr, InitError> {
    let unknown = || InitError::said(format!("Invalid -{flag} address or hostname: '{text}'"));
    let (host, port) = check::host_and_port(text).ok_or_else(unknown)?;
    let mut found = (host, port.unwrap_or(PROXY_PORT)).to_socket_addrs().map_err(|_| unknown())?;
    found.next().ok_or_else(unknown)
}

/// The network that a node is given.
pub(super) fn net(layers: &Layers) -> Result<Arc<dyn Net>, InitError> {
    let Proxies { proxy, onion, isolates } = proxies(layers)?;
    if proxy.is_none() && onion.is_none() {
        return Ok(Arc::new(MachineNet));
    }
    let isolates = isolates.then(|| -> Arc<dyn Entropy> { Arc::new(SystemEntropy) });
    Ok(Arc::new(Proxied { proxy, onion, isolates }))
}

#[cfg(test)]
mod tests;
