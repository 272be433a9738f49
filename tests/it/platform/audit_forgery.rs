//! Tests of audit logs that are forged by an attacker who can write the database but does not have the key.

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tenantry_platform::{Config, export_audit, new_audit_key, verify_audit};

use super::audit::{audit_findings, execute_statements, start_with_audit_key, verify_audit_log};
use super::cpu_cost::read_credential;
use super::people::{PASSWORD, user_body};
use super::unauthenticated_load::start_with_log_file;
use super::{ApiCaller, CHEAP_HASH, TestFolder, TestPlatform};

/// An audit row as an attacker reads it.
#[derive(sqlx::FromRow)]
struct ForgedAuditRow {
    number: i64,
    at: i64,
    actor: String,
    action: String,
    object: String,
    outcome: String,
    request: String,
    source: String,
    key_id: String,
    beside_tenant: i64,
    beside_number: i64,
    beside_hash: String,
}

impl ForgedAuditRow {
    fn hash(&self, tenant: i64, number: i64, previous: &str) -> String {
        let Self { at, actor, action, object, outcome, request, source, key_id, .. } = self;
        let beside = json!({ "tenant": self.beside_tenant, "number": self.beside_number, "hash": self.beside_hash });
        let first = json!([tenant, number, at, actor, action, object, outcome, request, previous]);
        // The order of the fields matters, and a JSON map does not keep it.
        let beside =
            format!(r#"{{"tenant":{},"number":{},"hash":{}}}"#, beside["tenant"], beside["number"], beside["hash"]);
        let text = format!("[{first},{},{},{beside}]", json!(source), json!(key_id));
        let digits: Vec<String> = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        digits.concat()
    }
}

/// Rewrites a tenant's chain without its row `gone`, as an attacker would who knows the format: computes each hash
/// again and updates the head.
async fn forge_log(platform: &TestPlatform, tenant: i64, gone: i64) {
    let pool = platform.pool().await;
    let text = "SELECT * FROM audit WHERE tenant_id = $1 AND number <> $2 ORDER BY number";
    let rows: Vec<ForgedAuditRow> = sqlx::query_as(text).bind(tenant).bind(gone).fetch_all(&pool).await.unwrap();
    sqlx::query("DELETE FROM audit WHERE tenant_id = $1 AND number = $2")
        .bind(tenant)
        .bind(gone)
        .execute(&pool)
        .await
        .unwrap();
    let (mut number, mut previous) = (0_i64, String::new());
    for row in rows {
        number += 1;
        let hash = row.hash(tenant, number, &previous);
        let write = "UPDATE audit SET number = $1, previous = $2, hash = $3 WHERE tenant_id = $4 AND number = $5";
        let write = sqlx::query(write).bind(number).bind(&previous).bind(&hash).bind(tenant).bind(row.number);
        write.execute(&pool).await.unwrap();
        previous = hash;
    }
    let head = sqlx::query("UPDATE audit_head SET number = $1, hash = $2, seal = 'forged' WHERE tenant_id = $3");
    head.bind(number).bind(previous).bind(tenant).execute(&pool).await.unwrap();
    pool.close().await;
}

/// shows: security/asvs/16.4.1, security/pci/10.2
#[tokio::test]
async fn no_event_that_anybody_can_cause_heals_a_forged_log() {
    let (platform, keys) = start_with_audit_key().await;
    let partner = platform.create_partner("Acme").await;
    let users = format!("/tenants/{partner}/users");
    platform.sp.post(&users, user_body("ada", &[])).await.json();
    platform.caller_for_tenant(&partner).await;
    let before = verify_audit_log(&platform, &keys).await;
    assert!(before.findings.is_empty(), "{before}");
    forge_log(&platform, 2, 2).await;
    let fault = |row: i64, fault: &str| format!("tenant `{partner}`, row {row}: {fault}");
    let unsealed = "the row does not have our seal";
    let forged = [fault(2, unsealed), fault(3, unsealed), fault(3, "the head of the chain does not have our seal")];
    assert_eq!(audit_findings(&platform, &keys).await, forged);
    // A failed login needs no account. Other events follow it.
    for _ in 0..3 {
        assert_eq!(platform.sp.login("ada", "Wrong-Passw0rd!").await.status, 401);
    }
    platform.sp.login("ada", PASSWORD).await.json();
    let broken = fault(4, "the log was changed behind the platform's back before this row");
    let found = audit_findings(&platform, &keys).await;
    assert_eq!(found, [&[broken], &forged[..2]].concat());
    // Removing that row again is detected again.
    forge_log(&platform, 2, 4).await;
    platform.sp.login("ada", PASSWORD).await.json();
    let again = audit_findings(&platform, &keys).await;
    assert!(again.iter().any(|fault| fault.contains("behind the platform's back")), "{again:?}");
    assert!(again.iter().filter(|fault| fault.contains(unsealed)).count() > 2, "{again:?}");
}

#[tokio::test]
async fn ids_that_were_exchanged_in_the_table_of_tenants_are_named() {
    let (platform, keys) = start_with_audit_key().await;
    let (acme, other) = (platform.create_partner("Acme").await, platform.create_partner("Other").await);
    let exchange = [
        "UPDATE tenant SET unique_id = 'between' WHERE id = 2",
        "UPDATE tenant SET unique_id = 'msp_2' WHERE id = 3",
        "UPDATE tenant SET unique_id = 'msp_3' WHERE id = 2",
    ];
    execute_statements(&platform, &exchange).await;
    let found = audit_findings(&platform, &keys).await;
    let named =
        |now: &str, then: &str| format!("tenant `{now}`, row 1: the log says that the tenant was made as `{then}`");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with(&named(&other, &acme)) && found[1].starts_with(&named(&acme, &other)), "{found:?}");
    let back = [
        "UPDATE tenant SET unique_id = 'between' WHERE id = 2",
        "UPDATE tenant SET unique_id = 'msp_3' WHERE id = 3",
        "UPDATE tenant SET unique_id = 'msp_2' WHERE id = 2",
    ];
    execute_statements(&platform, &back).await;
    assert!(audit_findings(&platform, &keys).await.is_empty());
    // The service provider's log has no row about its own creation.
    execute_statements(&platform, &["UPDATE tenant SET unique_id = 'sp_9' WHERE id = 1"]).await;
    let found = audit_findings(&platform, &keys).await;
    assert!(found.len() == 1 && found[0].contains("`sp_9`") && found[0].contains("number 1"), "{found:?}");
}

