//! Tests of the self-hosted platform's contract, over real HTTP.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod audit;
mod audit_anchor;
mod audit_api;
mod audit_forgery;
mod backup;
mod branding;
mod client_autonomy;
mod cpu_cost;
mod credentials;
mod documented_messages;
mod documented_only;
mod documented_samples;
mod durability;
mod erasure;
mod exports;
mod failover;
mod flags;
mod fuzz;
mod headers;
mod hpe_client;
mod http;
mod lifecycle;
mod lists;
mod log_retention;
mod login;
mod marks;
mod packages;
pub(crate) mod people;
mod purge;
mod rate_limits;
mod records;
mod robustness;
mod s3_export;
mod schedules;
mod settings;
mod slow_clients;
mod telemetry;
mod tenants;
mod token_scope;
mod unauthenticated_load;

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tenantry_platform::{Config, Credential, PasswordHashCost, RunningPlatform};

/// Cheap password hashes for tests that are not about the cost of a hash.
pub(crate) const CHEAP_HASH: PasswordHashCost = PasswordHashCost { memory: 8, passes: 1 };

/// Names the URL of a PostgreSQL server on which tests may create databases. Without it, each test uses SQLite files.
const POSTGRES: &str = "TENANTRY_TEST_POSTGRES";

/// A temporary folder and its database. Both are deleted with the value.
pub(crate) struct TestFolder(PathBuf);

impl TestFolder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("platform-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(&name);
        std::fs::create_dir_all(&path).unwrap();
        Self::psql(&format!("CREATE DATABASE \"{name}\""));
        Self(path)
    }

    /// Runs a statement on the PostgreSQL server, if there is one.
    fn psql(statement: &str) {
        if let Ok(server) = std::env::var(POSTGRES) {
            let run = Command::new("psql")
                .args(["--quiet", "--command", statement, &format!("{server}/postgres")])
                .output()
                .unwrap();
            assert!(run.status.success(), "{statement}: {}", String::from_utf8_lossy(&run.stderr));
        }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    /// Returns the database URL as the flags take it.
    pub(crate) fn database(&self) -> String {
        match std::env::var(POSTGRES) {
            Ok(server) => format!("{server}/{}", self.0.file_name().unwrap().to_str().unwrap()),
            Err(_) => self.path("t.db").display().to_string(),
        }
    }

    /// Returns every byte of the database: SQLite's file, log and index, or a dump of PostgreSQL.
    pub(crate) fn database_bytes(&self) -> Vec<u8> {
        let database = self.database();
        let bytes = if database.contains("://") {
            Command::new("pg_dump").arg(&database).output().unwrap().stdout
        } else {
            let files = ["t.db", "t.db-wal", "t.db-shm", "t.db-journal"];
            files.map(|file| std::fs::read(self.path(file)).unwrap_or_default()).concat()
        };
        assert!(bytes.len() > 10_000, "only {} bytes of {database} were read", bytes.len());
        bytes
    }

    /// Returns whether the database contains a text.
    pub(crate) fn contains_text(&self, text: &str) -> bool {
        self.database_bytes().windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// Returns a connection pool to the database, SQLite or PostgreSQL.
    pub(crate) async fn pool(&self) -> sqlx::AnyPool {
        sqlx::any::install_default_drivers();
        let database = self.database();
        let url = if database.contains("://") { database } else { format!("sqlite://{database}") };
        sqlx::AnyPool::connect(&url).await.unwrap()
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
        let name = self.0.file_name().unwrap().to_str().unwrap();
        Self::psql(&format!("DROP DATABASE \"{name}\" WITH (FORCE)"));
    }
}

/// An answer whose body is read completely.
#[derive(Debug)]
pub(crate) struct ApiResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl ApiResponse {
    /// Returns the JSON body of a successful answer.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        serde_json::from_str(&self.text).unwrap()
    }

    /// Asserts the shape of a validation error for a field. Returns its message.
    #[track_caller]
    pub(crate) fn assert_field_refused(&self, field: &str) -> String {
        assert_eq!(self.status, 400, "{}", self.text);
        let body: Value = serde_json::from_str(&self.text).unwrap();
        let found = body.as_array().and_then(|list| list.iter().find(|error| error["fieldName"] == field));
        let error = found.unwrap_or_else(|| panic!("no error names {field}: {body}"));
        assert_eq!(error["code"], "0002");
        error["message"].as_str().unwrap().to_owned()
    }

    /// Asserts the shape of an application error.
    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, message: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        let body: Value = serde_json::from_str(&self.text).unwrap();
        assert_eq!(body["code"], "0003");
        assert!(body["message"].as_str().unwrap().contains(message), "{body}");
    }
}

/// Sends requests with one access token.
#[derive(Clone)]
pub(crate) struct ApiCaller {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl ApiCaller {
    pub(crate) async fn new(url: &str, credential: &Credential) -> Self {
        // Another test may have installed the provider already. All tests install the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::new();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", credential.client_id.as_str()),
            ("client_secret", credential.client_secret.as_str()),
        ];
        let response = http.post(format!("{url}/tenancy/auth/oauth/token")).form(&form).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let token = response.json::<Value>().await.unwrap()["access_token"].as_str().unwrap().to_owned();
        Self { http, url: url.to_owned(), token }
    }

    /// Requests a token for a user. Returns the answer.
    pub(crate) async fn login(&self, login_name: &str, password: &str) -> ApiResponse {
        self.login_with(login_name, password, "").await
    }

