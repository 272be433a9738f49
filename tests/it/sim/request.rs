//! A request to one of the two servers, and its answer.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::http::Method;
use serde_json::Value;

/// The server of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SimServer {
    /// The API server.
    Cluster,
    /// The platform.
    Platform,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct SimRequest {
    pub(crate) side: SimServer,
    pub(crate) method: Method,
    /// Path without query.
    pub(crate) path: String,
    pub(crate) query: String,
    /// Headers that the servers read, by lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Bytes,
}

impl SimRequest {
    /// Creates a JSON request of a person.
    pub(crate) fn from_person(side: SimServer, method: Method, path: &str, body: &Value) -> Self {
        let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        Self {
            side,
            method,
            path: path.to_owned(),
            query: String::new(),
            headers: BTreeMap::from([("content-type".to_owned(), kind.to_owned())]),
            body,
        }
    }

    /// Returns whether it requests a change. A token request does not.
    pub(crate) fn is_write(&self) -> bool {
        self.method != Method::GET && !self.path.ends_with("/oauth/token")
    }

    /// Returns whether it is about leader election.
    pub(crate) fn is_lease(&self) -> bool {
        self.path.contains("/leases")
    }

    /// Returns whether it is an event, on which nothing depends.
    pub(crate) fn is_event(&self) -> bool {
        self.path.starts_with("/apis/events.k8s.io/")
    }

    /// Returns a header; empty if it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Returns a parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = url::form_urlencoded::parse(self.query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// Parses the body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Returns whether it lists tenants of the platform.
    pub(crate) fn is_list(&self) -> bool {
        let is_list = self.path.ends_with("/minimal") || self.path.ends_with("/search");
        self.side == SimServer::Platform && self.method == Method::GET && is_list
    }

    /// Returns one line for the story of a run.
    pub(crate) fn log_line(&self) -> String {
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query) };
        format!("{:?} {} {}{query}", self.side, self.method, self.path)
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SimReply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl SimReply {
    /// Creates a JSON answer.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { status, headers, body: Bytes::from(body.to_string()) }
    }

    /// Returns whether the request was carried out.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Removes a row from a list and from its total. Returns whether there was one.
    pub(crate) fn remove_row(&mut self, row: usize) -> bool {
        let mut list = self.json_body();
        let rows = match &mut list {
            Value::Array(rows) => rows,
            Value::Object(page) => match page.get_mut("results") {
                Some(Value::Array(rows)) => rows,
                Some(_) | None => return false,
            },
            _ => return false,
        };
        if rows.is_empty() {
            return false;
        }
        rows.remove(row % rows.len());
        if let Some(total) = list.get("totalResults").and_then(Value::as_i64) {
            list["totalResults"] = (total - 1).into();
        }
        self.body = Bytes::from(list.to_string());
        true
    }

    /// Parses the body as JSON.
    pub(crate) fn json_body(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}
