//! Tests of a tenant's Duo settings: how the keys are stored, who sees them, and the use of Duo outside logins.

use std::io::Write;
use std::sync::{Arc, Mutex};

use reqwest::StatusCode;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use super::DuoFixture;
use super::fake_duo::{DuoCall, DuoFault, INTEGRATION_KEY, SECRET_KEY, TokenDefect};
use crate::platform::audit::audit_rows;
use crate::platform::login::pages::redirect_location;
use crate::platform::people::CHOSEN_PASSWORD;
use crate::platform::{ApiResponse, TestFolder};

/// A log buffer that the test reads.
#[derive(Clone, Default)]
struct LogBuffer(Arc<Mutex<Vec<u8>>>);

impl Write for LogBuffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogBuffer {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl DuoFixture {
    /// Saves the partner's branding with the browser's session, as a page with scripts would do it.
    async fn save_branding(&self, header: Option<&str>) -> (StatusCode, String) {
        let url = format!("{}/api/v2/tenants/{}/customBranding", self.platform.url(), self.partner);
        let cookie = format!("__Host-tenantry={}", self.browser.cookies["__Host-tenantry"]);
        let request = reqwest::Client::new().put(url).header("cookie", cookie).header("sec-fetch-site", "same-origin");
        let request = header.iter().fold(request, |request, code| request.header("x-two-factor-code", *code));
        let answer = request.json(&json!({ "applicationTitle": "Acme" })).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// Returns the settings of all tenants as stored, and every byte of the database.
    async fn stored_bytes(&self) -> String {
        let pool = self.platform.pool().await;
        let settings: Vec<String> =
            sqlx::query_scalar("SELECT settings FROM tenant ORDER BY id").fetch_all(&pool).await.unwrap();
        settings.concat() + &String::from_utf8_lossy(&self.platform.folder.database_bytes())
    }
}

/// shows: seeds/access/duo-shown
#[tokio::test]
async fn the_integration_key_and_the_host_are_shown_and_the_secret_key_never() {
    let log = LogBuffer::default();
    // With a single subscriber, the threads of other tests, which have none, would decide for the process what is
    // logged.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let _kept = tracing::subscriber::set_default(subscriber);
    let mut fixture = DuoFixture::start().await;
    fixture.log_in().await;
    let mut seen: Vec<(String, String)> = Vec::new();
    for fault in [None, Some(DuoFault::DefectiveToken(TokenDefect::Key)), Some(DuoFault::Status(DuoCall::Health, 401))]
    {
        fixture.duo.set_fault(fault);
        let sent = fixture.browser.get("/factor/duo").await;
        seen.push((format!("the way to Duo {fault:?}"), format!("{:?} {}", sent.headers, sent.text)));
    }
    for fault in [Some(DuoFault::DefectiveToken(TokenDefect::Key)), Some(DuoFault::Status(DuoCall::Token, 400)), None] {
        fixture.duo.set_fault(None);
        let back = fixture.approve_prompt().await;
        fixture.duo.set_fault(fault);
        let answer = fixture.browser.get(&back).await;
        seen.push((format!("the way back {fault:?}"), format!("{:?} {}", answer.headers, answer.text)));
    }
    let home = fixture.browser.get("/").await.text;
    for text in [INTEGRATION_KEY, fixture.duo.origin()] {
        assert!(home.contains(text), "{text}: {home}");
    }
    seen.push(("the first page".to_owned(), home));
    for path in ["/factor", "/password", "/screens/alerts", "/metrics"] {
        seen.push((path.to_owned(), fixture.browser.get(path).await.text));
    }
    let answered = |what: &str, answer: ApiResponse| (what.to_owned(), answer.text);
    let own = format!("{}/{}", fixture.platform.partners_path(), fixture.partner);
    seen.push(answered("a save", fixture.change_settings(json!({ "duoSecurity": { "secretKey": SECRET_KEY } })).await));
    let twice = format!("{SECRET_KEY} {SECRET_KEY}");
    let refused = fixture.change_settings(json!({ "duoSecurity": { "secretKey": twice } })).await;
    refused.assert_field_refused("duoSecurity.secretKey");
    seen.push(answered("a refusal", refused));
    let wrong = fixture.change_settings(json!({ "duoSecurity": { "secretKey": [SECRET_KEY] } })).await;
    assert_eq!(wrong.status, 400);
    seen.push(answered("a wrong type", wrong));
    let read = fixture.platform.sp.get(&own).await;
    let shown: Value = read.json()["duoSecurity"].clone();
    assert_eq!(shown, json!({ "apiHostName": fixture.duo.origin() }), "keys are on no documented answer");
    seen.push(answered("the partner", read));
    for list in ["search", "minimal"] {
        seen.push(answered(
            list,
            fixture.platform.sp.get(&format!("{}/{list}", fixture.platform.partners_path())).await,
        ));
    }
    let audit = audit_rows(&fixture.platform, &fixture.partner).await;
    assert!(audit.iter().any(|line| line["action"] == "factor"), "{audit:?}");
    seen.push(("the audit log".to_owned(), json!(audit).to_string()));
    let text = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(text.contains("oauth/v1/token"), "the log was not kept");
    seen.push(("the program's log".to_owned(), text));
    for (place, text) in &seen {
        assert!(!text.is_empty(), "{place}");
        assert!(!text.contains(SECRET_KEY), "{place} has the secret key: {text}");
    }
    let stored = fixture.stored_bytes().await;
    assert!(stored.contains(INTEGRATION_KEY), "the database was not read");
    assert!(!stored.contains(SECRET_KEY), "the database has the secret key");
}

#[tokio::test]
async fn the_secret_key_is_sealed_with_the_key_file_and_worth_nothing_without_it() {
    let keys = TestFolder::new();
    let file = keys.path("audit.key");
    let mut fixture = DuoFixture::start_with(|config| config.audit_key = Some(file.clone())).await;
    let revision = |scene: &DuoFixture| {
        let (sp, path) = (scene.platform.sp.clone(), format!("{}/{}", scene.platform.partners_path(), scene.partner));
        async move { sp.get(&path).await.json()["revision"].clone() }
    };
    let before = revision(&fixture).await;
    fixture.change_settings(json!({ "duoSecurity": { "secretKey": SECRET_KEY }, "name": "Acme" })).await.json();
    assert_eq!(revision(&fixture).await, before, "the same key again is no change");
    let address = fixture.duo.address;
    let restarted = |key: std::path::PathBuf| {
        move |config: &mut tenantry_platform::Config| {
            config.public_url = Some(super::PUBLIC_URL.parse().unwrap());
            config.duo.stand_in = Some(address);
            config.audit_key = Some(key);
        }
    };
    fixture.platform.restart(restarted(file)).await;
    fixture.browser = super::HttpBrowser::new(&fixture.platform);
    fixture.log_in().await;
    let back = fixture.approve_prompt().await;
    fixture.browser.get(&back).await;
    assert!(fixture.is_logged_in().await, "sealed by an earlier run of the same key");
    // Another key cannot decrypt the settings. The page explains what to do.
    let other = keys.path("other.key");
    tenantry_platform::new_audit_key(&fixture.platform.folder.database(), &other).await.unwrap();
    fixture.platform.restart(restarted(other)).await;
    fixture.browser = super::HttpBrowser::new(&fixture.platform);
    fixture.log_in().await;
    let answer = fixture.browser.get("/factor/duo").await;
    let sentence = "The secret key of Duo in your organization's settings cannot be read any more: an administrator must \
                    enter it again.";
    fixture.assert_refused(&answer, (503, sentence), "duo secret").await;
    let wanted = json!({ "duoSecurity": { "secretKey": SECRET_KEY } });
    fixture.change_settings(wanted).await.json();
    let back = fixture.approve_prompt().await;
    fixture.browser.get(&back).await;
    assert!(fixture.is_logged_in().await);
}

#[tokio::test]
async fn a_secret_key_from_before_they_were_sealed_works_and_is_sealed_at_the_next_save() {
    let mut fixture = DuoFixture::start().await;
    let pool = fixture.platform.pool().await;
    let read = "SELECT settings FROM tenant WHERE kind = 'MSP'";
    let sealed: String = sqlx::query_scalar(read).fetch_one(&pool).await.unwrap();
    let mut settings: Value = serde_json::from_str(&sealed).unwrap();
    settings["duoSecurity"]["secretKey"] = SECRET_KEY.into();
    let write = sqlx::query("UPDATE tenant SET settings = $1 WHERE kind = 'MSP'").bind(settings.to_string());
    write.execute(&pool).await.unwrap();
    fixture.log_in().await;
    let back = fixture.approve_prompt().await;
    fixture.browser.get(&back).await;
    assert!(fixture.is_logged_in().await);
    let before: String = sqlx::query_scalar(read).fetch_one(&pool).await.unwrap();
    fixture.change_settings(json!({ "city": "Bonn" })).await.json();
    let after: String = sqlx::query_scalar(read).fetch_one(&pool).await.unwrap();
    assert!(before.contains(SECRET_KEY) && !after.contains(SECRET_KEY) && after.contains("sealed:1:"), "{after}");
}

#[tokio::test]
async fn saving_account_settings_asks_for_duo_again_and_one_answer_is_good_for_one_save() {
    let mut fixture = DuoFixture::start().await;
    fixture.log_in().await;
    let (status, text) = fixture.save_branding(None).await;
    assert!(status == 403 && text.contains("two_factor_required"), "nothing before the login is whole: {text}");
    let back = fixture.approve_prompt().await;
    assert_eq!(redirect_location(&fixture.browser.get(&back).await), "/");
    for code in [None, Some("123456")] {
        let (status, text) = fixture.save_branding(code).await;
        assert!(status == 403 && text.contains("two_factor_proof_required"), "{code:?}: {text}");
    }
    // A redirect to Duo is not a verification.
    let back = fixture.approve_prompt().await;
    assert_eq!(fixture.save_branding(None).await.0, 403);
    let answer = fixture.browser.get(&back).await;
    assert!(answer.status == 200 && answer.text.contains("Confirmed."), "{}", answer.text);
    let (status, text) = fixture.save_branding(None).await;
    assert_eq!(status, 200, "{text}");
    assert_eq!(fixture.save_branding(None).await.0, 403, "one save");
    // A denial at the prompt is not one either.
    fixture.duo.set_fault(DuoFault::DeniedByUser);
    let back = fixture.approve_prompt().await;
    assert_eq!(fixture.browser.get(&back).await.status, 403);
    assert_eq!(fixture.save_branding(None).await.0, 403);
    assert!(fixture.is_logged_in().await, "the session itself stays as it was");
    // An API credential is never asked.
    let api = fixture.platform.caller_for_tenant(&fixture.partner).await;
    let path = format!("/tenants/{}/customBranding", fixture.partner);
    api.put(&path, json!({ "applicationTitle": "Acme 2" })).await.json();
}

#[tokio::test]
async fn with_duo_nobody_gets_a_token_for_a_password_and_tokens_of_before_are_held_up() {
    let fixture = DuoFixture::start().await;
    let path = format!("/tenants/{}/clients/minimal", fixture.partner);
    let answer = fixture.ada.get(&path).await;
    assert!(answer.status == 403 && answer.text.contains("two_factor_required"), "{}", answer.text);
    let answer = fixture.platform.sp.login("ada", CHOSEN_PASSWORD).await;
    assert!(answer.status == 403 && answer.text.contains("two_factor_required"), "{}", answer.text);
    // A wrong password reveals no more than it does with an authenticator app.
    assert_eq!(fixture.platform.sp.login("ada", "wrong").await.status, 401);
    // Without its keys Duo is not required any more.
    fixture.change_settings(json!({ "duoSecurity": { "secretKey": "" } })).await.json();
    assert_eq!(fixture.ada.get(&path).await.status, 200);
}
