//! Tests of Duo's Universal Prompt, against a fake Duo over real HTTP.

mod fake_duo;
mod faults;
mod settings;
mod state;
mod token;

use serde_json::{Value, json};
use tenantry_platform::Config;

use super::pages::{HttpBrowser, redirect_location};
use super::second_factor::forget_used_codes;
use crate::platform::audit::audit_rows;
use crate::platform::people::CHOSEN_PASSWORD;
use crate::platform::{ApiCaller, ApiResponse, TestPlatform};
use fake_duo::{DuoCall, FakeDuo, INTEGRATION_KEY, PUBLIC_URL, SECRET_KEY};

/// A partner with Duo, one of its users, and her browser.
pub(crate) struct DuoFixture {
    pub(crate) platform: TestPlatform,
    pub(crate) duo: FakeDuo,
    pub(crate) partner: String,
    /// A caller with a token of hers from before Duo was configured.
    pub(crate) ada: ApiCaller,
    pub(crate) browser: HttpBrowser,
}

impl DuoFixture {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let duo = FakeDuo::start().await;
        let address = duo.address;
        let platform = TestPlatform::start_with(|config| {
            config.public_url = Some(PUBLIC_URL.parse().unwrap());
            config.duo.stand_in = Some(address);
            change(config);
        })
        .await;
        let partner = platform.create_partner("Acme").await;
        let (ada, _) = platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
        let browser = HttpBrowser::new(&platform);
        let fixture = Self { platform, duo, partner, ada, browser };
        let keys = json!({
            "integrationKey": INTEGRATION_KEY, "secretKey": SECRET_KEY, "apiHostName": fixture.duo.origin(),
        });
        fixture.change_settings(json!({ "duoSecurity": keys, "skipUserConsentForm": true })).await.json();
        fixture
    }

    /// Changes the partner's settings with the service provider's credential.
    pub(crate) async fn change_settings(&self, body: Value) -> ApiResponse {
        self.platform.sp.post(&format!("{}/{}", self.platform.partners_path(), self.partner), body).await
    }

    /// Logs in with the password. The second factor is then a required action.
    pub(crate) async fn log_in(&mut self) {
        assert_eq!(redirect_location(&self.browser.log_in("/login", "ada", CHOSEN_PASSWORD).await), "/factor");
    }

    /// Goes to the prompt and completes it. Returns the path to which the browser returns.
    pub(crate) async fn approve_prompt(&mut self) -> String {
        let sent = self.browser.get("/factor/duo").await;
        assert_eq!(sent.status, 303, "{}", sent.text);
        let prompt = redirect_location(&sent).to_owned();
        assert!(prompt.starts_with(&format!("{}/oauth/v1/authorize?", self.duo.origin())), "{prompt}");
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let answer = http.get(&prompt).send().await.unwrap();
        assert_eq!(answer.status(), 303, "{:?}", self.duo.calls());
        answer.headers()["location"].to_str().unwrap().strip_prefix(PUBLIC_URL).unwrap().to_owned()
    }

    /// Returns whether the browser's session has a verified second factor.
    pub(crate) async fn is_logged_in(&mut self) -> bool {
        let home = self.browser.get("/").await;
        let inside = home.status == 200 && home.text.contains("Account details");
        assert!(inside || redirect_location(&home) == "/factor", "{} {}", home.status, home.text);
        inside
    }

    /// Returns the rows of the partner's log about second factors, as action and outcome.
    pub(crate) async fn factor_audit_rows(&self) -> Vec<String> {
        let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
        let lines = audit_rows(&self.platform, &self.partner).await;
        let of_factors = lines.iter().filter(|line| text(line, "action").starts_with("factor"));
        of_factors.map(|line| format!("{} {}", text(line, "object"), text(line, "outcome"))).collect()
    }

    /// Asserts that the browser is refused with a sentence, has verified no factor, and that the log has one more row.
    pub(crate) async fn assert_refused(&mut self, answer: &ApiResponse, (status, sentence): (u16, &str), row: &str) {
        assert_eq!(answer.status, status, "{row}: {}", answer.text);
        assert!(answer.text.contains(sentence), "{row}: {}", answer.text);
        assert_eq!(answer.text.matches("role=\"alert\"").count(), 1, "{row}: {}", answer.text);
        assert!(!answer.headers.contains_key("set-cookie"), "{row}");
        assert!(!self.is_logged_in().await, "{row}");
        assert_eq!(self.factor_audit_rows().await.last().map(String::as_str), Some(format!("{row} denied").as_str()));
    }
}

