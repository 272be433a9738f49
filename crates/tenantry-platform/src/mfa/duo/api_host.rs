//! Validation of Duo API hosts. A tenant names the host, so no other server may be reachable through it.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// A domain of Duo. Its hosts are the domain itself and its subdomains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuoDomain(String);

impl DuoDomain {
    /// The domains of Duo's commercial and federal editions.
    pub const KNOWN: &'static str = "duosecurity.com,duofederal.com";

    /// Returns [`Self::KNOWN`] as separate domains.
    pub fn known_domains() -> Vec<Self> {
        Self::KNOWN.split(',').map(|name| Self(name.to_owned())).collect()
    }

    fn contains_host(&self, host: &str) -> bool {
        host.strip_suffix(&self.0).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

impl FromStr for DuoDomain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.trim().to_ascii_lowercase();
        // A single label would be a whole top-level domain, or a number.
        if is_dns_name(&name) && name.contains('.') && name.contains(|character: char| character.is_ascii_alphabetic())
        {
            Ok(Self(name))
        } else {
            Err(format!("`{text}` is no domain, for example `duosecurity.com`"))
        }
    }
}

impl fmt::Display for DuoDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The hosts that may be contacted.
pub(super) struct DuoHosts {
    domains: Vec<DuoDomain>,
    stand_in: Option<SocketAddr>,
}

/// Scheme and host of Duo's API for a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DuoOrigin(String);

impl DuoHosts {
    pub(super) fn new(domains: Vec<DuoDomain>, stand_in: Option<SocketAddr>) -> Self {
        Self { domains, stand_in }
    }

    /// Returns the origin that a tenant's setting names, as `api-1.duosecurity.com` or with `https://` before it.
    /// Returns `None` if it is not a host of Duo.
    pub(super) fn origin_of(&self, setting: &str) -> Option<DuoOrigin> {
        let text = setting.trim().to_ascii_lowercase();
        if let Some(stand_in) = self.stand_in.map(|address| format!("http://{address}")).filter(|name| *name == text) {
            return Some(DuoOrigin(stand_in));
        }
        let host = text.strip_prefix("https://").unwrap_or(&text);
        let host = host.strip_suffix('/').unwrap_or(host);
        let known = is_dns_name(host) && self.domains.iter().any(|domain| domain.contains_host(host));
        known.then(|| DuoOrigin(format!("https://{host}")))
    }
}

impl DuoOrigin {
    /// Returns the URL of an API call.
    pub(super) fn call_url(&self, name: &str) -> String {
        format!("{self}/oauth/v1/{name}")
    }
}

impl fmt::Display for DuoOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns whether a text is a plain DNS name, without port, user, path or escape.
fn is_dns_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token_url(setting: &str) -> Option<String> {
        DuoHosts::new(DuoDomain::known_domains(), None).origin_of(setting).map(|origin| origin.call_url("token"))
    }

    #[test]
    fn a_host_of_duos_is_taken_in_each_spelling_of_the_wire() {
        let expected = Some("https://api-1.duosecurity.com/oauth/v1/token".to_owned());
        for setting in [
            "api-1.duosecurity.com",
            "https://api-1.duosecurity.com",
            "https://api-1.duosecurity.com/",
            " API-1.DuoSecurity.com ",
            "HTTPS://api-1.duosecurity.com",
        ] {
            assert_eq!(token_url(setting), expected, "{setting}");
        }
        assert!(token_url("api-1.duofederal.com").is_some());
    }

    #[test]
    fn nothing_else_is_reached_by_any_spelling() {
        for setting in [
            "",
            "https://",
            "http://api-1.duosecurity.com",
            "ftp://api-1.duosecurity.com",
            "//api-1.duosecurity.com",
            "api-1.duosecurity.com:443",
            "https://api-1.duosecurity.com:8443",
            "user@api-1.duosecurity.com",
            "https://evil.example@api-1.duosecurity.com",
            "https://evil.example/api-1.duosecurity.com",
            "https://evil.example?api-1.duosecurity.com",
            "https://evil.example#api-1.duosecurity.com",
            "https://evil.example\\api-1.duosecurity.com",
            "https://evil.example%2f.duosecurity.com",
            "api-1.duosecurity.com/oauth",
            "api-1.duosecurity.com//",
            "api-1.duosecurity.com?x",
            "api-1.duosecurity.com.",
            ".duosecurity.com",
            "api..duosecurity.com",
            "-a.duosecurity.com",
            "evilduosecurity.com",
            "api-1.duosecurity.com.evil.example",
            "api_1.duosecurity.com",
            "äpi.duosecurity.com",
            "api-1.duosecurity.com\nevil.example",
            "127.0.0.1",
            "http://127.0.0.1:4444",
            "169.254.169.254",
            "[::1]",
            "localhost",
        ] {
            assert_eq!(token_url(setting), None, "{setting}");
        }
    }

    #[test]
    fn a_stand_in_is_reached_only_where_the_configuration_names_it() {
        let hosts = DuoHosts::new(DuoDomain::known_domains(), Some("127.0.0.1:4444".parse().unwrap()));
        assert_eq!(hosts.origin_of("http://127.0.0.1:4444").unwrap().to_string(), "http://127.0.0.1:4444");
        for other in ["http://127.0.0.1:4445", "http://127.0.0.2:4444", "127.0.0.1:4444", "https://127.0.0.1:4444"] {
            assert_eq!(hosts.origin_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_domain_is_more_than_a_top_level_one() {
        for text in ["", "com", ".com", "duosecurity.com.", "*.duosecurity.com", "a b.com", "1.2", "duo.com:443"] {
            assert!(text.parse::<DuoDomain>().is_err(), "{text}");
        }
        let pinned: DuoDomain = "API-1.duosecurity.com".parse().unwrap();
        let hosts = DuoHosts::new(vec![pinned], None);
        assert!(
            hosts.origin_of("api-1.duosecurity.com").is_some() && hosts.origin_of("api-2.duosecurity.com").is_none()
        );
        assert_eq!(DuoDomain::known_domains()[1].to_string(), "duofederal.com");
    }
}
