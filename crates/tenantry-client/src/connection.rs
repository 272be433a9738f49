//! How to reach a platform, read from a Secret.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use tenantry_core::Digest;
use url::{Host, Url};

use super::route::is_tenant_id;

const URL: &str = "url";
const TENANT_ID: &str = "tenantId";
const CLIENT_ID: &str = "clientId";
const CLIENT_SECRET: &str = "clientSecret";
const CA: &str = "ca.crt";
const KEYS: [&str; 5] = [URL, TENANT_ID, CLIENT_ID, CLIENT_SECRET, CA];

/// Address and credential of a platform, for one tenant of it.
#[derive(Clone)]
pub struct Connection {
    url: Url,
    tenant_id: String,
    client_id: SecretString,
    client_secret: SecretString,
    ca: Vec<reqwest::Certificate>,
    fingerprint: Digest,
}

/// Why a Secret is not a valid connection: a clause that names the key and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// A key is missing or empty.
    #[error("key `{0}` is missing or empty: add it to the Secret")]
    Missing(&'static str),
    /// A key is missing, and another one differs from it only in case.
    #[error("key `{0}` is missing or empty: write it instead of `{1}`")]
    Misspelt(&'static str, String),
    /// A value is not text.
    #[error("key `{0}` is not UTF-8 text: write it as plain text under `stringData`")]
    NotText(&'static str),
    /// The address cannot be used.
    #[error("key `url` {0}")]
    Url(String),
    /// The tenant id has characters that no id has.
    #[error("key `tenantId` is not the unique id of a tenant: write it as the platform shows it, for example `msp_92`")]
    TenantId,
    /// The certificates cannot be parsed.
    #[error("key `ca.crt` holds no certificate in PEM form: write it with its `BEGIN CERTIFICATE` line")]
    Ca,
    /// The HTTP client rejected its configuration.
    #[error("no HTTPS client can be made ({0}): add the platform's CA as key `ca.crt`")]
    Client(String),
}

impl Connection {
    /// Parses a Secret's data: `url`, `tenantId`, `clientId`, `clientSecret` and, where the platform has its own CA,
    /// `ca.crt`. White space around a value is removed, since files often end with a line feed.
    ///
    /// # Errors
    /// The first key that is missing or invalid.
    pub fn from_secret(data: &BTreeMap<String, Vec<u8>>) -> Result<Self, ConnectionError> {
        let url = parse_address(text_value(data, URL)?)?;
        let tenant_id = text_value(data, TENANT_ID)?.to_owned();
        if !is_tenant_id(&tenant_id) {
            return Err(ConnectionError::TenantId);
        }
        let client_id = text_value(data, CLIENT_ID)?.into();
        let client_secret = text_value(data, CLIENT_SECRET)?.into();
        let ca = match data.get(CA) {
            None => Vec::new(),
            Some(pem) => parse_certificates(pem)?,
        };
        Ok(Self { url, tenant_id, client_id, client_secret, ca, fingerprint: digest_secret_data(data) })
    }

    /// Returns the host of the address, with the port unless it is the default port of the scheme.
    pub fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// Returns the id of the tenant that the credential belongs to.
    pub fn tenant_id(&self) -> &str {
        &self.tenant_id
    }

    /// Returns a digest over everything, the secret included: equal means the same connection.
    pub fn fingerprint(&self) -> Digest {
        self.fingerprint.clone()
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn certificates(&self) -> &[reqwest::Certificate] {
        &self.ca
    }

    pub(super) fn client_id(&self) -> &str {
        self.client_id.expose_secret()
    }

    pub(super) fn client_secret(&self) -> &str {
        self.client_secret.expose_secret()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("host", &self.host())
            .field("tenant_id", &self.tenant_id)
            .finish_non_exhaustive()
    }
}

fn text_value<'a>(data: &'a BTreeMap<String, Vec<u8>>, key: &'static str) -> Result<&'a str, ConnectionError> {
    let missing = || {
        let other = data.keys().find(|other| *other != key && other.eq_ignore_ascii_case(key));
        other.map_or(ConnectionError::Missing(key), |other| ConnectionError::Misspelt(key, other.clone()))
    };
    let bytes = data.get(key).ok_or_else(missing)?;
    let text = std::str::from_utf8(bytes).map_err(|_| ConnectionError::NotText(key))?.trim();
    if text.is_empty() { Err(missing()) } else { Ok(text) }
}

fn parse_address(text: &str) -> Result<Url, ConnectionError> {
    let refuse = |why: &str| Err(ConnectionError::Url(why.to_owned()));
    let Ok(url) = Url::parse(text) else {
        return refuse("is not a URL: write it as `https://host`");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("holds a user name or password: write them as `clientId` and `clientSecret`");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("has a `?` or `#` part: leave that out");
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => refuse("is `http`, which would send the credential in the clear: write `https`"),
        _ => refuse("is neither `http` nor `https`: write it as `https://host`"),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn parse_certificates(pem: &[u8]) -> Result<Vec<reqwest::Certificate>, ConnectionError> {
    match reqwest::Certificate::from_pem_bundle(pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err(ConnectionError::Ca),
    }
}

/// Digests the values with their lengths, so that no byte can move from one value to the next unnoticed.
fn digest_secret_data(data: &BTreeMap<String, Vec<u8>>) -> Digest {
    let mut bytes = Vec::new();
    for value in KEYS.map(|key| data.get(key).map_or(&[][..], Vec::as_slice).trim_ascii()) {
        bytes.extend((value.len() as u64).to_be_bytes());
        bytes.extend(value);
    }
    Digest::of_bytes(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret_data(changes: &[(&str, Option<&[u8]>)]) -> BTreeMap<String, Vec<u8>> {
        let mut data: BTreeMap<String, Vec<u8>> = [
            (URL, "https://acme.api.example/base\n"),
            (TENANT_ID, "msp_92"),
            (CLIENT_ID, "key-one"),
            (CLIENT_SECRET, "s3cr3t"),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()))
        .collect();
        for (key, value) in changes {
            match value {
                Some(value) => data.insert((*key).to_owned(), value.to_vec()),
                None => data.remove(*key),
            };
        }
        data
    }

    fn refusal_message(key: &str, value: Option<&[u8]>) -> String {
        Connection::from_secret(&secret_data(&[(key, value)])).unwrap_err().to_string()
    }

    #[test]
    fn a_connection_shows_host_and_tenant_and_never_the_secret() {
        let connection = Connection::from_secret(&secret_data(&[])).unwrap();
        assert_eq!((connection.host().as_str(), connection.tenant_id()), ("acme.api.example", "msp_92"));
        let shown = format!("{connection:?}");
        assert!(!shown.contains("s3cr3t") && !shown.contains("key-one"), "{shown}");
        let with_port = secret_data(&[(URL, Some(b"http://127.0.0.1:8080"))]);
        assert_eq!(Connection::from_secret(&with_port).unwrap().host(), "127.0.0.1:8080");
    }

    #[test]
    fn what_is_missing_or_unusable_is_named_by_its_key() {
        for key in [URL, TENANT_ID, CLIENT_ID, CLIENT_SECRET] {
            for value in [None, Some(b" \n".as_slice()), Some(b"\xff".as_slice())] {
                let message = refusal_message(key, value);
                assert!(message.contains(&format!("`{key}`")) && message.contains(": "), "{message}");
            }
        }
        let other = secret_data(&[(CLIENT_ID, None), ("clientID", Some(b"key-one"))]);
        let message = Connection::from_secret(&other).unwrap_err().to_string();
        assert!(message.contains("`clientId`") && message.contains("instead of `clientID`"), "{message}");
        assert!(refusal_message(TENANT_ID, Some(b"../x")).contains("`tenantId`"));
        assert!(refusal_message(CA, Some(b"nope")).contains("`ca.crt`"));
        for url in ["acme", "ftp://h", "http://acme.example", "https://u:s3cr3t@h", "https://h/?x=1", "https://h/#f"] {
            let message = refusal_message(URL, Some(url.as_bytes()));
            assert!(message.contains("`url`") && !message.contains("s3cr3t"), "{message}");
        }
    }

    #[test]
    fn plain_http_goes_to_loopback_only() {
        for url in ["http://127.0.0.1", "http://localhost:1", "http://[::1]:2", "http://127.9.9.9"] {
            assert!(Connection::from_secret(&secret_data(&[(URL, Some(url.as_bytes()))])).is_ok(), "{url}");
        }
        for url in ["http://127.0.0.1.example", "http://localhost.example", "http://10.0.0.1", "http://[::2]"] {
            assert!(Connection::from_secret(&secret_data(&[(URL, Some(url.as_bytes()))])).is_err(), "{url}");
        }
    }

    #[test]
    fn the_fingerprint_covers_every_key_and_nothing_else() {
        let of = |changes: &[_]| Connection::from_secret(&secret_data(changes)).unwrap().fingerprint();
        let base = of(&[]);
        assert_eq!(base, of(&[("note", Some(b"x".as_slice()))]));
        assert_eq!(base, of(&[(CLIENT_SECRET, Some(b"s3cr3t\n".as_slice()))]));
        for key in [TENANT_ID, CLIENT_ID, CLIENT_SECRET] {
            assert_ne!(base, of(&[(key, Some(b"other".as_slice()))]), "{key}");
        }
        assert_ne!(base, of(&[(URL, Some(b"https://other.example".as_slice()))]));
        let moved = of(&[(CLIENT_ID, Some(b"key-ones".as_slice())), (CLIENT_SECRET, Some(b"3cr3t".as_slice()))]);
        assert_ne!(base, moved);
    }
}
