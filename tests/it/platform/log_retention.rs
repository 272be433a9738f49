//! Tests of the retention of the audit log and of the login history, and of the evidence in an earlier version's log.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tenantry_platform::{Config, new_audit_key, verify_audit};

use super::audit::{audit_findings, audit_rows, execute_statements, start_with_audit_key};
use super::people::{CHOSEN_PASSWORD, PASSWORD};
use super::{TestFolder, TestPlatform};

const DAY: i64 = 24 * 3_600_000;

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

async fn count_rows(platform: &TestPlatform, text: &'static str) -> i64 {
    sqlx::query_scalar(text).fetch_one(&platform.pool().await).await.unwrap()
}

/// Creates a partner with six rows and a user with a login.
async fn partner_with_six_rows(platform: &TestPlatform) -> String {
    let partner = platform.create_partner("Acme").await;
    platform.create_logged_in_user(&partner, "ada", &[]).await;
    assert!(audit_rows(platform, &partner).await.len() >= 5);
    partner
}

/// shows: security/pci/10.5.1
#[tokio::test]
async fn log_and_logins_are_kept_for_four_hundred_days_and_then_leave_a_checkpoint() {
    let (platform, keys) = start_with_audit_key().await;
    let partner = partner_with_six_rows(&platform).await;
    let running = platform.running.as_ref().unwrap();
    let rows = audit_rows(&platform, &partner).await.len();
    running.run_maintenance(now() + 400 * DAY - 60_000).await.unwrap();
    assert_eq!(audit_rows(&platform, &partner).await.len(), rows);
    assert_eq!(count_rows(&platform, "SELECT COUNT(*) FROM login_history").await, 2);
    running.run_maintenance(now() + 400 * DAY + 1).await.unwrap();
    assert_eq!(count_rows(&platform, "SELECT COUNT(*) FROM audit").await, 0);
    assert_eq!(count_rows(&platform, "SELECT COUNT(*) FROM login_history").await, 0);
    assert!(audit_findings(&platform, &keys).await.is_empty());
    // New rows continue after the removed ones.
    platform.sp.post(&format!("{}/{partner}", platform.partners_path()), json!({ "city": "Bonn" })).await.json();
    let left = audit_rows(&platform, &partner).await;
    assert_eq!((left.len(), &left[0]["number"]), (1, &json!(rows + 1)));
    assert!(audit_findings(&platform, &keys).await.is_empty());
    for (tampering, named) in [
        ("UPDATE audit_checkpoint SET number = 2 WHERE tenant_id = 2", "checkpoint of what was erased does not have"),
        ("DELETE FROM audit_checkpoint WHERE tenant_id = 2", "row 1: the rows up to 5 are missing, 5 rows"),
    ] {
        execute_statements(&platform, &[tampering]).await;
        let found = audit_findings(&platform, &keys).await;
        assert!(found.iter().any(|fault| fault.contains(named)), "{tampering}: {found:?}");
    }
}

#[tokio::test]
async fn another_key_seals_anew_what_the_log_says_about_rows_that_were_erased() {
    let (mut platform, keys) = start_with_audit_key().await;
    let partner = partner_with_six_rows(&platform).await;
    let gone = platform.create_partner("Gone").await;
    platform.sp.post_empty(&format!("{}/{gone}/terminate", platform.partners_path())).await.json();
    // The partner is purged. A checkpoint remains of the other tenants' rows.
    for days in [91, 401] {
        platform.running.as_ref().unwrap().run_maintenance(now() + days * DAY).await.unwrap();
    }
    assert!(count_rows(&platform, "SELECT COUNT(*) FROM audit_checkpoint").await > 0);
    assert_eq!(count_rows(&platform, "SELECT COUNT(*) FROM audit_purged").await, 1);
    platform.sp.post(&format!("{}/{partner}", platform.partners_path()), json!({ "city": "Bonn" })).await.json();
    platform.running.take().unwrap().stop().await;
    let (database, other) = (platform.folder.database(), keys.path("other.key"));
    new_audit_key(&database, &other).await.unwrap();
    let seen = verify_audit(&database, Some(&other)).await.unwrap();
    assert!(seen.findings.is_empty(), "{seen}");
}

