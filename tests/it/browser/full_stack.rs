//! Tests the complete stack: what is declared with `kubectl` has its effect in a browser.

use std::process::Command;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use super::DENIED;
use super::session::BrowserSession;
use crate::assets;
use crate::platform::people::CHOSEN_PASSWORD;
use crate::proxy::FaultProxy;
use crate::proxy::rules::{FaultRule, ProxyFault};
use crate::world::{TestNamespace, TestWorld};

/// The message for a caller from an address that the tenant does not allow.
const IP_DENIED_MESSAGE: &str = "Your organization policies restrict you from accessing OpsRamp from your current IP.";

/// An authenticator app.
struct TotpGenerator(Totp);

impl TotpGenerator {
    /// Creates the app with the secret that a page shows as text.
    fn scan_secret(text: &str) -> Self {
        let secret = Secret::try_from_base32(text).unwrap();
        Self(Builder::new().with_secret(secret).with_account_name("a").build().unwrap())
    }

    /// Returns the code of the current step or of a step before or after it. Each code is accepted once.
    fn code_at_step(&self, steps: i64) -> String {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        self.0.generate(now.checked_add_signed(steps * 30).unwrap()).to_string()
    }
}

/// Starts a proxy to the platform that adds a source address to each request.
fn proxy_from_address(world: &TestWorld, address: &str) -> FaultProxy {
    let rule = FaultRule::new("", "", ProxyFault::With(format!("x-forwarded-for: {address}")));
    FaultProxy::start("127.0.0.1:0", world.platform.host(), vec![rule]).unwrap()
}

/// Applies the pictures and the Partner. Waits for its tenant and returns the tenant's id.
fn declare_partner(namespace: &TestNamespace<'_>) -> String {
    let picture =
        |name: &str| STANDARD.encode(std::fs::read(assets::root().join("examples/brand").join(name)).unwrap());
    let names = ["logo.png", "favicon.png", "background.png"];
    let pictures: serde_json::Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), json!(picture(name)))).collect();
    namespace.apply(&json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "brand"}, "binaryData": pictures,
    }));
    let image = |key: &str| json!({"configMapKeyRef": {"name": "brand", "key": key}});
    namespace.apply_partner(
        "acme",
        &json!({
            "packages": ["HybridDiscoveryAndMonitoring", "EventAndIncidentManagement"],
            "security": {
                "access": {"allowedIPs": ["198.51.100.0/24"], "twoFactorAuthentication": true},
                "passwordPolicy": {"pciDSS": {}},
            },
            "branding": {
                "websiteTitle": "Acme Operations", "logo": image("logo.png"), "favicon": image("favicon.png"),
                "loginPage": {
                    "header": "Welcome to Acme", "subheader": "Your infrastructure, looked after",
                    "textColor": "F9FAFB", "backgroundColor": "111827", "backgroundImage": image("background.png"),
                },
            },
        }),
    );
    namespace.wait_until_ready("partner/acme")
}

/// Returns the rows of the tenant's audit log, as action and outcome.
fn audit_rows(world: &TestWorld, tenant: &str) -> Vec<(String, String)> {
    let mut command = Command::new(assets::own_program("tenantry-platform").unwrap());
    command.args(["audit", "export", "--tenant", tenant, "--database"]).arg(&world.platform.database);
    let out = command.arg("--audit-key").arg(world.platform.audit_key()).output().unwrap();
    assert!(out.status.success(), "{out:?}");
    let rows = String::from_utf8(out.stdout).unwrap();
    let row = |line: &str| -> (String, String) {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |member: &str| row[member].as_str().unwrap_or_default().to_owned();
        (text("action"), text("outcome"))
    };
    rows.lines().map(row).collect()
}

impl BrowserSession {
    /// Enters a code of the authenticator app.
    async fn enter_code(&self, code: &str) {
        self.wait_for_path("/factor").await;
        self.fill_field("input[name=code]", code).await;
        self.click_to_page("form.fields button").await;
    }
}

/// Tests that the login page is branded and that logins succeed only from the allowed addresses.
async fn log_in(
    browser: &BrowserSession,
    (office, elsewhere): (&FaultProxy, &FaultProxy),
    id: &str,
    (name, password): (&str, &str),
) {
    browser.open_url(&format!("{}/login/{id}", elsewhere.url())).await;
    browser.log_in(name, password).await;
    assert_eq!(browser.text("[role=alert]").await, IP_DENIED_MESSAGE);
    browser.take_screenshot("whole-elsewhere").await;

    browser.open_url(&format!("{}/login/{id}", office.url())).await;
    assert_eq!(
        (browser.title().await.as_str(), browser.text("h1").await.as_str()),
        ("Acme Operations", "Welcome to Acme")
    );
    assert_eq!(browser.style(".layer", "background-color").await, "rgba(17, 24, 39, 1)");
    assert_eq!(browser.style("h1", "color").await, "rgba(249, 250, 251, 1)");
    assert_eq!(browser.property("img", "naturalWidth").await, 512);
    assert!(browser.style("body", "background-image").await.contains("/loginPageImage-"));
    browser.take_screenshot("whole-login").await;
    browser.log_in(name, password).await;
}

