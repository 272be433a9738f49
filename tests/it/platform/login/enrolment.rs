//! Tests of enrolment: it belongs to its session. Also tests what happens to a factor that is removed or whose user is
//! removed.

use serde_json::{Value, json};

use super::pages::{HttpBrowser, redirect_location};
use super::second_factor::{AuthenticatorApp, forget_used_codes, switch_second_factor};
use crate::platform::TestPlatform;
use crate::platform::people::{CHOSEN_PASSWORD, user_body};

async fn count_rows(platform: &TestPlatform, table: &str) -> i64 {
    let text = format!("SELECT COUNT(*) FROM {table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(text)).fetch_one(&platform.pool().await).await.unwrap()
}

#[tokio::test]
async fn a_secret_that_is_not_confirmed_is_good_in_its_own_session_only() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &[]).await;
    switch_second_factor(&platform, &partner, true).await;
    let (mut one, mut two) = (HttpBrowser::new(&platform), HttpBrowser::new(&platform));
    for browser in [&mut one, &mut two] {
        browser.log_in("/login", "ada", CHOSEN_PASSWORD).await;
    }
    let first = AuthenticatorApp::scan_secret(&one.get("/factor").await.text);
    let second = AuthenticatorApp::scan_secret(&two.get("/factor").await.text);
    assert_ne!(first.secret_spellings(), second.secret_spellings());
    assert_eq!(
        AuthenticatorApp::scan_secret(&one.get("/factor").await.text).secret_spellings(),
        first.secret_spellings(),
        "a reload shows the same"
    );
    assert_eq!(two.send_code(&first.code_at_step(0)).await.status, 401, "the code of another session's secret");
    assert_eq!(platform.sp.login_with("ada", CHOSEN_PASSWORD, &first.code_at_step(0)).await.status, 403);
    assert_eq!(count_rows(&platform, "factor").await, 0);
    assert_eq!(one.send_code(&first.code_at_step(0)).await.status, 200);
    forget_used_codes(&platform).await;
    // The session that was too late must present the enrolled factor.
    assert!(!two.get("/factor").await.text.contains("<svg"));
    assert_eq!(two.send_code(&second.code_at_step(0)).await.status, 401);
    assert_eq!(redirect_location(&two.send_code(&first.code_at_step(0)).await), "/consent");
}

#[tokio::test]
async fn of_two_enrolments_at_once_one_is_kept() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &[]).await;
    switch_second_factor(&platform, &partner, true).await;
    let mut ready = Vec::new();
    for _ in 0..8 {
        let mut browser = HttpBrowser::new(&platform);
        browser.log_in("/login", "ada", CHOSEN_PASSWORD).await;
        let app = AuthenticatorApp::scan_secret(&browser.get("/factor").await.text);
        ready.push((browser, app.code_at_step(0)));
    }
    let answers = futures::future::join_all(ready.iter_mut().map(|(browser, code)| browser.send_code(code))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!((count_rows(&platform, "factor").await, count_rows(&platform, "recovery_code").await), (1, 10));
}

/// shows: security/asvs/6.4.4, security/asvs/7.4.1
#[tokio::test]
async fn an_administrator_takes_a_lost_factor_away_and_the_next_login_enrols_anew() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (_, id) = platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    switch_second_factor(&platform, &partner, true).await;
    let mut browser = HttpBrowser::new(&platform);
    let (old, codes) = browser.enrol_second_factor("ada").await;
    forget_used_codes(&platform).await;
    let path = format!("/tenants/{partner}/users/{id}/RESETFACTOR");
    platform
        .sp
        .post_empty(&format!("/tenants/{partner}/users/USR9999999999/RESETFACTOR"))
        .await
        .assert_error(404, "not found");
    platform.sp.post_empty(&path).await.json();
    assert_eq!(redirect_location(&browser.get("/").await), "/login", "every session ended");
    assert_eq!((count_rows(&platform, "factor").await, count_rows(&platform, "recovery_code").await), (0, 0));
    let (new, _) = browser.enrol_second_factor("ada").await;
    forget_used_codes(&platform).await;
    for gone in [&old.code_at_step(0), &codes[0]] {
        let mut other = HttpBrowser::new(&platform);
        other.log_in("/login", "ada", CHOSEN_PASSWORD).await;
        assert_eq!(other.send_code(gone).await.status, 401);
    }
    assert_eq!(redirect_location(&browser.get("/").await), "");
    assert_ne!(new.secret_spellings(), old.secret_spellings());
    let log = crate::platform::audit::audit_rows(&platform, &partner).await;
    let row = log.iter().find(|row| row["action"] == "factor.reset").unwrap();
    assert_eq!((&row["object"], &row["outcome"]), (&json!(id), &json!("done")));
    assert!(log.iter().any(|row| row["action"] == "factor.enrol" && row["outcome"] == "done"));
}

