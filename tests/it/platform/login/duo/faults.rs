//! Whatever goes wrong with Duo lets nobody in, and is told in one sentence.

use std::time::Duration;

use serde_json::json;

use super::Scene;
use super::stand_in::{Call, Fault, Twist};
use crate::platform::Answer;

const UNREACHABLE: &str = "Duo cannot be reached at this moment, and nobody gets in without it: try again in a few \
                           minutes, and tell your administrator if it stays so.";
const DENIED: &str = "Duo did not let you in: start again, or ask your administrator.";
const UNVERIFIED: &str =
    "The answer of Duo could not be verified: start again, and tell your administrator if it stays so.";

/// What Duo may do at a call other than answer it.
fn ill(call: Call) -> [Fault; 10] {
    [
        Fault::Status(call, 500),
        Fault::Status(call, 503),
        Fault::Status(call, 429),
        Fault::Status(call, 204),
        Fault::Cut(call),
        Fault::Huge(call),
        Fault::Page(call),
        Fault::Redirect(call),
        Fault::Hang(call),
        Fault::Drip(call),
    ]
}

/// An answer that would never come without the platform's own patience, which is a second here.
async fn in_time(answer: impl Future<Output = Answer>) -> Answer {
    tokio::time::timeout(Duration::from_secs(30), answer).await.expect("the platform waits for ever")
}

/// The way back with another code.
fn with_code(back: &str, code: &str) -> String {
    let (path, _) = back.rsplit_once('=').unwrap();
    format!("{path}={code}")
}

/// shows: security/asvs/16.5.1
#[tokio::test]
async fn a_duo_that_is_ill_before_the_prompt_lets_nobody_in_and_nobody_is_sent_there() {
    let mut scene = Scene::with(|config| config.duo.answer = Duration::from_secs(1)).await;
    scene.log_in().await;
    let faults = ill(Call::Health).into_iter().chain([Fault::Unwell, Fault::Status(Call::Health, 401)]);
    for fault in faults {
        scene.duo.spoil(fault);
        let answer = in_time(scene.browser.get("/factor/duo")).await;
        assert!(!answer.headers.contains_key("location"), "{fault:?}");
        scene.is_refused(&answer, (503, UNREACHABLE), "duo unreachable").await;
    }
    assert!(scene.duo.calls().iter().all(|call| *call == Call::Health));
    assert_eq!(scene.duo.calls().len(), 12, "no redirect is followed and nothing is tried twice");
    scene.duo.stop().await;
    let answer = scene.browser.get("/factor/duo").await;
    scene.is_refused(&answer, (503, UNREACHABLE), "duo unreachable").await;
}

#[tokio::test]
async fn a_duo_that_is_ill_after_the_prompt_lets_nobody_in() {
    let mut scene = Scene::with(|config| config.duo.answer = Duration::from_secs(1)).await;
    scene.log_in().await;
    let faults = ill(Call::Token).into_iter().chain([Fault::Twist(Twist::NoToken)]);
    for fault in faults {
        scene.duo.spoil(None);
        let back = scene.prompted().await;
        scene.duo.spoil(fault);
        let answer = in_time(scene.browser.get(&back)).await;
        scene.is_refused(&answer, (503, UNREACHABLE), "duo unreachable").await;
    }
    // A health check and one request for a token each.
    assert_eq!(scene.duo.calls().len(), 22);
    // Once it is well again she gets in.
    scene.duo.spoil(None);
    let back = scene.prompted().await;
    scene.browser.get(&back).await;
    assert!(scene.is_in().await);
}

