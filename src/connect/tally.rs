//! What is told of each exchange with a platform: for counters, and for the line that says what was changed.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Request};
use tokio::time::Instant;
use tower::ServiceExt as _;
use url::Url;

use super::budget::Category;
use super::headers::remaining;
use super::http::Wire;
use super::trace::next_request;

/// Header with the id under which a request is found in the logs of both sides.
const REQUEST_ID: &str = "x-request-id";

/// One request and how it ended.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// What was asked for, for example `create`.
    pub operation: &'static str,
    /// Id that the request carried.
    pub request_id: String,
    /// HTTP status; nothing where no answer came.
    pub code: Option<u16>,
    /// From the first byte sent to the answer's headers.
    pub took: Duration,
    /// What is left of the budget that it used, by its name, where the platform tells.
    pub left: Option<(&'static str, u64)>,
}

/// A wire that tells of each exchange, also of one that nobody waited for to the end.
pub fn tallied(wire: Wire, tell: impl Fn(Exchange) + Clone + Send + Sync + 'static) -> Wire {
    Wire::new(tower::service_fn(move |mut request: Request| {
        let operation = operation(request.method(), request.url());
        let category = category(operation);
        let exchange = Exchange {
            operation,
            request_id: next_request(category == Some(Category::Write)),
            code: None,
            took: Duration::ZERO,
            left: None,
        };
        if let Ok(id) = HeaderValue::from_str(&exchange.request_id) {
            request.headers_mut().insert(REQUEST_ID, id);
        }
        let mut told = Told { exchange, begun: Instant::now(), tell: tell.clone() };
        let wire = wire.clone();
        async move {
            let answer = Box::pin(wire.oneshot(request)).await;
            if let Ok(answer) = &answer {
                told.answered(answer.status().as_u16(), (category, answer.headers()));
            }
            answer
        }
    }))
}

/// Tells when it is dropped, however that comes about.
struct Told<T: Fn(Exchange)> {
    exchange: Exchange,
    begun: Instant,
    tell: T,
}

impl<T: Fn(Exchange)> Told<T> {
    fn answered(&mut self, code: u16, (category, headers): (Option<Category>, &HeaderMap)) {
        self.exchange.code = Some(code);
        self.exchange.left = category.and_then(|category| Some((category.name(), remaining(headers)?)));
    }
}

impl<T: Fn(Exchange)> Drop for Told<T> {
    fn drop(&mut self) {
        self.exchange.took = self.begun.elapsed();
        (self.tell)(self.exchange.clone());
    }
}

/// The name of what is asked for; a closed list, since it becomes a label.
fn operation(method: &Method, url: &Url) -> &'static str {
    let last = url.path_segments().and_then(|mut segments| segments.rfind(|one| !one.is_empty()));
    match (method.as_str(), last.unwrap_or_default()) {
        (_, "token") => "token",
        ("GET", "minimal") => "list",
        ("GET", "search") => "search",
        ("GET", "impact") => "impact",
        ("GET", "customBranding") => "readBranding",
        (_, "customBranding") => "writeBranding",
        (_, "activate") => "activate",
        (_, "suspend") => "suspend",
        (_, "terminate") => "terminate",
        ("GET", _) => "read",
        (_, "clients" | "msps") => "create",
        _ => "update",
    }
}

fn category(operation: &str) -> Option<Category> {
    match operation {
        "token" => None,
        "search" => Some(Category::Page),
        "list" | "impact" | "readBranding" | "read" => Some(Category::Read),
        _ => Some(Category::Write),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::trace::{trace, traced};
    use super::*;

    /// Sends requests; returns the ids that the wire got and those that were told.
    async fn send(requests: &[(Method, &str)]) -> (Vec<String>, Vec<String>) {
        let (headers, told) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (keep, tell) = (Arc::clone(&headers), Arc::clone(&told));
        let wire = Wire::new(tower::service_fn(move |request: Request| {
            keep.lock().unwrap().push(request.headers()[REQUEST_ID].to_str().unwrap().to_owned());
            std::future::ready(Err::<reqwest::Response, tower::BoxError>("nobody answers".into()))
        }));
        let wire = tallied(wire, move |exchange| tell.lock().unwrap().push(exchange.request_id));
        for (method, path) in requests {
            let url = Url::parse(&format!("https://acme.example{path}")).unwrap();
            wire.clone().oneshot(Request::new(method.clone(), url)).await.unwrap_err();
        }
        (std::mem::take(&mut *headers.lock().unwrap()), std::mem::take(&mut *told.lock().unwrap()))
    }

    #[tokio::test]
    async fn a_request_carries_the_id_of_its_pass_and_a_number_and_is_counted_there() {
        let requests = [
            (Method::GET, "/api/v2/tenants/msp_2/clients/client_3"),
            (Method::POST, "/api/v2/tenants/msp_2/clients"),
            (Method::POST, "/tenancy/auth/oauth/token"),
        ];
        let ((sent, told), pass) = traced(async { (send(&requests).await, trace()) }).await;
        assert_eq!(pass.id.len(), 32);
        assert_eq!(sent, [1, 2, 3].map(|number| format!("{}-{number}", pass.id)));
        assert_eq!(told, sent);
        assert_eq!((pass.requests.get(), pass.changes.get()), (3, 1));

        let (alone, _) = send(&requests).await;
        assert!(alone.iter().all(|id| id.len() == 32) && alone[0] != alone[1], "no pass, no common id: {alone:?}");
        assert!(trace().id.is_empty());
        assert_ne!(traced(async { trace().id }).await, pass.id, "each pass has its own");
    }

    #[test]
    fn each_request_has_a_name_without_an_id_in_it() {
        for (method, path, wanted) in [
            (Method::POST, "/tenancy/auth/oauth/token", "token"),
            (Method::POST, "/api/v2/tenants/sp_1/msps", "create"),
            (Method::POST, "/api/v2/tenants/msp_2/clients/", "create"),
            (Method::POST, "/api/v2/tenants/msp_2/clients/client_3", "update"),
            (Method::POST, "/api/v2/tenants/msp_2/clients/client_3/terminate", "terminate"),
            (Method::GET, "/api/v2/tenants/msp_2/clients/client_3", "read"),
            (Method::GET, "/api/v2/tenants/msp_2/clients/search", "search"),
            (Method::GET, "/api/v2/tenants/msp_2/clients/minimal", "list"),
            (Method::PUT, "/api/v2/tenants/msp_2/customBranding", "writeBranding"),
            (Method::GET, "/api/v2/tenants/msp_2/impact", "impact"),
        ] {
            let url = Url::parse(&format!("https://acme.example{path}")).unwrap();
            assert_eq!(operation(&method, &url), wanted, "{method} {path}");
        }
    }
}