/// shows: seeds/access/duo, seeds/access/duo-integration-key, seeds/access/duo-secret-key, seeds/access/duo-host
/// shows: security/pci/8.4
#[tokio::test]
async fn a_person_of_a_tenant_with_duo_gets_in_through_its_prompt_and_by_no_other_way() {
    let mut fixture = DuoFixture::start().await;
    fixture.log_in().await;
    assert!(!fixture.is_logged_in().await);
    let page = fixture.browser.get("/factor").await;
    assert!(page.status == 200 && page.text.contains("href=\"/factor/duo\""), "{}", page.text);
    assert!(fixture.duo.calls().is_empty(), "nobody is asked before the person goes there");
    let before = fixture.browser.cookies["__Host-tenantry"].clone();
    let back = fixture.approve_prompt().await;
    assert!(!fixture.is_logged_in().await, "the prompt alone proves nothing");
    assert_eq!(redirect_location(&fixture.browser.get(&back).await), "/");
    assert!(fixture.is_logged_in().await);
    assert_eq!(fixture.duo.calls(), [DuoCall::Health, DuoCall::Token]);
    assert_eq!(fixture.factor_audit_rows().await, ["DUO done"]);
    // The session key from before the prompt is invalid.
    let after = fixture.browser.cookies.insert("__Host-tenantry".to_owned(), before.clone()).unwrap();
    assert_ne!(after, before);
    assert_eq!(redirect_location(&fixture.browser.get("/").await), "/login");
    // Another browser of hers must verify the factor itself.
    fixture.browser.cookies.clear();
    fixture.log_in().await;
    assert!(!fixture.is_logged_in().await);
}

#[tokio::test]
async fn an_older_code_member_of_duos_callback_is_taken_too() {
    let mut fixture = DuoFixture::start().await;
    fixture.log_in().await;
    let back = fixture.approve_prompt().await.replace("duo_code=", "code=");
    assert_eq!(redirect_location(&fixture.browser.get(&back).await), "/");
    assert!(fixture.is_logged_in().await);
}

#[tokio::test]
async fn people_of_a_client_and_of_another_partner_are_not_sent_to_a_partners_duo() {
    let mut fixture = DuoFixture::start().await;
    let client = fixture.platform.sp.create_client(&fixture.partner, "Globex").await;
    let path = format!("/tenants/{}/clients/{client}", fixture.partner);
    fixture.platform.sp.post(&path, json!({ "skipUserConsentForm": true })).await.json();
    fixture.platform.create_logged_in_user(&client, "carl", &[]).await;
    assert_eq!(redirect_location(&fixture.browser.log_in("/login", "carl", CHOSEN_PASSWORD).await), "/");
    for path in ["/factor/duo", "/factor/duo/callback?state=x&duo_code=y"] {
        assert_eq!(redirect_location(&fixture.browser.get(path).await), "/factor", "{path}");
    }
    assert!(fixture.duo.calls().is_empty());
}

#[tokio::test]
async fn codes_of_an_app_open_nothing_where_duo_is_wanted() {
    let mut fixture = DuoFixture::start().await;
    fixture
        .change_settings(json!({ "duoSecurity": { "secretKey": "" }, "twoFactorAuthentication": true }))
        .await
        .json();
    let (app, recovery) = fixture.browser.enrol_second_factor("ada").await;
    assert!(fixture.is_logged_in().await);
    forget_used_codes(&fixture.platform).await;
    fixture.change_settings(json!({ "duoSecurity": { "secretKey": SECRET_KEY } })).await.json();
    fixture.browser.cookies.clear();
    fixture.log_in().await;
    for code in [&app.code_at_step(0), &recovery[0]] {
        let answer = fixture.browser.send_code(code).await;
        assert_eq!(redirect_location(&answer), "/factor", "{}", answer.text);
        assert!(!fixture.is_logged_in().await);
    }
    assert!(fixture.duo.calls().is_empty());
    let back = fixture.approve_prompt().await;
    fixture.browser.get(&back).await;
    assert!(fixture.is_logged_in().await);
}
