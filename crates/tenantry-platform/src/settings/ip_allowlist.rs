//! The allowlist of addresses for logins.

use crate::error::quote;
use crate::login_policy::ip_network::IpNetwork;

/// Maximum number of entries.
const MAX_ENTRIES: usize = 1024;

/// Returns the list with trimmed entries, or a message about the first invalid entry.
pub(super) fn normalize_allowlist(list: &str) -> Result<String, String> {
    let entries: Vec<&str> = list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect();
    if entries.len() > MAX_ENTRIES {
        return Err(format!("The list has {} entries; at most {MAX_ENTRIES} are taken", entries.len()));
    }
    if let Some(wrong) = entries.iter().find(|entry| entry.parse::<IpNetwork>().is_err()) {
        return Err(format!(
            "{} is not an address; write IPv4, IPv6, a CIDR block, 172.22.22.* or 172.22.2.[0-50], comma-separated",
            quote(wrong)
        ));
    }
    Ok(entries.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_form_is_an_entry() {
        let list = " 198.51.100.7 ,2001:db8::1,10.0.0.0/8,2001:db8::/32,172.22.22.*,172.22.2.[0-50],";
        let normal = normalize_allowlist(list).unwrap();
        assert_eq!(normal, "198.51.100.7,2001:db8::1,10.0.0.0/8,2001:db8::/32,172.22.22.*,172.22.2.[0-50]");
    }

    #[test]
    fn anything_else_is_named() {
        for wrong in
            ["10.0.0.0/33", "10.0.0", "1.2.3.[9-1]", "1.2.*.*", "1.2.3.[0-256]", "host", "::/129", "1.2.3.4/+8"]
        {
            let message = normalize_allowlist(&format!("10.0.0.1,{wrong}")).unwrap_err();
            assert!(message.contains(wrong), "{message}");
        }
    }
}
