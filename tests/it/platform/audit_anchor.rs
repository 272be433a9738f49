//! Tests of the anchor that ties the audit logs of all tenants together: a log that is rolled back to an earlier state
//! is detected, also after later events.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;
use tenantry_platform::{Config, new_audit_key, verify_audit};

use super::audit::{audit_findings, audit_rows, execute_statements, start_with_audit_key, verify_audit_log};
use super::cpu_cost::read_credential;
use super::people::permissions::create_person_with_permissions;
use super::people::{PASSWORD, user_body};
use super::unauthenticated_load::start_with_log_file;
use super::{ApiCaller, CHEAP_HASH, TestFolder, TestPlatform};

const ROW_GONE_MESSAGE: &str = "the row that was there is gone: the log was put back to an earlier day";

/// Copies tenant 2's log and the anchor, as an attacker with read access to the database does.
async fn copy_audit_tables(platform: &TestPlatform) {
    execute_statements(
        platform,
        &[
            "CREATE TABLE kept_audit AS SELECT * FROM audit WHERE tenant_id = 2",
            "CREATE TABLE kept_head AS SELECT * FROM audit_head WHERE tenant_id = 2",
            "CREATE TABLE kept_anchor AS SELECT * FROM audit_anchor",
        ],
    )
    .await;
}

const PUT_LOG_BACK: [&str; 4] = [
    "DELETE FROM audit WHERE tenant_id = 2",
    "INSERT INTO audit SELECT * FROM kept_audit",
    "DELETE FROM audit_head WHERE tenant_id = 2",
    "INSERT INTO audit_head SELECT * FROM kept_head",
];
const PUT_ANCHOR_BACK: [&str; 2] = ["DELETE FROM audit_anchor", "INSERT INTO audit_anchor SELECT * FROM kept_anchor"];

/// Two partners. The test hides what the first one does after its log was copied.
struct AuditFixture {
    platform: TestPlatform,
    keys: TestFolder,
    acme: String,
    other: String,
}

async fn audit_fixture() -> AuditFixture {
    let (platform, keys) = start_with_audit_key().await;
    let (acme, other) = (platform.create_partner("Acme").await, platform.create_partner("Other").await);
    platform.sp.post(&format!("/tenants/{acme}/users"), user_body("ada", &[])).await.json();
    copy_audit_tables(&platform).await;
    AuditFixture { platform, keys, acme, other }
}

/// shows: security/asvs/16.4.1
#[tokio::test]
async fn one_tenants_log_put_back_is_named_and_no_event_of_anybody_heals_it() {
    let AuditFixture { platform, keys, acme, other } = audit_fixture().await;
    platform.sp.create_client(&acme, "Vanishing").await;
    assert!(audit_findings(&platform, &keys).await.is_empty());
    execute_statements(&platform, &PUT_LOG_BACK).await;
    let gone = format!("tenant `{acme}`, row 3: {ROW_GONE_MESSAGE}");
    assert_eq!(audit_findings(&platform, &keys).await, std::slice::from_ref(&gone), "the anchor names it");
    // A stranger's failed login, the tenant's own changes and those of another tenant.
    for _ in 0..3 {
        assert_eq!(platform.sp.login("ada", "Wrong-Passw0rd!").await.status, 401);
        platform.sp.login("ada", PASSWORD).await.json();
        platform.sp.create_client(&other, &format!("C{}", audit_rows(&platform, &other).await.len())).await;
        assert_eq!(audit_findings(&platform, &keys).await, std::slice::from_ref(&gone));
    }
}

#[tokio::test]
async fn a_log_put_back_with_the_anchor_of_its_day_is_named_by_what_others_did_since() {
    let AuditFixture { platform, keys, acme, other } = audit_fixture().await;
    platform.sp.create_client(&acme, "Vanishing").await;
    platform.sp.create_client(&other, "Staying").await;
    execute_statements(&platform, &PUT_LOG_BACK).await;
    execute_statements(&platform, &PUT_ANCHOR_BACK).await;
    let gone = format!("tenant `{acme}`, row 3: {ROW_GONE_MESSAGE}");
    assert_eq!(audit_findings(&platform, &keys).await[0], gone);
    platform.sp.create_client(&acme, "Next").await;
    let found = audit_findings(&platform, &keys).await;
    assert!(found.len() >= 2 && found.iter().any(|fault| fault.contains("its anchor was replaced")), "{found:?}");
}

