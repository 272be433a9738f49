//! Tests of pages that a user reaches by accident: each offers a way on.

use reqwest::Method;
use serde_json::json;

use super::pages::{HttpBrowser, form_token, redirect_location};
use super::second_factor::{AuthenticatorApp, switch_second_factor};
use crate::platform::TestPlatform;
use crate::platform::people::{CHOSEN_PASSWORD, PASSWORD};

const SAME_ORIGIN: &[(&str, &str)] = &[("sec-fetch-site", "same-origin")];

#[tokio::test]
async fn the_login_form_of_a_second_tab_leads_to_the_session_of_the_first() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &[]).await;
    let mut browser = HttpBrowser::new(&platform);
    let tabs = [browser.get("/login").await.text, browser.get("/login").await.text].map(|page| form_token(&page));
    let form = |token: &String| [("form".to_owned(), token.clone()), ("login".to_owned(), "ada".to_owned())];
    let fields = |token: &String| form(token).into_iter().chain([("password".to_owned(), CHOSEN_PASSWORD.to_owned())]);
    let mut answers = Vec::new();
    for tab in &tabs {
        let fields: Vec<(String, String)> = fields(tab).collect();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        answers.push(browser.send((Method::POST, "/login"), &fields, SAME_ORIGIN).await);
    }
    assert_eq!(
        (redirect_location(&answers[0]), redirect_location(&answers[1])),
        ("/consent", "/"),
        "{}",
        answers[1].text
    );
}

#[tokio::test]
async fn a_login_form_that_cannot_be_taken_says_why_and_comes_back_fresh() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &[]).await;
    let mut browser = HttpBrowser::new(&platform);
    browser.get("/login").await;
    let long = "x".repeat(17 << 10);
    for (keeps, password, status, says) in [
        (true, CHOSEN_PASSWORD, 403, "This form was too old. Log in here."),
        (true, &*long, 400, "A password has at most 1,024 characters."),
        // A browser keeps none of our cookies over plain HTTP.
        (false, CHOSEN_PASSWORD, 403, "Browsers keep it over https only, or from the machine itself"),
    ] {
        if !keeps {
            browser.cookies.clear();
        }
        let fields = [("form", "0000"), ("login", "ada"), ("password", password)];
        let answer = browser.send((Method::POST, "/login"), &fields, SAME_ORIGIN).await;
        assert!(answer.status == status && answer.text.contains(says), "{says}: {} {}", answer.status, answer.text);
        let fresh = form_token(&answer.text);
        let fields = [("form", &*fresh), ("login", "ada"), ("password", CHOSEN_PASSWORD)];
        let logged_in = browser.clone().send((Method::POST, "/login"), &fields, SAME_ORIGIN).await;
        assert_eq!(redirect_location(&logged_in), "/consent", "{says}: {}", logged_in.text);
    }
    // A request from another site gets no form, only a link to our site.
    let fields = [("form", "0000"), ("login", "ada"), ("password", CHOSEN_PASSWORD)];
    let refused = browser.send((Method::POST, "/login"), &fields, &[("sec-fetch-site", "cross-site")]).await;
    assert!(refused.status == 403 && refused.text.contains("<a href=\"/\">") && !refused.text.contains("<form"));
}

/// shows: security/asvs/7.4.1
#[tokio::test]
async fn a_person_who_owes_a_new_password_can_log_out_instead() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_user(&partner, "ada", &[]).await;
    let mut browser = HttpBrowser::new(&platform);
    assert_eq!(redirect_location(&browser.log_in("/login", "ada", PASSWORD).await), "/password");
    assert!(browser.get("/password").await.text.contains("action=\"/logout\""));
    assert_eq!(redirect_location(&browser.submit_form("/password", "/logout", &[]).await), "/login");
    assert_eq!(redirect_location(&browser.get("/password").await), "/login");
}

#[tokio::test]
async fn the_longest_title_and_login_name_fit_the_picture_of_an_enrolment() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let title = json!({ "applicationTitle": "\u{65e5}".repeat(1024) });
    platform.sp.put(&format!("/tenants/{partner}/customBranding"), title).await.json();
    let name = "\u{65e5}".repeat(254);
    let mut body = crate::platform::people::user_body(&name, &[]);
    body["email"] = json!("a@example.org");
    let policy = json!({ "passwordPolicy": { "defaultPolicy": false, "changePasswordAtFirstLogin": false } });
    platform.sp.post(&format!("{}/{partner}", platform.partners_path()), policy).await.json();
    platform.sp.post(&format!("/tenants/{partner}/users"), body).await.json();
    switch_second_factor(&platform, &partner, true).await;
    let mut browser = HttpBrowser::new(&platform);
    assert_eq!(redirect_location(&browser.log_in("/login", &name, PASSWORD).await), "/factor");
    let page = browser.get("/factor").await;
    assert!(page.status == 200 && page.text.contains("<svg"), "{} {}", page.status, page.text);
    // A code is accepted as an app shows it, in two groups.
    let app = AuthenticatorApp::scan_secret(&page.text);
    let code = app.code_at_step(0);
    let typed = format!(" {} {}", &code[..3], &code[3..]);
    assert_eq!(browser.send_code(&typed).await.status, 200);
    super::second_factor::forget_used_codes(&platform).await;
    let code = app.code_at_step(0);
    let typed = format!("{}\u{a0}{}", &code[..3], &code[3..]);
    assert_eq!(platform.sp.login_with(&name, PASSWORD, &typed).await.status, 200);
}
