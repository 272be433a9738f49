//! Tests of the audit log: what its rows contain, and that every change to a row is detected.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tenantry_platform::{VerificationReport, export_audit, verify_audit};

use super::{TestFolder, TestPlatform};

/// Starts a platform with a key for its audit log.
pub(super) async fn start_with_audit_key() -> (TestPlatform, TestFolder) {
    let keys = TestFolder::new();
    let key = keys.path("audit.key");
    let platform = TestPlatform::start_with(|config| config.audit_key = Some(key)).await;
    (platform, keys)
}

fn audit_key_path(keys: &TestFolder) -> PathBuf {
    keys.path("audit.key")
}

pub(super) async fn verify_audit_log(platform: &TestPlatform, keys: &TestFolder) -> VerificationReport {
    verify_audit(&platform.folder.database(), Some(&audit_key_path(keys))).await.unwrap()
}

/// Returns the findings of the verifier.
pub(super) async fn audit_findings(platform: &TestPlatform, keys: &TestFolder) -> Vec<String> {
    verify_audit_log(platform, keys).await.findings.iter().map(ToString::to_string).collect()
}

/// Executes statements on the database file directly, without the platform.
pub(super) async fn execute_statements(platform: &TestPlatform, statements: &[&str]) {
    let pool = platform.pool().await;
    for statement in statements {
        sqlx::query(sqlx::AssertSqlSafe(*statement)).execute(&pool).await.unwrap();
    }
    pool.close().await;
}

/// Returns the rows of a tenant's audit log.
pub(super) async fn audit_rows(platform: &TestPlatform, tenant: &str) -> Vec<Value> {
    let mut bytes = Vec::new();
    export_audit(&platform.folder.database(), Some(tenant), &mut bytes).await.unwrap();
    bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn row_summaries(lines: &[Value]) -> Vec<String> {
    let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
    lines
        .iter()
        .map(|line| format!("{} {} {}", text(line, "action"), text(line, "object"), text(line, "outcome")))
        .collect()
}

/// shows: security/pci/10.2
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_and_termination_is_a_row_for_the_tenant_and_its_parent() {
    let (platform, keys) = start_with_audit_key().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let path = format!("/tenants/{partner}/clients/{client}");
    let answer = platform.sp.post(&path, json!({ "city": "Bonn" })).await;
    let request = answer.headers["x-request-id"].to_str().unwrap().to_owned();
    // An update without a difference is not a change.
    platform.sp.post(&path, json!({ "city": "Bonn" })).await.json();
    platform.sp.put(&format!("/tenants/{client}/customBranding"), json!({ "applicationTitle": "G" })).await.json();
    for action in ["suspend", "suspend", "activate", "terminate"] {
        platform.sp.post_empty(&format!("{path}/{action}")).await.json();
    }
    let own = audit_rows(&platform, &client).await;
    let both = ["suspend", "activate", "terminate"].map(|action| format!("tenant.{action} {client} done"));
    let changes = [format!("tenant.create {client} done"), format!("tenant.update {client} done")];
    let branding = [format!("branding.update {client} done")];
    assert_eq!(row_summaries(&own), [&changes[..], &branding[..], &both[..]].concat());
    let parents = row_summaries(&audit_rows(&platform, &partner).await);
    assert_eq!(parents[1..], [&changes[..1], &both[..]].concat());

    let update = &own[1];
    assert_eq!(update["request"], request);
    assert_eq!(update["tenantId"], client);
    let actor = update["actor"].as_str().unwrap();
    let (login, credential) = actor.split_once('#').unwrap();
    assert_eq!((login, credential.len()), ("api@sp_1", 12));
    assert!(!platform.credential.client_id.contains(credential));
    let seen = verify_audit_log(&platform, &keys).await;
    assert_eq!((seen.chains, seen.findings.len()), (3, 0), "{seen}");
}

/// shows: security/asvs/16.2.5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_data_and_every_export_is_a_row() {
    let folder = TestFolder::new();
    let out = folder.path("out").display().to_string();
    let destinations = vec![out.clone(), "http://127.0.0.1:9/in".to_owned()];
    let platform = TestPlatform::start_with(|config| config.export_destinations = destinations).await;
    let add_ons = ["Batch Exports", "Stream Exports"];
    let acme = super::records::create_subscriber(&platform, "Acme", &[], &add_ons).await;
    let list = format!("/tenants/{acme}/records/resources");
    let record = platform.sp.post(&list, json!({ "name": "router" })).await.json();
    let id = record["id"].as_str().unwrap();
    platform.sp.post(&format!("{list}/{id}"), json!({ "revision": 1, "state": "up" })).await.json();
    let exports = |what: &str| format!("/tenants/{acme}/exports/{what}");
    let batch = json!({ "data": ["inventory"], "destination": out });
    platform.sp.post(&exports("batch"), batch).await.json();
    let stream = json!({ "name": "siem", "url": "http://127.0.0.1:9/in/acme" });
    let stream = platform.sp.post(&exports("stream"), stream).await.json();
    let path = format!("/api/v2{}/{}", exports("stream"), stream["id"].as_str().unwrap());
    platform.sp.send(reqwest::Method::DELETE, &path, Vec::new()).await.json();
    let later = jiff::Timestamp::now().as_millisecond() + 91 * 24 * 3_600_000;
    platform.running.as_ref().unwrap().run_maintenance(later).await.unwrap();
    let rows = row_summaries(&audit_rows(&platform, &acme).await);
    let actions: Vec<&str> = rows[1..].iter().map(|row| row.split(' ').next().unwrap()).collect();
    let all = ["record.create", "record.update", "export.batch", "export.stream", "export.streamEnd", "record.expire"];
    assert_eq!(actions, all, "{rows:?}");
    assert!(rows[1..].iter().all(|row| row.ends_with(" done")), "{rows:?}");
    assert!(rows[2].contains(&format!("resources/{id}")), "{rows:?}");
}

