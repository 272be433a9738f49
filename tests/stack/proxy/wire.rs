//! The part of HTTP/1.1 that a proxy on loopback needs, byte by byte, because faults are injected into bytes.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::rules::CannedAnswer;

/// A request.
#[derive(Clone, Debug)]
pub(super) struct ProxyRequest {
    /// Method.
    pub(super) method: String,
    /// Path with its query.
    pub(super) target: String,
    /// Header lines, except those about length and connection.
    pub(super) headers: Vec<String>,
    /// Body.
    pub(super) body: Vec<u8>,
}

/// A response with its complete body.
#[derive(Clone, Debug)]
pub(super) struct ProxyReply {
    /// Status code.
    pub(super) status: u16,
    /// Headers, except those about length and connection.
    pub(super) headers: Vec<String>,
    /// Body.
    pub(super) body: Vec<u8>,
}

/// Returns whether each hop writes this header itself.
fn is_hop_by_hop_header(line: &str) -> bool {
    let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(name.as_str(), "connection" | "content-length" | "transfer-encoding" | "keep-alive" | "expect")
}

fn malformed_error(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Reads the next request of a connection; `None` at its end.
pub(super) async fn read_request(stream: &mut BufReader<TcpStream>) -> io::Result<Option<ProxyRequest>> {
    let Some(lines) = read_head(stream).await? else { return Ok(None) };
    let mut words = lines[0].split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(malformed_error("no request line"));
    };
    let (method, target) = (method.to_owned(), target.to_owned());
    let length = lines
        .iter()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(Ok(0), |(_, length)| length.trim().parse().map_err(|_| malformed_error("content-length")))?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let headers = lines[1..].iter().filter(|line| !is_hop_by_hop_header(line)).cloned().collect();
    Ok(Some(ProxyRequest { method, target, headers, body }))
}

async fn read_head(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<String>>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return if lines.is_empty() { Ok(None) } else { Err(malformed_error("the head is cut")) };
        }
        let line = line.trim_end();
        if line.is_empty() && !lines.is_empty() {
            return Ok(Some(lines));
        }
        if !line.is_empty() {
            lines.push(line.to_owned());
        }
    }
}

impl ProxyRequest {
    /// Returns the request with an additional header line.
    pub(super) fn with_header(&self, line: &str) -> Self {
        let mut request = self.clone();
        request.headers.push(line.to_owned());
        request
    }

    /// Returns the request as a GET of another path.
    pub(super) fn with_target(&self, target: &str) -> Self {
        Self { method: "GET".to_owned(), target: target.to_owned(), headers: self.headers.clone(), body: Vec::new() }
    }

    /// Returns whether the response is streamed because it is endless: a Kubernetes watch.
    pub(super) fn has_endless_answer(&self) -> bool {
        self.target.contains("watch=true")
    }

    /// Forwards the request and streams the response until one side closes the connection.
    pub(super) async fn pipe_stream(&self, to: &str, back: &mut BufReader<TcpStream>) -> io::Result<()> {
        let mut stream = TcpStream::connect(to).await?;
        let Self { method, target, headers, body } = self;
        let head = format!(
            "{method} {target} HTTP/1.1\r\n{}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            headers.join("\r\n"),
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).await?;
        tokio::io::copy_bidirectional(back, &mut stream).await.map(drop)
    }

    /// Forwards the request and reads the complete response. With version 1.0 the server does not send chunks.
    pub(super) async fn forward(&self, to: &str) -> io::Result<ProxyReply> {
        let mut stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        let Self { method, target, headers, body } = self;
        let head =
            format!("{method} {target} HTTP/1.0\r\n{}\r\ncontent-length: {}\r\n\r\n", headers.join("\r\n"), body.len());
        stream.write_all(&[head.as_bytes(), body].concat()).await?;
        let mut stream = BufReader::new(stream);
        let lines = read_reply_head(&mut stream).await?;
        let mut body = Vec::new();
        stream.read_to_end(&mut body).await?;
        let status = lines[0].split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| malformed_error("no status line"))?;
        let headers = lines[1..].iter().filter(|line| !is_hop_by_hop_header(line)).cloned().collect();
        Ok(ProxyReply { status, headers, body })
    }
}

async fn read_reply_head(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<String>> {
    read_head(stream).await?.ok_or_else(|| malformed_error("no reply"))
}

impl ProxyReply {
    /// Returns the response of a gateway whose server cannot be reached.
    pub(super) fn bad_gateway(error: &io::Error) -> Self {
        Self { status: 502, headers: Vec::new(), body: format!("nobody answers: {error}\n").into_bytes() }
    }

    /// Makes a JSON response.
    pub(super) fn json(value: &serde_json::Value) -> Self {
        let headers = vec!["content-type: application/json".to_owned()];
        Self { status: 200, headers, body: value.to_string().into_bytes() }
    }

    /// Makes a text response.
    pub(super) fn text(status: u16, text: &str) -> Self {
        Self { status, headers: Vec::new(), body: format!("{text}\n").into_bytes() }
    }

    fn encode_head(&self, length: &str) -> Vec<u8> {
        let lines: Vec<&str> = self.headers.iter().map(String::as_str).chain([length]).collect();
        format!("HTTP/1.1 {} Said\r\n{}\r\n\r\n", self.status, lines.join("\r\n")).into_bytes()
    }

    /// Writes the complete response.
    pub(super) async fn write(&self, stream: &mut BufReader<TcpStream>) -> io::Result<()> {
        self.write_part(stream, self.body.len()).await
    }

    /// Writes the head and this many bytes of the body.
    pub(super) async fn write_part(&self, stream: &mut BufReader<TcpStream>, bytes: usize) -> io::Result<()> {
        let part = &self.body[..bytes.min(self.body.len())];
        let length = format!("content-length: {}", self.body.len());
        stream.write_all(&[&self.encode_head(&length), part].concat()).await
    }

    /// Writes the body with a pause before each byte.
    pub(super) async fn write_slowly(&self, stream: &mut BufReader<TcpStream>, pause: Duration) -> io::Result<()> {
        self.write_part(stream, 0).await?;
        for byte in &self.body {
            tokio::time::sleep(pause).await;
            stream.write_all(&[*byte]).await?;
        }
        Ok(())
    }

    /// Writes white space instead of the body, until the connection ends.
    pub(super) async fn write_endlessly(&self, stream: &mut BufReader<TcpStream>, bytes: u64) -> io::Result<()> {
        stream.write_all(&self.encode_head("connection: close")).await?;
        let block = vec![b' '; 64 << 10];
        let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
        while left > 0 {
            let part = left.min(block.len());
            stream.write_all(&block[..part]).await?;
            left -= part;
        }
        Ok(())
    }
}

impl From<CannedAnswer> for ProxyReply {
    fn from(CannedAnswer { status, headers, body, after: _ }: CannedAnswer) -> Self {
        let headers = headers.into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        Self { status, headers, body: body.into_bytes() }
    }
}
