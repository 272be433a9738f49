//! The proxy for requests to platforms, if a flag names one.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// Address of a proxy. It may hold credentials, so it is never shown in full.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyAddress(Url);

impl ProxyAddress {
    pub(super) fn url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for ProxyAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "is no address of a proxy: write it as `http://host:port` or `https://host:port`";
        let url = Url::parse(text.trim()).map_err(|_| wrong)?;
        let is_fit = matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty());
        let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        if is_fit && is_bare { Ok(Self(url)) } else { Err(wrong) }
    }
}

impl fmt::Debug for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proxy").field(&self.0.host_str().unwrap_or_default()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_an_address_and_its_login_is_never_shown() {
        let proxy: ProxyAddress = " http://key:s3cr3t@proxy.example:3128 ".parse().unwrap();
        assert_eq!(format!("{proxy:?}"), "Proxy(\"proxy.example\")");
        for wrong in ["", "proxy:3128", "socks5://proxy:1080", "http://", "http://proxy/path", "http://proxy?x=1"] {
            assert!(wrong.parse::<ProxyAddress>().is_err(), "{wrong}");
        }
        assert!("https://proxy".parse::<ProxyAddress>().is_ok());
    }
}
