//! The public address of the platform.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// Scheme and host, for example `https://tenants.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// Returns the absolute URL of a path.
    pub(super) fn url_of(&self, path: &str) -> String {
        format!("{self}{path}")
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    /// Parses scheme and host. A path is refused, because the pages are served at the root of their host. Plain HTTP is
    /// accepted for loopback only, because session cookies need TLS or loopback.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("`{text}` {what}; give it like `https://tenants.example.com`");
        let url = Url::parse(text.trim()).map_err(|error| wrong(&format!("is no URL ({error})")))?;
        let loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return Err(wrong("has no host")),
        };
        if !(url.scheme() == "https" || url.scheme() == "http" && loopback) {
            return Err(wrong("is not https"));
        }
        let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        if !(bare && url.fragment().is_none() && url.path() == "/") {
            return Err(wrong("has more than a scheme, a host and a port"));
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_or_of_this_machine_and_has_no_more_than_a_host() {
        for (text, path) in [
            ("https://tenants.example.com", "https://tenants.example.com/login"),
            (" https://Tenants.example.com:8443/ ", "https://tenants.example.com:8443/login"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/login"),
            ("http://localhost:8080/", "http://localhost:8080/login"),
            ("http://[::1]:8080", "http://[::1]:8080/login"),
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap().url_of("/login"), path);
        }
        for text in [
            "",
            "tenants.example.com",
            "http://tenants.example.com",
            "http://localhost.example.com",
            "ftp://127.0.0.1",
            "https://tenants.example.com/below",
            "https://tenants.example.com/?x",
            "https://tenants.example.com/#x",
            "https://user@tenants.example.com",
        ] {
            assert!(text.parse::<PublicUrl>().is_err(), "{text}");
        }
    }
}
