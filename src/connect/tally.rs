//! What is told of each exchange with a platform: for counters, and for the line that says what was changed.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Request};
use tokio::time::Instant;
use tower::ServiceExt as _;
use url::Url;

use super::budget::Category;
use super::http::Wire;
use super::pacer::remaining;

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
        let exchange = Exchange {
            operation: operation(request.method(), request.url()),
            request_id: format!("{:032x}", rand::random::<u128>()),
            code: None,
            took: Duration::ZERO,
            left: None,
        };
        if let Ok(id) = HeaderValue::from_str(&exchange.request_id) {
            request.headers_mut().insert(REQUEST_ID, id);
        }
        let category = category(exchange.operation);
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
    use super::*;

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