/// Enrols a second factor. No other page is accessible before.
async fn enrol_second_factor(browser: &BrowserSession, office: &FaultProxy) -> TotpGenerator {
    for path in ["/", "/password", "/screens/alerts"] {
        browser.open_url(&format!("{}{path}", office.url())).await;
        assert_eq!(browser.current_path().await, "/factor", "{path}");
    }
    let app = TotpGenerator::scan_secret(&browser.text("code.secret").await);
    browser.take_screenshot("whole-factor").await;
    browser.enter_code(&app.code_at_step(-1)).await;
    assert_eq!(browser.texts(".codes li").await.len(), 10);
    browser.click_to_page(".fields a").await;
    app
}

/// Chooses a password by the rules of PCI DSS.
async fn choose_password(browser: &BrowserSession, password: &str) {
    browser.wait_for_path("/password").await;
    for (wrong, rule) in [
        ("xq7Fw2z9", "The password needs at least 12 characters."),
        ("OnlyLettersInHere", "The password needs letters and digits."),
    ] {
        browser.change_password(password, wrong).await;
        assert_eq!(browser.texts("[role=alert]").await, [rule]);
    }
    browser.change_password(password, CHOSEN_PASSWORD).await;
    assert_eq!(browser.text("[role=status]").await, "The password was changed. Log in");
    browser.click_to_page("[role=status] a").await;
}

/// Creates a record that the tenant's package allows, tries one of a missing package, and verifies both in the browser.
async fn check_records_in_browser(browser: &BrowserSession, office: &FaultProxy, world: &TestWorld, id: &str) {
    let post = |category: &str, name: &str| {
        let path = format!("{id}/records/{category}");
        world.tenancy.call("POST", &path, Some(&json!({ "name": name }))).unwrap()
    };
    assert_eq!(post("alerts", "Disk full on web-1").status, 200);
    let refused = post("maintenanceWindows", "Sunday");
    assert!(refused.status == 403 && refused.body.contains(DENIED), "{refused:?}");
    assert_eq!(browser.texts(".menus li").await, ["Account", "Alerts", "Service Desk"]);
    for (screen, records) in [("alerts", &["Disk full on web-1"][..]), ("service-desk", &[]), ("automation", &[])] {
        browser.open_url(&format!("{}/screens/{screen}", office.url())).await;
        // Half of each screen belongs to the missing package.
        assert_eq!(browser.texts("[role=alert]").await, [DENIED], "{screen}");
        assert_eq!(browser.texts(".records td:first-child").await, records, "{screen}");
        browser.take_screenshot(&format!("whole-{screen}")).await;
    }
}

/// shows: seeds/partners/policies, seeds/partners/security, seeds/packages/events, seeds/access/ip-rule
/// shows: seeds/access/ip-refused, seeds/access/two-factor, seeds/password/pci-dss, seeds/details/security-tab
/// shows: seeds/details/branding-tab, seeds/branding/title, seeds/branding/logo, seeds/branding/header
/// shows: seeds/branding/text-color, seeds/branding/background-color, seeds/branding/background-image
#[tokio::test]
async fn what_kubectl_applies_is_felt_by_a_person_in_a_browser() {
    let world = TestWorld::shared_world();
    let namespace = world.create_namespace("felt");
    let id = declare_partner(&namespace);
    let name = format!("ada-{}", namespace.name);
    let (name, password) = world.platform.one_time_login(&name, Some(&id)).unwrap();
    let (office, elsewhere) = (proxy_from_address(world, "198.51.100.7"), proxy_from_address(world, "203.0.113.9"));
    let browser = BrowserSession::start().await;
    log_in(&browser, (&office, &elsewhere), &id, (&name, &password)).await;
    let app = enrol_second_factor(&browser, &office).await;
    browser.accept_consent().await;
    choose_password(&browser, &password).await;
    browser.wait_for_path(&format!("/login/{id}")).await;
    browser.log_in(&name, CHOSEN_PASSWORD).await;
    browser.enter_code(&app.code_at_step(0)).await;
    browser.wait_for_path("/").await;
    check_records_in_browser(&browser, &office, world, &id).await;
    browser.open_url(&format!("{}/", elsewhere.url())).await;
    assert_eq!(browser.text("[role=alert]").await, IP_DENIED_MESSAGE, "the session is good from nowhere else");
    browser.assert_no_console_messages().await;

    let rows = audit_rows(world, &id);
    let count = |action: &str, outcome: &str| rows.iter().filter(|row| row.0 == action && row.1 == outcome).count();
    let counted = [("login", "done"), ("login.ip_denied", "denied"), ("factor.enrol", "done"), ("factor", "done")];
    assert_eq!(counted.map(|(action, outcome)| count(action, outcome)), [2, 2, 1, 2], "{rows:?}");
    assert_eq!(office.count_requests("POST", "^/password$") + elsewhere.count_requests("POST", "^/login"), 3 + 1);
}
