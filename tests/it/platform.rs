//! Contract of the self-hosted platform, over real HTTP.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod access;
mod audit;
mod autonomy;
mod backup;
mod branding;
mod bucket;
mod credentials;
mod documented;
mod durable;
mod erased;
mod evidence;
mod exports;
mod failover;
mod flags;
mod flood;
mod forged;
mod fuzz;
mod headers;
mod held;
mod http;
mod kept;
mod lifecycle;
mod limits;
mod lists;
mod log;
mod login;
mod marks;
mod messages;
mod observed;
mod oracle;
mod packages;
pub(crate) mod people;
mod purge;
mod records;
mod robust;
mod samples;
mod schedules;
mod settings;
mod tenants;
mod work;

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tenantry::platform::{self, Config, Credential, PasswordHashCost, RunningPlatform};

/// Password hashes of tests: the cost is not what they are about.
pub(crate) const CHEAP_HASH: PasswordHashCost = PasswordHashCost { memory: 8, passes: 1 };

/// URL of a PostgreSQL server whose databases tests may make; each test has SQLite files where it is not set.
const POSTGRES: &str = "TENANTRY_TEST_POSTGRES";

/// A folder that goes with its test, and the database that belongs to it.
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

    /// A statement for the server, where there is one.
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

    /// The database as flags name it.
    pub(crate) fn database(&self) -> String {
        match std::env::var(POSTGRES) {
            Ok(server) => format!("{server}/{}", self.0.file_name().unwrap().to_str().unwrap()),
            Err(_) => self.path("t.db").display().to_string(),
        }
    }

    /// Every byte that the database has: of SQLite's file, its log and its index, of PostgreSQL a dump.
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

    /// Whether a text stands in the database.
    pub(crate) fn contains_text(&self, text: &str) -> bool {
        self.database_bytes().windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// The database itself, whatever runs on it.
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

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct ApiResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl ApiResponse {
    /// The JSON of a success.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        serde_json::from_str(&self.text).unwrap()
    }

    /// Asserts the validation shape for a field and answers its message.
    #[track_caller]
    pub(crate) fn assert_field_refused(&self, field: &str) -> String {
        assert_eq!(self.status, 400, "{}", self.text);
        let body: Value = serde_json::from_str(&self.text).unwrap();
        let found = body.as_array().and_then(|list| list.iter().find(|error| error["fieldName"] == field));
        let error = found.unwrap_or_else(|| panic!("no error names {field}: {body}"));
        assert_eq!(error["code"], "0002");
        error["message"].as_str().unwrap().to_owned()
    }

    /// Asserts the application shape.
    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, message: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        let body: Value = serde_json::from_str(&self.text).unwrap();
        assert_eq!(body["code"], "0003");
        assert!(body["message"].as_str().unwrap().contains(message), "{body}");
    }
}

/// Sends requests with one token.
#[derive(Clone)]
pub(crate) struct ApiCaller {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl ApiCaller {
    pub(crate) async fn new(url: &str, credential: &Credential) -> Self {
        // Whoever is first wins; all want the same.
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

    /// The answer to a person's token request.
    pub(crate) async fn login(&self, login_name: &str, password: &str) -> ApiResponse {
        self.login_with(login_name, password, "").await
    }

    /// The same with a code.
    pub(crate) async fn login_with(&self, login_name: &str, password: &str, otp: &str) -> ApiResponse {
        let mut form = vec![("grant_type", "password"), ("username", login_name), ("password", password)];
        form.extend(Some(("otp", otp)).filter(|_| !otp.is_empty()));
        let request = self.http.post(format!("{}/tenancy/auth/oauth/token", self.url)).form(&form);
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        ApiResponse { status, headers, text: response.text().await.unwrap() }
    }

    /// A person who is logged in.
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

    /// A path below `/api/v2`, or any other that starts with a slash of its own.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> ApiResponse {
        self.send_with_code(method, path, body, "").await
    }

    /// The same with a code of the second factor.
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

    /// Creates under a list's path and answers the unique id.
    #[track_caller]
    pub(crate) fn create_tenant(&self, list: String, body: Value) -> impl Future<Output = String> {
        let caller = self.clone();
        async move { caller.post(&list, body).await.json()["uniqueId"].as_str().unwrap().to_owned() }
    }

    /// Creates a client with a name.
    pub(crate) async fn create_client(&self, partner: &str, name: &str) -> String {
        self.create_tenant(format!("/tenants/{partner}/clients"), json!({ "name": name })).await
    }
}

/// A platform of its own for a test, with the service provider's token.
pub(crate) struct TestPlatform {
    pub(crate) folder: TestFolder,
    pub(crate) running: Option<RunningPlatform>,
    pub(crate) sp: ApiCaller,
    pub(crate) sp_id: String,
    /// The first credential.
    pub(crate) credential: Credential,
}

impl TestPlatform {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// Without rate limits unless the test wants some. A test that runs another program on the same file needs a second thread:
    /// while it waits for that program, the platform may hold the lock of a write that it cannot end.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = TestFolder::new();
        let mut config = Config::new(folder.database());
        config.limits = None;
        config.login.password_hash_cost = CHEAP_HASH;
        change(&mut config);
        let running = platform::start(config).await.unwrap();
        let credential = running.credential.clone().unwrap();
        let sp = ApiCaller::new(&running.url, &credential).await;
        let sp_id = credential.tenant_id.clone();
        Self { folder, running: Some(running), sp, sp_id, credential }
    }

    /// Stops and starts again on the same file.
    pub(crate) async fn restart(&mut self, change: impl FnOnce(&mut Config)) {
        self.running.take().unwrap().stop().await;
        self.resume(change).await;
    }

    /// Starts again on the same file, after a stop.
    pub(crate) async fn resume(&mut self, change: impl FnOnce(&mut Config)) {
        let mut config = Config::new(self.folder.database());
        config.limits = None;
        config.login.password_hash_cost = CHEAP_HASH;
        change(&mut config);
        let running = platform::start(config).await.unwrap();
        if let Some(made) = &running.credential {
            self.credential = made.clone();
        }
        self.sp = ApiCaller::new(&running.url, &self.credential).await;
        self.running = Some(running);
    }

    /// The database itself.
    pub(crate) async fn pool(&self) -> sqlx::AnyPool {
        self.folder.pool().await
    }

    /// Changes the database behind the platform's back.
    pub(crate) async fn execute_sql(&self, text: &'static str) {
        sqlx::query(text).execute(&self.pool().await).await.unwrap();
    }

    pub(crate) fn url(&self) -> &str {
        &self.running.as_ref().unwrap().url
    }

    pub(crate) fn partners_path(&self) -> String {
        format!("/tenants/{}/msps", self.sp_id)
    }

    /// A partner with every package and no add-on.
    pub(crate) async fn create_partner(&self, name: &str) -> String {
        let packages =
            ["Hybrid Discovery and Monitoring", "Event and Incident Management", "Remediation and Automation"];
        self.sp.create_tenant(self.partners_path(), json!({ "name": name, "packages": packages })).await
    }

    /// A caller with a credential of its own of a tenant.
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