/// shows: security/asvs/16.2.5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn denied_attempts_and_credentials_are_rows_without_secrets() {
    let (platform, keys) = start_with_audit_key().await;
    let (acme, other) = (platform.create_partner("Acme").await, platform.create_partner("Other").await);
    let caller = platform.caller_for_tenant(&acme).await;
    caller.get(&format!("/tenants/{other}/clients/minimal")).await.assert_error(404, "not found");
    caller.get("/tenants/x%0a%1b%5b31m%E2%80%AEy/impact").await.assert_error(404, "not found");
    let first = platform.credential.clone();
    let form =
        [("grant_type", "client_credentials"), ("client_id", first.client_id.as_str()), ("client_secret", "zebra")];
    let url = format!("{}/auth/oauth/token", platform.url());
    assert_eq!(reqwest::Client::new().post(url).form(&form).send().await.unwrap().status(), 401);

    let rows = audit_rows(&platform, &acme).await;
    let summaries = row_summaries(&rows);
    assert!(
        summaries[1].starts_with("credential.create ") && summaries[2] == "token.issue token done",
        "{summaries:?}"
    );
    assert_eq!(summaries[3], format!("request GET /api/v2/tenants/{{tenant}}/clients/minimal {other} denied"));
    assert_eq!(summaries[4], r"request GET /api/v2/tenants/{tenant}/impact x\u{a}\u{1b}[31m\u{202e}y denied");
    assert!(rows[3]["actor"].as_str().unwrap().starts_with(&format!("api@{acme}#")));
    // The stranger's attempt is not in the log of the tenant that it was about. Otherwise strangers could fill other
    // tenants' logs.
    assert_eq!(audit_rows(&platform, &other).await.len(), 1);
    let provider = self::row_summaries(&audit_rows(&platform, "sp_1").await);
    assert!(provider.contains(&"token.issue token denied".to_owned()), "{provider:?}");

    let mut all = Vec::new();
    export_audit(&platform.folder.database(), None, &mut all).await.unwrap();
    let all = String::from_utf8(all).unwrap();
    for secret in [&first.client_id, &first.client_secret, &caller.token, &"zebra".to_owned()] {
        assert!(!all.contains(secret.as_str()), "the log holds a secret");
    }
    assert!(audit_findings(&platform, &keys).await.is_empty());
}

/// Creates a partner whose audit chain has six rows.
async fn partner_with_six_rows(platform: &TestPlatform) -> String {
    let partner = platform.create_partner("Acme").await;
    for city in ["A", "B", "C", "D", "E"] {
        platform.sp.post(&format!("{}/{partner}", platform.partners_path()), json!({ "city": city })).await.json();
    }
    partner
}

