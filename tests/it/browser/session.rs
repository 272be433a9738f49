//! A browser of one test: the actions of a user and the observations of the test.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use super::driver::{send_request, shared_driver};
use crate::proxy::FaultProxy;
use crate::support::test_folder;

/// The key of an element's id in the protocol.
const ELEMENT_KEY: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Timeout of everything that a test waits for. It is far longer than needed, because only the result counts.
const WAIT_TIMEOUT: Duration = Duration::from_mins(1);
/// The Tab key in the protocol.
pub(super) const TAB: &str = "\u{E004}";
/// The Enter key in the protocol.
pub(super) const ENTER: &str = "\u{E007}";

/// Isolates the browser: no window, no GPU, a separate profile, and no requests besides the test's.
const FLAGS: &[&str] = &[
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-client-side-phishing-detection",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-field-trial-config",
    "--disable-sync",
    "--disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication,CertificateTransparencyComponentUpdater",
    "--disable-breakpad",
    "--disable-crash-reporter",
    // Containers have little shared memory.
    "--disable-dev-shm-usage",
    "--metrics-recording-only",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-pings",
    "--no-service-autorun",
    "--password-store=basic",
    "--force-device-scale-factor=1",
    "--hide-scrollbars",
    "--window-size=1280,800",
    "--lang=en-US",
    // Any other request of the browser finds no address.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
];

/// A browser. It ends when this value is dropped.
pub(super) struct BrowserSession {
    http: reqwest::Client,
    /// URL of the session at the driver.
    url: String,
    profile: PathBuf,
}

impl BrowserSession {
    /// Starts a browser with an empty profile.
    pub(super) async fn start() -> Self {
        Self::start_with(json!({})).await
    }

    /// Starts a browser with JavaScript disabled.
    pub(super) async fn without_javascript() -> Self {
        Self::start_with(json!({ "profile.managed_default_content_settings.javascript": 2 })).await
    }

