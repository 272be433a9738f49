//! Tests of what users do on the pages.

use serde_json::json;

use super::DENIED;
use super::session::{BrowserSession, ENTER, TAB};
use crate::platform::people::CHOSEN_PASSWORD;
use crate::platform::{TestFolder, TestPlatform};
use crate::programs::one_time_login;
use crate::proxy::FaultProxy;
use crate::proxy::rules::{CannedAnswer, FaultRule, ProxyFault};

const HYBRID: &str = "Hybrid Discovery and Monitoring";

/// Converts pairs of role and name, as a screen reader announces them.
fn roles_and_names<'a>(names: &'a [(&'a str, &'a str)]) -> Vec<(String, String)> {
    names.iter().map(|(role, name)| ((*role).to_owned(), (*name).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_javascript_a_one_time_login_leads_to_a_new_password_and_that_to_the_first_page() {
    let keys = TestFolder::new();
    let key = keys.path("k");
    let platform = TestPlatform::start_with(|config| config.audit_key = Some(key.clone())).await;
    let (name, password) = one_time_login(&platform.folder.path("t.db"), &key, "admin", None).unwrap();
    let browser = BrowserSession::without_javascript().await;
    browser.open_url("data:text/html,<title>off</title><script>document.title = 'on'</script>").await;
    assert_eq!(browser.title().await, "off", "the browser of this test runs scripts");

    browser.open_url(&format!("{}/login", platform.url())).await;
    browser.log_in(&name, "wrong").await;
    assert_eq!(browser.text("[role=alert]").await, "The login name or the password is wrong.");
    browser.log_in(&name, &password).await;
    browser.take_screenshot("consent").await;
    browser.accept_consent().await;
    browser.wait_for_path("/password").await;
    assert_eq!(browser.text(".layer p").await, "Choose a new password before anything else.");
    browser.open_url(platform.url()).await;
    browser.wait_for_path("/password").await;
    browser.change_password(&password, "xq7Fw2z9").await;
    let refused = browser.text("[role=alert]").await;
    assert!(refused.contains("at least 12 characters"), "{refused}");
    browser.take_screenshot("password").await;
    browser.change_password(&password, CHOSEN_PASSWORD).await;
    assert!(browser.text("[role=status]").await.starts_with("The password was changed."));

    browser.click_to_page("[role=status] a").await;
    browser.log_in(&name, &password).await;
    assert_eq!(browser.text("[role=alert]").await, "The login name or the password is wrong.");
    browser.log_in(&name, CHOSEN_PASSWORD).await;
    browser.wait_for_path("/").await;
    assert_eq!(browser.text("h1").await, "Account details");
    browser.take_screenshot("home").await;
    browser.click_to_page(".bar button").await;
    browser.wait_for_path("/login").await;
    browser.open_url(platform.url()).await;
    browser.wait_for_path("/login").await;
    browser.assert_no_console_messages().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_page_has_the_menus_of_the_packages_and_screens_without_theirs_are_denied() {
    let platform = TestPlatform::start().await;
    let rich = platform.create_partner("Rich").await;
    let poor =
        platform.sp.create_tenant(platform.partners_path(), json!({ "name": "Poor", "packages": [HYBRID] })).await;
    let _ = platform.create_logged_in_user(&rich, "rita", &["Partner Administrator"]).await;
    let _ = platform.create_logged_in_user(&poor, "paul", &["Partner Administrator"]).await;
    let browser = BrowserSession::start().await;
    let whole = &["Account", "Alerts", "Service Desk", "Automation"][..];
    for (name, menus, denials) in [("rita", whole, vec![]), ("paul", &["Account", "Service Desk"], vec![DENIED; 2])] {
        browser.open_url(&format!("{}/login", platform.url())).await;
        browser.log_in(name, CHOSEN_PASSWORD).await;
        browser.accept_consent().await;
        assert_eq!(browser.texts(".menus li").await, menus, "{name}");
        browser.take_screenshot(&format!("home-{name}")).await;
        for (path, title) in [("alerts", "Alerts"), ("service-desk", "Service Desk"), ("automation", "Automation")] {
            browser.open_url(&format!("{}/screens/{path}", platform.url())).await;
            assert!(browser.text("h1").await.starts_with(title), "{name} {path}");
            assert_eq!(browser.texts("[role=alert]").await, denials, "{name} {path}");
            assert_eq!(browser.texts("section").await.len(), 2, "{name} {path}");
            browser.take_screenshot(&format!("{path}-{name}")).await;
        }
        browser.click_to_page(".bar button").await;
    }
    browser.assert_no_console_messages().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_button_is_there_where_the_tenant_shows_them_and_copies() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let _ = platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    let browser = BrowserSession::start().await;
    browser.open_url(&format!("{}/login", platform.url())).await;
    browser.log_in("ada", CHOSEN_PASSWORD).await;
    browser.accept_consent().await;
    assert!(browser.texts("main button").await.is_empty());
    let path = format!("{}/{partner}", platform.partners_path());
    platform.sp.post(&path, json!({ "showCopyClipBoard": true })).await.json();
    browser.open_url(platform.url()).await;
    assert_eq!(browser.accessible_names("main button").await, roles_and_names(&[("button", "Copy unique id")]));
    browser.click_on_page("main button").await;
    browser.wait_for_text("main button", "Copied").await;
    browser.take_screenshot("copied").await;
    browser.assert_no_console_messages().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keyboard_alone_is_enough_and_every_field_has_its_name() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let _ = platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    let browser = BrowserSession::start().await;
    browser.open_url(&format!("{}/login", platform.url())).await;
    let fields = roles_and_names(&[("textbox", "Login name"), ("textbox", "Password"), ("button", "Log in")]);
    assert_eq!(browser.accessible_names("input:not([type=hidden]), button").await, fields);
    assert_eq!(browser.focused_name().await, fields[0]);
    browser.type_keys(&format!("ada{TAB}")).await;
    assert_eq!(browser.focused_name().await, fields[1]);
    browser.type_keys(&format!("{CHOSEN_PASSWORD}{TAB}")).await;
    assert_eq!(browser.focused_name().await, fields[2]);
    // The focused element is visibly focused.
    assert_eq!(browser.style("form.fields button", "outline").await, "rgb(29, 78, 216) solid 2px");
    browser.type_keys(ENTER).await;
    browser.wait_for_text("h1", "User consent").await;
    browser.type_keys(TAB).await;
    assert_eq!(browser.focused_name().await, ("button".to_owned(), "ACCEPT".to_owned()));
    browser.type_keys(ENTER).await;
    browser.wait_for_text("h1", "Account details").await;

    let mut met = Vec::new();
    for _ in 0..6 {
        browser.type_keys(TAB).await;
        met.push(browser.focused_name().await);
    }
    let order = [
        ("button", "Log out"),
        ("link", "Account"),
        ("link", "Alerts"),
        ("link", "Service Desk"),
        ("link", "Automation"),
        ("link", "Change password"),
    ];
    assert_eq!(met, roles_and_names(&order));
    browser.type_keys(ENTER).await;
    browser.wait_for_text("h1", "Change the password").await;
    let fields = [("textbox", "Password of today"), ("textbox", "New password"), ("textbox", "New password again")];
    assert_eq!(browser.accessible_names("label input").await, roles_and_names(&fields));
    assert_eq!(browser.style("input[name=username]", "display").await, "none", "it is for password managers alone");
    let chosen = "Third-Passw0rd!";
    browser.type_keys(&format!("{CHOSEN_PASSWORD}{TAB}{chosen}{TAB}{chosen}{ENTER}")).await;
    browser.wait_for_text("[role=status]", "The password was changed.").await;
    browser.assert_no_console_messages().await;
}

/// shows: security/asvs/3.4.1, security/asvs/3.5.1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_of_another_site_does_nothing_and_no_other_site_frames_a_page() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let _ = platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    let ours = platform.url();
    let field = |(name, value): (&str, &str)| format!("<input name='{name}' value='{value}'>");
    let form = |path: &str, fields: &[(&str, &str)]| {
        let fields: String = fields.iter().copied().map(field).collect();
        format!("<form method=post action='{ours}{path}'>{fields}<button id='{}'>x</button></form>", &path[1..])
    };
    let change = [("current", CHOSEN_PASSWORD), ("new", "Stolen-Passw0rd!"), ("again", "Stolen-Passw0rd!")];
    let body = [
        form("/logout", &[("form", "0")]),
        form("/password", &change),
        form("/login", &[("login", "ada"), ("password", CHOSEN_PASSWORD)]),
        format!("<iframe src='{ours}/login'></iframe>"),
    ]
    .concat();
    let headers = [("content-type".to_owned(), "text/html".to_owned())].into();
    let page = CannedAnswer { status: 200, headers, body, after: false };
    let other = FaultProxy::start(
        "127.0.0.1:0",
        ours.trim_start_matches("http://"),
        vec![FaultRule::new("", "/", ProxyFault::Answer(page))],
    );
    let other = other.unwrap();
    let elsewhere = other.url().replace("127.0.0.1", "localhost");

    let browser = BrowserSession::start().await;
    browser.open_url(&format!("{ours}/login")).await;
    browser.log_in("ada", CHOSEN_PASSWORD).await;
    browser.accept_consent().await;
    browser.assert_no_console_messages().await;
    for (button, place) in [("logout", "/login"), ("password", "/login"), ("login", "/login")] {
        browser.open_url(&elsewhere).await;
        browser.click_to_page(&format!("#{button}")).await;
        browser.wait_for_path(place).await;
        let refused = browser.texts("[role=alert]").await;
        let wanted: &[&str] = if button == "login" {
            &["This form is too old or came from another site. Go back and try again."]
        } else {
            &[]
        };
        assert_eq!(refused, wanted, "{button}");
        browser.open_url(ours).await;
        assert_eq!(browser.text("h1").await, "Account details", "{button}: the session goes on");
    }
    let said = browser.console_messages().await;
    assert!(said.iter().any(|line| line.contains("frame-ancestors 'none'")), "{said:?}");
    assert_eq!(platform.sp.login("ada", "Stolen-Passw0rd!").await.status, 401);
    platform.sp.login("ada", CHOSEN_PASSWORD).await.json();
}
