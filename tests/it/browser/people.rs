//! What people do on the pages.

use serde_json::json;

use super::DENIED;
use super::session::{ENTER, Session, TAB};
use crate::platform::people::CHOSEN;
use crate::platform::{Folder, Platform};
use crate::programs::one_time_login;
use crate::proxy::Proxy;
use crate::proxy::rules::{Answer, Fault, Rule};

const HYBRID: &str = "Hybrid Discovery and Monitoring";

/// Names of roles in a list, as a screen reader has them.
fn named<'a>(names: &'a [(&'a str, &'a str)]) -> Vec<(String, String)> {
    names.iter().map(|(role, name)| ((*role).to_owned(), (*name).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_javascript_a_one_time_login_leads_to_a_new_password_and_that_to_the_first_page() {
    let keys = Folder::new();
    let key = keys.path("k");
    let platform = Platform::with(|config| config.audit_key = Some(key.clone())).await;
    let (name, password) = one_time_login(&platform.folder.path("t.db"), &key, "admin", None).unwrap();
    let browser = Session::without_javascript().await;
    browser.open("data:text/html,<title>off</title><script>document.title = 'on'</script>").await;
    assert_eq!(browser.title().await, "off", "the browser of this test runs scripts");

    browser.open(&format!("{}/login", platform.url())).await;
    browser.log_in(&name, "wrong").await;
    assert_eq!(browser.text("[role=alert]").await, "The login name or the password is wrong.");
    browser.log_in(&name, &password).await;
    browser.shot("consent").await;
    browser.consent().await;
    browser.arrives("/password").await;
    assert_eq!(browser.text(".layer p").await, "Choose a new password before anything else.");
    browser.open(platform.url()).await;
    browser.arrives("/password").await;
    browser.change_password(&password, "xq7Fw2z9").await;
    let refused = browser.text("[role=alert]").await;
    assert!(refused.contains("at least 12 characters"), "{refused}");
    browser.shot("password").await;
    browser.change_password(&password, CHOSEN).await;
    assert!(browser.text("[role=status]").await.starts_with("The password was changed."));

    browser.click("[role=status] a").await;
    browser.log_in(&name, &password).await;
    assert_eq!(browser.text("[role=alert]").await, "The login name or the password is wrong.");
    browser.log_in(&name, CHOSEN).await;
    browser.arrives("/").await;
    assert_eq!(browser.text("h1").await, "Account details");
    browser.shot("home").await;
    browser.click(".bar button").await;
    browser.arrives("/login").await;
    browser.open(platform.url()).await;
    browser.arrives("/login").await;
    browser.is_quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_page_has_the_menus_of_the_packages_and_screens_without_theirs_are_denied() {
    let platform = Platform::start().await;
    let rich = platform.partner("Rich").await;
    let poor = platform.sp.make(platform.msps(), json!({ "name": "Poor", "packages": [HYBRID] })).await;
    let _ = platform.logged_in(&rich, "rita", &["Partner Administrator"]).await;
    let _ = platform.logged_in(&poor, "paul", &["Partner Administrator"]).await;
    let browser = Session::start().await;
    let whole = &["Account", "Alerts", "Service Desk", "Automation"][..];
    for (name, menus, denials) in [("rita", whole, vec![]), ("paul", &["Account", "Service Desk"], vec![DENIED; 2])] {
        browser.open(&format!("{}/login", platform.url())).await;
        browser.log_in(name, CHOSEN).await;
        browser.consent().await;
        assert_eq!(browser.texts(".menus li").await, menus, "{name}");
        browser.shot(&format!("home-{name}")).await;
        for (path, title) in [("alerts", "Alerts"), ("service-desk", "Service Desk"), ("automation", "Automation")] {
            browser.open(&format!("{}/screens/{path}", platform.url())).await;
            assert!(browser.text("h1").await.starts_with(title), "{name} {path}");
            assert_eq!(browser.texts("[role=alert]").await, denials, "{name} {path}");
            assert_eq!(browser.texts("section").await.len(), 2, "{name} {path}");
            browser.shot(&format!("{path}-{name}")).await;
        }
        browser.click(".bar button").await;
    }
    browser.is_quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_button_is_there_where_the_tenant_shows_them_and_copies() {
    let platform = Platform::start().await;
    let partner = platform.partner("Acme").await;
    let _ = platform.logged_in(&partner, "ada", &["Partner Administrator"]).await;
    let browser = Session::start().await;
    browser.open(&format!("{}/login", platform.url())).await;
    browser.log_in("ada", CHOSEN).await;
    browser.consent().await;
    assert!(browser.texts("main button").await.is_empty());
    let path = format!("{}/{partner}", platform.msps());
    platform.sp.post(&path, json!({ "showCopyClipBoard": true })).await.json();
    browser.open(platform.url()).await;
    assert_eq!(browser.names("main button").await, named(&[("button", "Copy unique id")]));
    browser.press("main button").await;
    browser.until("main button", "Copied").await;
    browser.shot("copied").await;
    browser.is_quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keyboard_alone_is_enough_and_every_field_has_its_name() {
    let platform = Platform::start().await;
    let partner = platform.partner("Acme").await;
    let _ = platform.logged_in(&partner, "ada", &["Partner Administrator"]).await;
    let browser = Session::start().await;
    browser.open(&format!("{}/login", platform.url())).await;
    let fields = named(&[("textbox", "Login name"), ("textbox", "Password"), ("button", "Log in")]);
    assert_eq!(browser.names("input:not([type=hidden]), button").await, fields);
    assert_eq!(browser.focus().await, fields[0]);
    browser.keys(&format!("ada{TAB}")).await;
    assert_eq!(browser.focus().await, fields[1]);
    browser.keys(&format!("{CHOSEN}{TAB}")).await;
    assert_eq!(browser.focus().await, fields[2]);
    // What has the focus can be seen to have it.
    assert_eq!(browser.style("form.fields button", "outline").await, "rgb(29, 78, 216) solid 2px");
    browser.keys(ENTER).await;
    browser.until("h1", "User consent").await;
    browser.keys(TAB).await;
    assert_eq!(browser.focus().await, ("button".to_owned(), "ACCEPT".to_owned()));
    browser.keys(ENTER).await;
    browser.until("h1", "Account details").await;

    let mut met = Vec::new();
    for _ in 0..6 {
        browser.keys(TAB).await;
        met.push(browser.focus().await);
    }
    let order = [
        ("button", "Log out"),
        ("link", "Account"),
        ("link", "Alerts"),
        ("link", "Service Desk"),
        ("link", "Automation"),
        ("link", "Change password"),
    ];
    assert_eq!(met, named(&order));
    browser.keys(ENTER).await;
    browser.until("h1", "Change the password").await;
    let fields = [("textbox", "Password of today"), ("textbox", "New password"), ("textbox", "New password again")];
    assert_eq!(browser.names("label input").await, named(&fields));
    assert_eq!(browser.style("input[name=username]", "display").await, "none", "it is for password managers alone");
    let chosen = "Third-Passw0rd!";
    browser.keys(&format!("{CHOSEN}{TAB}{chosen}{TAB}{chosen}{ENTER}")).await;
    browser.until("[role=status]", "The password was changed.").await;
    browser.is_quiet().await;
}

/// shows: security/asvs/3.4.1, security/asvs/3.5.1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_of_another_site_does_nothing_and_no_other_site_frames_a_page() {
    let platform = Platform::start().await;
    let partner = platform.partner("Acme").await;
    let _ = platform.logged_in(&partner, "ada", &["Partner Administrator"]).await;
    let ours = platform.url();
    let field = |(name, value): (&str, &str)| format!("<input name='{name}' value='{value}'>");
    let form = |path: &str, fields: &[(&str, &str)]| {
        let fields: String = fields.iter().copied().map(field).collect();
        format!("<form method=post action='{ours}{path}'>{fields}<button id='{}'>x</button></form>", &path[1..])
    };
    let change = [("current", CHOSEN), ("new", "Stolen-Passw0rd!"), ("again", "Stolen-Passw0rd!")];
    let body = [
        form("/logout", &[("form", "0")]),
        form("/password", &change),
        form("/login", &[("login", "ada"), ("password", CHOSEN)]),
        format!("<iframe src='{ours}/login'></iframe>"),
    ]
    .concat();
    let headers = [("content-type".to_owned(), "text/html".to_owned())].into();
    let page = Answer { status: 200, headers, body, after: false };
    let other =
        Proxy::start("127.0.0.1:0", ours.trim_start_matches("http://"), vec![Rule::new("", "/", Fault::Answer(page))]);
    let other = other.unwrap();
    let elsewhere = other.url().replace("127.0.0.1", "localhost");

    let browser = Session::start().await;
    browser.open(&format!("{ours}/login")).await;
    browser.log_in("ada", CHOSEN).await;
    browser.consent().await;
    browser.is_quiet().await;
    for (button, place) in [("logout", "/login"), ("password", "/login"), ("login", "/login")] {
        browser.open(&elsewhere).await;
        browser.click(&format!("#{button}")).await;
        browser.arrives(place).await;
        let refused = browser.texts("[role=alert]").await;
        let wanted: &[&str] = if button == "login" {
            &["This form is too old or came from another site. Go back and try again."]
        } else {
            &[]
        };
        assert_eq!(refused, wanted, "{button}");
        browser.open(ours).await;
        assert_eq!(browser.text("h1").await, "Account details", "{button}: the session goes on");
    }
    let said = browser.console().await;
    assert!(said.iter().any(|line| line.contains("frame-ancestors 'none'")), "{said:?}");
    assert_eq!(platform.sp.login("ada", "Stolen-Passw0rd!").await.status, 401);
    platform.sp.login("ada", CHOSEN).await.json();
}
