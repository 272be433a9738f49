//! Tests of tokens for users whose login requires a second factor.

use super::pages::HttpBrowser;
use super::second_factor::{forget_used_codes, switch_second_factor};
use crate::platform::TestPlatform;
use crate::platform::people::{CHOSEN_PASSWORD, PASSWORD};

#[tokio::test]
async fn a_token_takes_a_code_or_a_recovery_code_along_with_the_password() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    switch_second_factor(&platform, &partner, true).await;
    let without = platform.sp.login("ada", CHOSEN_PASSWORD).await;
    assert!(without.status == 403 && without.text.contains("/login"), "{}", without.text);
    let (app, codes) = HttpBrowser::new(&platform).enrol_second_factor("ada").await;
    forget_used_codes(&platform).await;
    let code = app.code_at_step(0);
    for (otp, status) in
        [("", 403), (app.wrong_code().as_str(), 403), (&code, 200), (&code, 403), (&codes[0], 200), (&codes[0], 403)]
    {
        let answer = platform.sp.login_with("ada", CHOSEN_PASSWORD, otp).await;
        assert_eq!(answer.status, status, "{otp}: {}", answer.text);
        if status == 403 {
            assert_eq!(answer.text, without.text, "one answer for all");
        }
    }
    let answer = platform.sp.login_with("ada", CHOSEN_PASSWORD, &codes[1]).await.json();
    let token = platform.sp.with_token(answer["access_token"].as_str().unwrap());
    assert_eq!(token.get("/cfg/countries").await.status, 200);
    // Neither a wrong name nor a wrong password reveals anything about factors, and neither uses a code.
    let unknown = platform.sp.login_with("nobody", CHOSEN_PASSWORD, &codes[2]).await;
    let wrong = platform.sp.login_with("ada", "wrong", &codes[2]).await;
    assert_eq!((unknown.status.as_u16(), &unknown.text), (401, &wrong.text));
    assert_eq!(wrong.status, 401);
    assert_eq!(platform.sp.login_with("ada", CHOSEN_PASSWORD, &codes[2]).await.status, 200);
}

/// shows: security/asvs/6.3.8
#[tokio::test]
async fn a_login_page_tells_nobody_without_the_password_who_has_a_factor() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &[]).await;
    platform.create_logged_in_user(&partner, "bob", &[]).await;
    switch_second_factor(&platform, &partner, true).await;
    HttpBrowser::new(&platform).enrol_second_factor("ada").await;
    let mut pages = Vec::new();
    for name in ["ada", "bob", "nobody"] {
        let mut browser = HttpBrowser::new(&platform);
        let page = browser.log_in("/login", name, "wrong").await;
        pages.push((page.status, page.text.replace(&super::pages::form_token(&page.text), "")));
    }
    assert!(pages.iter().all(|page| *page == pages[0]), "{pages:?}");
}

#[tokio::test]
async fn asking_without_a_code_locks_neither_the_password_nor_the_codes() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &[]).await;
    switch_second_factor(&platform, &partner, true).await;
    let (app, _) = HttpBrowser::new(&platform).enrol_second_factor("ada").await;
    forget_used_codes(&platform).await;
    for _ in 0..12 {
        assert_eq!(platform.sp.login("ada", CHOSEN_PASSWORD).await.status, 403);
    }
    platform.sp.login_with("ada", CHOSEN_PASSWORD, &app.code_at_step(0)).await.json();
}

#[tokio::test]
async fn with_duo_a_token_is_refused_and_a_first_password_comes_after_the_factor() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_user(&partner, "ada", &[]).await;
    switch_second_factor(&platform, &partner, true).await;
    assert_eq!(platform.sp.login("ada", PASSWORD).await.status, 403);
    let mut browser = HttpBrowser::new(&platform);
    let login = browser.log_in("/login", "ada", PASSWORD).await;
    assert_eq!(super::pages::redirect_location(&login), "/factor");
    let app = super::second_factor::AuthenticatorApp::scan_secret(&browser.get("/factor").await.text);
    browser.send_code(&app.code_at_step(0)).await;
    assert_eq!(super::pages::redirect_location(&browser.get("/").await), "/consent");
    assert_eq!(super::pages::redirect_location(&browser.answer_consent("ACCEPT").await), "/password");
    forget_used_codes(&platform).await;
    let answer = platform.sp.login_with("ada", PASSWORD, &app.code_at_step(0)).await.json();
    assert_eq!(answer["scope"], "password:change");
    let duo =
        serde_json::json!({ "duoSecurity": { "integrationKey": "k", "secretKey": "s", "apiHostName": "h.example" } });
    platform.sp.post(&format!("{}/{partner}", platform.partners_path()), duo).await.json();
    forget_used_codes(&platform).await;
    let refused = platform.sp.login_with("ada", PASSWORD, &app.code_at_step(0)).await;
    assert!(refused.status == 403 && refused.text.contains("two_factor_required"), "{}", refused.text);
}
