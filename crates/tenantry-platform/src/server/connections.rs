//! The limit of open connections: in total and per source, and the choice of the connection that is closed when none is
//! left.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::limits::{MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS, MAX_PROBE_CONNECTIONS, RESERVED_FILE_DESCRIPTORS};
use crate::login_policy::ip_network::IpNetwork;

/// The limit, and the open connections.
pub(super) struct ConnectionLimit {
    most: usize,
    proxies: Vec<IpNetwork>,
    open: Mutex<OpenConnections>,
}

#[derive(Default)]
struct OpenConnections {
    all: usize,
    by_network: HashMap<IpAddr, usize>,
    /// Connections that have not sent a complete request head, longest waiting first.
    waiting: BTreeMap<u64, Arc<ConnectionEntry>>,
    /// Number of the next connection that starts to wait.
    next: u64,
    /// Number of connections rejected, or closed for another one, since the start.
    turned_away: u64,
}

/// The entry of a connection in the list of waiting ones.
struct ConnectionEntry {
    network: IpAddr,
    only_probes: bool,
    is_released: AtomicBool,
    reassigned: Notify,
}

impl ConnectionLimit {
    pub(super) fn new(proxies: Vec<IpNetwork>) -> Self {
        // The database, the logs and deliveries need files too.
        let most = max_open_files()
            .map_or(MAX_CONNECTIONS, |files| files.saturating_sub(RESERVED_FILE_DESCRIPTORS).clamp(8, MAX_CONNECTIONS));
        Self { most, proxies, open: Mutex::default() }
    }

    fn lock_open(&self) -> MutexGuard<'_, OpenConnections> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Acquires a slot for a connection. If all slots are taken, it closes the connection that has waited longest
    /// without a complete request head. If all connections are busy, it returns one of the few slots that are reserved
    /// for probes.
    pub(super) fn acquire(self: &Arc<Self>, address: IpAddr) -> Option<ConnectionSlot> {
        let address = address.to_canonical();
        let is_trusted = self.proxies.iter().any(|proxy| proxy.contains(address));
        let network = network_of(address);
        let mut taken = self.lock_open();
        let own = taken.by_network.get(&network).copied().unwrap_or_default();
        let has_share = is_trusted || own < MAX_CONNECTIONS_PER_ADDRESS.min(self.most / 2);
        let has_place = |taken: &mut OpenConnections| {
            let most = self.most + MAX_PROBE_CONNECTIONS;
            taken.all < self.most
                || taken.close_longest_waiting(false)
                || taken.all < most
                || taken.close_longest_waiting(true)
        };
        if !has_share || !has_place(&mut taken) {
            taken.count_rejected(network);
            return None;
        }
        let only_probes = taken.all >= self.most;
        taken.all += 1;
        *taken.by_network.entry(network).or_default() += 1;
        let place = Arc::new(ConnectionEntry {
            network,
            only_probes,
            is_released: AtomicBool::new(false),
            reassigned: Notify::new(),
        });
        let slot = ConnectionSlot { limit: Arc::clone(self), entry: place, wait_number: Mutex::new(None) };
        drop(taken);
        slot.mark_waiting();
        Some(slot)
    }
}

impl OpenConnections {
    /// Closes the connection that has waited longest, among probe slots if `is_for_probes`. Its slot is free immediately.
    fn close_longest_waiting(&mut self, is_for_probes: bool) -> bool {
        let waiting = self.waiting.iter().find(|(_, place)| place.only_probes == is_for_probes).map(|(turn, _)| *turn);
        let Some(place) = waiting.and_then(|turn| self.waiting.remove(&turn)) else { return false };
        self.release(&place);
        place.reassigned.notify_one();
        self.count_rejected(place.network);
        true
    }

    fn release(&mut self, entry: &ConnectionEntry) {
        if entry.is_released.swap(true, Ordering::Relaxed) {
            return;
        }
        self.all = self.all.saturating_sub(1);
        if let Some(own) = self.by_network.get_mut(&entry.network) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                self.by_network.remove(&entry.network);
            }
        }
    }

    /// Logs the first rejected connection, and then each power of ten.
    fn count_rejected(&mut self, source: IpAddr) {
        self.turned_away += 1;
        if self.turned_away.checked_ilog10().is_some_and(|power| 10_u64.pow(power) == self.turned_away) {
            let (turned_away, open) = (self.turned_away, self.all);
            let own = self.by_network.get(&source).copied().unwrap_or_default();
            tracing::warn!(%source, own, open, turned_away, "connections are turned away");
        }
    }
}

/// The slot of one connection.
pub(super) struct ConnectionSlot {
    limit: Arc<ConnectionLimit>,
    entry: Arc<ConnectionEntry>,
    /// Its number among the waiting connections.
    wait_number: Mutex<Option<u64>>,
}

