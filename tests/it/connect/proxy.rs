//! The client uses the proxy that a flag names, and no other.

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tenantry_client::{Connection, PlatformClient, ProxyAddress};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::fake_platform::{FakePlatform, FakeReply};
use super::{clients_place, connection_secret, tls};

/// A proxy that records the head of each request and forwards it.
pub(crate) struct RecordingProxy {
    /// Host and port.
    pub(crate) address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl RecordingProxy {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward_connection(stream, Arc::clone(&kept)));
            }
        });
        Self { address, heads }
    }

    /// Returns the first lines of the requests.
    pub(crate) fn request_lines(&self) -> Vec<String> {
        self.heads.lock().unwrap().iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect()
    }
}

async fn forward_connection(mut stream: TcpStream, heads: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let text = String::from_utf8(head.clone()).unwrap();
    heads.lock().unwrap().push(text.clone());
    let mut words = text.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let host = target.trim_start_matches("http://").split('/').next().unwrap();
    let mut platform = TcpStream::connect(host).await.unwrap();
    if method == "CONNECT" {
        stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
    } else {
        platform.write_all(&head).await.unwrap();
    }
    let _ = tokio::io::copy_bidirectional(&mut stream, &mut platform).await;
}

fn connection(url: &str) -> Connection {
    Connection::from_secret(&connection_secret(url)).unwrap()
}

fn client_through_proxy(connection: Connection, proxy: &str) -> PlatformClient {
    let proxy: ProxyAddress = proxy.parse().unwrap();
    PlatformClient::new_with_proxy(connection, Duration::from_secs(5), Some(&proxy)).unwrap()
}

async fn start_fake() -> FakePlatform {
    FakePlatform::new(|_| FakeReply::json(200, &json!({"uniqueId": "client_1", "name": "A"}))).await
}

#[tokio::test]
async fn each_request_goes_through_the_proxy_that_the_flag_names() {
    let (fake, between) = (start_fake().await, RecordingProxy::new().await);
    let platform = client_through_proxy(connection(&fake.url), &format!("http://key:s3cr3t@{}", between.address));
    platform.read_tenant(&clients_place(), "client_1", false).await.unwrap();
    assert_eq!((fake.token_count(), fake.requests().len()), (1, 1));
    let lines = between.request_lines();
    let wanted = format!("POST {}/tenancy/auth/oauth/token HTTP/1.1", fake.url);
    assert_eq!(lines.first(), Some(&wanted), "{lines:?}");
    let head = between.heads.lock().unwrap()[0].to_lowercase();
    assert!(head.contains("proxy-authorization: basic "), "{head}");
}

#[tokio::test]
async fn a_platform_with_https_is_reached_through_a_tunnel_that_the_proxy_cannot_read() {
    let (port, between) = (tls::serve_tls(), RecordingProxy::new().await);
    let connection = Connection::from_secret(&tls::connection_secret(port, Some(tls::CA))).unwrap();
    client_through_proxy(connection, &format!("http://{}", between.address)).check_credential().await.unwrap();
    assert_eq!(between.request_lines(), [format!("CONNECT 127.0.0.1:{port} HTTP/1.1")]);
}

/// The environment of a process cannot be changed safely while its threads run, so the test runs itself in a new
/// process.
#[tokio::test]
async fn without_the_flag_no_proxy_is_used_whatever_the_environment_names() {
    if let Ok(url) = std::env::var("TENANTRY_TEST_PLATFORM") {
        let platform = PlatformClient::new(connection(&url), Duration::from_secs(5)).unwrap();
        platform.read_tenant(&clients_place(), "client_1", false).await.unwrap();
        return;
    }
    let (fake, between) = (start_fake().await, RecordingProxy::new().await);
    let name = "connect::proxy::without_the_flag_no_proxy_is_used_whatever_the_environment_names";
    let mut again = tokio::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", name]).env("TENANTRY_TEST_PLATFORM", &fake.url).stdout(Stdio::null());
    for variable in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        again.env(variable, format!("http://{}", between.address));
    }
    for variable in ["NO_PROXY", "no_proxy", "REQUEST_METHOD"] {
        again.env_remove(variable);
    }
    assert!(again.status().await.unwrap().success());
    assert_eq!((fake.token_count(), fake.requests().len()), (1, 1));
    assert_eq!(between.request_lines(), [""; 0]);
}
