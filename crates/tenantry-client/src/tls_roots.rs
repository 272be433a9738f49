//! The certificates of the system, read once: separate stores would cost each connection 200 KB.

use std::sync::{Mutex, PoisonError};

use rustls::ClientConfig;
use rustls_platform_verifier::ConfigVerifierExt as _;

/// The trust store of all connections without their own certificates. Its clones share one store.
static SHARED_ROOTS: Mutex<SharedRoots> = Mutex::new(SharedRoots { config: None, read_count: 0 });

struct SharedRoots {
    config: Option<ClientConfig>,
    /// How often the certificates were read.
    read_count: usize,
}

/// Returns the configuration of a client that trusts the certificates of the system.
///
/// # Errors
/// If the system has no certificates; the next connection tries again.
pub(super) fn shared_client_config() -> Result<ClientConfig, String> {
    let mut shared = SHARED_ROOTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(config) = &shared.config {
        return Ok(config.clone());
    }
    shared.read_count += 1;
    let mut config = ClientConfig::with_platform_verifier().map_err(|error| error.to_string().to_lowercase())?;
    // The same as the client's own default.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    shared.config = Some(config.clone());
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::super::connection::Connection;
    use super::super::http::network_connector;
    use super::*;

    #[test]
    fn a_hundred_connections_read_the_certificates_of_the_system_once() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        for number in 0..100 {
            let number = number.to_string();
            let pairs = [
                ("url", "https://acme.example"),
                ("tenantId", "msp_1"),
                ("clientId", "a"),
                ("clientSecret", number.as_str()),
            ];
            let data: BTreeMap<String, Vec<u8>> =
                pairs.map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec())).into();
            network_connector(None)(&Connection::from_secret(&data).unwrap(), Duration::from_secs(5)).unwrap();
        }
        assert_eq!(SHARED_ROOTS.lock().unwrap_or_else(PoisonError::into_inner).read_count, 1);
    }
}
