use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts connections, in all and by address.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    inner: Arc<Mutex<Counts>>,
    total_max: usize,
    per_ip_max: usize,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_ip: HashMap<IpAddr, usize>,
}

/// One connection's place; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    gate: Gate,
    ip: IpAddr,
}

impl Gate {
    pub(super) fn new(total_max: usize, per_ip_max: usize) -> Gate {
        Gate { inner: Arc::default(), total_max, per_ip_max }
    }

    /// A place, where there is one left for this address.
    pub(super) fn enter(&self, ip: IpAddr) -> Option<Permit> {
        let ip = network_of(ip);
        let mut counts = self.counts();
        let here = counts.by_ip.get(&ip).copied().unwrap_or(0);
        if counts.total >= self.total_max || here >= self.per_ip_max {
            return None;
        }
        counts.total = counts.total.saturating_add(1);
        counts.by_ip.insert(ip, here.saturating_add(1));
        Some(Permit { gate: self.clone(), ip })
    }

    fn leave(&self, ip: IpAddr) {
        let mut counts = self.counts();
        counts.total = counts.total.saturating_sub(1);
        let left = counts.by_ip.get(&ip).copied().unwrap_or(0).saturating_sub(1);
        if left == 0 {
            counts.by_ip.remove(&ip);
        } else {
            counts.by_ip.insert(ip, left);
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Nothing in the locked part unwinds.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate.leave(self.ip);
    }
}

/// Whoever has one IPv6 address has the /64 around it.
fn network_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
#[path = "gate/tests.rs"]
mod tests;