#[tokio::test]
async fn the_housekeeping_of_a_start_erases_by_its_own_clock() {
    let (mut platform, keys) = start_with_audit_key().await;
    let partner = partner_with_six_rows(&platform).await;
    let rows = audit_rows(&platform, &partner).await.len();
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    platform
        .restart(|config| {
            config.audit_key = Some(keys.path("audit.key"));
            config.log_retention = std::time::Duration::from_millis(1);
        })
        .await;
    let mut left = rows;
    for _ in 0..600 {
        left = audit_rows(&platform, &partner).await.len();
        if left == 0 && count_rows(&platform, "SELECT COUNT(*) FROM login_history").await == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(left, 0);
    platform.sp.post(&format!("{}/{partner}", platform.partners_path()), json!({ "city": "Bonn" })).await.json();
    assert!(audit_findings(&platform, &keys).await.is_empty());
}

#[tokio::test]
async fn a_log_that_does_not_hold_is_never_erased_for_its_age() {
    let (platform, keys) = start_with_audit_key().await;
    let partner = partner_with_six_rows(&platform).await;
    execute_statements(&platform, &["UPDATE audit SET outcome = 'denied' WHERE tenant_id = 2 AND number = 3"]).await;
    let before = audit_findings(&platform, &keys).await;
    assert_eq!(before, [format!("tenant `{partner}`, row 3: the row was changed, or moved here from another place")]);
    let rows = audit_rows(&platform, &partner).await.len();
    for days in [401, 500, 900] {
        platform.running.as_ref().unwrap().run_maintenance(now() + days * DAY).await.unwrap();
    }
    assert_eq!(audit_rows(&platform, &partner).await.len(), rows);
    assert_eq!(audit_findings(&platform, &keys).await, before);
}

/// shows: security/asvs/16.4.1
#[tokio::test]
async fn a_checkpoint_that_somebody_else_put_there_is_replaced_by_no_sealed_one() {
    let (platform, keys) = start_with_audit_key().await;
    let partner = partner_with_six_rows(&platform).await;
    let checkpoint = "INSERT INTO audit_checkpoint (tenant_id, number, hash, seal) \
                      SELECT 2, 2, hash, 'forged' FROM audit WHERE tenant_id = 2 AND number = 2";
    execute_statements(&platform, &[checkpoint, "DELETE FROM audit WHERE tenant_id = 2 AND number < 3"]).await;
    let rows = audit_rows(&platform, &partner).await.len();
    for _ in 0..2 {
        let found = audit_findings(&platform, &keys).await;
        let forged = format!("tenant `{partner}`, row 2: the checkpoint of what was erased does not have our seal");
        assert!(found.contains(&forged), "{found:?}");
        platform.running.as_ref().unwrap().run_maintenance(now() + 401 * DAY).await.unwrap();
    }
    assert_eq!(audit_rows(&platform, &partner).await.len(), rows);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

type UnsealedAuditRow = (i64, i64, i64, String, String, String, String, String);

/// Rewrites the log as the earlier version left it: rows without seals, and sealed heads.
async fn rewrite_as_unsealed(platform: &TestPlatform, keys: &TestFolder) {
    let key = std::fs::read_to_string(keys.path("audit.key")).unwrap();
    let pool = platform.pool().await;
    let text =
        "SELECT tenant_id, number, at, actor, action, object, outcome, request FROM audit ORDER BY tenant_id, number";
    let rows: Vec<UnsealedAuditRow> = sqlx::query_as(text).fetch_all(&pool).await.unwrap();
    let mut previous = (0, String::new());
    for (tenant, number, at, actor, action, object, outcome, request) in rows {
        if previous.0 != tenant {
            previous = (tenant, String::new());
        }
        let whole = (tenant, number, at, &actor, &action, &object, &outcome, &request, &previous.1);
        let hash = hex(&Sha256::digest(serde_json::to_vec(&whole).unwrap()));
        let row = "UPDATE audit SET previous = $1, hash = $2, source = NULL, key_id = '', beside_tenant = NULL, \
                   beside_number = NULL, beside_hash = NULL, seal = '' WHERE tenant_id = $3 AND number = $4";
        let row = sqlx::query(row).bind(&previous.1).bind(&hash).bind(tenant).bind(number);
        row.execute(&pool).await.unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(key.trim().as_bytes()).unwrap();
        mac.update(format!("{tenant}/{number}/{hash}").as_bytes());
        let head = sqlx::query("UPDATE audit_head SET number = $1, hash = $2, seal = $3 WHERE tenant_id = $4");
        let seal = hex(&mac.finalize().into_bytes());
        head.bind(number).bind(&hash).bind(seal).bind(tenant).execute(&pool).await.unwrap();
        previous.1 = hash;
    }
    sqlx::query("DELETE FROM audit_anchor").execute(&pool).await.unwrap();
    pool.close().await;
}

#[tokio::test]
async fn the_log_of_the_version_before_is_covered_by_a_sealed_row_and_goes_on() {
    let (mut platform, keys) = start_with_audit_key().await;
    let partner = partner_with_six_rows(&platform).await;
    let rows = audit_rows(&platform, &partner).await.len();
    platform.running.take().unwrap().stop().await;
    rewrite_as_unsealed(&platform, &keys).await;
    let config = |config: &mut Config| config.audit_key = Some(keys.path("audit.key"));
    platform.resume(config).await;
    assert!(audit_findings(&platform, &keys).await.is_empty());
    let log = audit_rows(&platform, &partner).await;
    assert_eq!((log.len(), &log[rows]["action"]), (rows + 1, &json!("audit.epoch")));
    platform.sp.login("ada", CHOSEN_PASSWORD).await.json();
    assert!(audit_findings(&platform, &keys).await.is_empty());
    platform.restart(config).await;
    assert_eq!(audit_rows(&platform, &partner).await.len(), rows + 2, "an epoch begins once");
    // Old rows cannot be changed, and no rows can be inserted after the sealed ones.
    execute_statements(&platform, &["UPDATE audit SET outcome = 'denied' WHERE tenant_id = 2 AND number = 2"]).await;
    let found = audit_findings(&platform, &keys).await;
    assert_eq!(found, [format!("tenant `{partner}`, row 2: the row was changed, or moved here from another place")]);
}

#[tokio::test]
async fn a_log_that_was_forged_before_the_new_version_came_says_so() {
    let (mut platform, keys) = start_with_audit_key().await;
    let partner = partner_with_six_rows(&platform).await;
    platform.running.take().unwrap().stop().await;
    rewrite_as_unsealed(&platform, &keys).await;
    execute_statements(&platform, &["UPDATE audit_head SET seal = 'forged' WHERE tenant_id = 2"]).await;
    platform.resume(|config| config.audit_key = Some(keys.path("audit.key"))).await;
    platform.sp.login("ada", PASSWORD).await;
    let found = audit_findings(&platform, &keys).await;
    assert!(
        found.len() == 1 && found[0].contains(&partner) && found[0].contains("behind the platform's back"),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_log_whose_seals_were_all_taken_away_is_not_taken_for_one_without_a_key() {
    let (mut platform, keys) = start_with_audit_key().await;
    partner_with_six_rows(&platform).await;
    platform.running.take().unwrap().stop().await;
    rewrite_as_unsealed(&platform, &keys).await;
    execute_statements(&platform, &["UPDATE audit_head SET seal = ''"]).await;
    platform.resume(|config| config.audit_key = Some(keys.path("audit.key"))).await;
    platform.sp.login("ada", PASSWORD).await;
    let found = audit_findings(&platform, &keys).await;
    assert!(found.iter().any(|fault| fault.contains("its anchor was replaced")), "{found:?}");
}
