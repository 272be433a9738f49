//! Requests that the HTTP library would repeat by itself: streams of HTTP/2 that the server refuses.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tenantry_client::{Connection, PlatformClient};

use super::{city_change, clients_place, no_payload, test_mark, tls};

type TlsStream<'a> = rustls::Stream<'a, rustls::ServerConnection, TcpStream>;

const PREFACE: usize = 24;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACKNOWLEDGE: u8 = 1;
/// `:status: 200`, from the static table.
const SUCCESS: &[u8] = &[0x88];
const REFUSED_STREAM: &[u8] = &[0, 0, 0, 7];

struct Http2Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Http2Frame {
    fn read(from: &mut TlsStream<'_>) -> std::io::Result<Self> {
        let mut head = [0; 9];
        from.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        from.read_exact(&mut payload)?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Ok(Self { kind: head[3], flags: head[4], stream, payload })
    }

    fn write(&self, to: &mut TlsStream<'_>) -> std::io::Result<()> {
        let length = u32::try_from(self.payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[self.kind, self.flags], &self.stream.to_be_bytes()].concat();
        to.write_all(&[head, self.payload.clone()].concat())
    }
}

/// Answers the first stream of a connection with a token. Refuses and counts all others.
fn answer_connection(stream: &mut TlsStream<'_>, refused: &AtomicUsize) -> std::io::Result<()> {
    stream.read_exact(&mut [0; PREFACE])?;
    let write = |(kind, flags, id): (u8, u8, u32), payload: &[u8], stream: &mut TlsStream<'_>| {
        Http2Frame { kind, flags, stream: id, payload: payload.to_vec() }.write(stream)
    };
    write((SETTINGS, 0, 0), &[], stream)?;
    loop {
        let Http2Frame { kind, flags, stream: id, payload: _ } = Http2Frame::read(stream)?;
        match kind {
            SETTINGS if flags & ACKNOWLEDGE == 0 => write((SETTINGS, ACKNOWLEDGE, 0), &[], stream)?,
            HEADERS if id != 1 => {
                refused.fetch_add(1, Ordering::SeqCst);
                write((RESET, 0, id), REFUSED_STREAM, stream)?;
            }
            DATA if id == 1 && flags & END_STREAM != 0 => {
                write((HEADERS, END_HEADERS, id), SUCCESS, stream)?;
                write((DATA, END_STREAM, id), br#"{"access_token":"t","expires_in":7199}"#, stream)?;
            }
            _ => {}
        }
    }
}

fn serve_http2(refused: Arc<AtomicUsize>) -> u16 {
    let mut config = tls::server_config();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut socket, _)) = listener.accept() {
            let mut session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            // It ends when the client closes the connection.
            let _ = answer_connection(&mut rustls::Stream::new(&mut session, &mut socket), &refused);
        }
    });
    port
}

#[tokio::test]
async fn a_create_that_the_library_would_repeat_is_sent_once() {
    let refused = Arc::new(AtomicUsize::new(0));
    let connection =
        Connection::from_secret(&tls::connection_secret(serve_http2(Arc::clone(&refused)), Some(tls::CA))).unwrap();
    let platform = PlatformClient::new(connection, Duration::from_secs(5)).unwrap();
    let error =
        platform.create_tenant(&clients_place(), &city_change(), &no_payload(), &test_mark()).await.unwrap_err();
    assert!(error.may_have_been_applied(), "{error}");
    assert_eq!(refused.load(Ordering::SeqCst), 1);
}
