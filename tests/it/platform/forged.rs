//! Evidence that somebody forges who can write the database and has not the key.

use sha2::{Digest as _, Sha256};
use tenantry::platform::{self, Config, export_audit, new_audit_key, verify_audit};

use super::audit::{findings, sealed, tamper, verified};
use super::people::{PASSWORD, user};
use super::{CHEAP, Folder, Platform};

/// Rewrites a tenant's chain as somebody would who knows how it is made: without its row `gone`, each hash made anew, and the
/// head put where it belongs.
async fn forge(platform: &Platform, tenant: i64, gone: i64) {
    let pool = platform.pool().await;
    let text = "SELECT at, actor, action, object, outcome, request FROM audit WHERE tenant_id = $1 AND number <> $2 ORDER BY number";
    let rows: Vec<(i64, String, String, String, String, String)> =
        sqlx::query_as(text).bind(tenant).bind(gone).fetch_all(&pool).await.unwrap();
    sqlx::query("DELETE FROM audit WHERE tenant_id = $1").bind(tenant).execute(&pool).await.unwrap();
    let (mut number, mut previous) = (0_i64, String::new());
    for (at, actor, action, object, outcome, request) in rows {
        number += 1;
        let whole = (tenant, number, at, &actor, &action, &object, &outcome, &request, &previous);
        let bytes = serde_json::to_vec(&whole).unwrap();
        let digits: Vec<String> = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let hash = digits.concat();
        let insert = "INSERT INTO audit (tenant_id, number, at, actor, action, object, outcome, request, previous, hash) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        let row = sqlx::query(insert).bind(tenant).bind(number).bind(at).bind(actor).bind(action).bind(object);
        let row = row.bind(outcome).bind(request).bind(&previous).bind(&hash);
        row.execute(&pool).await.unwrap();
        previous = hash;
    }
    let head = sqlx::query("UPDATE audit_head SET number = $1, hash = $2, seal = 'forged' WHERE tenant_id = $3");
    head.bind(number).bind(previous).bind(tenant).execute(&pool).await.unwrap();
    pool.close().await;
}

#[tokio::test]
async fn no_event_that_anybody_can_cause_heals_a_forged_log() {
    let (platform, keys) = sealed().await;
    let partner = platform.partner("Acme").await;
    let users = format!("/tenants/{partner}/users");
    platform.sp.post(&users, user("ada", &[])).await.json();
    platform.caller_of(&partner).await;
    let before = verified(&platform, &keys).await;
    assert!(before.findings.is_empty(), "{before}");
    forge(&platform, 2, 2).await;
    let seal = format!("tenant `{partner}`, row 3: the head of the chain does not have our seal");
    assert_eq!(findings(&platform, &keys).await, [seal]);
    // A failed login needs no account, and other events follow it.
    for _ in 0..3 {
        assert_eq!(platform.sp.login("ada", "Wrong-Passw0rd!").await.status, 401);
    }
    platform.sp.login("ada", PASSWORD).await.json();
    let broken = format!("tenant `{partner}`, row 4: the log was changed behind the platform's back before this row");
    assert_eq!(findings(&platform, &keys).await, [broken]);
    // Whoever takes that row out again is found out again.
    forge(&platform, 2, 4).await;
    platform.sp.login("ada", PASSWORD).await.json();
    let again = findings(&platform, &keys).await;
    assert!(again.len() == 1 && again[0].contains("behind the platform's back"), "{again:?}");
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
    ] {
        let (platform, keys) = sealed().await;
        let partner = platform.partner("Acme").await;
        platform.sp.client(&partner, "A").await;
        tamper(&platform, cut).await;
        platform.sp.client(&partner, "B").await;
        let found = findings(&platform, &keys).await;
        assert!(found.len() == 1 && found[0].contains(named), "{found:?}");
    }
}

#[tokio::test]
async fn a_missing_or_another_key_stops_the_start_with_one_sentence() {
    let (mut platform, keys) = sealed().await;
    platform.running.take().unwrap().stop().await;
    let start = |key: Option<&str>| {
        let mut config = Config::new(platform.folder.database());
        (config.limits, config.login.work, config.audit_key) = (None, CHEAP, key.map(|key| keys.path(key)));
        async move { platform::start(config).await.map(drop).map_err(|error| error.to_string()) }
    };
    let missing = start(Some("lost.key")).await.unwrap_err();
    assert!(missing.contains("lost.key is missing") && missing.contains("audit new-key"), "{missing}");
    assert!(!keys.path("lost.key").exists(), "no new key takes its place in silence");
    std::fs::write(keys.path("other.key"), "x".repeat(40)).unwrap();
    let other = start(Some("other.key")).await.unwrap_err();
    assert!(other.contains("is not the key that the database is sealed with"), "{other}");
    let unnamed = start(None).await.unwrap_err();
    assert!(unnamed.contains("--audit-key"), "{unnamed}");
    // Nothing of that left a row, and the key itself still opens.
    assert!(findings(&platform, &keys).await.is_empty());
    start(Some("audit.key")).await.unwrap();
    let again = new_audit_key(&platform.folder.database(), &keys.path("audit.key")).await.unwrap_err();
    assert!(again.to_string().contains("already"), "{again}");
    // The way out is asked for, and stands in each chain.
    assert_eq!(new_audit_key(&platform.folder.database(), &keys.path("other.key")).await.unwrap(), 1);
    start(Some("other.key")).await.unwrap();
    let seen = verify_audit(&platform.folder.database(), Some(&keys.path("other.key"))).await.unwrap();
    assert!(seen.findings.is_empty() && seen.notes.len() == 1, "{seen}");
    assert!(seen.to_string().contains("goes on with another key"), "{seen}");
}

#[tokio::test]
async fn a_log_that_was_kept_without_a_key_is_sealed_by_its_first_one() {
    let mut platform = Platform::start().await;
    platform.partner("Acme").await;
    let keys = Folder::new();
    platform.restart(|config| config.audit_key = Some(keys.path("audit.key"))).await;
    assert!(findings(&platform, &keys).await.is_empty());
    platform.partner("Other").await;
    assert!(findings(&platform, &keys).await.is_empty());
}

#[tokio::test]
async fn verify_and_export_read_only_and_migrate_nothing() {
    let (mut platform, keys) = sealed().await;
    platform.partner("Acme").await;
    platform.running.take().unwrap().stop().await;
    // As a program of an earlier day left it.
    tamper(&platform, &["DROP TABLE duo_state", "DELETE FROM _sqlx_migrations WHERE version >= 10"]).await;
    assert!(findings(&platform, &keys).await.is_empty());
    let mut lines = Vec::new();
    export_audit(&platform.folder.database(), None, &mut lines).await.unwrap();
    assert!(!lines.is_empty());
    let pool = platform.pool().await;
    let newest: i64 = sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(&pool).await.unwrap();
    assert_eq!(newest, 9);
    pool.close().await;
    if !platform.folder.database().contains("://") {
        let url = format!("sqlite://{}?mode=ro", platform.folder.database());
        export_audit(&url, None, &mut lines).await.unwrap();
        let missing = verify_audit(&platform.folder.path("none.db").display().to_string(), None).await.unwrap_err();
        assert!(missing.to_string().contains("there is no database"), "{missing}");
    }
}
