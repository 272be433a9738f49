//! Tests of records: packages and add-ons, paging, masking, retention, cloud accounts.

pub(super) mod size;

use serde_json::{Value, json};
use tenantry_catalog::{ADD_ON_RECORD_KINDS, CONTACT_SUPPORT, DataCategory, NOT_SUBSCRIBED, Package};

use super::audit::execute_statements;
use super::{ApiResponse, TestPlatform};

pub(super) const HYBRID: &str = "Hybrid Discovery and Monitoring";
pub(super) const EVENTS: &str = "Event and Incident Management";
pub(super) const REMEDIATION: &str = "Remediation and Automation";

/// Creates a partner with packages and add-ons.
pub(super) async fn create_subscriber(
    platform: &TestPlatform,
    name: &str,
    packages: &[&str],
    add_ons: &[&str],
) -> String {
    platform
        .sp
        .create_tenant(platform.partners_path(), json!({ "name": name, "packages": packages, "addOns": add_ons }))
        .await
}

pub(super) fn records_path(tenant: &str, category: DataCategory) -> String {
    format!("/tenants/{tenant}/records/{}", category.segment())
}

#[track_caller]
fn assert_denied(answer: &ApiResponse, sentence: &str) {
    assert_eq!(answer.status, 403, "{}", answer.text);
    let body: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(body["error"], "access_denied");
    assert!(body["error_description"].as_str().unwrap().contains(sentence), "{body}");
}

/// shows: seeds/without-remediation/alerts-screen, seeds/without-remediation/sentence, seeds/without-events/alerts-screen
/// shows: seeds/without-events/sentence
#[tokio::test]
async fn a_tenant_without_the_package_is_denied_what_only_that_package_carries_in_the_words_of_the_page() {
    let platform = TestPlatform::start().await;
    for (packages, missing) in [
        (&[HYBRID, REMEDIATION][..], Package::EventAndIncidentManagement),
        (&[HYBRID, EVENTS][..], Package::RemediationAndAutomation),
    ] {
        let partner = create_subscriber(&platform, missing.name(), packages, &[]).await;
        let client = platform
            .sp
            .create_tenant(format!("/tenants/{partner}/clients"), json!({ "name": "C", "packages": packages }))
            .await;
        for category in DataCategory::ALL {
            for tenant in [&partner, &client] {
                let written = platform.sp.post(&records_path(tenant, category), json!({ "name": "one" })).await;
                let list = platform.sp.get(&records_path(tenant, category)).await;
                if category.package_requirement().package == missing {
                    for answer in
                        [&written, &list, &platform.sp.get(&format!("{}/1", records_path(tenant, category))).await]
                    {
                        assert_denied(answer, NOT_SUBSCRIBED);
                        let body: Value = serde_json::from_str(&answer.text).unwrap();
                        assert_eq!(body["error_description"], NOT_SUBSCRIBED);
                    }
                } else {
                    assert_eq!(written.json()["name"], "one");
                    assert_eq!(list.json()["totalResults"], 1);
                }
            }
        }
    }
}

/// shows: seeds/without-remediation/alerts-screen, seeds/without-remediation/service-desk-screen
/// shows: seeds/without-remediation/automation-screen, seeds/without-events/alerts-screen
/// shows: seeds/without-events/service-desk-screen, seeds/without-events/automation-screen
#[tokio::test]
async fn each_screen_warns_for_either_missing_package_and_denies_only_what_that_package_carries() {
    let platform = TestPlatform::start().await;
    let all = create_subscriber(&platform, "All", &[EVENTS, REMEDIATION], &[]).await;
    let has = platform.sp.get(&format!("/tenants/{all}/subscription")).await.json();
    for screen in ["alerts", "serviceDesk", "automation"] {
        assert_eq!((&has["screens"][screen]["denied"], &has["screens"][screen]["warning"]), (&json!([]), &Value::Null));
    }
    for (packages, missing) in
        [(&[REMEDIATION][..], Package::EventAndIncidentManagement), (&[EVENTS][..], Package::RemediationAndAutomation)]
    {
        let partner = create_subscriber(&platform, missing.name(), packages, &[]).await;
        let list = format!("/tenants/{partner}/clients");
        let client = platform.sp.create_tenant(list, json!({ "name": "C", "packages": packages })).await;
        for tenant in [partner, client] {
            let has = platform.sp.get(&format!("/tenants/{tenant}/subscription")).await.json();
            for screen in ["alerts", "serviceDesk", "automation"] {
                let screen = &has["screens"][screen];
                assert_eq!(screen["warning"], NOT_SUBSCRIBED);
                let modules = |key: &str| screen[key].as_array().unwrap().clone();
                let carried = |module: &Value| missing.modules().contains(&module.as_str().unwrap());
                assert!(!modules("denied").is_empty() && modules("denied").iter().all(carried), "{screen}");
                assert!(!modules("modules").is_empty() && !modules("modules").iter().any(carried), "{screen}");
            }
            assert_eq!(has["hiddenMenus"], json!(missing.unavailable_without().menus));
            assert_eq!(has["withheldPermissionSets"], json!(missing.unavailable_without().permission_sets));
        }
    }
}