#[tokio::test]
async fn a_log_put_back_stays_found_where_all_that_names_it_is_purged() {
    let AuditFixture { platform, keys, acme, other } = audit_fixture().await;
    platform.sp.post(&format!("{}/{acme}", platform.partners_path()), json!({ "city": "Vanishing" })).await.json();
    platform.sp.post(&format!("{}/{other}", platform.partners_path()), json!({ "city": "Bonn" })).await.json();
    execute_statements(&platform, &PUT_LOG_BACK).await;
    platform.sp.post_empty(&format!("{}/{other}/terminate", platform.partners_path())).await.json();
    let later = jiff::Timestamp::now().as_millisecond() + 91 * 24 * 3_600_000;
    assert_eq!(platform.running.as_ref().unwrap().run_maintenance(later).await.unwrap(), [other]);
    platform.sp.post(&format!("{}/{acme}", platform.partners_path()), json!({ "city": "Bonn" })).await.json();
    let found = audit_findings(&platform, &keys).await;
    assert!(found.len() == 1 && found[0].contains("do not add up to its anchor"), "{found:?}");
}

#[tokio::test]
async fn a_purged_log_leaves_a_sealed_statement_and_is_found_where_it_comes_back() {
    let AuditFixture { platform, keys, acme, .. } = audit_fixture().await;
    platform.sp.post_empty(&format!("{}/{acme}/terminate", platform.partners_path())).await.json();
    let later = jiff::Timestamp::now().as_millisecond() + 91 * 24 * 3_600_000;
    assert_eq!(platform.running.as_ref().unwrap().run_maintenance(later).await.unwrap(), [acme]);
    assert!(audit_findings(&platform, &keys).await.is_empty());
    platform.create_partner("Next").await;
    assert!(audit_findings(&platform, &keys).await.is_empty(), "rows that name purged ones are explained");
    execute_statements(&platform, &PUT_LOG_BACK).await;
    let found = audit_findings(&platform, &keys).await;
    assert!(found.iter().any(|fault| fault.contains("the log of a purged tenant is there again")), "{found:?}");
    execute_statements(&platform, &PUT_LOG_BACK[..1]).await;
    execute_statements(&platform, &["DELETE FROM audit_head WHERE tenant_id = 2", "DELETE FROM audit_purged"]).await;
    let found = audit_findings(&platform, &keys).await;
    assert!(!found.is_empty() && found[0].contains(ROW_GONE_MESSAGE), "{found:?}");
}

/// shows: security/asvs/16.4.1
#[tokio::test]
async fn a_purge_seals_no_head_that_somebody_else_put_there() {
    for tampering in
        ["UPDATE audit_head SET seal = 'forged' WHERE tenant_id = 2", "DELETE FROM audit_head WHERE tenant_id = 2"]
    {
        let AuditFixture { platform, keys, acme, other } = audit_fixture().await;
        platform.sp.post_empty(&format!("{}/{acme}/terminate", platform.partners_path())).await.json();
        execute_statements(&platform, &[tampering]).await;
        let later = jiff::Timestamp::now().as_millisecond() + 91 * 24 * 3_600_000;
        let purged = platform.running.as_ref().unwrap().run_maintenance(later).await.unwrap();
        assert_eq!(purged, std::slice::from_ref(&acme), "its data goes in any case");
        for name in ["A", "B"] {
            let found = audit_findings(&platform, &keys).await;
            let named = |fault: &String| {
                fault.contains(&acme) && fault.contains("that the log was purged does not have our seal")
            };
            assert!(found.iter().any(named), "{tampering}: {found:?}");
            platform.sp.create_client(&other, name).await;
        }
    }
}

#[tokio::test]
async fn nobody_begins_the_log_of_a_purged_tenant_again() {
    let AuditFixture { platform, keys, acme, .. } = audit_fixture().await;
    let client = platform.sp.create_client(&acme, "Gone").await;
    let sees = [("Clients", "View")];
    let eve = create_person_with_permissions(&platform, &acme, "eve", &sees, json!({ "allClients": true })).await;
    platform.sp.post_empty(&format!("/tenants/{acme}/clients/{client}/terminate")).await.json();
    let later = jiff::Timestamp::now().as_millisecond() + 91 * 24 * 3_600_000;
    platform.running.as_ref().unwrap().run_maintenance(later).await.unwrap();
    for path in ["users/search", "credentials", "audit"] {
        let answer = eve.get(&format!("/tenants/{client}/{path}")).await;
        assert!([403, 404, 410].contains(&answer.status.as_u16()), "{path}: {}", answer.text);
    }
    let found = audit_findings(&platform, &keys).await;
    assert!(found.is_empty(), "{found:?}");
    let rows = audit_rows(&platform, &acme).await;
    assert!(rows.iter().any(|row| row["outcome"] == "denied" && row["object"].to_string().contains("/users/search")));
}