#[tokio::test]
async fn a_token_of_duos_that_does_not_hold_lets_nobody_in() {
    let mut scene = Scene::start().await;
    scene.log_in().await;
    for (twist, row) in [
        (Twist::Key, "duo token signature"),
        (Twist::Unsigned, "duo token signature"),
        (Twist::Weaker, "duo token signature"),
        (Twist::Issuer, "duo token issuer"),
        (Twist::Audience, "duo token audience"),
        (Twist::Nonce, "duo token nonce"),
        (Twist::NoNonce, "duo token malformed"),
        (Twist::Person, "duo token person"),
        (Twist::Expired, "duo token expired"),
        (Twist::Early, "duo token early"),
        (Twist::NoResult, "duo token malformed"),
        (Twist::Deny, "duo denied"),
    ] {
        scene.duo.spoil(Fault::Twist(twist));
        let back = scene.prompted().await;
        let answer = scene.browser.get(&back).await;
        let sentence = if twist == Twist::Deny { DENIED } else { UNVERIFIED };
        scene.is_refused(&answer, (403, sentence), row).await;
    }
    assert_eq!(scene.duo.calls().len(), 24);
}

#[tokio::test]
async fn whoever_says_no_at_the_prompt_or_brings_a_used_code_does_not_get_in() {
    let mut scene = Scene::start().await;
    scene.log_in().await;
    scene.duo.spoil(Fault::GaveUp);
    let back = scene.prompted().await;
    assert!(back.contains("error=access_denied"), "{back}");
    let answer = scene.browser.get(&back).await;
    scene.is_refused(&answer, (403, DENIED), "duo denied").await;
    // An error beside a good code is an error all the same.
    scene.duo.spoil(None);
    let back = scene.prompted().await;
    let answer = scene.browser.get(&format!("{back}&error=access_denied")).await;
    scene.is_refused(&answer, (403, DENIED), "duo denied").await;
    assert!(!scene.duo.calls().contains(&Call::Token), "nobody asks for the token of somebody who gave up");

    let (_, used) = back.split_once("duo_code=").unwrap();
    let back = scene.prompted().await;
    scene.browser.get(&back).await;
    let (_, spent) = back.split_once("duo_code=").unwrap();
    for (code, row, sentence) in [
        (spent, "duo code", "Duo does not know this answer any more: start again."),
        ("unknown", "duo code", "Duo does not know this answer any more: start again."),
        ("", "duo denied", DENIED),
        (&"x".repeat(1025), "duo denied", DENIED),
    ] {
        scene.browser.cookies.clear();
        scene.log_in().await;
        let path = with_code(&scene.prompted().await, code);
        let answer = scene.browser.get(&path).await;
        scene.is_refused(&answer, (403, sentence), row).await;
    }
    // A code that was made for the same person in another session is worth nothing here: its nonce is another one.
    let path = with_code(&scene.prompted().await, used);
    let answer = scene.browser.get(&path).await;
    scene.is_refused(&answer, (403, UNVERIFIED), "duo token nonce").await;
}

#[tokio::test]
async fn without_a_public_address_or_with_a_host_that_is_not_duos_nobody_gets_in() {
    let mut scene = Scene::with(|config| config.public_url = None).await;
    scene.log_in().await;
    let answer = scene.browser.get("/factor/duo").await;
    let sentence = "Duo cannot be used as long as the platform does not know its own address: whoever runs it must start \
                    it with --public-url.";
    scene.is_refused(&answer, (503, sentence), "duo address").await;
    let page = scene.browser.get("/factor").await.text;
    assert!(page.contains(sentence), "the page says so before anybody goes there: {page}");

    let mut scene = Scene::start().await;
    scene.log_in().await;
    let inside = scene.platform.url().to_owned();
    for host in [
        inside.as_str(),
        "https://169.254.169.254",
        "https://evil.example",
        "https://api-1.duosecurity.com.evil.example",
        "https://evil.example@api-1.duosecurity.com",
        "api-1.duosecurity.com:8443",
        "localhost",
    ] {
        scene.settings(json!({ "duoSecurity": { "apiHostName": host } })).await.json();
        let answer = scene.browser.get("/factor/duo").await;
        let sentence = "The API hostname of Duo in your organization's settings is not one that this platform asks: \
                        an administrator must correct it.";
        scene.is_refused(&answer, (503, sentence), "duo host").await;
    }
    assert!(scene.duo.calls().is_empty());
}
