//! A fake Duo over real HTTP. It verifies each request against Duo's documentation, records a complaint about each
//! deviation, and has the fault that the test sets.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use futures::stream;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::token::{HS512, sign_token, verified_claims};

/// The tenant's keys, with the lengths of Duo's keys.
pub(crate) const INTEGRATION_KEY: &str = "DI7H2K9WQ4XN5RZB8TVC";
pub(crate) const SECRET_KEY: &str = "seedk3y0fDuoTh4tNobodyMayEverSeeAgain42x";
/// The URL to which users return.
pub(crate) const PUBLIC_URL: &str = "https://tenants.example";
const CALLBACK: &str = "https://tenants.example/factor/duo/callback";

/// One of the two calls that the platform makes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DuoCall {
    Health,
    Token,
}

/// A fault of Duo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DuoFault {
    /// The right answer with another status.
    Status(DuoCall, u16),
    /// No answer at all.
    Hang(DuoCall),
    /// A byte now and then, without an end.
    Drip(DuoCall),
    /// The connection closes within the answer.
    Cut(DuoCall),
    /// The right answer among too many bytes.
    Huge(DuoCall),
    /// A page instead of JSON.
    Page(DuoCall),
    /// A redirect to the right answer.
    Redirect(DuoCall),
    /// Duo reports that it does not serve the integration.
    Unhealthy,
    /// The user denies the login at the prompt.
    DeniedByUser,
    /// A token with a defect.
    DefectiveToken(TokenDefect),
}

/// The defect of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenDefect {
    Key,
    Unsigned,
    Weaker,
    Issuer,
    Audience,
    Nonce,
    NoNonce,
    Person,
    Expired,
    Early,
    Deny,
    NoResult,
    NoToken,
}

/// A login that was approved at the prompt.
struct ApprovedLogin {
    login_name: String,
    nonce: Option<String>,
    is_used: bool,
}

#[derive(Default)]
struct FakeDuoState {
    fault: Option<DuoFault>,
    complaints: Vec<String>,
    calls: Vec<DuoCall>,
    jtis: HashSet<String>,
    codes: HashMap<String, ApprovedLogin>,
}

/// The fake Duo. It stops when the value is dropped.
pub(crate) struct FakeDuo {
    pub(crate) address: SocketAddr,
    shared: FakeDuoShared,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct FakeDuoShared {
    origin: String,
    inner: Arc<Mutex<FakeDuoState>>,
}

impl FakeDuo {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = FakeDuoShared { origin: format!("http://{address}"), inner: Arc::default() };
        let router = Router::new()
            .route("/oauth/v1/health_check", post(handle_health))
            .route("/oauth/v1/authorize", get(handle_authorize))
            .route("/oauth/v1/token", post(handle_token))
            .with_state(shared.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared, server }
    }

    /// Returns the host as a tenant's settings name it.
    pub(crate) fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// Sets the fault of all later answers.
    pub(crate) fn set_fault(&self, fault: impl Into<Option<DuoFault>>) {
        self.shared.lock().fault = fault.into();
    }

    /// Returns the calls until now. Asserts that there are no complaints.
    #[track_caller]
    pub(crate) fn calls(&self) -> Vec<DuoCall> {
        let inner = self.shared.lock();
        assert_eq!(inner.complaints, Vec::<String>::new());
        inner.calls.clone()
    }

    /// Stops listening.
    pub(crate) async fn stop(&mut self) {
        self.server.abort();
        let _ = (&mut self.server).await;
    }
}

impl Drop for FakeDuo {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl FakeDuoShared {
    fn lock(&self) -> MutexGuard<'_, FakeDuoState> {
        self.inner.lock().unwrap()
    }

    fn call_url(&self, name: &str) -> String {
        format!("{}/oauth/v1/{name}", self.origin)
    }