#[tokio::test]
async fn the_line_of_a_row_and_its_seal_are_of_no_other_row() {
    let (platform, keys) = start_with_audit_key().await;
    let partner = platform.create_partner("Acme").await;
    platform.sp.create_client(&partner, "A").await;
    // The seal of another row, and of another tenant.
    for (tampering, row) in [
        (
            "UPDATE audit SET seal = (SELECT seal FROM audit WHERE tenant_id = 2 AND number = 2) WHERE tenant_id = 2 AND number = 1",
            1,
        ),
        (
            "UPDATE audit SET seal = (SELECT seal FROM audit WHERE tenant_id = 3 AND number = 1) WHERE tenant_id = 2 AND number = 1",
            1,
        ),
        ("UPDATE audit SET seal = '' WHERE tenant_id = 2 AND number = 1", 1),
    ] {
        execute_statements(&platform, &[tampering]).await;
        let named = format!("tenant `{partner}`, row {row}: the row does not have our seal");
        assert_eq!(audit_findings(&platform, &keys).await, [named], "{tampering}");
    }
}

#[tokio::test]
async fn a_cut_tail_and_a_head_that_is_gone_stay_found_after_the_next_event() {
    for (cut, named) in [
        (
            &[
                "DELETE FROM audit WHERE tenant_id = 2 AND number > 1",
                "UPDATE audit_head SET number = 1, hash = (SELECT hash FROM audit WHERE tenant_id = 2 AND number = 1) WHERE tenant_id = 2",
            ][..],
            "behind the platform's back",
        ),
        (&["UPDATE audit_head SET seal = '' WHERE tenant_id = 2"][..], "behind the platform's back"),
        (&["DELETE FROM audit_head WHERE tenant_id = 2"][..], "behind the platform's back"),
    ] {
        let (platform, keys) = start_with_audit_key().await;
        let partner = platform.create_partner("Acme").await;
        platform.sp.create_client(&partner, "A").await;
        execute_statements(&platform, cut).await;
        platform.sp.create_client(&partner, "B").await;
        let found = audit_findings(&platform, &keys).await;
        assert!(found.len() == 1 && found[0].contains(named), "{found:?}");
    }
}