#[tokio::test]
async fn a_package_that_goes_takes_its_records_out_of_reach_and_brings_them_back() {
    let platform = TestPlatform::start().await;
    let partner = create_subscriber(&platform, "Acme", &[EVENTS], &[]).await;
    let alerts = records_path(&partner, DataCategory::Alerts);
    platform.sp.post(&alerts, json!({ "name": "one" })).await.json();
    let itself = format!("{}/{partner}", platform.partners_path());
    platform.sp.post(&itself, json!({ "packages": [] })).await.json();
    assert_denied(&platform.sp.get(&alerts).await, NOT_SUBSCRIBED);
    platform.sp.post(&itself, json!({ "packages": [EVENTS] })).await.json();
    assert_eq!(platform.sp.get(&alerts).await.json()["results"][0]["name"], "one");
}

/// shows: seeds/monitoring-add-ons/adapter-integrations, seeds/monitoring-add-ons/offline-alerts
/// shows: seeds/events-add-ons/knowledge-base, seeds/events-add-ons/scheduled-tasks, seeds/events-add-ons/sla
/// shows: seeds/remediation-add-ons/remote-access
#[tokio::test]
async fn kinds_that_only_an_add_on_brings_need_it() {
    let platform = TestPlatform::start().await;
    let add_ons: Vec<&str> = ADD_ON_RECORD_KINDS.iter().map(|row| row.add_on.wire_name()).collect();
    let with = create_subscriber(&platform, "With", &[EVENTS, REMEDIATION], &add_ons).await;
    let without = create_subscriber(&platform, "Without", &[EVENTS, REMEDIATION], &[]).await;
    for (number, row) in ADD_ON_RECORD_KINDS.iter().enumerate() {
        let body = json!({ "name": format!("n{number}"), "kind": row.kind });
        platform.sp.post(&records_path(&with, row.category), body.clone()).await.json();
        assert_denied(&platform.sp.post(&records_path(&without, row.category), body).await, CONTACT_SUPPORT);
    }
    // An update cannot introduce the kind either.
    let list = records_path(&without, DataCategory::Alerts);
    let made = platform.sp.post(&list, json!({ "name": "a" })).await.json();
    let one = format!("{list}/{}", made["id"].as_str().unwrap());
    assert_denied(&platform.sp.post(&one, json!({ "kind": "Offline", "revision": 1 })).await, CONTACT_SUPPORT);
}