    /// Does the same as `login`, with a code of the second factor.
    pub(crate) async fn login_with(&self, login_name: &str, password: &str, otp: &str) -> ApiResponse {
        let mut form = vec![("grant_type", "password"), ("username", login_name), ("password", password)];
        form.extend(Some(("otp", otp)).filter(|_| !otp.is_empty()));
        let request = self.http.post(format!("{}/tenancy/auth/oauth/token", self.url)).form(&form);
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        ApiResponse { status, headers, text: response.text().await.unwrap() }
    }

    /// Logs a user in. Returns a caller with the user's token.
    #[track_caller]
    pub(crate) fn log_in_person(&self, login_name: &str, password: &str) -> impl Future<Output = Self> {
        let (caller, login_name, password) = (self.clone(), login_name.to_owned(), password.to_owned());
        async move {
            let answer = caller.login(&login_name, &password).await.json();
            caller.with_token(answer["access_token"].as_str().unwrap())
        }
    }

    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// Sends a request to a path below `/api/v2`, or to any path that starts with a slash.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> ApiResponse {
        self.send_with_code(method, path, body, "").await
    }

    /// Does the same as `send`, with a code of the second factor.
    pub(crate) async fn send_with_code(&self, method: Method, path: &str, body: Vec<u8>, code: &str) -> ApiResponse {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token);
        if !code.is_empty() {
            request = request.header("x-two-factor-code", code);
        }
        let response = request.header("content-type", "application/json").body(body).send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        ApiResponse { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> ApiResponse {
        self.send(Method::GET, &format!("/api/v2{path}"), Vec::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> ApiResponse {
        self.send(Method::POST, &format!("/api/v2{path}"), body.to_string().into_bytes()).await
    }

    pub(crate) async fn post_empty(&self, path: &str) -> ApiResponse {
        self.send(Method::POST, &format!("/api/v2{path}"), Vec::new()).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> ApiResponse {
        self.send(Method::PUT, &format!("/api/v2{path}"), body.to_string().into_bytes()).await
    }

    /// Creates an object with a POST to a list's path. Returns its unique id.
    #[track_caller]
    pub(crate) fn create_tenant(&self, list: String, body: Value) -> impl Future<Output = String> {
        let caller = self.clone();
        async move { caller.post(&list, body).await.json()["uniqueId"].as_str().unwrap().to_owned() }
    }

    /// Creates a client with a name. Returns its unique id.
    pub(crate) async fn create_client(&self, partner: &str, name: &str) -> String {
        self.create_tenant(format!("/tenants/{partner}/clients"), json!({ "name": name })).await
    }
}

/// A separate platform for one test, with the service provider's token.
pub(crate) struct TestPlatform {
    pub(crate) folder: TestFolder,
    pub(crate) running: Option<RunningPlatform>,
    pub(crate) sp: ApiCaller,
    pub(crate) sp_id: String,
    /// The credential that the platform creates at its first start.
    pub(crate) credential: Credential,
}

impl TestPlatform {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// Starts a platform without rate limits, unless `change` sets some. A test that runs another program on the same
    /// file needs a second thread: while the test waits for that program, the platform may hold the lock of a write
    /// that it cannot finish.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = TestFolder::new();
        let mut config = Config::new(folder.database());
        config.limits = None;
        config.login.password_hash_cost = CHEAP_HASH;
        change(&mut config);
        let running = tenantry_platform::start(config).await.unwrap();
        let credential = running.credential.clone().unwrap();
        let sp = ApiCaller::new(&running.url, &credential).await;
        let sp_id = credential.tenant_id.clone();
        Self { folder, running: Some(running), sp, sp_id, credential }
    }

    /// Stops the platform and starts it again on the same database.
    pub(crate) async fn restart(&mut self, change: impl FnOnce(&mut Config)) {
        self.running.take().unwrap().stop().await;
        self.resume(change).await;
    }

    /// Starts the platform again on the same database, after a stop.
    pub(crate) async fn resume(&mut self, change: impl FnOnce(&mut Config)) {
        let mut config = Config::new(self.folder.database());
        config.limits = None;
        config.login.password_hash_cost = CHEAP_HASH;
        change(&mut config);
        let running = tenantry_platform::start(config).await.unwrap();
        if let Some(made) = &running.credential {
            self.credential = made.clone();
        }
        self.sp = ApiCaller::new(&running.url, &self.credential).await;
        self.running = Some(running);
    }

    /// Returns a connection pool to the database.
    pub(crate) async fn pool(&self) -> sqlx::AnyPool {
        self.folder.pool().await
    }

    /// Changes the database directly, without the platform.
    pub(crate) async fn execute_sql(&self, text: &'static str) {
        sqlx::query(text).execute(&self.pool().await).await.unwrap();
    }

    pub(crate) fn url(&self) -> &str {
        &self.running.as_ref().unwrap().url
    }

    pub(crate) fn partners_path(&self) -> String {
        format!("/tenants/{}/msps", self.sp_id)
    }

    /// Creates a partner with every package and no add-on. Returns its unique id.
    pub(crate) async fn create_partner(&self, name: &str) -> String {
        let packages =
            ["Hybrid Discovery and Monitoring", "Event and Incident Management", "Remediation and Automation"];
        self.sp.create_tenant(self.partners_path(), json!({ "name": name, "packages": packages })).await
    }

    /// Creates a credential of a tenant. Returns a caller that uses it.
    pub(crate) async fn caller_for_tenant(&self, tenant: &str) -> ApiCaller {
        let made = self.sp.post_empty(&format!("/tenants/{tenant}/credentials")).await.json();
        let text = |key: &str| made[key].as_str().unwrap().to_owned();
        let credential = Credential {
            tenant_id: tenant.to_owned(),
            client_id: text("clientId"),
            client_secret: text("clientSecret"),
        };
        ApiCaller::new(self.url(), &credential).await
    }
}