    /// Records a call. Returns a redirect if this is the fault; a caller that follows it gets the right answer.
    fn note_call(&self, call: DuoCall, url: &str, query: Option<&str>) -> Option<Response> {
        let mut inner = self.lock();
        inner.calls.push(call);
        (inner.fault == Some(DuoFault::Redirect(call)) && query.is_none()).then(|| {
            let place = HeaderValue::from_str(&format!("{url}?followed")).unwrap();
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, place)]).into_response()
        })
    }

    /// Records a complaint. Returns Duo's answer to such a request.
    fn refuse_request(&self, error: &str, why: String) -> Response {
        self.lock().complaints.push(why);
        (StatusCode::BAD_REQUEST, axum::Json(json!({ "error": error }))).into_response()
    }

    /// Verifies the client assertion of a form: signed with the secret, for this call, valid for at most five minutes
    /// and used once.
    fn check_assertion(&self, form: &HashMap<String, String>, call: &str) -> Result<(), String> {
        let text = |name: &str| form.get(name).map_or("", String::as_str);
        let claims = verified_claims(text("client_assertion"), SECRET_KEY)?;
        for name in ["iss", "sub"] {
            expect_claim(&claims, name, &json!(INTEGRATION_KEY))?;
        }
        expect_claim(&claims, "aud", &json!(call))?;
        check_expiry(&claims)?;
        let jti = claims["jti"].as_str().filter(|jti| (16..=36).contains(&jti.len())).ok_or("no jti")?;
        if !self.lock().jtis.insert(jti.to_owned()) {
            return Err("the jti came before".to_owned());
        }
        (text("client_id") == INTEGRATION_KEY).then_some(()).ok_or_else(|| "another client_id".to_owned())
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

fn expect_claim(claims: &Value, name: &str, value: &Value) -> Result<(), String> {
    let found = &claims[name];
    (found == value).then_some(()).ok_or_else(|| format!("{name} is {found}, not {value}"))
}

fn check_expiry(claims: &Value) -> Result<(), String> {
    let exp = claims["exp"].as_i64().ok_or("no whole exp")?;
    (now() < exp && exp <= now() + 300).then_some(()).ok_or_else(|| format!("exp is {exp}"))
}

fn parse_form(text: &str) -> HashMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

async fn handle_health(State(shared): State<FakeDuoShared>, RawQuery(query): RawQuery, body: Bytes) -> Response {
    let call = shared.call_url("health_check");
    if let Some(elsewhere) = shared.note_call(DuoCall::Health, &call, query.as_deref()) {
        return elsewhere;
    }
    if let Err(why) = shared.check_assertion(&parse_form(std::str::from_utf8(&body).unwrap()), &call) {
        return shared.refuse_request("invalid_client", why);
    }
    let fault = shared.lock().fault;
    let answer = match fault {
        Some(DuoFault::Unhealthy) => json!({ "stat": "FAIL", "code": 40002, "message": "invalid_client" }),
        _ => json!({ "stat": "OK", "response": { "timestamp": now() } }),
    };
    faulty_answer(DuoCall::Health, fault, &answer).await
}

async fn handle_authorize(State(shared): State<FakeDuoShared>, RawQuery(query): RawQuery) -> Response {
    match answer_prompt(&shared, &parse_form(&query.unwrap_or_default())) {
        Ok(back) => Redirect::to(&back).into_response(),
        Err(why) => shared.refuse_request("invalid_request", why),
    }
}

/// Processes the user's answer at the prompt. Returns the location to which the browser goes.
fn answer_prompt(shared: &FakeDuoShared, query: &HashMap<String, String>) -> Result<String, String> {
    let text = |name: &str| query.get(name).map_or("", String::as_str);
    let request = verified_claims(text("request"), SECRET_KEY)?;
    for (name, value) in [
        ("scope", json!("openid")),
        ("response_type", json!("code")),
        ("client_id", json!(INTEGRATION_KEY)),
        ("iss", json!(INTEGRATION_KEY)),
        ("aud", json!(shared.origin)),
        ("redirect_uri", json!(CALLBACK)),
        ("use_duo_code_attribute", json!(true)),
    ] {
        expect_claim(&request, name, &value)?;
    }
    check_expiry(&request)?;
    let state = request["state"].as_str().filter(|state| (22..=1024).contains(&state.len())).ok_or("no state")?;
    let login_name = request["duo_uname"].as_str().filter(|name| !name.is_empty()).ok_or("no duo_uname")?;
    if (text("response_type"), text("client_id")) != ("code", INTEGRATION_KEY) {
        return Err("the query says something else than the request".to_owned());
    }
    let nonce = query.get("nonce").cloned();
    expect_claim(&request, "nonce", &json!(nonce))?;
    let mut inner = shared.lock();
    if inner.fault == Some(DuoFault::DeniedByUser) {
        return Ok(format!("{CALLBACK}?state={state}&error=access_denied&error_description=The+user+cancelled"));
    }
    let code = format!("code-{:032}", inner.codes.len());
    let passed = ApprovedLogin { login_name: login_name.to_owned(), nonce, is_used: false };
    inner.codes.insert(code.clone(), passed);
    Ok(format!("{CALLBACK}?state={state}&duo_code={code}"))
}

async fn handle_token(State(shared): State<FakeDuoShared>, RawQuery(query): RawQuery, body: Bytes) -> Response {
    let (call, form) = (shared.call_url("token"), parse_form(std::str::from_utf8(&body).unwrap()));
    if let Some(elsewhere) = shared.note_call(DuoCall::Token, &call, query.as_deref()) {
        return elsewhere;
    }
    let fault = shared.lock().fault;
    if let Err(why) = shared.check_assertion(&form, &call) {
        return shared.refuse_request("invalid_client", why);
    }
    for (name, value) in [
        ("grant_type", "authorization_code"),
        ("redirect_uri", CALLBACK),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
    ] {
        if form.get(name).map(String::as_str) != Some(value) {
            return shared.refuse_request("invalid_request", format!("{name} is {:?}", form.get(name)));
        }
    }
    let claims = {
        let mut inner = shared.lock();
        let code = form.get("code").and_then(|code| inner.codes.get_mut(code)).filter(|passed| !passed.is_used);
        // This is not a complaint: the user of the browser may send any code.
        let Some(passed) = code else {
            return (StatusCode::BAD_REQUEST, axum::Json(json!({ "error": "invalid_grant" }))).into_response();
        };
        passed.is_used = true;
        json!({
            "iss": call, "aud": INTEGRATION_KEY, "sub": passed.login_name, "preferred_username": passed.login_name,
            "iat": now(), "exp": now() + 3600, "auth_time": now(), "nonce": passed.nonce,
            "auth_result": { "result": "allow", "status": "allow", "status_msg": "Login Successful" },
            "auth_context": { "factor": "duo_push", "result": "success" },
        })
    };
    let twist = match fault {
        Some(DuoFault::DefectiveToken(twist)) => Some(twist),
        _ => None,
    };
    let mut answer = json!({ "access_token": "opaque", "expires_in": 3600, "token_type": "Bearer" });
    if twist != Some(TokenDefect::NoToken) {
        answer["id_token"] = defective_token(claims, twist).into();
    }
    faulty_answer(DuoCall::Token, fault, &answer).await
}

/// Returns a token with a defect.
fn defective_token(mut claims: Value, twist: Option<TokenDefect>) -> String {
    let (mut header, mut key) = (HS512, SECRET_KEY);
    match twist {
        None | Some(TokenDefect::NoToken) => {}
        Some(TokenDefect::Key) => key = "seedk3y0fDuoTh4tNobodyMayEverSeeAgain43x",
        Some(TokenDefect::Unsigned) => header = r#"{"alg":"none","typ":"JWT"}"#,
        Some(TokenDefect::Weaker) => header = r#"{"alg":"HS256","typ":"JWT"}"#,
        Some(TokenDefect::Issuer) => claims["iss"] = "https://api-2.duosecurity.com/oauth/v1/token".into(),
        Some(TokenDefect::Audience) => claims["aud"] = "DIOTHERTENANTOTHERTE".into(),
        Some(TokenDefect::Nonce) => claims["nonce"] = "0123456789012345678901234567890123456789".into(),
        Some(TokenDefect::NoNonce) => drop(claims.as_object_mut().unwrap().remove("nonce")),
        Some(TokenDefect::Person) => claims["preferred_username"] = "bob".into(),
        Some(TokenDefect::Expired) => (claims["iat"], claims["exp"]) = ((now() - 600).into(), (now() - 120).into()),
        Some(TokenDefect::Early) => claims["iat"] = (now() + 120).into(),
        Some(TokenDefect::Deny) => claims["auth_result"]["result"] = "deny".into(),
        Some(TokenDefect::NoResult) => drop(claims.as_object_mut().unwrap().remove("auth_result")),
    }
    sign_token(header, &claims, key)
}

/// Returns the right answer of a call, or the answer that its fault makes of it.
async fn faulty_answer(at: DuoCall, fault: Option<DuoFault>, right: &Value) -> Response {
    let answer = axum::Json(right).into_response();
    match fault {
        Some(DuoFault::Status(call, status)) if call == at => {
            (StatusCode::from_u16(status).unwrap(), answer).into_response()
        }
        Some(DuoFault::Hang(call)) if call == at => std::future::pending().await,
        Some(DuoFault::Drip(call)) if call == at => {
            let drops = stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
            });
            Body::from_stream(drops).into_response()
        }
        Some(DuoFault::Cut(call)) if call == at => {
            let mut parts = vec![Err(std::io::Error::other("cut"))];
            parts.insert(0, Ok(Bytes::from(right.to_string())));
            Body::from_stream(stream::iter(parts)).into_response()
        }
        Some(DuoFault::Huge(call)) if call == at => {
            let mut body = right.clone();
            body["pad"] = "x".repeat(80 << 10).into();
            axum::Json(body).into_response()
        }
        Some(DuoFault::Page(call)) if call == at => "<!doctype html><title>OK</title>".into_response(),
        _ => answer,
    }
}