    async fn start_with(preferences: Value) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let driver = shared_driver();
        let profile = test_folder(&format!("profile-{}", NUMBER.fetch_add(1, Ordering::Relaxed))).unwrap();
        let mut flags: Vec<String> = FLAGS.iter().map(ToString::to_string).collect();
        flags.push(format!("--user-data-dir={}", profile.display()));
        if is_root() {
            // Chromium's sandbox does not run as root, and the pages that it shows here are ours.
            flags.push("--no-sandbox".to_owned());
        }
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "binary": driver.browser, "args": flags, "prefs": preferences },
        } } });
        // Another test may have installed the provider already. All tests install the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().timeout(WAIT_TIMEOUT).build().unwrap();
        let mut session = Self { http, url: format!("{}/session", driver.url), profile };
        let made = session.send_command(Method::POST, "", wanted).await.unwrap();
        session.url = format!("{}/{}", session.url, made["sessionId"].as_str().unwrap());
        // The size of a window would include what is around the page.
        let size = json!({ "width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        let size = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": size });
        session.post("/goog/cdp/execute", size).await;
        session
    }

    /// Sends a command of the protocol.
    async fn send_command(&self, method: Method, path: &str, body: Value) -> Result<Value, String> {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.url));
        if method == Method::POST {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(|error| format!("{method} {path}: {error}"))?;
        let mut answer: Value = answer.json().await.map_err(|error| format!("{method} {path}: {error}"))?;
        let value = answer["value"].take();
        match value["error"].as_str() {
            Some(error) => Err(format!("{method} {path} {body}: {error}: {}", value["message"])),
            None => Ok(value),
        }
    }

    /// Sends a command until it succeeds: it fails while one page replaces another.
    async fn read_repeatedly(&self, method: Method, path: &str, body: Value) -> Value {
        let begin = Instant::now();
        loop {
            match self.send_command(method.clone(), path, body.clone()).await {
                Ok(value) => return value,
                Err(error) => assert!(begin.elapsed() < WAIT_TIMEOUT, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn get(&self, path: &str) -> Value {
        self.read_repeatedly(Method::GET, path, Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.send_command(Method::POST, path, body).await.unwrap()
    }

    /// Opens a page.
    pub(super) async fn open_url(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    /// Returns the path of the current page.
    pub(super) async fn current_path(&self) -> String {
        let url = self.get("/url").await;
        url::Url::parse(url.as_str().unwrap()).unwrap().path().to_owned()
    }

    /// Waits until the browser is at a path: a click may lead there through a redirect.
    #[track_caller]
    pub(super) fn wait_for_path(&self, path: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let begin = Instant::now();
            while self.current_path().await != path {
                assert!(begin.elapsed() < WAIT_TIMEOUT, "{caller}: {} is not {path}", self.current_path().await);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Returns the title of the tab.
    pub(super) async fn title(&self) -> String {
        text_of(&self.get("/title").await)
    }

    /// Returns the page's markup as the browser has it.
    pub(super) async fn source(&self) -> String {
        text_of(&self.get("/source").await)
    }

    /// Returns the elements that a CSS selector matches.
    async fn find_elements(&self, selector: &str) -> Vec<String> {
        let wanted = json!({ "using": "css selector", "value": selector });
        let found = self.read_repeatedly(Method::POST, "/elements", wanted).await;
        found.as_array().unwrap().iter().map(|one| text_of(&one[ELEMENT_KEY])).collect()
    }

    /// Returns the one element that a selector matches. Waits for it, because a page's URL changes before its content
    /// arrives.
    async fn find_element(&self, selector: &str) -> String {
        let begin = Instant::now();
        loop {
            let mut found = self.find_elements(selector).await;
            if found.len() == 1 {
                return found.remove(0);
            }
            let is_late = begin.elapsed() > WAIT_TIMEOUT;
            assert!(
                !is_late,
                "{} of `{selector}` on {}: {}",
                found.len(),
                self.current_path().await,
                self.source().await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Returns the visible text of an element.
    pub(super) async fn text(&self, selector: &str) -> String {
        let begin = Instant::now();
        loop {
            let element = self.find_element(selector).await;
            match self.send_command(Method::GET, &format!("/element/{element}/text"), Value::Null).await {
                Ok(text) => return text_of(&text),
                // The next page replaced this one in the meantime, and its element is gone.
                Err(error) => assert!(begin.elapsed() < WAIT_TIMEOUT, "{error}"),
            }
        }
    }

    /// Returns the visible text of each element.
    pub(super) async fn texts(&self, selector: &str) -> Vec<String> {
        self.texts_now(selector).await.unwrap()
    }

    /// Does the same once. Fails if the page is replaced in the meantime.
    async fn texts_now(&self, selector: &str) -> Result<Vec<String>, String> {
        let mut texts = Vec::new();
        for element in self.find_elements(selector).await {
            let text = self.send_command(Method::GET, &format!("/element/{element}/text"), Value::Null).await?;
            texts.push(text_of(&text));
        }
        Ok(texts)
    }

    /// Returns the computed value of a CSS property.
    pub(super) async fn style(&self, selector: &str, name: &str) -> String {
        let element = self.find_element(selector).await;
        text_of(&self.get(&format!("/element/{element}/css/{name}")).await)
    }

    /// Returns a property of an element.
    pub(super) async fn property(&self, selector: &str, name: &str) -> Value {
        let element = self.find_element(selector).await;
        self.get(&format!("/element/{element}/property/{name}")).await
    }

    /// Returns the accessible role and name of each element, as a screen reader announces them.
    pub(super) async fn accessible_names(&self, selector: &str) -> Vec<(String, String)> {
        let mut names = Vec::new();
        for element in self.find_elements(selector).await {
            let role = self.get(&format!("/element/{element}/computedrole")).await;
            let name = self.get(&format!("/element/{element}/computedlabel")).await;
            names.push((text_of(&role), text_of(&name)));
        }
        names
    }

    /// Returns the same for the focused element.
    pub(super) async fn focused_name(&self) -> (String, String) {
        let element = text_of(&self.get("/element/active").await[ELEMENT_KEY]);
        let role = self.get(&format!("/element/{element}/computedrole")).await;
        let name = self.get(&format!("/element/{element}/computedlabel")).await;
        (text_of(&role), text_of(&name))
    }

    /// Types into a field.
    pub(super) async fn fill_field(&self, selector: &str, text: &str) {
        let element = self.find_element(selector).await;
        self.post(&format!("/element/{element}/value"), json!({ "text": text })).await;
    }

    /// Clicks on an element that leads to another page, and waits for that page.
    pub(super) async fn click_to_page(&self, selector: &str) {
        let (page, element) = (self.find_element("html").await, self.find_element(selector).await);
        self.post(&format!("/element/{element}/click"), json!({})).await;
        let begin = Instant::now();
        // The click may be answered before the browser leaves the page, and a new page is empty at first.
        while self.find_elements("html").await.first().is_none_or(|now| *now == page) {
            assert!(begin.elapsed() < WAIT_TIMEOUT, "`{selector}` leads nowhere: {}", self.source().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Clicks on an element that does not leave the page.
    pub(super) async fn click_on_page(&self, selector: &str) {
        let element = self.find_element(selector).await;
        self.post(&format!("/element/{element}/click"), json!({})).await;
    }

    /// Types on the keyboard into the focused element.
    pub(super) async fn type_keys(&self, text: &str) {
        let strokes: Vec<Value> = text
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() })))
            .collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": strokes });
        self.post("/actions", json!({ "actions": [keyboard] })).await;
    }

    /// Logs in on the open page, and waits for the next page.
    pub(super) async fn log_in(&self, name: &str, password: &str) {
        self.fill_field("input[name=login]", name).await;
        self.fill_field("input[name=password]", password).await;
        self.click_to_page("form.fields button").await;
    }

    /// Accepts the consent form.
    pub(super) async fn accept_consent(&self) {
        self.wait_for_path("/consent").await;
        self.click_to_page("button[value=ACCEPT]").await;
    }

    /// Changes the password on the open page.
    pub(super) async fn change_password(&self, current: &str, new: &str) {
        for (name, text) in [("current", current), ("new", new), ("again", new)] {
            self.fill_field(&format!("input[name={name}]"), text).await;
        }
        self.click_to_page("form.fields button").await;
    }

    /// Waits until an element shows a text.
    pub(super) async fn wait_for_text(&self, selector: &str, text: &str) {
        let begin = Instant::now();
        while !self.texts_now(selector).await.is_ok_and(|texts| texts.iter().any(|found| found.contains(text))) {
            assert!(
                begin.elapsed() < WAIT_TIMEOUT,
                "in vain waited for `{text}` in `{selector}`: {}",
                self.source().await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the browser has requested a path: a tab loads images at its own time.
    pub(super) async fn wait_until_requested(&self, proxy: &FaultProxy, path: &str) {
        let begin = Instant::now();
        while proxy.count_requests("GET", path) == 0 {
            assert!(begin.elapsed() < WAIT_TIMEOUT, "the browser never asked for {path}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Takes a picture of the page and stores it under `target/screenshots`.
    pub(super) async fn take_screenshot(&self, name: &str) -> Vec<u8> {
        let picture = STANDARD.decode(self.get("/screenshot").await.as_str().unwrap()).unwrap();
        let folder = crate::assets::target().unwrap().join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), &picture).unwrap();
        picture
    }

    /// Returns the console's warnings and errors since the last call, except refused pages, which the tests verify
    /// themselves.
    pub(super) async fn console_messages(&self) -> Vec<String> {
        let lines = self.post("/se/log", json!({ "type": "browser" })).await;
        let said = |line: &Value| text_of(&line["message"]);
        let is_refusal = |line: &String| line.contains("Failed to load resource: the server responded with");
        let grave =
            lines.as_array().unwrap().iter().filter(|line| line["level"] == "SEVERE" || line["level"] == "WARNING");
        grave.map(said).filter(|line| !is_refusal(line)).collect()
    }

    /// Asserts that no page caused a console message: no policy violation and no failed resource.
    #[track_caller]
    pub(super) fn assert_no_console_messages(&self) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let messages = self.console_messages().await;
            assert!(messages.is_empty(), "{caller}: {messages:#?}");
        }
    }
}

impl Drop for BrowserSession {
    fn drop(&mut self) {
        // This runs after a failure too, and without a runtime.
        let _ = send_request("DELETE", &self.url);
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