impl ConnectionSlot {
    /// Returns whether the connection may only send health probes.
    pub(super) fn is_probe_only(&self) -> bool {
        self.entry.only_probes
    }

    /// Marks the connection as waiting for a request head.
    pub(super) fn mark_waiting(&self) {
        let mut taken = self.limit.lock_open();
        if self.entry.is_released.load(Ordering::Relaxed) {
            return;
        }
        let number = taken.next;
        taken.next += 1;
        taken.waiting.insert(number, Arc::clone(&self.entry));
        *self.wait_number.lock().unwrap_or_else(PoisonError::into_inner) = Some(number);
    }

    /// Marks the connection as busy after a complete request head. Returns `false` if the slot was reassigned just
    /// before.
    pub(super) fn mark_busy(&self) -> bool {
        let mut taken = self.limit.lock_open();
        if let Some(turn) = self.wait_number.lock().unwrap_or_else(PoisonError::into_inner).take() {
            taken.waiting.remove(&turn);
        }
        !self.entry.is_released.load(Ordering::Relaxed)
    }

    /// Waits until the slot is reassigned to another connection.
    pub(super) async fn wait_until_reassigned(&self) {
        self.entry.reassigned.notified().await;
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.mark_busy();
        let mut taken = self.limit.lock_open();
        taken.release(&self.entry);
    }
}

/// Returns the network that shares a limit: an IPv4 address, or the 64-bit IPv6 prefix of one customer.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

/// Returns how many files the process may open, if the system reports it.
fn max_open_files() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit_of(max: usize) -> Arc<ConnectionLimit> {
        let mut limit = ConnectionLimit::new(vec!["10.0.0.0/8".parse().unwrap()]);
        limit.most = max;
        Arc::new(limit)
    }

    fn take_many(limit: &Arc<ConnectionLimit>, address: &str) -> Vec<ConnectionSlot> {
        let address = address.parse().unwrap();
        std::iter::from_fn(|| limit.acquire(address)).take(99).collect()
    }

    #[test]
    fn one_address_has_a_share_of_the_connections_and_a_trusted_proxy_has_them_all() {
        let limit = limit_of(20);
        let one = take_many(&limit, "203.0.113.5");
        assert_eq!((one.len(), limit.lock_open().all), (10, 10));
        drop(one);
        let proxy = std::iter::from_fn(|| limit.acquire("10.0.0.1".parse().unwrap()).filter(ConnectionSlot::mark_busy));
        let proxy: Vec<ConnectionSlot> = proxy.take(99).collect();
        assert_eq!(proxy.iter().filter(|slot| !slot.is_probe_only()).count(), 20);
        drop(proxy);
        assert!(limit.lock_open().by_network.is_empty() && limit.lock_open().waiting.is_empty());
    }

    #[test]
    fn the_addresses_of_one_network_of_ipv6_share_their_part() {
        let limit = limit_of(20);
        let one = take_many(&limit, "2001:db8:0:1::1");
        assert_eq!((one.len(), take_many(&limit, "2001:db8:0:1:ffff::2").len()), (10, 0));
        assert_eq!(take_many(&limit, "2001:db8:0:2::1").len(), 10);
    }

    #[test]
    fn the_connection_that_waits_longest_gives_way_and_a_busy_one_does_not() {
        let limit = limit_of(4);
        let take = |address: &str| limit.acquire(address.parse().unwrap());
        let busy = take("203.0.113.1").unwrap();
        assert!(busy.mark_busy());
        let held: Vec<ConnectionSlot> = (2..5).map(|last| take(&format!("203.0.113.{last}")).unwrap()).collect();
        let next = take("203.0.113.9").unwrap();
        assert!(!next.is_probe_only() && next.mark_busy(), "it has the place of the first that waits");
        assert!(!held[0].mark_busy() && held[1].mark_busy() && held[2].mark_busy());
        assert_eq!(limit.lock_open().all, 4);
        // A connection that got a response waits again, behind the others.
        busy.mark_waiting();
        let last = take("203.0.113.8").unwrap();
        assert!(!busy.mark_busy() && last.mark_busy());
        let probes: Vec<ConnectionSlot> =
            (0..2 * MAX_PROBE_CONNECTIONS).filter_map(|last| take(&format!("203.0.112.{last}"))).collect();
        assert_eq!(probes.len(), 2 * MAX_PROBE_CONNECTIONS, "of those for probes the longest waiting gives way too");
        assert!(probes.iter().all(ConnectionSlot::is_probe_only));
        assert_eq!(limit.lock_open().all, 4 + MAX_PROBE_CONNECTIONS);
        assert_eq!(probes.iter().filter(|slot| slot.mark_busy()).count(), MAX_PROBE_CONNECTIONS);
        assert!(take("203.0.111.1").is_none(), "all are busy");
        drop((busy, held, next, last, probes));
        assert!(limit.lock_open().all == 0 && limit.lock_open().by_network.is_empty());
    }
}
