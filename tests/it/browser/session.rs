//! A browser of one test: what a person does with it, and what a test sees of it.

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
/// How long anything that a test waits for may take; far more than it needs, since only its coming counts.
const WAIT_TIMEOUT: Duration = Duration::from_mins(1);
/// The Tab key in the protocol.
pub(super) const TAB: &str = "\u{E004}";
/// The Enter key in the protocol.
pub(super) const ENTER: &str = "\u{E007}";

/// Keeps the browser to itself: no window, no GPU, no profile but its own, and no request but the test's.
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
    // Whatever it would ask for all the same has no address.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
];

/// A browser; it ends when this value is dropped.
pub(super) struct BrowserSession {
    http: reqwest::Client,
    /// URL of the session at the driver.
    url: String,
    profile: PathBuf,
}

impl BrowserSession {
    /// A browser with an empty profile.
    pub(super) async fn start() -> Self {
        Self::start_with(json!({})).await
    }

    /// The same with JavaScript disabled.
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
            // Its sandbox refuses root, and what it shows here is ours.
            flags.push("--no-sandbox".to_owned());
        }
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "binary": driver.browser, "args": flags, "prefs": preferences },
        } } });
        // Whoever is first wins; all want the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().timeout(WAIT_TIMEOUT).build().unwrap();
        let mut session = Self { http, url: format!("{}/session", driver.url), profile };
        let made = session.send_command(Method::POST, "", wanted).await.unwrap();
        session.url = format!("{}/{}", session.url, made["sessionId"].as_str().unwrap());
        // The size of a window counts what is around the page.
        let size = json!({ "width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        let size = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": size });
        session.post("/goog/cdp/execute", size).await;
        session
    }

    /// A command of the protocol.
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

    /// What is there now. It is asked for again where a page gives way to the next one meanwhile.
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

    /// Goes to a page.
    pub(super) async fn open_url(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    /// Where it is.
    pub(super) async fn current_path(&self) -> String {
        let url = self.get("/url").await;
        url::Url::parse(url.as_str().unwrap()).unwrap().path().to_owned()
    }

    /// Waits until it is there: what a click leads to may take a redirect.
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

    /// What the tab says.
    pub(super) async fn title(&self) -> String {
        text_of(&self.get("/title").await)
    }

    /// The page's markup as the browser has it.
    pub(super) async fn source(&self) -> String {
        text_of(&self.get("/source").await)
    }

    /// Elements that a selector of CSS names.
    async fn find_elements(&self, selector: &str) -> Vec<String> {
        let wanted = json!({ "using": "css selector", "value": selector });
        let found = self.read_repeatedly(Method::POST, "/elements", wanted).await;
        found.as_array().unwrap().iter().map(|one| text_of(&one[ELEMENT_KEY])).collect()
    }

    /// The one element that a selector names. It waits for it: an address is there before its page is.
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

    /// What can be read in an element.
    pub(super) async fn text(&self, selector: &str) -> String {
        let begin = Instant::now();
        loop {
            let element = self.find_element(selector).await;
            match self.send_command(Method::GET, &format!("/element/{element}/text"), Value::Null).await {
                Ok(text) => return text_of(&text),
                // The page gave way to the next one meanwhile, and took its element along.
                Err(error) => assert!(begin.elapsed() < WAIT_TIMEOUT, "{error}"),
            }
        }
    }

    /// What can be read in each element.
    pub(super) async fn texts(&self, selector: &str) -> Vec<String> {
        self.texts_now(selector).await.unwrap()
    }

    /// The same; a page that goes away meanwhile takes its elements along.
    async fn texts_now(&self, selector: &str) -> Result<Vec<String>, String> {
        let mut texts = Vec::new();
        for element in self.find_elements(selector).await {
            let text = self.send_command(Method::GET, &format!("/element/{element}/text"), Value::Null).await?;
            texts.push(text_of(&text));
        }
        Ok(texts)
    }

    /// A property of CSS as it was computed.
    pub(super) async fn style(&self, selector: &str, name: &str) -> String {
        let element = self.find_element(selector).await;
        text_of(&self.get(&format!("/element/{element}/css/{name}")).await)
    }

    /// A property of an element.
    pub(super) async fn property(&self, selector: &str, name: &str) -> Value {
        let element = self.find_element(selector).await;
        self.get(&format!("/element/{element}/property/{name}")).await
    }

    /// What a screen reader calls each element: its role and its name.
    pub(super) async fn accessible_names(&self, selector: &str) -> Vec<(String, String)> {
        let mut names = Vec::new();
        for element in self.find_elements(selector).await {
            let role = self.get(&format!("/element/{element}/computedrole")).await;
            let name = self.get(&format!("/element/{element}/computedlabel")).await;
            names.push((text_of(&role), text_of(&name)));
        }
        names
    }

    /// The same of the element that has the focus.
    pub(super) async fn focused_name(&self) -> (String, String) {
        let element = text_of(&self.get("/element/active").await[ELEMENT_KEY]);
        let role = self.get(&format!("/element/{element}/computedrole")).await;
        let name = self.get(&format!("/element/{element}/computedlabel")).await;
        (text_of(&role), text_of(&name))
    }

    /// Writes into a field.
    pub(super) async fn fill_field(&self, selector: &str, text: &str) {
        let element = self.find_element(selector).await;
        self.post(&format!("/element/{element}/value"), json!({ "text": text })).await;
    }

    /// Clicks on what leads to another page, and waits for that.
    pub(super) async fn click_to_page(&self, selector: &str) {
        let (page, element) = (self.find_element("html").await, self.find_element(selector).await);
        self.post(&format!("/element/{element}/click"), json!({})).await;
        let begin = Instant::now();
        // The answer to a click may come before the browser has begun to leave, and a page begins with nothing.
        while self.find_elements("html").await.first().is_none_or(|now| *now == page) {
            assert!(begin.elapsed() < WAIT_TIMEOUT, "`{selector}` leads nowhere: {}", self.source().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Clicks on what stays on the page.
    pub(super) async fn click_on_page(&self, selector: &str) {
        let element = self.find_element(selector).await;
        self.post(&format!("/element/{element}/click"), json!({})).await;
    }

    /// Types on the keyboard, wherever the focus is.
    pub(super) async fn type_keys(&self, text: &str) {
        let strokes: Vec<Value> = text
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() })))
            .collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": strokes });
        self.post("/actions", json!({ "actions": [keyboard] })).await;
    }

    /// Logs in on the page that is open, and waits for what comes of it.
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

    /// Chooses a password on the page that is open.
    pub(super) async fn change_password(&self, current: &str, new: &str) {
        for (name, text) in [("current", current), ("new", new), ("again", new)] {
            self.fill_field(&format!("input[name={name}]"), text).await;
        }
        self.click_to_page("form.fields button").await;
    }

    /// Waits for something that a page says.
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

    /// Waits until the browser has asked for a path: images of a tab come when they may.
    pub(super) async fn wait_until_requested(&self, proxy: &FaultProxy, path: &str) {
        let begin = Instant::now();
        while proxy.count_requests("GET", path) == 0 {
            assert!(begin.elapsed() < WAIT_TIMEOUT, "the browser never asked for {path}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The page as a picture, kept under `target/screenshots`.
    pub(super) async fn take_screenshot(&self, name: &str) -> Vec<u8> {
        let picture = STANDARD.decode(self.get("/screenshot").await.as_str().unwrap()).unwrap();
        let folder = crate::assets::target().unwrap().join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), &picture).unwrap();
        picture
    }

    /// Warnings and errors of the console since it was last asked; not that pages were refused, which the tests look for
    /// themselves.
    pub(super) async fn console_messages(&self) -> Vec<String> {
        let lines = self.post("/se/log", json!({ "type": "browser" })).await;
        let said = |line: &Value| text_of(&line["message"]);
        let is_refusal = |line: &String| line.contains("Failed to load resource: the server responded with");
        let grave =
            lines.as_array().unwrap().iter().filter(|line| line["level"] == "SEVERE" || line["level"] == "WARNING");
        grave.map(said).filter(|line| !is_refusal(line)).collect()
    }

    /// Asserts that no page gave the console a reason to speak: no violation of the policy, no resource that failed.
    #[track_caller]
    pub(super) fn assert_console_quiet(&self) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let said = self.console_messages().await;
            assert!(said.is_empty(), "{caller}: {said:#?}");
        }
    }
}

impl Drop for BrowserSession {
    fn drop(&mut self) {
        // After a failure too, and without a runtime.
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
