//! Source address of a request. `X-Forwarded-For` is only trusted as far as configured proxies wrote it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap};

use super::ip_network::IpNetwork;

/// The source address of a request. It is unknown without a socket, and if a proxy wrote something unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestSource(Option<IpAddr>);

impl RequestSource {
    /// The source of a command that runs on the database, without a socket.
    pub(crate) const UNKNOWN: Self = Self(None);

    /// Wraps an address.
    #[cfg(test)]
    pub(crate) const fn from_address(address: IpAddr) -> Self {
        Self(Some(address))
    }

    /// Determines the source of a request.
    pub(crate) fn from_request(extensions: &Extensions, headers: &HeaderMap, proxies: &[IpNetwork]) -> Self {
        let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
        Self(peer.and_then(|peer| client_behind_proxies(peer, headers, proxies)))
    }

    /// Returns the address.
    pub(crate) fn address(self) -> Option<IpAddr> {
        self.0
    }

    /// Returns the key that failed logins are counted by: an IPv4 address, or the 64-bit IPv6 prefix of one customer.
    pub(crate) fn network_key(self) -> String {
        match self.0 {
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for RequestSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}

/// Returns the right-most address that is not a configured proxy. Every entry further left was written by an untrusted
/// client.
fn client_behind_proxies(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNetwork]) -> Option<IpAddr> {
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().map(|line| line.to_str().unwrap_or("?")).collect();
    let mut hops = lines.iter().flat_map(|line| line.split(',')).map(str::trim).filter(|hop| !hop.is_empty());
    let mut address = peer.to_canonical();
    while proxies.iter().any(|proxy| proxy.contains(address)) {
        let Some(hop) = hops.next_back() else { break };
        address = parse_hop(hop)?.to_canonical();
    }
    Some(address)
}

/// Parses an address, which some proxies write with a port.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    hop.parse().ok().or_else(|| hop.parse().ok().map(|socket: SocketAddr| socket.ip())).or_else(bracketed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source_text(peer: &str, lines: &[&str], proxies: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 9)));
        let proxies: Vec<IpNetwork> = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect();
        RequestSource::from_request(&extensions, &headers, &proxies).to_string()
    }

    /// shows: security/asvs/4.1.3
    #[test]
    fn only_what_configured_proxies_wrote_counts() {
        let ours = &["10.0.0.0/8", "2001:db8:9::/48"][..];
        for (peer, lines, proxies, found) in [
            // No proxy is configured, so the header is not trusted.
            ("203.0.113.5", &["198.51.100.1"][..], &[][..], "203.0.113.5"),
            // A client that is not a proxy sends a forged header.
            ("203.0.113.5", &["198.51.100.1"], ours, "203.0.113.5"),
            ("10.0.0.1", &["198.51.100.1"], ours, "198.51.100.1"),
            ("10.0.0.1", &[], ours, "10.0.0.1"),
            // The client's own entry is left of the one that our proxy wrote.
            ("10.0.0.1", &["198.51.100.1, 203.0.113.5"], ours, "203.0.113.5"),
            ("10.0.0.1", &["198.51.100.1, 203.0.113.5, 10.0.0.2"], ours, "203.0.113.5"),
            // Entries with addresses of our proxies do not move the result left of the client's address.
            ("10.0.0.1", &["198.51.100.1, 10.0.0.9, 203.0.113.5, 10.0.0.2"], ours, "203.0.113.5"),
            // A header sent twice is one list, in the order of its lines.
            ("10.0.0.1", &["198.51.100.1", "203.0.113.5"], ours, "203.0.113.5"),
            ("10.0.0.1", &["198.51.100.1, 203.0.113.5", "10.0.0.2"], ours, "203.0.113.5"),
            // All entries are proxies: the first one made the request itself.
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], ours, "10.0.0.3"),
            ("10.0.0.1", &["nonsense"], ours, "unknown"),
            ("10.0.0.1", &["nonsense, 203.0.113.5"], ours, "203.0.113.5"),
            ("10.0.0.1", &[" ,203.0.113.5, "], ours, "203.0.113.5"),
            // IPv6, with and without brackets and port; IPv4-mapped IPv6.
            ("2001:db8:9::1", &["2001:db8::7"], ours, "2001:db8::7"),
            ("10.0.0.1", &["[2001:db8::7]:443"], ours, "2001:db8::7"),
            ("10.0.0.1", &["[2001:db8::7]"], ours, "2001:db8::7"),
            ("10.0.0.1", &["203.0.113.5:1234"], ours, "203.0.113.5"),
            ("::ffff:10.0.0.1", &["::ffff:203.0.113.5"], ours, "203.0.113.5"),
        ] {
            assert_eq!(source_text(peer, lines, proxies), found, "{peer} {lines:?}");
        }
    }

    #[test]
    fn failed_logins_are_counted_by_what_one_customer_has() {
        let of = |address: &str| RequestSource(address.parse().ok()).network_key();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::9"));
        assert_ne!(of("2001:db8:1:2::9"), of("2001:db8:1:3::9"));
        assert_ne!(of("198.51.100.1"), of("198.51.100.2"));
        assert_eq!(RequestSource(None).network_key(), "unknown");
    }
}
