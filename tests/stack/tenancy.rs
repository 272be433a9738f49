//! The platform as any other client sees it: its REST API with the service provider's credential.

#![allow(dead_code)]

use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::http::{self, HttpResponse};
use super::process::Result;
use super::programs;

/// An API client with a token.
pub struct TenancyApi {
    url: String,
    tenant: String,
    authorization: String,
}

impl TenancyApi {
    /// Requests a token; `tenant` is the service provider's id.
    pub fn connect(url: &str, tenant: &str, key: (&str, &str)) -> Result<Self> {
        let form = Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", key.0)
            .append_pair("client_secret", key.1)
            .finish();
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        let path = format!("{url}/tenancy/auth/oauth/token");
        let answer = http::send("POST", &path, &headers, &form)?;
        let json = answer.json()?;
        let token = json["access_token"]
            .as_str()
            .ok_or_else(|| format!("the platform gave no token ({}): {}", answer.status, answer.body))?;
        let authorization = format!("Bearer {token}");
        Ok(Self { url: url.to_owned(), tenant: tenant.to_owned(), authorization })
    }

    /// Sends a request to a path below `/api/v2/tenants/`.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<HttpResponse> {
        let headers = [("Authorization", self.authorization.as_str()), ("Content-Type", "application/json")];
        let body = body.map(Value::to_string).unwrap_or_default();
        http::send(method, &format!("{}/api/v2/tenants/{path}", self.url), &headers, &body)
    }

    /// Returns the JSON at a path; fails for any status except 200.
    pub fn get(&self, path: &str) -> Result<Value> {
        let answer = self.call("GET", path, None)?;
        if answer.status == 200 {
            return answer.json();
        }
        Err(format!("GET {path} answers {}: {}", answer.status, answer.body).into())
    }

    /// Changes a tenant; fails for any status except 200.
    pub fn change_tenant(&self, path: &str, body: &Value) -> Result<()> {
        let answer = self.call("POST", path, Some(body))?;
        if answer.status == 200 {
            return Ok(());
        }
        Err(format!("POST {path} answers {}: {}", answer.status, answer.body).into())
    }

    /// Returns the path of a Partner.
    pub fn partner_path(&self, id: &str) -> String {
        format!("{}/msps/{id}", self.tenant)
    }

    /// Returns the tenants below a list such as `sp_1/msps` that are active, or those that are not.
    pub fn list_tenants(&self, path: &str, is_active: bool) -> Result<Vec<Value>> {
        let page = self.get(&format!("{path}/search?queryString=activeStatus:{is_active}&pageSize=100"))?;
        let results = page["results"].as_array();
        Ok(results.ok_or_else(|| format!("{path}/search answers without `results`: {page}"))?.clone())
    }

    /// Returns the service provider's id.
    pub fn provider_id(&self) -> &str {
        &self.tenant
    }

    /// Returns the number of Partners and Clients that the platform has created since it started.
    pub fn create_counts(&self) -> Result<CreateCounts> {
        let text = http::get(&format!("{}/metrics", self.url))?.body;
        let of = |kind: &str| {
            let route = format!("route=\"/api/v2/tenants/{{tenant}}/{kind}\"");
            let labels = ["method=\"POST\"", &route, "status=\"200\""];
            // A counter of requests is an integer, and far below the largest integer that a float represents exactly.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
            let count = programs::sum_metric(&text, "tenantry_platform_requests_total", &labels) as usize;
            count
        };
        Ok(CreateCounts { partners: of("msps"), clients: of("clients") })
    }
}

/// Number of tenants of each kind that a platform has created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreateCounts {
    /// Partners, including terminated ones.
    pub partners: usize,
    /// Clients, including terminated ones.
    pub clients: usize,
}

/// Formats a tenant as one line.
pub fn format_tenant(tenant: &Value) -> String {
    let text = |key: &str| tenant[key].as_str().unwrap_or("-").to_owned();
    let list = |key: &str| {
        let items = tenant[key].as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
    };
    format!(
        "{} `{}` {}; {}, {}, {}; packages: {}; add-ons: {}",
        text("uniqueId"),
        text("name"),
        tenant_state(tenant),
        text("city"),
        text("country"),
        text("timeZone"),
        list("packages"),
        list("addOns"),
    )
}

/// Returns `ACTIVE`, `SUSPENDED` or `TERMINATED`.
pub fn tenant_state(tenant: &Value) -> &str {
    tenant["status"].as_str().unwrap_or("-")
}
