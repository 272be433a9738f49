//! Reports each exchange with a platform, for metrics and for the audit log.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Request};
use tokio::time::Instant;
use tower::ServiceExt as _;
use url::Url;

use super::http::HttpService;
use super::rate_limit_budget::BudgetCategory;
use super::rate_limit_headers::read_remaining;
use super::request_trace::next_request_id;

/// Header with the id under which both sides log a request.
const REQUEST_ID: &str = "x-request-id";

/// One request and its result.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The name of the operation, for example `create`.
    pub operation: &'static str,
    /// The id that the request carried.
    pub request_id: String,
    /// HTTP status; `None` if no answer came.
    pub code: Option<u16>,
    /// From the first byte sent to the headers of the answer.
    pub duration: Duration,
    /// What is left of the budget that the request used, by the budget's name, where the platform reports it.
    pub budget_left: Option<(&'static str, u64)>,
}

/// Wraps a service so that each exchange is reported to `observer`, also one whose caller did not wait for the end.
pub fn with_observer(service: HttpService, observer: impl Fn(Exchange) + Clone + Send + Sync + 'static) -> HttpService {
    HttpService::new(tower::service_fn(move |mut request: Request| {
        let operation = operation_name(request.method(), request.url());
        let category = operation_category(operation);
        let exchange = Exchange {
            operation,
            request_id: next_request_id(category == Some(BudgetCategory::Write)),
            code: None,
            duration: Duration::ZERO,
            budget_left: None,
        };
        if let Ok(id) = HeaderValue::from_str(&exchange.request_id) {
            request.headers_mut().insert(REQUEST_ID, id);
        }
        let mut observation = ObserveOnDrop { exchange, started: Instant::now(), observer: observer.clone() };
        let wire = service.clone();
        async move {
            let answer = Box::pin(wire.oneshot(request)).await;
            if let Ok(answer) = &answer {
                observation.record_answer(answer.status().as_u16(), (category, answer.headers()));
            }
            answer
        }
    }))
}

/// Reports the exchange when it is dropped, for any reason.
struct ObserveOnDrop<T: Fn(Exchange)> {
    exchange: Exchange,
    started: Instant,
    observer: T,
}

impl<T: Fn(Exchange)> ObserveOnDrop<T> {
    fn record_answer(&mut self, code: u16, (category, headers): (Option<BudgetCategory>, &HeaderMap)) {
        self.exchange.code = Some(code);
        self.exchange.budget_left = category.and_then(|category| Some((category.name(), read_remaining(headers)?)));
    }
}

impl<T: Fn(Exchange)> Drop for ObserveOnDrop<T> {
    fn drop(&mut self) {
        self.exchange.duration = self.started.elapsed();
        (self.observer)(self.exchange.clone());
    }
}

/// Returns the name of an operation. The list is closed, since the name becomes a label.
fn operation_name(method: &Method, url: &Url) -> &'static str {
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

fn operation_category(operation: &str) -> Option<BudgetCategory> {
    match operation {
        "token" => None,
        "search" => Some(BudgetCategory::Page),
        "list" | "impact" | "readBranding" | "read" => Some(BudgetCategory::Read),
        _ => Some(BudgetCategory::Write),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::request_trace::{current_trace, with_new_trace};
    use super::*;

    /// Sends requests; returns the ids that the service received and the ids that were reported.
    async fn send_requests(requests: &[(Method, &str)]) -> (Vec<String>, Vec<String>) {
        let (headers, told) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (keep, tell) = (Arc::clone(&headers), Arc::clone(&told));
        let wire = HttpService::new(tower::service_fn(move |request: Request| {
            keep.lock().unwrap().push(request.headers()[REQUEST_ID].to_str().unwrap().to_owned());
            std::future::ready(Err::<reqwest::Response, tower::BoxError>("nobody answers".into()))
        }));
        let wire = with_observer(wire, move |exchange| tell.lock().unwrap().push(exchange.request_id));
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
        let ((sent, told), pass) = with_new_trace(async { (send_requests(&requests).await, current_trace()) }).await;
        assert_eq!(pass.id.len(), 32);
        assert_eq!(sent, [1, 2, 3].map(|number| format!("{}-{number}", pass.id)));
        assert_eq!(told, sent);
        assert_eq!((pass.requests.get(), pass.changes.get()), (3, 1));

        let (alone, _) = send_requests(&requests).await;
        assert!(alone.iter().all(|id| id.len() == 32) && alone[0] != alone[1], "no pass, no common id: {alone:?}");
        assert!(current_trace().id.is_empty());
        assert_ne!(with_new_trace(async { current_trace().id }).await, pass.id, "each pass has its own");
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
            assert_eq!(operation_name(&method, &url), wanted, "{method} {path}");
        }
    }
}
