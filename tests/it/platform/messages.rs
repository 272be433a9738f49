//! The messages that the product's documentation quotes, in answers of the platform.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tenantry::catalog::Category;

use super::people::CHOSEN;
use super::records::{EVENTS, HYBRID, REMEDIATION, path, subscriber};
use super::{Answer, Platform};
use crate::seeds;

fn told(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.text);
    let body: Value = serde_json::from_str(&answer.text).unwrap();
    let own = body["error_description"].as_str().or_else(|| body[0]["message"].as_str());
    own.unwrap_or_else(|| panic!("no sentence: {body}")).to_owned()
}

/// What the platform answers where the documentation quotes an answer.
async fn answers() -> Vec<String> {
    let platform = Platform::start().await;
    let mut answers = Vec::new();
    for (packages, category) in
        [(&[HYBRID, REMEDIATION][..], Category::Alerts), (&[HYBRID, EVENTS], Category::MaintenanceWindows)]
    {
        let partner = subscriber(&platform, category.segment(), packages, &[]).await;
        answers.push(told(&platform.sp.get(&path(&partner, category)).await, 403));
        let list = format!("/tenants/{partner}/clients");
        let body = json!({ "name": "C", "packages": packages, "addOns": ["Batch Exports"] });
        answers.push(told(&platform.sp.post(&list, body).await, 400));
    }
    let body = json!({ "name": "Fenced" });
    let partner = platform.sp.make(platform.msps(), body).await;
    platform.logged_in(&partner, "ada", &[]).await;
    let fence = json!({ "whiteListedIps": "203.0.113.7" });
    platform.sp.post(&format!("{}/{partner}", platform.msps()), fence).await.json();
    answers.push(told(&platform.sp.login("ada", CHOSEN).await, 403));
    answers
}

/// shows: seeds/remediation-add-ons/contact-support, seeds/without-remediation/alerts-screen
/// shows: seeds/without-events/alerts-screen, seeds/access/ip-message
#[tokio::test]
async fn each_message_that_the_documentation_quotes_is_answered_word_for_word() {
    let quoted = seeds::messages();
    let answers = answers().await;
    let silent: Vec<&String> =
        quoted.iter().filter(|quoted| !answers.iter().any(|told| told.contains(*quoted))).collect();
    assert!(silent.is_empty(), "never answered: {silent:?}; answered: {answers:#?}");
    // Each answer above has one of them, so that none is only there to be counted.
    for told in &answers {
        assert!(quoted.iter().any(|quoted| told.contains(quoted)), "{told}");
    }
    let wanted = BTreeSet::from([
        "Access Denied! The partner is not subscribed to this product package.".to_owned(),
        "Contact Support to change the add-on permission.".to_owned(),
        "Your organization policies restrict you from accessing OpsRamp from your current IP.".to_owned(),
    ]);
    assert_eq!(quoted, wanted, "the messages of docs/seeds.md");
}