#[tokio::test]
async fn whoever_may_not_run_users_takes_no_factor_away() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (_, ada) = platform.create_logged_in_user(&partner, "ada", &["Partner Administrator"]).await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let (ben, _) = platform.create_logged_in_user(&client, "ben", &["Client user"]).await;
    let (ann, id) = platform.create_logged_in_user(&client, "ann", &["Client Administrator"]).await;
    assert_eq!(ben.post_empty(&format!("/tenants/{client}/users/{id}/RESETFACTOR")).await.status, 403);
    ann.post_empty(&format!("/tenants/{partner}/users/{ada}/RESETFACTOR")).await.assert_error(404, "not found");
}

#[tokio::test]
async fn the_factor_of_whoever_is_ended_is_erased_to_the_last_byte() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (_, id) = platform.create_logged_in_user(&partner, "ada", &[]).await;
    switch_second_factor(&platform, &partner, true).await;
    HttpBrowser::new(&platform).enrol_second_factor("ada").await;
    let kept: Vec<String> = sqlx::query_scalar("SELECT secret FROM factor UNION ALL SELECT hash FROM recovery_code")
        .fetch_all(&platform.pool().await)
        .await
        .unwrap();
    assert_eq!(kept.len(), 11);
    assert!(kept.iter().all(|text| platform.folder.contains_text(text)));
    platform.sp.post_empty(&format!("/tenants/{partner}/users/{id}/TERMINATE")).await.json();
    assert_eq!((count_rows(&platform, "factor").await, count_rows(&platform, "recovery_code").await), (0, 0));
    let now = jiff::Timestamp::now().as_millisecond();
    platform.running.as_ref().unwrap().run_maintenance(now).await.unwrap();
    for text in &kept {
        assert!(!platform.folder.contains_text(text), "the database has {text}");
    }
}

#[tokio::test]
async fn a_user_shows_which_factor_is_asked_and_has_a_switch_of_its_own() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let (_, id) = platform.create_logged_in_user(&partner, "ada", &[]).await;
    let path = format!("/tenants/{partner}/users/{id}");
    let shown = |user: &Value| (user["twoFactorAuthentication"].clone(), user["twoFactor"]["provider"].clone());
    let read = platform.sp.get(&path).await.json();
    assert_eq!(shown(&read), (json!(false), Value::Null));
    let on = json!({ "twoFactorAuthentication": true });
    assert_eq!(shown(&platform.sp.post(&path, on.clone()).await.json()), (json!(true), json!("TOTP")));
    assert_eq!(platform.sp.login("ada", CHOSEN_PASSWORD).await.status, 403, "her own switch asks her");
    let off = json!({ "twoFactorAuthentication": false });
    assert_eq!(shown(&platform.sp.post(&path, off.clone()).await.json()), (json!(false), Value::Null));
    assert_eq!(platform.sp.login("ada", CHOSEN_PASSWORD).await.status, 200);
    // If the tenant requires the factor, no user can be exempted. A value that is sent back as it was read remains the
    // tenant's.
    switch_second_factor(&platform, &partner, true).await;
    platform.sp.post(&path, off.clone()).await.assert_field_refused("twoFactorAuthentication");
    assert_eq!(shown(&platform.sp.post(&path, on).await.json()), (json!(true), json!("TOTP")));
    switch_second_factor(&platform, &partner, false).await;
    assert_eq!(shown(&platform.sp.get(&path).await.json()), (json!(false), Value::Null));
    let duo = json!({ "duoSecurity": { "integrationKey": "k", "secretKey": "s", "apiHostName": "h.example" } });
    platform.sp.post(&format!("{}/{partner}", platform.partners_path()), duo).await.json();
    assert_eq!(shown(&platform.sp.get(&path).await.json()), (json!(true), json!("DUO")));
    let mut body = user_body("eve", &[]);
    body["twoFactorAuthentication"] = json!(true);
    let made = platform.sp.post(&format!("/tenants/{partner}/users"), body).await.json();
    assert_eq!(shown(&made), (json!(true), json!("DUO")));
    let listed = platform.sp.get(&format!("/tenants/{partner}/users/search?queryString=loginName:ada")).await.json();
    assert_eq!(shown(&listed["results"][0]), (json!(true), json!("DUO")));
}
