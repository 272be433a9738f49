//! Tests of the state of a Duo login: it belongs to one session, can be used once, and expires after five minutes.

use super::DuoFixture;
use super::fake_duo::DuoCall;
use crate::platform::login::pages::{HttpBrowser, redirect_location};

const FOREIGN: &str = "This answer of Duo belongs to no login that waits in this browser: start again.";

#[tokio::test]
async fn a_state_counts_once_and_only_in_the_session_that_it_was_made_for() {
    let mut fixture = DuoFixture::start().await;
    // Ada's other browser has only verified her password.
    fixture.log_in().await;
    let mut other = HttpBrowser::new(&fixture.platform);
    std::mem::swap(&mut fixture.browser, &mut other);
    fixture.log_in().await;
    let back = fixture.approve_prompt().await;
    // Without a cookie, and in another session of the same person.
    let mut nobody = HttpBrowser::new(&fixture.platform);
    assert_eq!(redirect_location(&nobody.get(&back).await), "/login");
    std::mem::swap(&mut fixture.browser, &mut other);
    let answer = fixture.browser.get(&back).await;
    fixture.assert_refused(&answer, (403, FOREIGN), "duo state").await;
    // A state that was never issued, and no state.
    let (_, code) = back.split_once("duo_code=").unwrap();
    for path in [
        format!("/factor/duo/callback?state=&duo_code={code}"),
        format!("/factor/duo/callback?duo_code={code}"),
        format!("/factor/duo/callback?state={}&duo_code={code}", "a".repeat(40)),
        format!("/factor/duo/callback?state=%00%ff&duo_code={code}"),
        "/factor/duo/callback".to_owned(),
    ] {
        let answer = fixture.browser.get(&path).await;
        fixture.assert_refused(&answer, (403, FOREIGN), "duo state").await;
    }
    assert!(!fixture.duo.calls().contains(&DuoCall::Token), "no code of a foreign state is asked for");
    // None of these attempts used the state of the right session.
    std::mem::swap(&mut fixture.browser, &mut other);
    assert_eq!(redirect_location(&fixture.browser.get(&back).await), "/");
    assert!(fixture.is_logged_in().await);
    let again = fixture.browser.get(&back).await;
    assert!(again.status == 403 && again.text.contains(FOREIGN), "{}", again.text);
    assert_eq!(fixture.factor_audit_rows().await.last().unwrap(), "duo state denied");
}

#[tokio::test]
async fn a_state_that_failed_is_used_up_and_a_new_way_ends_the_one_before() {
    let mut fixture = DuoFixture::start().await;
    fixture.log_in().await;
    let back = fixture.approve_prompt().await;
    let answer = fixture.browser.get(&format!("{back}&error=access_denied")).await;
    fixture.assert_refused(&answer, (403, "Duo did not let you in"), "duo denied").await;
    let answer = fixture.browser.get(&back).await;
    fixture.assert_refused(&answer, (403, FOREIGN), "duo state").await;
    let (first, second) = (fixture.approve_prompt().await, fixture.approve_prompt().await);
    let answer = fixture.browser.get(&first).await;
    fixture.assert_refused(&answer, (403, FOREIGN), "duo state").await;
    assert_eq!(redirect_location(&fixture.browser.get(&second).await), "/");
}

#[tokio::test]
async fn a_state_ends_after_five_minutes_and_with_its_session() {
    let mut fixture = DuoFixture::start().await;
    fixture.log_in().await;
    let back = fixture.approve_prompt().await;
    fixture.platform.execute_sql("UPDATE duo_state SET expires_at = expires_at - 299000").await;
    let pool = fixture.platform.pool().await;
    let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM duo_state").fetch_one(&pool).await.unwrap();
    assert_eq!(left, 1);
    fixture.platform.execute_sql("UPDATE duo_state SET expires_at = expires_at - 1001").await;
    let answer = fixture.browser.get(&back).await;
    fixture.assert_refused(&answer, (403, FOREIGN), "duo state").await;
    fixture.approve_prompt().await;
    fixture.browser.submit_form("/factor", "/logout", &[]).await;
    let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM duo_state").fetch_one(&pool).await.unwrap();
    assert_eq!(left, 0);
}