/// shows: seeds/monitoring-add-ons/offline-alerts
#[tokio::test]
async fn a_resource_that_turns_unknown_raises_an_alert_once() {
    let platform = TestPlatform::start().await;
    let mask = "Mask Resource Identity Management";
    let with = create_subscriber(&platform, "With", &[EVENTS], &["Offline Alerts"]).await;
    let masked = create_subscriber(&platform, "Masked", &[EVENTS], &["Offline Alerts", mask]).await;
    let without = create_subscriber(&platform, "Without", &[EVENTS], &[]).await;
    let alerts = async |tenant: &str| {
        let list = format!("{}?isDescendingOrder=false", records_path(tenant, DataCategory::Alerts));
        platform.sp.get(&list).await.json()["results"].as_array().unwrap().clone()
    };
    let list = records_path(&with, DataCategory::Resources);
    let made = platform.sp.post(&list, json!({ "name": "db1.example", "state": "UP" })).await.json();
    let one = format!("{list}/{}", made["id"].as_str().unwrap());
    assert_eq!(alerts(&with).await, Vec::<Value>::new());
    let mut revision = 1;
    let mut set = async |change: Value| {
        let mut body = change;
        body["revision"] = revision.into();
        revision += 1;
        platform.sp.post(&one, body).await.json();
    };
    set(json!({ "state": "UNKNOWN" })).await;
    let raised = alerts(&with).await;
    assert_eq!(raised.len(), 1);
    for (member, value) in
        [("kind", json!("offline")), ("hostName", json!("db1.example")), ("resourceId", made["id"].clone())]
    {
        assert_eq!(raised[0][member], value, "{member}");
    }
    assert!(raised[0]["name"].as_str().unwrap().starts_with("db1.example is in an unknown state since "));
    let since = raised[0]["name"].as_str().unwrap().rsplit(' ').next().unwrap();
    assert!(since.len() == 28 && since.ends_with("+0000") && since.as_bytes()[19] == b'.', "{since}");
    // The value stays unknown, and a known value may become unknown again.
    set(json!({ "owner": "ops" })).await;
    assert_eq!(alerts(&with).await.len(), 1);
    set(json!({ "state": "UP" })).await;
    set(json!({ "status": "unknown" })).await;
    assert_eq!(alerts(&with).await.len(), 2);
    // A new resource may be unknown from the start. A masked name is also masked in the alert.
    for tenant in [&masked, &without] {
        let body = json!({ "name": "db2.example", "state": "Unknown" });
        platform.sp.post(&records_path(tenant, DataCategory::Resources), body).await.json();
    }
    let raised = alerts(&masked).await;
    assert_eq!((raised.len(), &raised[0]["hostName"]), (1, &json!("****")));
    assert!(!raised[0].to_string().contains("db2.example"), "{}", raised[0]);
    assert_eq!(alerts(&without).await, Vec::<Value>::new());
}

