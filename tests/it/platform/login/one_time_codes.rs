//! Tests of codes: each works once, one step early or late is accepted, and ten wrong codes in a row lock the factor.

use futures::future::join_all;
use serde_json::Value;
use tenantry_platform::new_audit_key;

use super::pages::{HttpBrowser, form_token, redirect_location};
use super::second_factor::{AuthenticatorApp, forget_used_codes, switch_second_factor, wait_away_from_step_edge};
use crate::platform::people::CHOSEN_PASSWORD;
use crate::platform::{TestFolder, TestPlatform};

/// Starts a platform with one user who has enrolled. Returns the partner, her app, her recovery codes and her session.
async fn start_with_enrolled_person() -> (TestPlatform, String, AuthenticatorApp, Vec<String>, HttpBrowser) {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    switch_second_factor(&platform, &partner, true).await;
    let mut browser = HttpBrowser::new(&platform);
    let (app, codes) = browser.enrol_second_factor("ada").await;
    forget_used_codes(&platform).await;
    (platform, partner, app, codes, browser)
}

/// Opens another session, whose second factor is still a required action.
async fn log_in_again(platform: &TestPlatform) -> HttpBrowser {
    let mut browser = HttpBrowser::new(platform);
    assert_eq!(redirect_location(&browser.log_in("/login", "ada", CHOSEN_PASSWORD).await), "/factor");
    browser
}

/// shows: security/asvs/6.5.1
#[tokio::test]
async fn a_code_is_taken_once_and_none_before_it_either() {
    let (platform, _, app, _, _) = start_with_enrolled_person().await;
    wait_away_from_step_edge().await;
    let (before, code) = (app.code_at_step(-1), app.code_at_step(0));
    assert_eq!(redirect_location(&log_in_again(&platform).await.send_code(&code).await), "/");
    for used in [&code, &before] {
        assert_eq!(log_in_again(&platform).await.send_code(used).await.status, 401, "{used}");
    }
    assert_eq!(redirect_location(&log_in_again(&platform).await.send_code(&app.code_at_step(1)).await), "/");
}

/// shows: security/asvs/6.5.1, security/pci/8.4
#[tokio::test]
async fn of_twenty_equal_codes_at_once_exactly_one_is_taken() {
    let (platform, _, app, _, _) = start_with_enrolled_person().await;
    let mut browsers = Vec::new();
    for _ in 0..20 {
        browsers.push(log_in_again(&platform).await);
    }
    let code = app.code_at_step(0);
    let answers = join_all(browsers.iter_mut().map(|browser| browser.send_code(&code))).await;
    let taken = answers.iter().filter(|answer| redirect_location(answer) == "/").count();
    let refused = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!((taken, refused), (1, 19));
    let mut open = 0;
    for browser in &mut browsers {
        open += usize::from(browser.get("/").await.status == 200);
    }
    assert_eq!(open, 1);
}

#[tokio::test]
async fn a_code_of_one_step_before_or_after_is_taken_and_of_two_is_not() {
    let (platform, _, app, _, _) = start_with_enrolled_person().await;
    for (steps, taken) in [(-2, false), (2, false), (-1, true), (0, true), (1, true)] {
        forget_used_codes(&platform).await;
        wait_away_from_step_edge().await;
        let answer = log_in_again(&platform).await.send_code(&app.code_at_step(steps)).await;
        assert_eq!(redirect_location(&answer) == "/", taken, "{steps}: {}", answer.text);
    }
}

/// shows: security/pci/8.3.4
#[tokio::test]
async fn ten_wrong_codes_of_a_person_shut_the_door_for_half_an_hour_wherever_they_came_from() {
    let (platform, partner, app, codes, mut open) = start_with_enrolled_person().await;
    let wrong = app.wrong_code();
    let (mut one, mut two) = (log_in_again(&platform).await, log_in_again(&platform).await);
    // A right code resets the count of nine wrong ones.
    for _ in 0..9 {
        assert_eq!(one.send_code(&wrong).await.status, 401);
    }
    assert_eq!(redirect_location(&two.send_code(&app.code_at_step(0)).await), "/");
    two = log_in_again(&platform).await;
    let path = format!("/tenants/{partner}/customBranding");
    for number in 0..3 {
        assert_eq!(one.send_code(&wrong).await.status, 401, "{number}");
        assert_eq!(two.send_code("abcd-efgh-ijkl-mnop-qrst-uvwx").await.status, 401, "{number}");
        assert_eq!(platform.sp.login_with("ada", CHOSEN_PASSWORD, &wrong).await.status, 403, "{number}");
    }
    let header = [("x-two-factor-code", wrong.as_str())];
    assert_eq!(open.call_api(reqwest::Method::PUT, &path, &serde_json::json!({}), &header).await.status, 403);
    platform.execute_sql("UPDATE factor SET last_step = 0").await;
    for code in [&app.code_at_step(0), &codes[0]] {
        assert_eq!(one.send_code(code).await.status, 401, "the door is shut");
    }
    assert_eq!(platform.sp.login_with("ada", CHOSEN_PASSWORD, &app.code_at_step(0)).await.status, 403);
    platform.execute_sql("UPDATE factor SET failed_at = failed_at - 1790000").await;
    assert_eq!(one.send_code(&app.code_at_step(0)).await.status, 401, "and stays so, however often somebody tries");
    platform.execute_sql("UPDATE factor SET failed_at = failed_at - 11000").await;
    assert_eq!(redirect_location(&one.send_code(&app.code_at_step(0)).await), "/");
    assert_eq!(redirect_location(&two.send_code(&codes[0]).await), "/", "nothing was used up meanwhile");
    let log = crate::platform::audit::audit_rows(&platform, &partner).await;
    let denied = |action: &str| log.iter().filter(|row| row["action"] == action && row["outcome"] == "denied").count();
    assert_eq!((denied("factor"), denied("factor.locked")), (19, 4), "{log:?}");
}