#[tokio::test]
async fn a_missing_or_another_key_stops_the_start_with_one_sentence() {
    let (mut platform, keys) = start_with_audit_key().await;
    platform.running.take().unwrap().stop().await;
    let start = |key: Option<&str>| {
        let mut config = Config::new(platform.folder.database());
        (config.limits, config.login.password_hash_cost, config.audit_key) =
            (None, CHEAP_HASH, key.map(|key| keys.path(key)));
        async move { tenantry_platform::start(config).await.map(drop).map_err(|error| error.to_string()) }
    };
    let missing = start(Some("lost.key")).await.unwrap_err();
    assert!(missing.contains("lost.key is missing") && missing.contains("audit new-key"), "{missing}");
    assert!(!keys.path("lost.key").exists(), "no new key takes its place in silence");
    std::fs::write(keys.path("other.key"), "x".repeat(40)).unwrap();
    let other = start(Some("other.key")).await.unwrap_err();
    assert!(other.contains("is not the key that the database is sealed with"), "{other}");
    let unnamed = start(None).await.unwrap_err();
    assert!(unnamed.contains("--audit-key"), "{unnamed}");
    // None of these attempts leaves a row, and the key itself still works.
    assert!(audit_findings(&platform, &keys).await.is_empty());
    start(Some("audit.key")).await.unwrap();
    let again = new_audit_key(&platform.folder.database(), &keys.path("audit.key")).await.unwrap_err();
    assert!(again.to_string().contains("already"), "{again}");
    // The way out is an explicit `audit new-key`. It is recorded in each chain.
    assert_eq!(new_audit_key(&platform.folder.database(), &keys.path("other.key")).await.unwrap(), 1);
    start(Some("other.key")).await.unwrap();
    let seen = verify_audit(&platform.folder.database(), Some(&keys.path("other.key"))).await.unwrap();
    assert!(seen.findings.is_empty() && seen.notes.len() == 1, "{seen}");
    assert!(seen.to_string().contains("goes on with another key"), "{seen}");
}

#[tokio::test]
async fn a_log_that_was_kept_without_a_key_is_sealed_by_its_first_one() {
    let mut platform = TestPlatform::start().await;
    platform.create_partner("Acme").await;
    let keys = TestFolder::new();
    platform.restart(|config| config.audit_key = Some(keys.path("audit.key"))).await;
    assert!(audit_findings(&platform, &keys).await.is_empty());
    platform.create_partner("Other").await;
    assert!(audit_findings(&platform, &keys).await.is_empty());
}

