//! Tests of the second factor: enrolment, single-use codes, and what a session may do before it is verified.

use reqwest::Method;
use serde_json::json;
use totp_rs::{Builder, Secret, Totp};

use super::pages::{HttpBrowser, redirect_location};
use crate::platform::people::CHOSEN_PASSWORD;
use crate::platform::{ApiResponse, TestPlatform};

/// Seconds of a TOTP step.
const TOTP_STEP_SECONDS: u64 = 30;

/// An authenticator app.
pub(super) struct AuthenticatorApp(Totp);

impl AuthenticatorApp {
    /// Creates the app with the secret that a page shows as text.
    pub(super) fn scan_secret(page: &str) -> Self {
        let text = text_between(page, "<code class=\"secret\">", "</code>");
        let secret = Secret::try_from_base32(text).unwrap();
        Self(Builder::new().with_secret(secret).with_account_name("a").build().unwrap())
    }

    /// Returns the code of a step relative to now.
    pub(super) fn code_at_step(&self, steps: i64) -> String {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        self.0.generate(now.checked_add_signed(steps * TOTP_STEP_SECONDS.cast_signed()).unwrap()).to_string()
    }

    /// Returns the secret in the forms in which a database could hold it: bytes, base32, hex and base64.
    pub(super) fn secret_spellings(&self) -> Vec<Vec<u8>> {
        use base64::Engine as _;
        let bytes = self.0.secret().as_bytes().to_vec();
        let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let base64 = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&bytes);
        let base32 = self.0.secret().to_base32();
        vec![bytes, hex.into_bytes(), base64.into_bytes(), base32.into_bytes()]
    }

    /// Returns a code that is wrong at this time.
    pub(super) fn wrong_code(&self) -> String {
        let near: Vec<String> = (-3..=3).map(|steps| self.code_at_step(steps)).collect();
        (0..10).map(|number| format!("{number:06}")).find(|code| !near.contains(code)).unwrap()
    }
}

fn text_between<'p>(page: &'p str, start: &str, end: &str) -> &'p str {
    let (_, rest) = page.split_once(start).unwrap_or_else(|| panic!("no {start}: {page}"));
    rest.split(end).next().unwrap()
}

impl HttpBrowser {
    /// Sends a code.
    pub(super) async fn send_code(&mut self, code: &str) -> ApiResponse {
        self.submit_form("/factor", "/factor", &[("code", code)]).await
    }

    /// Logs in and enrols. Returns the app and the recovery codes.
    pub(super) async fn enrol_second_factor(&mut self, name: &str) -> (AuthenticatorApp, Vec<String>) {
        let login = self.log_in("/login", name, CHOSEN_PASSWORD).await;
        assert_eq!(redirect_location(&login), "/factor", "{}", login.text);
        let app = AuthenticatorApp::scan_secret(&self.get("/factor").await.text);
        let done = self.send_code(&app.code_at_step(0)).await;
        assert_eq!(done.status, 200, "{}", done.text);
        let codes = done.text.split("<li><code>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned());
        if redirect_location(&self.get("/").await) == "/consent" {
            assert_eq!(redirect_location(&self.answer_consent("ACCEPT").await), "/");
        }
        (app, codes.collect())
    }
}

/// Sets whether a tenant requires the second factor.
pub(super) async fn switch_second_factor(platform: &TestPlatform, partner: &str, is_on: bool) {
    let path = format!("{}/{partner}", platform.partners_path());
    platform.sp.post(&path, json!({ "twoFactorAuthentication": is_on })).await.json();
}

/// Simulates that a day has passed: every code works again, and no wrong one is counted.
pub(super) async fn forget_used_codes(platform: &TestPlatform) {
    platform.execute_sql("UPDATE factor SET last_step = 0, failures = 0").await;
}

/// Waits if the step is about to change, so that a code at its edge is still valid on arrival.
pub(super) async fn wait_away_from_step_edge() {
    let left = TOTP_STEP_SECONDS - std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() % TOTP_STEP_SECONDS;
    if left < 4 {
        tokio::time::sleep(std::time::Duration::from_secs(left)).await;
    }
}

/// shows: seeds/access/second-factor
/// shows: security/asvs/7.2.3
#[tokio::test]
async fn a_person_enrols_at_the_first_login_and_shows_a_code_at_each_further_one() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    switch_second_factor(&platform, &partner, true).await;
    let mut browser = HttpBrowser::new(&platform);
    assert_eq!(redirect_location(&browser.log_in("/login", "ada", CHOSEN_PASSWORD).await), "/factor");
    let page = browser.get("/factor").await;
    assert!(page.text.contains("<svg") && page.text.contains("Without a camera"), "{}", page.text);
    assert!(!page.text.contains("style="), "the policy of the pages allows no style in them");
    let app = AuthenticatorApp::scan_secret(&page.text);
    assert_eq!(app.0.secret().as_bytes().len() * 8, 160);
    let before = browser.cookies.clone();
    let wrong = browser.send_code(&app.wrong_code()).await;
    assert!(wrong.status == 401 && wrong.text.contains("This code was not taken"), "{}", wrong.text);
    let done = browser.send_code(&app.code_at_step(0)).await;
    assert!(done.status == 200 && done.text.contains("they are not shown again"), "{}", done.text);
    assert_eq!(done.text.matches("<li><code>").count(), 10);
    assert_eq!(redirect_location(&browser.get("/").await), "/consent", "then the form");
    assert_eq!(redirect_location(&browser.answer_consent("ACCEPT").await), "/");
    assert_eq!(browser.get("/").await.status, 200);
    assert!(!browser.get("/factor").await.text.contains("<code"), "nothing is shown twice");