/// shows: seeds/events-add-ons/problem-area
#[tokio::test]
async fn records_are_paged_read_changed_and_refused_by_field() {
    let platform = TestPlatform::start().await;
    let partner = create_subscriber(&platform, "Acme", &[EVENTS], &["Alert Problem Area"]).await;
    let list = records_path(&partner, DataCategory::Tickets);
    for number in 0..7 {
        let body = json!({ "name": format!("T{number}"), "priority": number, "nested": {"a": [1, null]} });
        platform.sp.post(&list, body).await.json();
    }
    let page = platform.sp.get(&format!("{list}?pageNo=2&pageSize=3&isDescendingOrder=false")).await.json();
    let names: Vec<&str> =
        page["results"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!((names, &page["totalResults"], &page["nextPageNo"]), (vec!["T3", "T4", "T5"], &json!(7), &json!(3)));
    for query in ["pageNo=0", "pageSize=501", "pageSize=x"] {
        platform.sp.get(&format!("{list}?{query}")).await.assert_field_refused(query.split('=').next().unwrap());
    }

    let first = page["results"][0].clone();
    assert_eq!((&first["priority"], &first["nested"]), (&json!(3), &json!({"a": [1, null]})));
    let one = format!("{list}/{}", first["id"].as_str().unwrap());
    assert_eq!(platform.sp.get(&one).await.json(), first);
    let changed = platform.sp.post(&one, json!({ "revision": 1, "priority": null, "owner": "noc" })).await.json();
    assert!(changed.get("priority").is_none() && changed["owner"] == "noc" && changed["revision"] == 2);
    let stale = platform.sp.post(&one, json!({ "revision": 1, "owner": "me" })).await;
    assert_eq!(stale.status, 409, "{}", stale.text);
    assert_eq!(platform.sp.get(&one).await.json()["owner"], "noc");

    platform.sp.post(&one, json!({ "owner": "me" })).await.assert_field_refused("revision");
    platform.sp.post(&list, json!({ "priority": 1 })).await.assert_field_refused("name");
    platform.sp.post(&list, json!({ "name": "T1" })).await.assert_field_refused("name");
    platform.sp.post(&list, json!({ "name": "x", "time": "soon" })).await.assert_field_refused("time");
    platform.sp.post(&list, json!({ "name": "x", "kind": 7 })).await.assert_field_refused("kind");
    platform.sp.get(&format!("/tenants/{partner}/records/wishes")).await.assert_error(404, "not found");
    platform.sp.get(&format!("{list}/999")).await.assert_error(404, "not found");

    let alert = json!({ "name": "A", "subject": "Storage: disk full", "metric": "disk.used" });
    assert_eq!(
        platform.sp.post(&records_path(&partner, DataCategory::Alerts), alert).await.json()["problemArea"],
        "Storage"
    );
    let plain = create_subscriber(&platform, "Plain", &[EVENTS], &[]).await;
    let alert = json!({ "name": "A", "subject": "Storage: disk full", "metric": "disk.used" });
    assert_eq!(
        platform.sp.post(&records_path(&plain, DataCategory::Alerts), alert).await.json()["problemArea"],
        "disk.used"
    );
}

/// shows: seeds/monitoring-add-ons/mask
#[tokio::test]
async fn with_the_add_on_no_mac_address_ip_address_or_host_name_can_be_read() {
    let platform = TestPlatform::start().await;
    let add_on = ["Mask Resource Identity Management"];
    let masked = create_subscriber(&platform, "Masked", &[EVENTS], &add_on).await;
    let open = create_subscriber(&platform, "Open", &[EVENTS], &[]).await;
    let body = json!({
        "name": "core1", "macAddress": "aa:bb:cc:dd:ee:ff", "note": "core1 at 10.9.8.7 (db1.acme.example) is slow",
        "interfaces": [{ "ipAddress": "2001:db8::7", "speed": 10 }],
    });
    for (tenant, is_masked) in [(&masked, true), (&open, false)] {
        let list = records_path(tenant, DataCategory::Resources);
        let made = platform.sp.post(&list, body.clone()).await;
        let one = platform.sp.get(&format!("{list}/{}", made.json()["id"].as_str().unwrap())).await;
        for answer in [made, one, platform.sp.get(&list).await] {
            for identity in ["core1", "aa:bb:cc:dd:ee:ff", "10.9.8.7", "db1.acme.example", "2001:db8::7"] {
                assert_eq!(answer.text.contains(identity), !is_masked, "{identity}: {}", answer.text);
            }
            assert!(answer.text.contains("is slow") && answer.text.contains("\"speed\":10"), "{}", answer.text);
        }
    }
}

/// Returns the time `days` days ago, in the format of the wire.
fn days_ago(days: i64) -> String {
    let then = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * days);
    then.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string()
}