#[tokio::test]
async fn verify_and_export_read_only_and_migrate_nothing() {
    let (mut platform, keys) = start_with_audit_key().await;
    platform.create_partner("Acme").await;
    platform.running.take().unwrap().stop().await;
    // Simulates a database of an earlier version.
    execute_statements(&platform, &["DROP TABLE duo_state", "DELETE FROM _sqlx_migrations WHERE version = 10"]).await;
    assert!(audit_findings(&platform, &keys).await.is_empty());
    let mut lines = Vec::new();
    export_audit(&platform.folder.database(), None, &mut lines).await.unwrap();
    assert!(!lines.is_empty());
    let pool = platform.pool().await;
    let text = "SELECT COUNT(*) FROM _sqlx_migrations WHERE version = 10";
    let migrated: i64 = sqlx::query_scalar(text).fetch_one(&pool).await.unwrap();
    assert_eq!(migrated, 0);
    pool.close().await;
    if !platform.folder.database().contains("://") {
        let url = format!("sqlite://{}?mode=ro", platform.folder.database());
        export_audit(&url, None, &mut lines).await.unwrap();
        let missing = verify_audit(&platform.folder.path("none.db").display().to_string(), None).await.unwrap_err();
        assert!(missing.to_string().contains("there is no database"), "{missing}");
    }
    // Simulates a database from before the log had an anchor.
    execute_statements(&platform, &["DROP TABLE audit_anchor", "DELETE FROM _sqlx_migrations WHERE version > 10"])
        .await;
    let earlier = verify_audit(&platform.folder.database(), Some(&keys.path("audit.key"))).await.unwrap_err();
    assert!(earlier.to_string().contains("is of an earlier version"), "{earlier}");
    let earlier = export_audit(&platform.folder.database(), None, &mut lines).await.unwrap_err();
    assert!(earlier.to_string().contains("start this platform on it once"), "{earlier}");
}

#[tokio::test]
async fn rows_that_are_missing_one_after_the_other_are_one_finding_however_many() {
    let (platform, keys) = start_with_audit_key().await;
    let partner = platform.create_partner("Acme").await;
    platform.sp.create_client(&partner, "A").await;
    let last = i64::MAX;
    let fault = |row: i64, fault: &str| format!("tenant `{partner}`, row {row}: {fault}");
    execute_statements(&platform, &[&format!("UPDATE audit_head SET number = {last} WHERE tenant_id = 2")]).await;
    let missing = format!("the rows up to {last} are missing, {} rows", last - 2);
    let head = fault(last, "the head of the chain does not have our seal");
    assert_eq!(audit_findings(&platform, &keys).await, [fault(3, &missing), head.clone()]);
    execute_statements(&platform, &[&format!("UPDATE audit SET number = {last} WHERE tenant_id = 2 AND number = 2")])
        .await;
    let missing = format!("the rows up to {} are missing, {} rows", last - 1, last - 2);
    let moved = "the row was changed, or moved here from another place";
    assert_eq!(audit_findings(&platform, &keys).await, [fault(2, &missing), fault(last, moved), head]);
}

#[tokio::test]
async fn of_a_thousand_faults_of_one_log_a_hundred_are_named_and_the_others_counted() {
    let (platform, keys) = start_with_audit_key().await;
    let partner = platform.create_partner("Acme").await;
    execute_statements(
        &platform,
        &["INSERT INTO audit (tenant_id, number, at, actor, action, object, outcome, request, previous, hash, source, key_id, seal) \
           WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 1001) \
           SELECT 2, i, 0, '', 'audit.key', '', '', '', '', 'x', '', '', '' FROM n"],
    )
    .await;
    let verified = verify_audit_log(&platform, &keys).await;
    let more = format!("tenant `{partner}`, row 1001: 900 more faults of this log are not named");
    assert!(verified.findings.iter().any(|finding| finding.to_string() == more), "{verified}");
    assert_eq!((verified.findings.len(), verified.notes.len()), (102, 100), "{verified}");
}

#[tokio::test]
async fn a_log_with_the_highest_number_takes_no_row_and_the_error_line_says_what_to_do() {
    let folder = TestFolder::new();
    let (_program, url) = start_with_log_file(&folder);
    let sp = ApiCaller::new(&url, &read_credential(&folder)).await;
    let partner = sp.create_tenant("/tenants/sp_1/msps".to_owned(), json!({ "name": "Acme" })).await;
    let pool = folder.pool().await;
    let text = format!("UPDATE audit SET number = {} WHERE tenant_id = 2 AND number = 1", i64::MAX);
    sqlx::query(sqlx::AssertSqlSafe(text)).execute(&pool).await.unwrap();
    let answer = sp.post(&format!("/tenants/sp_1/msps/{partner}"), json!({ "city": "Bonn" })).await;
    assert_eq!(answer.status, 500, "{}", answer.text);
    let log = std::fs::read_to_string(folder.path("log")).unwrap();
    let line = log.lines().find(|line| line.contains("ends with the highest number")).expect("an error line");
    assert!(
        line.contains("audit log of tenant 2") && line.contains("audit verify") && line.contains("\"ERROR\""),
        "{line}"
    );
    // Other tenants are not affected.
    sp.create_tenant("/tenants/sp_1/msps".to_owned(), json!({ "name": "Other" })).await;
}

