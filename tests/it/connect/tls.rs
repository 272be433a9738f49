//! HTTPS: a certificate is only trusted if the system or the Secret names its CA.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tenantry_client::{CallError, Connection, PlatformClient};

/// Created for this test alone; the CA's key was deleted.
pub(super) const CA: &[u8] = include_bytes!("tls/ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("tls/server.pem");
const KEY: &[u8] = include_bytes!("tls/server.key");

/// Returns the TLS configuration of a server with the certificate.
pub(super) fn server_config() -> rustls::ServerConfig {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let chain = vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap()
}

/// Starts a server that issues a token per connection, and returns its port.
pub(super) fn serve_tls() -> u16 {
    let config = Arc::new(server_config());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut socket, _)) = listener.accept() {
            let mut session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::Stream::new(&mut session, &mut socket);
            // A client that does not trust the certificate closes the connection here.
            if stream.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {
                let body = r#"{"access_token":"t","expires_in":7199}"#;
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes());
            }
        }
    });
    port
}

/// Returns the Secret data of a connection to it.
pub(super) fn connection_secret(port: u16, ca: Option<&[u8]>) -> BTreeMap<String, Vec<u8>> {
    let mut data = super::connection_secret(&format!("https://127.0.0.1:{port}"));
    data.extend(ca.map(|ca| ("ca.crt".to_owned(), ca.to_vec())));
    data
}

#[tokio::test]
async fn the_secret_s_own_ca_is_believed_and_a_stranger_s_certificate_is_not() {
    let port = serve_tls();
    let of = |ca| {
        let connection = Connection::from_secret(&connection_secret(port, ca)).unwrap();
        PlatformClient::new(connection, Duration::from_secs(5)).unwrap()
    };
    of(Some(CA)).check_credential().await.unwrap();
    let error = of(None).check_credential().await.unwrap_err();
    assert!(matches!(&error, CallError::Unavailable { maybe_applied: false, .. }), "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
}
