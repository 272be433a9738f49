//! What is declared with `kubectl` is felt in a browser, on the real stack.

use std::process::Command;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use super::DENIED;
use super::session::Session;
use crate::assets;
use crate::platform::people::CHOSEN;
use crate::proxy::Proxy;
use crate::proxy::rules::{Fault, Rule};
use crate::world::{Space, World};

/// What somebody reads who comes from an address that the tenant does not admit.
const ELSEWHERE: &str = "Your organization policies restrict you from accessing OpsRamp from your current IP.";

/// An authenticator app.
struct App(Totp);

impl App {
    /// With the secret that a page shows as a text.
    fn scan(text: &str) -> Self {
        let secret = Secret::try_from_base32(text).unwrap();
        Self(Builder::new().with_secret(secret).with_account_name("a").build().unwrap())
    }

    /// The code of now or of a step before or after, each of which is taken once.
    fn code(&self, steps: i64) -> String {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        self.0.generate(now.checked_add_signed(steps * 30).unwrap()).to_string()
    }
}

/// A door to the platform for people who come from an address.
fn door(world: &World, address: &str) -> Proxy {
    let rule = Rule::new("", "", Fault::With(format!("x-forwarded-for: {address}")));
    Proxy::start("127.0.0.1:0", world.platform.host(), vec![rule]).unwrap()
}

/// Applies the pictures and the Partner, and waits for its tenant.
fn declare(space: &Space<'_>) -> String {
    let picture =
        |name: &str| STANDARD.encode(std::fs::read(assets::root().join("examples/brand").join(name)).unwrap());
    let names = ["logo.png", "favicon.png", "background.png"];
    let pictures: serde_json::Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), json!(picture(name)))).collect();
    space.apply(&json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "brand"}, "binaryData": pictures,
    }));
    let image = |key: &str| json!({"configMapKeyRef": {"name": "brand", "key": key}});
    space.partner(
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
    space.ready("partner/acme")
}

