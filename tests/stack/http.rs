//! A minimal HTTP client for loopback: one request per connection.

#![allow(dead_code)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::process::Result;

/// Longer than any answer on loopback takes.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A response.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    /// Status code.
    pub status: u16,
    /// Headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

impl HttpResponse {
    /// Returns the first header called `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Parses the body as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.body)
            .map_err(|error| format!("the answer is no JSON ({error}): {}", self.body).into())
    }
}

/// Sends `GET url`.
pub fn get(url: &str) -> Result<HttpResponse> {
    send("GET", url, &[], "")
}

/// Sends one request to an `http://` URL.
pub fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Result<HttpResponse> {
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("`{url}` does not begin with `http://`"))?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    // With version 1.0 the server does not send chunks.
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {host}\r\n{}Content-Length: {}\r\n\r\n",
        headers.concat(),
        body.len()
    );
    let answer = exchange_bytes(host, &[head.as_bytes(), body.as_bytes()].concat())
        .map_err(|error| format!("{method} {url}: {error}"))?;
    parse_response(&String::from_utf8_lossy(&answer))
        .ok_or_else(|| format!("{method} {url}: the answer is no HTTP").into())
}

fn exchange_bytes(host: &str, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(REQUEST_TIMEOUT))?;
    stream.set_write_timeout(Some(REQUEST_TIMEOUT))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

fn parse_response(answer: &str) -> Option<HttpResponse> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let (first, rest) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = first.split(' ').nth(1)?.parse().ok()?;
    let headers = rest
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_lowercase(), value.trim().to_owned()))
        .collect();
    Some(HttpResponse { status, headers, body: body.to_owned() })
}