#[tokio::test]
async fn a_count_of_the_anchor_that_somebody_forged_leaves_room_for_rows() {
    let (platform, keys) = start_with_audit_key().await;
    let partner = platform.create_partner("Acme").await;
    execute_statements(&platform, &[&format!("UPDATE audit_anchor SET state = 'garbled', events = {}", i64::MAX)])
        .await;
    for name in ["A", "B"] {
        platform.sp.create_client(&partner, name).await;
    }
    let found = audit_findings(&platform, &keys).await;
    assert!(found.iter().any(|fault| fault.contains("its anchor was replaced")), "{found:?}");
}

#[tokio::test]
async fn a_forged_anchor_and_many_forged_heads_stop_no_write_while_one_head_holds() {
    let (mut platform, keys) = start_with_audit_key().await;
    let partner = platform.create_partner("Acme").await;
    let names: Vec<String> = (0..101).map(|number| format!("C{number}")).collect();
    let made = futures::future::join_all(names.iter().map(|name| platform.sp.create_client(&partner, name))).await;
    assert_eq!(made.len(), 101);
    let heads = "UPDATE audit_head SET seal = 'garbled' WHERE tenant_id < 103";
    execute_statements(&platform, &["UPDATE audit_anchor SET state = 'garbled'", heads]).await;
    platform.sp.create_client(&partner, "Next").await;
    platform.restart(|config| config.audit_key = Some(keys.path("audit.key"))).await;
    platform.sp.create_client(&partner, "Last").await;
    let found = audit_findings(&platform, &keys).await;
    assert!(found.iter().any(|fault| fault.contains("its anchor was replaced")), "{found:?}");
}

/// shows: security/asvs/16.4.1
#[tokio::test]
async fn where_nothing_proves_the_key_nothing_is_written_and_each_command_says_so() {
    let (mut platform, keys) = start_with_audit_key().await;
    let partner = platform.create_partner("Acme").await;
    execute_statements(
        &platform,
        &["UPDATE audit_anchor SET state = 'garbled'", "UPDATE audit_head SET seal = 'garbled'"],
    )
    .await;
    let clients = format!("/tenants/{partner}/clients");
    assert_eq!(platform.sp.post(&clients, json!({ "name": "A" })).await.status, 500);
    let found = audit_findings(&platform, &keys).await;
    for named in ["the head of the chain does not have our seal", "its anchor does not have our seal"] {
        assert!(found.iter().any(|fault| fault.contains(named)), "{named}: {found:?}");
    }
    platform.running.take().unwrap().stop().await;
    let start = || {
        let mut config = Config::new(platform.folder.database());
        (config.limits, config.login.password_hash_cost, config.audit_key) =
            (None, CHEAP_HASH, Some(keys.path("audit.key")));
        tenantry_platform::start(config)
    };
    let refused = start().await.map(drop).unwrap_err().to_string();
    for said in ["is the key that the anchor of the audit log names", "audit verify", "audit new-key"] {
        assert!(refused.contains(said), "{said}: {refused}");
    }
    // The way out is an explicit `audit new-key`, also with the same key. It is recorded in each log.
    assert_eq!(new_audit_key(&platform.folder.database(), &keys.path("audit.key")).await.unwrap(), 2);
    platform.resume(|config| config.audit_key = Some(keys.path("audit.key"))).await;
    platform.sp.create_client(&partner, "A").await;
    let seen = verify_audit_log(&platform, &keys).await;
    assert!(seen.findings.is_empty() && seen.notes.len() == 2, "{seen}");
}