#[tokio::test]
async fn an_anchor_that_is_gone_forged_or_put_back_is_named_and_stays_so() {
    for (tampering, named) in [
        (&["DELETE FROM audit_anchor"][..], "its anchor is missing"),
        (&["UPDATE audit_anchor SET state = 'forged'"][..], "its anchor does not have our seal"),
        (&PUT_ANCHOR_BACK[..], "do not add up to its anchor"),
    ] {
        let AuditFixture { mut platform, keys, acme, .. } = audit_fixture().await;
        platform.sp.create_client(&acme, "A").await;
        execute_statements(&platform, tampering).await;
        let found = audit_findings(&platform, &keys).await;
        assert!(found.len() == 1 && found[0].contains(named), "{tampering:?}: {found:?}");
        let cured = |found: &[String]| !found.iter().any(|fault| fault.contains("its anchor was replaced"));
        if tampering.len() == 1 {
            platform.restart(|config| config.audit_key = Some(keys.path("audit.key"))).await;
        }
        platform.sp.create_client(&acme, "B").await;
        let found = audit_findings(&platform, &keys).await;
        assert!(!cured(&found), "{tampering:?}: {found:?}");
        platform.sp.create_client(&acme, "C").await;
        assert!(!cured(&audit_findings(&platform, &keys).await));
    }
}

/// shows: security/asvs/16.4.1
#[tokio::test]
async fn a_key_that_was_swapped_is_named_and_replicas_with_two_keys_write_nothing() {
    let AuditFixture { mut platform, keys, acme, .. } = audit_fixture().await;
    std::fs::write(keys.path("other.key"), "y".repeat(40)).unwrap();
    let swapped = verify_audit(&platform.folder.database(), Some(&keys.path("other.key"))).await.unwrap();
    assert!(swapped.to_string().contains("its anchor is sealed with another key (`"), "{swapped}");
    assert!(swapped.to_string().contains("the row is sealed with another key (`"), "{swapped}");
    // One replica continues with a new key while another one runs with the old key.
    let (before, list) = (audit_rows(&platform, &acme).await.len(), format!("/tenants/{acme}/clients"));
    assert_eq!(new_audit_key(&platform.folder.database(), &keys.path("other.key")).await.unwrap(), 3);
    assert_eq!(platform.sp.post(&list, json!({ "name": "Mixed" })).await.status, 500);
    assert_eq!(
        audit_rows(&platform, &acme).await.len(),
        before + 1,
        "the row about the key, and none with the former one"
    );
    let verified = verify_audit(&platform.folder.database(), Some(&keys.path("other.key"))).await.unwrap();
    assert_eq!((verified.findings.len(), verified.notes.len()), (0, 3), "{verified}");
    platform.restart(|config| config.audit_key = Some(keys.path("other.key"))).await;
    platform.sp.create_client(&acme, "Mixed").await;
    // The row of the new key covers what the old key sealed.
    execute_statements(&platform, &["UPDATE audit SET outcome = 'denied' WHERE tenant_id = 2 AND number = 1"]).await;
    let verified = verify_audit(&platform.folder.database(), Some(&keys.path("other.key"))).await.unwrap();
    assert!(verified.to_string().contains("row 1: the row was changed"), "{verified}");
}

#[tokio::test]
async fn of_two_platforms_that_begin_with_two_keys_one_does_not_start() {
    for _ in 0..4 {
        let (folder, keys) = (TestFolder::new(), TestFolder::new());
        let start = |key: &str| {
            let mut config = Config::new(folder.database());
            (config.limits, config.login.password_hash_cost) = (None, CHEAP_HASH);
            config.audit_key = Some(keys.path(key));
            tenantry_platform::start(config)
        };
        let (one, other) = tokio::join!(start("one.key"), start("other.key"));
        let (key, running) = match (one, other) {
            (Ok(running), Err(_)) => ("one.key", running),
            (Err(_), Ok(running)) => ("other.key", running),
            (one, other) => panic!("{:?} {:?}", one.map(drop), other.map(drop)),
        };
        let verified = verify_audit(&folder.database(), Some(&keys.path(key))).await.unwrap();
        assert!(verified.findings.is_empty(), "{verified}");
        running.stop().await;
    }
}