/// shows: security/asvs/16.4.1, security/pci/10.2
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_was_edited_removed_moved_or_added_is_named() {
    let changed = "the row was changed, or moved here from another place";
    let missing = "the row is missing";
    for (tampering, named) in [
        (&["UPDATE audit SET actor = 'api@sp_1#somebody' WHERE tenant_id = 2 AND number = 3"][..], vec![(3, changed)]),
        (&["UPDATE audit SET at = at + 1 WHERE tenant_id = 2 AND number = 1"][..], vec![(1, changed)]),
        (&["DELETE FROM audit WHERE tenant_id = 2 AND number = 4"][..], vec![(4, missing)]),
        (&["DELETE FROM audit WHERE tenant_id = 2 AND number = 1"][..], vec![(1, missing)]),
        (
            &["DELETE FROM audit WHERE tenant_id = 2 AND number > 4"][..],
            vec![(5, "the rows up to 6 are missing, 2 rows")],
        ),
        (
            &[
                "UPDATE audit SET number = 99 WHERE tenant_id = 2 AND number = 2",
                "UPDATE audit SET number = 2 WHERE tenant_id = 2 AND number = 3",
                "UPDATE audit SET number = 3 WHERE tenant_id = 2 AND number = 99",
            ][..],
            vec![(2, changed), (3, changed), (4, "the row does not follow the one before it")],
        ),
        (
            &[
                "DELETE FROM audit WHERE tenant_id = 2 AND number = 6",
                "UPDATE audit_head SET number = 5, \
                 hash = (SELECT hash FROM audit WHERE tenant_id = 2 AND number = 5) WHERE tenant_id = 2",
            ][..],
            vec![(5, "the head of the chain does not have our seal")],
        ),
        (
            &[
                "DELETE FROM audit WHERE tenant_id = 2 AND number > 3",
                "UPDATE audit_head SET number = 3, hash = (SELECT hash FROM audit WHERE tenant_id = 2 AND number = 3), \
                 seal = (SELECT seal FROM audit_head WHERE tenant_id = 1) WHERE tenant_id = 2",
            ][..],
            vec![(3, "the head of the chain does not have our seal")],
        ),
        (&["DELETE FROM audit_head WHERE tenant_id = 2"][..], vec![(6, "the head of the chain is missing")]),
        (
            &["DELETE FROM audit WHERE tenant_id = 2", "DELETE FROM audit_head WHERE tenant_id = 2"][..],
            vec![(1, "the whole chain is missing")],
        ),
        (
            &["INSERT INTO audit (tenant_id, number, at, actor, action, object, outcome, request, previous, hash) \
               SELECT tenant_id, 7, at, actor, action, object, outcome, request, hash, hash \
               FROM audit WHERE tenant_id = 2 AND number = 6"][..],
            vec![(7, changed), (7, "the row stands behind the head of the chain")],
        ),
    ] {
        let (platform, keys) = start_with_audit_key().await;
        let partner = partner_with_six_rows(&platform).await;
        let sane = verify_audit_log(&platform, &keys).await;
        assert_eq!((sane.chains, &sane.findings[..]), (2, &[][..]));
        execute_statements(&platform, tampering).await;
        let wanted: Vec<String> =
            named.iter().map(|(row, fault)| format!("tenant `{partner}`, row {row}: {fault}")).collect();
        assert_eq!(audit_findings(&platform, &keys).await, wanted, "{tampering:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_verifies_and_exports_and_fails_where_a_row_was_touched() {
    let (mut platform, keys) = start_with_audit_key().await;
    let partner = partner_with_six_rows(&platform).await;
    platform.running.take().unwrap().stop().await;
    let run = |arguments: &[&str]| {
        let mut command = Command::new(crate::assets::platform_program());
        command
            .args(arguments)
            .args(["--database", &platform.folder.database(), "--audit-key"])
            .arg(audit_key_path(&keys));
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (success, said) = run(&["audit", "verify"]);
    assert!(success && said.ends_with(" rows of 2 tenants read, 0 faults\n"), "{said}");
    let (success, exported) = run(&["audit", "export", "--tenant", &partner]);
    assert!(success);
    let numbers: Vec<Value> =
        exported.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["number"].clone()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6].map(Value::from));
    execute_statements(&platform, &["UPDATE audit SET outcome = 'denied' WHERE tenant_id = 2 AND number = 2"]).await;
    let (success, said) = run(&["audit", "verify"]);
    assert!(!success && said.contains(&format!("tenant `{partner}`, row 2: ")), "{said}");
}