/// Rows of the tenant's audit log, as action and outcome.
fn audited(world: &World, tenant: &str) -> Vec<(String, String)> {
    let mut command = Command::new(assets::own("tenantry-platform").unwrap());
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

impl Session {
    /// Shows a code of the authenticator app.
    async fn show_code(&self, code: &str) {
        self.arrives("/factor").await;
        self.fill("input[name=code]", code).await;
        self.click("form.fields button").await;
    }
}

/// The branded login page, and that it is for the right addresses only.
async fn log_in(browser: &Session, (office, elsewhere): (&Proxy, &Proxy), id: &str, (name, password): (&str, &str)) {
    browser.open(&format!("{}/login/{id}", elsewhere.url())).await;
    browser.log_in(name, password).await;
    assert_eq!(browser.text("[role=alert]").await, ELSEWHERE);
    browser.shot("whole-elsewhere").await;

    browser.open(&format!("{}/login/{id}", office.url())).await;
    assert_eq!(
        (browser.title().await.as_str(), browser.text("h1").await.as_str()),
        ("Acme Operations", "Welcome to Acme")
    );
    assert_eq!(browser.style(".layer", "background-color").await, "rgba(17, 24, 39, 1)");
    assert_eq!(browser.style("h1", "color").await, "rgba(249, 250, 251, 1)");
    assert_eq!(browser.property("img", "naturalWidth").await, 512);
    assert!(browser.style("body", "background-image").await.contains("/loginPageImage-"));
    browser.shot("whole-login").await;
    browser.log_in(name, password).await;
}

/// The enrolment of a second factor; nothing else is to be had before.
async fn enrol(browser: &Session, office: &Proxy) -> App {
    for path in ["/", "/password", "/screens/alerts"] {
        browser.open(&format!("{}{path}", office.url())).await;
        assert_eq!(browser.place().await, "/factor", "{path}");
    }
    let app = App::scan(&browser.text("code.secret").await);
    browser.shot("whole-factor").await;
    browser.show_code(&app.code(-1)).await;
    assert_eq!(browser.texts(".codes li").await.len(), 10);
    browser.click(".fields a").await;
    app
}

/// The choice of a password by the rules of PCI DSS.
async fn choose(browser: &Session, password: &str) {
    browser.arrives("/password").await;
    for (wrong, rule) in [
        ("xq7Fw2z9", "The password needs at least 12 characters."),
        ("OnlyLettersInHere", "The password needs letters and digits."),
    ] {
        browser.change_password(password, wrong).await;
        assert_eq!(browser.texts("[role=alert]").await, [rule]);
    }
    browser.change_password(password, CHOSEN).await;
    assert_eq!(browser.text("[role=status]").await, "The password was changed. Log in");
    browser.click("[role=status] a").await;
}

/// A record of the package that is there and none of the one that is not; and both in the browser.
async fn look(browser: &Session, office: &Proxy, (world, id): (&World, &str)) {
    let post = |category: &str, name: &str| {
        let path = format!("{id}/records/{category}");
        world.tenancy.call("POST", &path, Some(&json!({ "name": name }))).unwrap()
    };
    assert_eq!(post("alerts", "Disk full on web-1").status, 200);
    let refused = post("maintenanceWindows", "Sunday");
    assert!(refused.status == 403 && refused.body.contains(DENIED), "{refused:?}");
    assert_eq!(browser.texts(".menus li").await, ["Account", "Alerts", "Service Desk"]);
    for (screen, records) in [("alerts", &["Disk full on web-1"][..]), ("service-desk", &[]), ("automation", &[])] {
        browser.open(&format!("{}/screens/{screen}", office.url())).await;
        // One half of each screen belongs to the package that is not there.
        assert_eq!(browser.texts("[role=alert]").await, [DENIED], "{screen}");
        assert_eq!(browser.texts(".records td:first-child").await, records, "{screen}");
        browser.shot(&format!("whole-{screen}")).await;
    }
}

/// shows: seeds/partners/policies, seeds/partners/security, seeds/packages/events, seeds/access/ip-rule
/// shows: seeds/access/ip-refused, seeds/access/two-factor, seeds/password/pci-dss, seeds/details/security-tab
/// shows: seeds/details/branding-tab, seeds/branding/title, seeds/branding/logo, seeds/branding/header
/// shows: seeds/branding/text-color, seeds/branding/background-color, seeds/branding/background-image
#[tokio::test]
async fn what_kubectl_applies_is_felt_by_a_person_in_a_browser() {
    let world = World::shared();
    let space = world.namespace("felt");
    let id = declare(&space);
    let name = format!("ada-{}", space.name);
    let (name, password) = world.platform.one_time_login(&name, Some(&id)).unwrap();
    let (office, elsewhere) = (door(world, "198.51.100.7"), door(world, "203.0.113.9"));
    let browser = Session::start().await;
    log_in(&browser, (&office, &elsewhere), &id, (&name, &password)).await;
    let app = enrol(&browser, &office).await;
    browser.consent().await;
    choose(&browser, &password).await;
    browser.arrives(&format!("/login/{id}")).await;
    browser.log_in(&name, CHOSEN).await;
    browser.show_code(&app.code(0)).await;
    browser.arrives("/").await;
    look(&browser, &office, (world, &id)).await;
    browser.open(&format!("{}/", elsewhere.url())).await;
    assert_eq!(browser.text("[role=alert]").await, ELSEWHERE, "the session is good from nowhere else");
    browser.is_quiet().await;

    let rows = audited(world, &id);
    let count = |action: &str, outcome: &str| rows.iter().filter(|row| row.0 == action && row.1 == outcome).count();
    let counted = [("login", "done"), ("login.ip_denied", "denied"), ("factor.enrol", "done"), ("factor", "done")];
    assert_eq!(counted.map(|(action, outcome)| count(action, outcome)), [2, 2, 1, 2], "{rows:?}");
    assert_eq!(office.count("POST", "^/password$") + elsewhere.count("POST", "^/login"), 3 + 1);
}