#[tokio::test]
async fn many_tenants_write_at_the_same_time_and_each_row_is_there() {
    const TENANTS: usize = 8;
    const WRITES: usize = 12;
    let (platform, keys) = start_with_audit_key().await;
    let mut clients = Vec::new();
    for number in 0..TENANTS {
        let partner = platform.create_partner(&format!("P{number}")).await;
        let client = platform.sp.create_client(&partner, "C").await;
        clients.push((format!("/tenants/{partner}/clients/{client}"), client));
    }
    // These writes share only the row of the anchor; no two of them wait for another common row.
    let writes = clients.iter().flat_map(|(path, _)| (0..WRITES).map(move |number| (path, number)));
    let made = futures::future::join_all(writes.map(|(path, number)| {
        let sp = platform.sp.clone();
        async move {
            let (body, denied) = (json!({ "city": format!("City {number}") }), format!("{path}{number}"));
            let (made, denied) = tokio::join!(sp.post(path, body), sp.get(&denied));
            assert_eq!(denied.status, 404);
            made.status.as_u16()
        }
    }))
    .await;
    assert_eq!(made.iter().filter(|status| **status == 200).count(), TENANTS * WRITES, "{made:?}");
    for (_, client) in &clients {
        let requests: BTreeSet<String> =
            audit_rows(&platform, client).await.iter().map(|line| line["request"].to_string()).collect();
        assert_eq!(requests.len(), 1 + WRITES);
    }
    let seen = verify_audit_log(&platform, &keys).await;
    assert_eq!((seen.chains, seen.findings.len()), (1 + 2 * TENANTS, 0), "{seen}");
    assert_eq!(count_deadlocks(&platform).await, 0);
}

/// Returns the number of deadlocks that PostgreSQL has counted. SQLite has one writer and no deadlocks.
pub(super) async fn count_deadlocks(platform: &TestPlatform) -> i64 {
    if !platform.folder.database().contains("://") {
        return 0;
    }
    let text = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    sqlx::query_scalar(text).fetch_one(&platform.pool().await).await.unwrap()
}

/// shows: security/asvs/16.4.1
#[tokio::test]
async fn housekeeping_says_by_itself_that_a_log_was_put_back() {
    let folder = TestFolder::new();
    let said = "do not add up to their anchor";
    let (program, url) = start_with_log_file(&folder);
    let sp = ApiCaller::new(&url, &read_credential(&folder)).await;
    let partner = sp.create_tenant("/tenants/sp_1/msps".to_owned(), json!({ "name": "Acme" })).await;
    drop(program);
    let pool = folder.pool().await;
    for text in ["CREATE TABLE kept AS SELECT * FROM audit_head", "CREATE TABLE old AS SELECT * FROM audit"] {
        sqlx::query(text).execute(&pool).await.unwrap();
    }
    let (program, url) = start_with_log_file(&folder);
    let sp = ApiCaller::new(&url, &read_credential(&folder)).await;
    sp.post(&format!("/tenants/sp_1/msps/{partner}"), json!({ "city": "Vanishing" })).await.json();
    drop(program);
    assert!(!std::fs::read_to_string(folder.path("log")).unwrap().contains(said));
    for text in [
        "DELETE FROM audit WHERE tenant_id = 2",
        "INSERT INTO audit SELECT * FROM old WHERE tenant_id = 2",
        "DELETE FROM audit_head WHERE tenant_id = 2",
        "INSERT INTO audit_head SELECT * FROM kept WHERE tenant_id = 2",
    ] {
        sqlx::query(text).execute(&pool).await.unwrap();
    }
    let (_program, _) = start_with_log_file(&folder);
    for _ in 0..600 {
        if std::fs::read_to_string(folder.path("log")).unwrap().contains(said) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the log of the program does not say it");
}

#[tokio::test]
async fn verify_is_right_while_the_platform_writes() {
    let (platform, keys) = start_with_audit_key().await;
    let partner = platform.create_partner("Acme").await;
    let sp: ApiCaller = platform.sp.clone();
    let path = format!("{}/{partner}", platform.partners_path());
    let writing = tokio::spawn(async move {
        for number in 0..60 {
            let body = json!({ "city": format!("C{number}") }).to_string().into_bytes();
            sp.send(Method::POST, &format!("/api/v2{path}"), body).await.json();
        }
    });
    let mut seen = 0;
    while !writing.is_finished() {
        let verified = verify_audit_log(&platform, &keys).await;
        assert!(verified.findings.is_empty(), "{verified}");
        seen += 1;
    }
    writing.await.unwrap();
    assert!(seen > 1, "{seen}");
}

#[tokio::test]
async fn the_erasure_of_a_person_changes_no_row() {
    let AuditFixture { platform, keys, acme, .. } = audit_fixture().await;
    let id = platform.create_user(&acme, "okapi", &[]).await;
    let path = format!("/tenants/{acme}/users/{id}/TERMINATE");
    platform.sp.post(&path, json!({ "maskType": "FULL" })).await.json();
    assert!(audit_findings(&platform, &keys).await.is_empty());
    let log = audit_rows(&platform, &acme).await;
    assert!(log.iter().any(|line| line["object"] == id.as_str()) && !format!("{log:?}").contains("okapi"), "{log:?}");
}
