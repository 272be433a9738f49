//! Tests that the platform answers with the messages that the product's documentation quotes.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tenantry_catalog::DataCategory;

use super::people::CHOSEN_PASSWORD;
use super::records::{EVENTS, HYBRID, REMEDIATION, create_subscriber, records_path};
use super::{ApiResponse, TestPlatform};
use crate::product_statements;

fn error_sentence(answer: &ApiResponse, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.text);
    let body: Value = serde_json::from_str(&answer.text).unwrap();
    let own = body["error_description"].as_str().or_else(|| body[0]["message"].as_str());
    own.unwrap_or_else(|| panic!("no sentence: {body}")).to_owned()
}

/// Collects the platform's answers in the cases for which the documentation quotes an answer.
async fn collect_answers() -> Vec<String> {
    let platform = TestPlatform::start().await;
    let mut answers = Vec::new();
    for (packages, category) in
        [(&[HYBRID, REMEDIATION][..], DataCategory::Alerts), (&[HYBRID, EVENTS], DataCategory::MaintenanceWindows)]
    {
        let partner = create_subscriber(&platform, category.segment(), packages, &[]).await;
        answers.push(error_sentence(&platform.sp.get(&records_path(&partner, category)).await, 403));
        let list = format!("/tenants/{partner}/clients");
        let body = json!({ "name": "C", "packages": packages, "addOns": ["Batch Exports"] });
        answers.push(error_sentence(&platform.sp.post(&list, body).await, 400));
    }
    let body = json!({ "name": "Fenced" });
    let partner = platform.sp.create_tenant(platform.partners_path(), body).await;
    platform.create_logged_in_user(&partner, "ada", &[]).await;
    let fence = json!({ "whiteListedIps": "203.0.113.7" });
    platform.sp.post(&format!("{}/{partner}", platform.partners_path()), fence).await.json();
    answers.push(error_sentence(&platform.sp.login("ada", CHOSEN_PASSWORD).await, 403));
    answers
}

/// shows: seeds/remediation-add-ons/contact-support, seeds/without-remediation/alerts-screen
/// shows: seeds/without-events/alerts-screen, seeds/access/ip-message
#[tokio::test]
async fn each_message_that_the_documentation_quotes_is_answered_word_for_word() {
    let quoted = product_statements::quoted_messages();
    let answers = collect_answers().await;
    let silent: Vec<&String> =
        quoted.iter().filter(|quoted| !answers.iter().any(|told| told.contains(*quoted))).collect();
    assert!(silent.is_empty(), "never answered: {silent:?}; answered: {answers:#?}");
    // Each answer above contains a quoted message, so that none is there only to be counted.
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
