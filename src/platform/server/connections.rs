//! The limit of open connections: how many there are, how many one source has, and which one is closed when none is left.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::platform::bounds::{CONNECTIONS, CONNECTIONS_OF_ADDRESS, FILES, PROBES};
use crate::platform::login::address::Network;

/// The connections that may be open, and those that are.
pub(super) struct ConnectionLimit {
    most: usize,
    proxies: Vec<Network>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_network: HashMap<IpAddr, usize>,
    /// Connections that have sent no whole head, the one that has been waiting longest first.
    waiting: BTreeMap<u64, Arc<Place>>,
    /// Number of the next one that begins to wait.
    next: u64,
    /// Turned away, or ended for another one, since the start.
    turned_away: u64,
}

/// What the list of those that wait knows of a connection.
struct Place {
    network: IpAddr,
    only_probes: bool,
    has_gone: AtomicBool,
    gives_way: Notify,
}

impl ConnectionLimit {
    pub(super) fn new(proxies: Vec<Network>) -> Self {
        // The database, the logs and deliveries need files too.
        let most = files().map_or(CONNECTIONS, |files| files.saturating_sub(FILES).clamp(8, CONNECTIONS));
        Self { most, proxies, taken: Mutex::default() }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection. Where all are taken, the connection that has sent no whole head for longest is ended for it; where
    /// all are busy with requests, it is one of the few that are kept for probes.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<ConnectionSlot> {
        let address = address.to_canonical();
        let is_trusted = self.proxies.iter().any(|proxy| proxy.has(address));
        let network = network(address);
        let mut taken = self.taken();
        let own = taken.by_network.get(&network).copied().unwrap_or_default();
        let has_share = is_trusted || own < CONNECTIONS_OF_ADDRESS.min(self.most / 2);
        let has_place = |taken: &mut Taken| {
            let most = self.most + PROBES;
            taken.all < self.most || taken.end_longest(false) || taken.all < most || taken.end_longest(true)
        };
        if !has_share || !has_place(&mut taken) {
            taken.turned_away(network);
            return None;
        }
        let only_probes = taken.all >= self.most;
        taken.all += 1;
        *taken.by_network.entry(network).or_default() += 1;
        let place =
            Arc::new(Place { network, only_probes, has_gone: AtomicBool::new(false), gives_way: Notify::new() });
        let slot = ConnectionSlot { limit: Arc::clone(self), place, turn: Mutex::new(None) };
        drop(taken);
        slot.wait();
        Some(slot)
    }
}

impl Taken {
    /// Ends the connection that has been waiting longest, of those for probes where they are asked for; its place is free at once.
    fn end_longest(&mut self, of_probes: bool) -> bool {
        let turn = self.waiting.iter().find(|(_, place)| place.only_probes == of_probes).map(|(turn, _)| *turn);
        let Some(place) = turn.and_then(|turn| self.waiting.remove(&turn)) else { return false };
        self.leave(&place);
        place.gives_way.notify_one();
        self.turned_away(place.network);
        true
    }

    fn leave(&mut self, place: &Place) {
        if place.has_gone.swap(true, Ordering::Relaxed) {
            return;
        }
        self.all = self.all.saturating_sub(1);
        if let Some(own) = self.by_network.get_mut(&place.network) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                self.by_network.remove(&place.network);
            }
        }
    }

    /// Leaves a line for the first, and then each time that ten times as many were.
    fn turned_away(&mut self, source: IpAddr) {
        self.turned_away += 1;
        if self.turned_away.checked_ilog10().is_some_and(|power| 10_u64.pow(power) == self.turned_away) {
            let (turned_away, open) = (self.turned_away, self.all);
            let own = self.by_network.get(&source).copied().unwrap_or_default();
            tracing::warn!(%source, own, open, turned_away, "connections are turned away");
        }
    }
}

/// One connection's place.
pub(super) struct ConnectionSlot {
    limit: Arc<ConnectionLimit>,
    place: Arc<Place>,
    /// Its number among those that wait.
    turn: Mutex<Option<u64>>,
}

impl ConnectionSlot {
    /// Whether it may ask for nothing but whether all is well.
    pub(super) fn only_probes(&self) -> bool {
        self.place.only_probes
    }

