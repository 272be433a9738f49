//! Tests of Duo's failures: each denies the login, and each is reported in one sentence.

use std::time::Duration;

use serde_json::json;

use super::DuoFixture;
use super::fake_duo::{DuoCall, DuoFault, TokenDefect};
use crate::platform::ApiResponse;

const UNREACHABLE: &str = "Duo cannot be reached at this moment, and nobody gets in without it: try again in a few \
                           minutes, and tell your administrator if it stays so.";
const DENIED: &str = "Duo did not let you in: start again, or ask your administrator.";
const UNVERIFIED: &str =
    "The answer of Duo could not be verified: start again, and tell your administrator if it stays so.";

/// Returns the faults that Duo may have at a call.
fn faults_of_call(call: DuoCall) -> [DuoFault; 10] {
    [
        DuoFault::Status(call, 500),
        DuoFault::Status(call, 503),
        DuoFault::Status(call, 429),
        DuoFault::Status(call, 204),
        DuoFault::Cut(call),
        DuoFault::Huge(call),
        DuoFault::Page(call),
        DuoFault::Redirect(call),
        DuoFault::Hang(call),
        DuoFault::Drip(call),
    ]
}

/// Awaits an answer that never arrives without the platform's own timeout, which is one second here.
async fn within_timeout(answer: impl Future<Output = ApiResponse>) -> ApiResponse {
    tokio::time::timeout(Duration::from_secs(30), answer).await.expect("the platform waits for ever")
}

/// Returns the callback URL with another code.
fn callback_with_code(back: &str, code: &str) -> String {
    let (path, _) = back.rsplit_once('=').unwrap();
    format!("{path}={code}")
}

/// shows: security/asvs/16.5.1
#[tokio::test]
async fn a_duo_that_is_ill_before_the_prompt_lets_nobody_in_and_nobody_is_sent_there() {
    let mut fixture = DuoFixture::start_with(|config| config.duo.answer_timeout = Duration::from_secs(1)).await;
    fixture.log_in().await;
    let faults = faults_of_call(DuoCall::Health)
        .into_iter()
        .chain([DuoFault::Unhealthy, DuoFault::Status(DuoCall::Health, 401)]);
    for fault in faults {
        fixture.duo.set_fault(fault);
        let answer = within_timeout(fixture.browser.get("/factor/duo")).await;
        assert!(!answer.headers.contains_key("location"), "{fault:?}");
        fixture.assert_refused(&answer, (503, UNREACHABLE), "duo unreachable").await;
    }
    assert!(fixture.duo.calls().iter().all(|call| *call == DuoCall::Health));
    assert_eq!(fixture.duo.calls().len(), 12, "no redirect is followed and nothing is tried twice");
    fixture.duo.stop().await;
    let answer = fixture.browser.get("/factor/duo").await;
    fixture.assert_refused(&answer, (503, UNREACHABLE), "duo unreachable").await;
}

#[tokio::test]
async fn a_duo_that_is_ill_after_the_prompt_lets_nobody_in() {
    let mut fixture = DuoFixture::start_with(|config| config.duo.answer_timeout = Duration::from_secs(1)).await;
    fixture.log_in().await;
    let faults = faults_of_call(DuoCall::Token).into_iter().chain([DuoFault::DefectiveToken(TokenDefect::NoToken)]);
    for fault in faults {
        fixture.duo.set_fault(None);
        let back = fixture.approve_prompt().await;
        fixture.duo.set_fault(fault);
        let answer = within_timeout(fixture.browser.get(&back)).await;
        fixture.assert_refused(&answer, (503, UNREACHABLE), "duo unreachable").await;
    }
    // Each login makes one health check and one token request.
    assert_eq!(fixture.duo.calls().len(), 22);
    // When Duo works again, she can log in.
    fixture.duo.set_fault(None);
    let back = fixture.approve_prompt().await;
    fixture.browser.get(&back).await;
    assert!(fixture.is_logged_in().await);
}

