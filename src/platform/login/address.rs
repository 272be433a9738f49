//! Addresses and sets of them, as lists of a tenant and of the program's flags write them.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// A set of addresses: one, a CIDR block, `172.22.22.*` or `172.22.2.[0-50]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(Shape);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// All that share so many leading bits.
    Block(IpAddr, u8),
    /// IPv4 with a last number within these bounds.
    Last([u8; 3], u8, u8),
}

impl Network {
    /// Whether an address is one of them.
    pub fn has(&self, address: IpAddr) -> bool {
        match (self.0, address.to_canonical()) {
            (Shape::Block(IpAddr::V4(start), length), IpAddr::V4(address)) => {
                let rest = 32 - u32::from(length);
                (start.to_bits() ^ address.to_bits()).checked_shr(rest).unwrap_or(0) == 0
            }
            (Shape::Block(IpAddr::V6(start), length), IpAddr::V6(address)) => {
                let rest = 128 - u32::from(length);
                (start.to_bits() ^ address.to_bits()).checked_shr(rest).unwrap_or(0) == 0
            }
            (Shape::Last(start, low, high), IpAddr::V4(address)) => {
                let octets = address.octets();
                octets.starts_with(&start) && (low..=high).contains(&octets[3])
            }
            (Shape::Block(..) | Shape::Last(..), _) => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        one(text).or_else(|| block(text)).or_else(|| pattern(text)).map(Self).ok_or_else(|| {
            "the text is no address; write IPv4, IPv6, a CIDR block, 172.22.22.* or 172.22.2.[0-50]".to_owned()
        })
    }
}

fn one(text: &str) -> Option<Shape> {
    let address = text.parse::<IpAddr>().ok()?.to_canonical();
    Some(Shape::Block(address, if address.is_ipv4() { 32 } else { 128 }))
}

fn block(text: &str) -> Option<Shape> {
    let (address, length) = text.split_once('/')?;
    let (address, length) = (address.parse::<IpAddr>().ok()?, number(length)?);
    match (address, address.to_canonical()) {
        // A block of IPv4 addresses in the clothes of IPv6.
        (IpAddr::V6(_), IpAddr::V4(mapped)) if (96..=128).contains(&length) => {
            Some(Shape::Block(IpAddr::V4(mapped), length - 96))
        }
        (IpAddr::V4(_), _) if length <= 32 => Some(Shape::Block(address, length)),
        (IpAddr::V6(_), _) if length <= 128 => Some(Shape::Block(address, length)),
        _ => None,
    }
}

/// Three numbers, then `*` or `[low-high]`.
fn pattern(text: &str) -> Option<Shape> {
    let (start, last) = text.rsplit_once('.')?;
    let [a, b, c, _] = format!("{start}.0").parse::<Ipv4Addr>().ok()?.octets();
    if last == "*" {
        return Some(Shape::Last([a, b, c], 0, u8::MAX));
    }
    let (low, high) = last.strip_prefix('[')?.strip_suffix(']')?.split_once('-')?;
    let (low, high) = (number(low)?, number(high)?);
    (low <= high).then_some(Shape::Last([a, b, c], low, high))
}

fn number(text: &str) -> Option<u8> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a tenant's list lets people in from an address. No list lets everybody in; with one an unknown address stays
/// outside.
pub(in crate::platform) fn admits(list: Option<&str>, address: Option<IpAddr>) -> bool {
    let Some(list) = list.filter(|list| !list.trim().is_empty()) else { return true };
    let Some(address) = address else { return false };
    list.split(',').filter_map(|entry| entry.trim().parse::<Network>().ok()).any(|network| network.has(address))
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
            assert_eq!(admits(Some(list), address.parse().ok()), admitted, "{address}");
        }
        assert!(admits(None, None) && admits(Some(""), None));
        assert!(!admits(Some(list), None), "an address that nobody knows is none of the list");
        assert!(!admits(Some("nonsense"), "1.2.3.4".parse().ok()));
    }

    #[test]
    fn the_widest_block_of_each_family_has_all_of_its_own() {
        for (block, own, other) in [("0.0.0.0/0", "203.0.113.9", "2001:db8::1"), ("::/0", "2001:db8::1", "1.2.3.4")] {
            let block: Network = block.parse().unwrap();
            assert!(block.has(own.parse().unwrap()) && !block.has(other.parse().unwrap()), "{block:?}");
        }
        // Whatever stands behind the length does not count.
        assert!("10.1.2.3/8".parse::<Network>().unwrap().has("10.9.9.9".parse().unwrap()));
    }
}