/// shows: seeds/monitoring-add-ons/extended-retention
#[tokio::test]
async fn assets_are_kept_twelve_months_with_the_add_on_and_ninety_days_without() {
    let platform = TestPlatform::start().await;
    let long = create_subscriber(&platform, "Long", &[EVENTS], &["Extended Data Retention"]).await;
    let short = create_subscriber(&platform, "Short", &[EVENTS], &[]).await;
    let names = async |tenant: &str, category| {
        let page = platform.sp.get(&format!("{}?isDescendingOrder=false", records_path(tenant, category))).await.json();
        page["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for (name, days) in [("11 months", 335), ("80 days", 80), ("now", 0)] {
        let body = json!({ "name": name, "time": days_ago(days) });
        platform.sp.post(&records_path(&long, DataCategory::Resources), body.clone()).await.json();
        platform.sp.post(&records_path(&long, DataCategory::Tickets), body.clone()).await.json();
        let answer = platform.sp.post(&records_path(&short, DataCategory::Resources), body).await;
        if days > 90 {
            assert!(answer.assert_field_refused("time").contains("Extended Data Retention"));
        } else {
            answer.json();
        }
    }
    platform
        .sp
        .post(&records_path(&long, DataCategory::Resources), json!({ "name": "x", "time": days_ago(396) }))
        .await
        .assert_field_refused("time");
    assert_eq!(names(&long, DataCategory::Resources).await, ["11 months", "80 days", "now"]);

    // Two months later the record is gone: from reads at once, from the database after the job.
    let rows = async |statement: &'static str| {
        let pool = platform.pool().await;
        let count: i64 = sqlx::query_scalar(statement).fetch_one(&pool).await.unwrap();
        pool.close().await;
        count
    };
    let later = 61 * 24 * 3_600_000_i64;
    execute_statements(&platform, &[&format!("UPDATE record SET at = at - {later}")]).await;
    assert_eq!(names(&long, DataCategory::Resources).await, ["80 days", "now"]);
    assert_eq!(names(&short, DataCategory::Resources).await, ["now"]);
    assert_eq!(names(&long, DataCategory::Tickets).await, ["11 months", "80 days", "now"]);
    let counted = "SELECT COUNT(*) FROM record WHERE category = 'resources'";
    assert_eq!(rows(counted).await, 5);
    let now = jiff::Timestamp::now().as_millisecond();
    assert!(platform.running.as_ref().unwrap().run_maintenance(now).await.unwrap().is_empty());
    assert_eq!(rows(counted).await, 3);
    platform.running.as_ref().unwrap().run_maintenance(now + 400 * 24 * 3_600_000).await.unwrap();
    assert_eq!(rows(counted).await, 0);
    let summaries = super::audit::audit_rows(&platform, &long).await;
    assert!(
        summaries.iter().any(|row| row["action"] == "record.expire" && row["object"] == "resources 1"),
        "{summaries:?}"
    );
}

/// shows: seeds/access/duplicate-refused
#[tokio::test]
async fn a_cloud_account_that_another_client_has_is_refused_across_partners_by_the_rule() {
    let platform = TestPlatform::start().await;
    let block = |partner: &str, on: bool| {
        let (sp, path) = (platform.sp.clone(), format!("{}/{partner}", platform.partners_path()));
        async move { sp.post(&path, json!({ "blockDuplicateCloudAccounts": on })).await.json() }
    };
    let account =
        |name: &str, number: &str| json!({ "name": name, "cloudAccount": { "provider": "AWS", "accountId": number } });
    let (one, two) = (platform.create_partner("One").await, platform.create_partner("Two").await);
    let (a, b) = (platform.sp.create_client(&one, "A").await, platform.sp.create_client(&two, "B").await);
    let of = |tenant: &str| records_path(tenant, DataCategory::Integrations);
    platform.sp.post(&of(&a), account("cloud", "123")).await.json();
    // No partner blocks duplicates yet.
    platform.sp.post(&of(&b), account("cloud", "123")).await.json();

    block(&two, true).await;
    let message = platform.sp.post(&of(&b), account("again", " 123")).await.assert_field_refused("cloudAccount");
    assert!(message.contains("blockDuplicateCloudAccounts of this partner"), "{message}");
    platform.sp.post(&of(&a), account("new", "456")).await.json();
    let message = platform.sp.post(&of(&b), account("theirs", "456")).await.assert_field_refused("cloudAccount");
    assert!(!message.contains(&a) && !message.contains(&one), "who has it is told: {message}");
    // In the other direction, the rule of the partner whose client has the account applies.
    platform.sp.post(&of(&b), account("own", "789")).await.json();
    let message = platform.sp.post(&of(&a), account("late", "789")).await.assert_field_refused("cloudAccount");
    assert!(message.contains("blockDuplicateCloudAccounts of the partner whose client has it"), "{message}");
    platform.sp.post(&of(&a), account("broken", "")).await.assert_field_refused("cloudAccount");
    // An update cannot introduce the account either. The account of a terminated client is free.
    let made = platform.sp.post(&of(&a), json!({ "name": "plain" })).await.json();
    let change = json!({ "revision": 1, "cloudAccount": { "provider": "aws", "accountId": "789" } });
    let one_record = format!("{}/{}", of(&a), made["id"].as_str().unwrap());
    platform.sp.post(&one_record, change.clone()).await.assert_field_refused("cloudAccount");
    platform.sp.post_empty(&format!("/tenants/{two}/clients/{b}/terminate")).await.json();
    platform.sp.post(&one_record, change).await.json();
}