#[tokio::test]
async fn a_token_of_duos_that_does_not_hold_lets_nobody_in() {
    let mut fixture = DuoFixture::start().await;
    fixture.log_in().await;
    for (twist, row) in [
        (TokenDefect::Key, "duo token signature"),
        (TokenDefect::Unsigned, "duo token signature"),
        (TokenDefect::Weaker, "duo token signature"),
        (TokenDefect::Issuer, "duo token issuer"),
        (TokenDefect::Audience, "duo token audience"),
        (TokenDefect::Nonce, "duo token nonce"),
        (TokenDefect::NoNonce, "duo token malformed"),
        (TokenDefect::Person, "duo token person"),
        (TokenDefect::Expired, "duo token expired"),
        (TokenDefect::Early, "duo token early"),
        (TokenDefect::NoResult, "duo token malformed"),
        (TokenDefect::Deny, "duo denied"),
    ] {
        fixture.duo.set_fault(DuoFault::DefectiveToken(twist));
        let back = fixture.approve_prompt().await;
        let answer = fixture.browser.get(&back).await;
        let sentence = if twist == TokenDefect::Deny { DENIED } else { UNVERIFIED };
        fixture.assert_refused(&answer, (403, sentence), row).await;
    }
    assert_eq!(fixture.duo.calls().len(), 24);
}

#[tokio::test]
async fn whoever_says_no_at_the_prompt_or_brings_a_used_code_does_not_get_in() {
    let mut fixture = DuoFixture::start().await;
    fixture.log_in().await;
    fixture.duo.set_fault(DuoFault::DeniedByUser);
    let back = fixture.approve_prompt().await;
    assert!(back.contains("error=access_denied"), "{back}");
    let answer = fixture.browser.get(&back).await;
    fixture.assert_refused(&answer, (403, DENIED), "duo denied").await;
    // An error beside a valid code is still an error.
    fixture.duo.set_fault(None);
    let back = fixture.approve_prompt().await;
    let answer = fixture.browser.get(&format!("{back}&error=access_denied")).await;
    fixture.assert_refused(&answer, (403, DENIED), "duo denied").await;
    assert!(!fixture.duo.calls().contains(&DuoCall::Token), "nobody asks for the token of somebody who gave up");

    let (_, used) = back.split_once("duo_code=").unwrap();
    let back = fixture.approve_prompt().await;
    fixture.browser.get(&back).await;
    let (_, spent) = back.split_once("duo_code=").unwrap();
    for (code, row, sentence) in [
        (spent, "duo code", "Duo does not know this answer any more: start again."),
        ("unknown", "duo code", "Duo does not know this answer any more: start again."),
        ("", "duo denied", DENIED),
        (&"x".repeat(1025), "duo denied", DENIED),
    ] {
        fixture.browser.cookies.clear();
        fixture.log_in().await;
        let path = callback_with_code(&fixture.approve_prompt().await, code);
        let answer = fixture.browser.get(&path).await;
        fixture.assert_refused(&answer, (403, sentence), row).await;
    }
    // A code that was issued to the same person in another session is rejected here, because its nonce differs.
    let path = callback_with_code(&fixture.approve_prompt().await, used);
    let answer = fixture.browser.get(&path).await;
    fixture.assert_refused(&answer, (403, UNVERIFIED), "duo token nonce").await;
}

#[tokio::test]
async fn without_a_public_address_or_with_a_host_that_is_not_duos_nobody_gets_in() {
    let mut fixture = DuoFixture::start_with(|config| config.public_url = None).await;
    fixture.log_in().await;
    let answer = fixture.browser.get("/factor/duo").await;
    let sentence = "Duo cannot be used as long as the platform does not know its own address: whoever runs it must start \
                    it with --public-url.";
    fixture.assert_refused(&answer, (503, sentence), "duo address").await;
    let page = fixture.browser.get("/factor").await.text;
    assert!(page.contains(sentence), "the page says so before anybody goes there: {page}");

    let mut fixture = DuoFixture::start().await;
    fixture.log_in().await;
    let inside = fixture.platform.url().to_owned();
    for host in [
        inside.as_str(),
        "https://169.254.169.254",
        "https://evil.example",
        "https://api-1.duosecurity.com.evil.example",
        "https://evil.example@api-1.duosecurity.com",
        "api-1.duosecurity.com:8443",
        "localhost",
    ] {
        fixture.change_settings(json!({ "duoSecurity": { "apiHostName": host } })).await.json();
        let answer = fixture.browser.get("/factor/duo").await;
        let sentence = "The API hostname of Duo in your organization's settings is not one that this platform asks: \
                        an administrator must correct it.";
        fixture.assert_refused(&answer, (503, sentence), "duo host").await;
    }
    assert!(fixture.duo.calls().is_empty());
}