    // The session key from before the verification is invalid.
    let after = std::mem::replace(&mut browser.cookies, before);
    assert_ne!(browser.cookies["__Host-tenantry"], after["__Host-tenantry"]);
    assert_eq!(redirect_location(&browser.get("/").await), "/login");

    let mut browser = HttpBrowser::new(&platform);
    assert_eq!(redirect_location(&browser.log_in("/login", "ada", CHOSEN_PASSWORD).await), "/factor");
    assert!(!browser.get("/factor").await.text.contains("<svg"), "the secret is not shown again");
    let used = browser.send_code(&app.code_at_step(0)).await;
    assert_eq!(used.status, 401, "the code of the enrolment is used: {}", used.text);
    assert_eq!(redirect_location(&browser.get("/").await), "/factor");
    assert_eq!(redirect_location(&browser.send_code(&app.code_at_step(1)).await), "/");
    assert_eq!(browser.get("/").await.status, 200);
}

#[tokio::test]
async fn a_switch_is_felt_by_open_sessions_and_tokens_at_their_next_request() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let (token, _) = platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    let (clients, _) = platform.create_logged_in_user(&client, "ann", &["Client Administrator"]).await;
    let mut browser = HttpBrowser::new(&platform);
    browser.log_in("/login", "ada", CHOSEN_PASSWORD).await;
    assert_eq!(browser.get("/").await.status, 200);
    switch_second_factor(&platform, &partner, true).await;
    assert_eq!(redirect_location(&browser.get("/").await), "/factor");
    let refused = token.get("/cfg/countries").await;
    assert!(refused.status == 403 && refused.text.contains("two_factor_required"), "{}", refused.text);
    assert_eq!(clients.get("/cfg/countries").await.status, 200, "a partner's switch is not its clients'");
    assert_eq!(platform.sp.get("/cfg/countries").await.status, 200, "a credential is never asked");
    assert_eq!(platform.caller_for_tenant(&partner).await.get("/cfg/countries").await.status, 200);
    switch_second_factor(&platform, &partner, false).await;
    assert_eq!(browser.get("/").await.status, 200, "what is turned off asks no more");
    assert_eq!(token.get("/cfg/countries").await.status, 200);
    assert!(
        browser.get("/factor").await.text.contains("Enter your password"),
        "which is asked before what gives power"
    );
}

/// shows: seeds/access/second-factor
/// shows: security/asvs/6.3.3, security/pci/8.4
#[tokio::test]
async fn before_the_factor_no_page_and_no_route_answers_anything_else() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (_, id) = platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    switch_second_factor(&platform, &partner, true).await;
    let mut browser = HttpBrowser::new(&platform);
    browser.log_in("/login", "ada", CHOSEN_PASSWORD).await;
    for path in ["/", "/password", "/screens/alerts", "/screens/service-desk", "/screens/automation", "/consent"] {
        assert_eq!(redirect_location(&browser.get(path).await), "/factor", "{path}");
    }
    let ours = [("sec-fetch-site", "same-origin")];
    for path in ["/password", "/consent"] {
        assert_eq!(redirect_location(&browser.send((Method::POST, path), &[], &ours).await), "/factor", "{path}");
    }
    let mut asked = 0;
    for row in tenantry_platform::ROUTES {
        let path = row.path.replace("{tenant}", &partner).replace("{user}", &id);
        let path = ["{client}", "{msp}", "{role}", "{set}", "{category}", "{record}", "{stream}", "{credential}"]
            .iter()
            .fold(path, |path, name| path.replace(name, "none_900"));
        let method: Method = row.method.name().parse().unwrap();
        let answer = browser.send((method, &path), &[], &ours).await;
        // Routes of another tenant level do not exist for a partner's users.
        if answer.status == 404 {
            assert!(path.contains("/msps") || path.contains("/tenants/client/"), "{path}");
            continue;
        }
        assert_eq!(answer.status, 403, "{} {path}: {}", row.method.name(), answer.text);
        assert!(answer.text.contains("two_factor_required"), "{path}: {}", answer.text);
        asked += 1;
    }
    assert!(asked > 40, "{asked}");
    assert_eq!(redirect_location(&browser.submit_form("/factor", "/logout", &[]).await), "/login");
}
