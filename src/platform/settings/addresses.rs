//! The list of addresses that people may log in from.

use std::net::{IpAddr, Ipv4Addr};

use crate::platform::error::quote;

/// Entries of a list.
const MOST: usize = 1024;

/// The list with its entries trimmed; a sentence about the first entry that is none.
pub(super) fn normal(list: &str) -> Result<String, String> {
    let entries: Vec<&str> = list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect();
    if entries.len() > MOST {
        return Err(format!("The list has {} entries; at most {MOST} are taken", entries.len()));
    }
    if let Some(wrong) = entries.iter().find(|entry| !is_entry(entry)) {
        return Err(format!(
            "{} is not an address; write IPv4, IPv6, a CIDR block, 172.22.22.* or 172.22.2.[0-50], comma-separated",
            quote(wrong)
        ));
    }
    Ok(entries.join(","))
}

fn is_entry(entry: &str) -> bool {
    entry.parse::<IpAddr>().is_ok() || is_block(entry) || is_pattern(entry)
}

fn is_block(entry: &str) -> bool {
    let Some((address, length)) = entry.split_once('/') else { return false };
    let most = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.bytes().all(|byte| byte.is_ascii_digit()) && length.parse::<u8>().is_ok_and(|length| length <= most)
}

/// Three numbers, then `*` or `[low-high]`.
fn is_pattern(entry: &str) -> bool {
    let Some((start, last)) = entry.rsplit_once('.') else { return false };
    if format!("{start}.0").parse::<Ipv4Addr>().is_err() {
        return false;
    }
    let range = last.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).and_then(|range| range.split_once('-'));
    let number = |text: &str| text.parse::<u8>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    last == "*" || range.is_some_and(|(low, high)| number(low).zip(number(high)).is_some_and(|(low, high)| low <= high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_form_is_an_entry() {
        let list = " 198.51.100.7 ,2001:db8::1,10.0.0.0/8,2001:db8::/32,172.22.22.*,172.22.2.[0-50],";
        let normal = normal(list).unwrap();
        assert_eq!(normal, "198.51.100.7,2001:db8::1,10.0.0.0/8,2001:db8::/32,172.22.22.*,172.22.2.[0-50]");
    }

    #[test]
    fn anything_else_is_named() {
        for wrong in
            ["10.0.0.0/33", "10.0.0", "1.2.3.[9-1]", "1.2.*.*", "1.2.3.[0-256]", "host", "::/129", "1.2.3.4/+8"]
        {
            let message = normal(&format!("10.0.0.1,{wrong}")).unwrap_err();
            assert!(message.contains(wrong), "{message}");
        }
    }
}