/// Returns the page without the parts that differ between two browsers.
fn without_token(page: &str) -> String {
    page.replace(&form_token(page), "")
}

#[tokio::test]
async fn a_used_code_and_a_wrong_one_get_the_same_answer_and_the_same_row() {
    let (platform, partner, app, codes, _) = start_with_enrolled_person().await;
    let code = app.code_at_step(0);
    assert_eq!(redirect_location(&log_in_again(&platform).await.send_code(&code).await), "/");
    assert_eq!(redirect_location(&log_in_again(&platform).await.send_code(&codes[0]).await), "/");
    let mut answers = Vec::new();
    for code in [&code, &codes[0], &app.wrong_code(), &"nonsense".to_owned(), &String::new()] {
        let answer = log_in_again(&platform).await.send_code(code).await;
        answers.push((answer.status, without_token(&answer.text)));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let mut texts = Vec::new();
    for code in [&code, &codes[0], &app.wrong_code()] {
        let answer = platform.sp.login_with("ada", CHOSEN_PASSWORD, code).await;
        texts.push((answer.status, answer.text));
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
    let log = crate::platform::audit::audit_rows(&platform, &partner).await;
    let told = |row: &Value| (row["object"].clone(), row["actor"].clone());
    let rows: Vec<_> =
        log.iter().filter(|row| row["action"] == "factor" && row["outcome"] == "denied").map(told).collect();
    assert_eq!(rows.len(), 8, "{log:?}");
    assert!(rows.iter().all(|row| *row == rows[0]), "{rows:?}");
}

/// shows: security/asvs/6.5.1
#[tokio::test]
async fn each_recovery_code_is_good_once_and_kept_as_a_hash_only() {
    let (platform, _, app, codes, _) = start_with_enrolled_person().await;
    assert_eq!(codes.len(), 10);
    assert!(codes.iter().all(|code| code.len() == 29 && code.split('-').count() == 6), "{codes:?}");
    let plain = codes[1].to_uppercase().replace('-', "");
    assert_eq!(redirect_location(&log_in_again(&platform).await.send_code(&plain).await), "/", "however it is typed");
    assert_eq!(log_in_again(&platform).await.send_code(&codes[1]).await.status, 401);
    for code in codes.iter().filter(|code| **code != codes[1]) {
        assert_eq!(redirect_location(&log_in_again(&platform).await.send_code(code).await), "/");
        assert_eq!(log_in_again(&platform).await.send_code(code).await.status, 401);
    }
    assert_eq!(
        redirect_location(&log_in_again(&platform).await.send_code(&app.code_at_step(0)).await),
        "/",
        "the app goes on"
    );
}

/// shows: security/asvs/6.5.2, security/pci/8.3.2
#[tokio::test]
async fn the_secret_and_the_recovery_codes_are_not_in_the_database_and_open_with_the_key_file_only() {
    let keys = TestFolder::new();
    let mut platform = TestPlatform::start_with(|config| config.audit_key = Some(keys.path("k"))).await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &[]).await;
    platform.create_logged_in_user(&partner, "bob", &[]).await;
    switch_second_factor(&platform, &partner, true).await;
    let (app, codes) = HttpBrowser::new(&platform).enrol_second_factor("ada").await;
    // This includes a factor whose enrolment is not confirmed.
    let mut waiting = HttpBrowser::new(&platform);
    waiting.log_in("/login", "bob", CHOSEN_PASSWORD).await;
    let pending = AuthenticatorApp::scan_secret(&waiting.get("/factor").await.text);
    let forms = [app.secret_spellings(), pending.secret_spellings(), code_spellings(&codes)].concat();
    let bytes = platform.folder.database_bytes();
    let has = |form: &&Vec<u8>| bytes.windows(form.len()).any(|window| window == form.as_slice());
    let found: Vec<_> = forms.iter().filter(has).map(|form| String::from_utf8_lossy(form).into_owned()).collect();
    assert!(found.is_empty(), "{found:?}");
    forget_used_codes(&platform).await;
    platform.restart(|config| config.audit_key = Some(keys.path("k"))).await;
    assert_eq!(
        redirect_location(&log_in_again(&platform).await.send_code(&app.code_at_step(0)).await),
        "/",
        "the key file opens it"
    );
    forget_used_codes(&platform).await;
    new_audit_key(&platform.folder.database(), &keys.path("other")).await.unwrap();
    platform.restart(|config| config.audit_key = Some(keys.path("other"))).await;
    assert_eq!(log_in_again(&platform).await.send_code(&app.code_at_step(0)).await.status, 401, "another one does not");
}

fn code_spellings(codes: &[String]) -> Vec<Vec<u8>> {
    codes.iter().flat_map(|code| [code.clone().into_bytes(), code.replace('-', "").into_bytes()]).collect()
}