    /// The connection waits for a head.
    pub(super) fn wait(&self) {
        let mut taken = self.limit.taken();
        if self.place.has_gone.load(Ordering::Relaxed) {
            return;
        }
        let turn = taken.next;
        taken.next += 1;
        taken.waiting.insert(turn, Arc::clone(&self.place));
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = Some(turn);
    }

    /// A whole head came; false where the place was given away just before.
    pub(super) fn begin(&self) -> bool {
        let mut taken = self.limit.taken();
        if let Some(turn) = self.turn.lock().unwrap_or_else(PoisonError::into_inner).take() {
            taken.waiting.remove(&turn);
        }
        !self.place.has_gone.load(Ordering::Relaxed)
    }

    /// Until the place is given to another connection.
    pub(super) async fn given_away(&self) {
        self.place.gives_way.notified().await;
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.begin();
        let mut taken = self.limit.taken();
        taken.leave(&self.place);
    }
}

/// What has a share: an IPv4 address, or the 64 bits of IPv6 that one customer has.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

/// How many files the process may have open, where the system says so.
fn files() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(most: usize) -> Arc<ConnectionLimit> {
        let mut limit = ConnectionLimit::new(vec!["10.0.0.0/8".parse().unwrap()]);
        limit.most = most;
        Arc::new(limit)
    }

    fn many(limit: &Arc<ConnectionLimit>, address: &str) -> Vec<ConnectionSlot> {
        let address = address.parse().unwrap();
        std::iter::from_fn(|| limit.take(address)).take(99).collect()
    }

    #[test]
    fn one_address_has_a_share_of_the_connections_and_a_trusted_proxy_has_them_all() {
        let limit = limited(20);
        let one = many(&limit, "203.0.113.5");
        assert_eq!((one.len(), limit.taken().all), (10, 10));
        drop(one);
        let proxy = std::iter::from_fn(|| limit.take("10.0.0.1".parse().unwrap()).filter(ConnectionSlot::begin));
        let proxy: Vec<ConnectionSlot> = proxy.take(99).collect();
        assert_eq!(proxy.iter().filter(|slot| !slot.only_probes()).count(), 20);
        drop(proxy);
        assert!(limit.taken().by_network.is_empty() && limit.taken().waiting.is_empty());
    }

    #[test]
    fn the_addresses_of_one_network_of_ipv6_share_their_part() {
        let limit = limited(20);
        let one = many(&limit, "2001:db8:0:1::1");
        assert_eq!((one.len(), many(&limit, "2001:db8:0:1:ffff::2").len()), (10, 0));
        assert_eq!(many(&limit, "2001:db8:0:2::1").len(), 10);
    }

    #[test]
    fn the_connection_that_waits_longest_gives_way_and_a_busy_one_does_not() {
        let limit = limited(4);
        let take = |address: &str| limit.take(address.parse().unwrap());
        let busy = take("203.0.113.1").unwrap();
        assert!(busy.begin());
        let held: Vec<ConnectionSlot> = (2..5).map(|last| take(&format!("203.0.113.{last}")).unwrap()).collect();
        let next = take("203.0.113.9").unwrap();
        assert!(!next.only_probes() && next.begin(), "it has the place of the first that waits");
        assert!(!held[0].begin() && held[1].begin() && held[2].begin());
        assert_eq!(limit.taken().all, 4);
        // Whoever answered waits again, behind the others.
        busy.wait();
        let last = take("203.0.113.8").unwrap();
        assert!(!busy.begin() && last.begin());
        let probes: Vec<ConnectionSlot> =
            (0..2 * PROBES).filter_map(|last| take(&format!("203.0.112.{last}"))).collect();
        assert_eq!(probes.len(), 2 * PROBES, "of those for probes the longest waiting gives way too");
        assert!(probes.iter().all(ConnectionSlot::only_probes));
        assert_eq!(limit.taken().all, 4 + PROBES);
        assert_eq!(probes.iter().filter(|slot| slot.begin()).count(), PROBES);
        assert!(take("203.0.111.1").is_none(), "all are busy");
        drop((busy, held, next, last, probes));
        assert!(limit.taken().all == 0 && limit.taken().by_network.is_empty());
    }
}
