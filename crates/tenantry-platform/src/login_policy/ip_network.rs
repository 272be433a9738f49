//! IP addresses and ranges, as written in a tenant's allowlist and in flags.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// An address range: one address, a CIDR block, `172.22.22.*` or `172.22.2.[0-50]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpNetwork(IpRange);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IpRange {
    /// All addresses that share this number of leading bits.
    Cidr(IpAddr, u8),
    /// IPv4 addresses whose last octet lies within these bounds.
    LastOctet([u8; 3], u8, u8),
}

impl IpNetwork {
    /// Returns whether the range contains an address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.0, address.to_canonical()) {
            (IpRange::Cidr(IpAddr::V4(start), length), IpAddr::V4(address)) => {
                let rest = 32 - u32::from(length);
                (start.to_bits() ^ address.to_bits()).checked_shr(rest).unwrap_or(0) == 0
            }
            (IpRange::Cidr(IpAddr::V6(start), length), IpAddr::V6(address)) => {
                let rest = 128 - u32::from(length);
                (start.to_bits() ^ address.to_bits()).checked_shr(rest).unwrap_or(0) == 0
            }
            (IpRange::LastOctet(start, low, high), IpAddr::V4(address)) => {
                let octets = address.octets();
                octets.starts_with(&start) && (low..=high).contains(&octets[3])
            }
            (IpRange::Cidr(..) | IpRange::LastOctet(..), _) => false,
        }
    }
}

impl FromStr for IpNetwork {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_address(text).or_else(|| parse_cidr(text)).or_else(|| parse_pattern(text)).map(Self).ok_or_else(|| {
            "the text is no address; write IPv4, IPv6, a CIDR block, 172.22.22.* or 172.22.2.[0-50]".to_owned()
        })
    }
}

fn parse_address(text: &str) -> Option<IpRange> {
    let address = text.parse::<IpAddr>().ok()?.to_canonical();
    Some(IpRange::Cidr(address, if address.is_ipv4() { 32 } else { 128 }))
}

fn parse_cidr(text: &str) -> Option<IpRange> {
    let (address, length) = text.split_once('/')?;
    let (address, length) = (address.parse::<IpAddr>().ok()?, parse_octet(length)?);
    match (address, address.to_canonical()) {
        // A block of IPv4-mapped IPv6 addresses.
        (IpAddr::V6(_), IpAddr::V4(mapped)) if (96..=128).contains(&length) => {
            Some(IpRange::Cidr(IpAddr::V4(mapped), length - 96))
        }
        (IpAddr::V4(_), _) if length <= 32 => Some(IpRange::Cidr(address, length)),
        (IpAddr::V6(_), _) if length <= 128 => Some(IpRange::Cidr(address, length)),
        _ => None,
    }
}

/// Parses three octets, then `*` or `[low-high]`.
fn parse_pattern(text: &str) -> Option<IpRange> {
    let (start, last) = text.rsplit_once('.')?;
    let [a, b, c, _] = format!("{start}.0").parse::<Ipv4Addr>().ok()?.octets();
    if last == "*" {
        return Some(IpRange::LastOctet([a, b, c], 0, u8::MAX));
    }
    let (low, high) = last.strip_prefix('[')?.strip_suffix(']')?.split_once('-')?;
    let (low, high) = (parse_octet(low)?, parse_octet(high)?);
    (low <= high).then_some(IpRange::LastOctet([a, b, c], low, high))
}

fn parse_octet(text: &str) -> Option<u8> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns whether a tenant's allowlist allows logins from an address. Without a list every address is allowed; with a
/// list an unknown address is denied.
pub(crate) fn is_ip_allowed(list: Option<&str>, address: Option<IpAddr>) -> bool {
    let Some(list) = list.filter(|list| !list.trim().is_empty()) else { return true };
    let Some(address) = address else { return false };
    list.split(',').filter_map(|entry| entry.trim().parse::<IpNetwork>().ok()).any(|network| network.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_admits_exactly_the_addresses_that_it_names() {
        let list =
            "198.51.100.7, 2001:db8::1,10.0.0.0/8,2001:db8:1::/48,172.22.22.*,172.22.2.[0-50],::ffff:192.0.2.0/120";
        for (address, admitted) in [
            ("198.51.100.7", true),
            ("198.51.100.8", false),
            ("::ffff:198.51.100.7", true),
            ("2001:db8::1", true),
            ("2001:db8::2", false),
            ("2001:0db8:0:0::0001", true),
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("9.255.255.255", false),
            ("2001:db8:1:ffff::9", true),
            ("2001:db8:2::", false),
            ("172.22.22.0", true),
            ("172.22.22.255", true),
            ("172.22.23.0", false),
            ("172.22.2.0", true),
            ("172.22.2.50", true),
            ("172.22.2.51", false),
            ("192.0.2.255", true),
            ("192.0.3.0", false),
        ] {
            assert_eq!(is_ip_allowed(Some(list), address.parse().ok()), admitted, "{address}");
        }
        assert!(is_ip_allowed(None, None) && is_ip_allowed(Some(""), None));
        assert!(!is_ip_allowed(Some(list), None), "an address that nobody knows is none of the list");
        assert!(!is_ip_allowed(Some("nonsense"), "1.2.3.4".parse().ok()));
    }

    #[test]
    fn the_widest_block_of_each_family_has_all_of_its_own() {
        for (block, own, other) in [("0.0.0.0/0", "203.0.113.9", "2001:db8::1"), ("::/0", "2001:db8::1", "1.2.3.4")] {
            let block: IpNetwork = block.parse().unwrap();
            assert!(block.contains(own.parse().unwrap()) && !block.contains(other.parse().unwrap()), "{block:?}");
        }
        // Host bits of the address are ignored.
        assert!("10.1.2.3/8".parse::<IpNetwork>().unwrap().contains("10.9.9.9".parse().unwrap()));
    }
}
