//! Tests of the maximum size of a record and of a page of records.

use serde_json::{Value, json};
use tenantry_catalog::DataCategory;

use super::{EVENTS, create_subscriber, records_path};
use crate::platform::{ApiResponse, TestPlatform};

/// Maximum bytes of a record.
const MAX_RECORD_BYTES: usize = 64 << 10;

/// Creates a record that an earlier release let grow beyond every bound. Returns its path.
pub(crate) async fn create_oversized_record(platform: &TestPlatform, list: &str, name: &str) -> String {
    let made = platform.sp.post(list, json!({ "name": name })).await.json();
    let id = made["id"].as_str().unwrap();
    let members: serde_json::Map<String, Value> =
        (0..45).map(|number| (format!("m{number}"), "x".repeat(62_000).into())).collect();
    let update = sqlx::query("UPDATE record SET document = $1 WHERE id = $2");
    let update = update.bind(Value::from(members).to_string()).bind(id.parse::<i64>().unwrap());
    update.execute(&platform.pool().await).await.unwrap();
    format!("{list}/{id}")
}

async fn change_record(platform: &TestPlatform, record: &str, mut members: Value) -> ApiResponse {
    members["revision"] = platform.sp.get(record).await.json()["revision"].clone();
    platform.sp.post(record, members).await
}

#[tokio::test]
async fn a_record_grows_by_changes_up_to_its_bound_and_no_further() {
    let platform = TestPlatform::start().await;
    let list = records_path(&create_subscriber(&platform, "Acme", &[EVENTS], &[]).await, DataCategory::Alerts);
    let made = platform.sp.post(&list, json!({ "name": "A", "m0": "x".repeat(60_000) })).await.json();
    let record = format!("{list}/{}", made["id"].as_str().unwrap());
    for number in 1..45 {
        let member = format!("m{number}");
        let message = change_record(&platform, &record, json!({ &member: "x".repeat(60_000), "short": 1 }))
            .await
            .assert_field_refused(&member);
        assert!(
            message.contains("would have 1200") && message.contains("65536") && message.contains("null"),
            "{message}"
        );
    }
    let read = platform.sp.get(&record).await.json();
    assert!(read["revision"] == 1 && read.get("m1").is_none() && read.get("short").is_none());
    // A value that replaces another member fits.
    change_record(&platform, &record, json!({ "m0": null, "m1": "x".repeat(60_000) })).await.json();
    // A number may be longer in storage than in the request.
    let long =
        json!({ "name": "B", "numbers": [] }).to_string().replace("[]", &format!("[{}]", vec!["1e15"; 4900].join(",")));
    let long = platform.sp.send(reqwest::Method::POST, &format!("/api/v2{list}"), long.into_bytes()).await;
    assert!(long.assert_field_refused("numbers").contains("65536"), "{}", long.text);
    let page = platform.sp.get(&list).await.json();
    assert_eq!(page["totalResults"], 1);
    assert!(page["results"][0].to_string().len() < MAX_RECORD_BYTES);
}

#[tokio::test]
async fn a_record_from_before_its_bound_is_read_alone_and_shrinks() {
    let platform = TestPlatform::start().await;
    let list = records_path(&create_subscriber(&platform, "Acme", &[EVENTS], &[]).await, DataCategory::Alerts);
    platform.sp.post(&list, json!({ "name": "A" })).await.json();
    let record = create_oversized_record(&platform, &list, "Large").await;
    let message = platform.sp.get(&list).await.assert_field_refused("pageSize");
    assert!(message.contains("32 always fit, and 1 where a record has more than 65536 bytes"), "{message}");
    for number in 1..=2 {
        let page = platform.sp.get(&format!("{list}?pageSize=1&pageNo={number}")).await.json();
        assert_eq!((page["totalResults"].as_i64(), page["results"].as_array().unwrap().len()), (Some(2), 1));
    }
    change_record(&platform, &record, json!({ "m0": null })).await.json();
    change_record(&platform, &record, json!({ "more": 1 })).await.assert_field_refused("more");
    let rest: serde_json::Map<String, Value> = (2..45).map(|number| (format!("m{number}"), Value::Null)).collect();
    change_record(&platform, &record, rest.into()).await.json();
    assert_eq!(platform.sp.get(&list).await.json()["results"].as_array().unwrap().len(), 2);
}
